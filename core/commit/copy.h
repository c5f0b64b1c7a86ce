/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_COPY_H
#define MAPFS_CORE_COMMIT_COPY_H

/*
 * Copying bytes between the store and the base.
 *
 * Errors:   0 or a negative errno.  -EINTR: the commit is asked to stop.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

struct copy_range {
	int from; /* descriptors */
	int to;
	uint64_t from_off;
	uint64_t to_off;
	uint64_t len;
};

/* Shares the bytes where the file system can; a hole may become zeros. */
int must_check copy_range(struct commit_ctx *ctx, const struct copy_range *r);
/* The whole file, with its holes, into an empty one. */
int must_check copy_file(struct commit_ctx *ctx, int from, int to);
/*
 * Appends what [off, off + len) of `fd` has to the saved bytes of the commit,
 * and adds to `s` the runs that bring it back.
 */
int must_check copy_save(struct commit_ctx *ctx, int fd, uint64_t off,
			 uint64_t len, struct plan_state *s);

#endif
