/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_STREAM_H
#define MAPFS_TOOLS_LIB_STREAM_H

/*
 * Reading an archive from a descriptor, or writing it to one.  The descriptor
 * may be a pipe whose other end is slow, or not open yet: a signal ends every
 * wait (progress_interrupted()), also one that came just before the wait.
 *
 * Lifetime: the caller keeps the stream until the archive is freed, and
 *           closes its descriptor after that.
 * Errors:   0 or a negative errno; archive_errno() is EINTR after an
 *           interruption.
 * Locking:  one thread.
 */
#include <archive.h>
#include <stddef.h>

#include "core/lib/types.h"

struct stream {
	int fd;	    /* borrowed */
	int own_fd; /* the same pipe, opened without blocking; or -1 */
	void *buf;
};

/* Opens an existing file for writing; a pipe, as soon as it has a reader. */
int must_check stream_open_file(const char *path, int *fd);

/* Instead of archive_write_open_fd(). */
int must_check stream_write_begin(struct stream *s, struct archive *a, int fd);
/* Instead of archive_read_open_fd(); the errno is then in the archive. */
int must_check stream_read_begin(struct stream *s, struct archive *a, int fd);
/* Called after the archive was freed; accepts a zeroed stream. */
void stream_fini(struct stream *s);

#endif
