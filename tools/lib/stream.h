/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_STREAM_H
#define MAPFS_TOOLS_LIB_STREAM_H

/*
 * An archive read from or written to a descriptor that may be a pipe with
 * nobody at its other end, or somebody who takes his time: what
 * progress_interrupted() says ends every wait, also when the signal came just
 * before it.
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
	int own_fd; /* the same pipe, but it never blocks; or -1 */
	void *buf;
};

/* Opens what is there for writing; of a pipe, once somebody reads it. */
int must_check stream_open_file(const char *path, int *fd);

/* Instead of archive_write_open_fd(). */
int must_check stream_write_begin(struct stream *s, struct archive *a, int fd);
/* Instead of archive_read_open_fd(); the errno is then in the archive. */
int must_check stream_read_begin(struct stream *s, struct archive *a, int fd);
/* After the archive was freed; accepts a zeroed one. */
void stream_fini(struct stream *s);

#endif
