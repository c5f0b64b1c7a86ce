/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_ONLY_FILE_H
#define MAPFS_CORE_BASE_ONLY_FILE_H

/*
 * A base that is a file.  Its root is the directory above the file, and shows
 * the name of the file alone.  The file is reached by a descriptor that was
 * opened before mounting, not by its name: a mount that covers the name, or a
 * file that replaces it, changes nothing.
 *
 * A block device is shown as a regular file of the device's size.
 *
 * Lifetime: only_file_open() .. only_file_close() (accepts NULL).
 * Errors:   0 or a negative errno; -ENOENT: another name than the file's.
 * Locking:  none; nothing changes while it is open.
 */
#include <sys/stat.h>

#include "core/lib/types.h"

struct only_file {
	int fd;	    /* O_PATH */
	char *name; /* in the directory above */
	bool is_device;
	uint64_t device_bytes; /* of a block device; else 0 */
};

/* Does the mode belong to an object that can be a base of this kind? */
bool only_file_is_one(mode_t mode);
/* The directory above, O_PATH.  `path` is absolute. */
int must_check only_file_open_above(const char *path, int *fd);
/*
 * `fd` is O_PATH and of the object at `path`; it is taken, also on an error.
 */
int must_check only_file_open(struct only_file **out, const char *path, int fd);
void only_file_close(struct only_file *f);

/* openat(2) in the root: of the file, with O_NOATIME as a wish. */
int must_check only_file_openat(const struct only_file *f, const char *name,
				int flags, int *fd);
/* Shows a block device as what the view shows. */
void only_file_show(const struct only_file *f, struct statx *stx);

#endif
