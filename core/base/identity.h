/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_IDENTITY_H
#define MAPFS_CORE_BASE_IDENTITY_H

/*
 * Which directory or file a base is: what tells it from every other one, also
 * after a reboot.  A store records it, so that it is not opened over a base
 * that it was not made for.  Where there is no base, the store records in its
 * place who made the empty directory, and when.
 *
 * Lifetime: values; the descriptor is borrowed.
 * Errors:   0 or a negative errno.
 * Locking:  none.
 */
#include <time.h>

#include "core/lib/types.h"

/* As in the record of the base; FORMAT.md. */
enum base_kind {
	BASE_KIND_DIR = 0,
	BASE_KIND_FILE = 1, /* or a block device */
	BASE_KIND_NONE = 2, /* base_open_none() */
};

/* The device is no part of it: its number may change with a reboot. */
struct base_identity {
	enum base_kind kind;
	uint64_t ino;
	struct timespec btime; /* tv_nsec < 0: unknown */
	uint32_t handle_type;  /* of the file handle */
	uint64_t handle_sum;   /* of the handle's bytes; 0: there is none */
	uint32_t uid;	       /* BASE_KIND_NONE: the owner; else 0 */
	uint32_t gid;
};

int must_check base_identify(int fd, struct base_identity *out);
/*
 * Compares what both know.  `strictly`: a directory and its copy in a snapshot
 * of the file system are two directories, although number and birth time
 * agree.  Two bases that are none are the same one.
 */
bool base_is_same(const struct base_identity *a, const struct base_identity *b,
		  bool strictly);

#endif
