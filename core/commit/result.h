/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_RESULT_H
#define MAPFS_CORE_COMMIT_RESULT_H

/*
 * The result of a commit: what each object of its plan was in the base when
 * the commit had ended.  Undoing compares it with what is there now, so that
 * later changes of the base are not overwritten.  It is the content of
 * STORE/commit/N/after, and that file is there exactly while commit N can be
 * undone.
 *
 * Lifetime: result_read() allocates one for each object, the caller frees.
 * Errors:   0 or a negative errno.  -EUCLEAN, -EBADMSG: damaged [S1].
 * Locking:  as ctx.h.
 */
#include "ctx.h"

struct result {
	uint64_t ino;
	uint64_t size_bytes; /* for directories 0, like the ctime */
	uint64_t mtime_s;
	uint64_t ctime_s;
	uint32_t mtime_ns;
	uint32_t ctime_ns;
	uint32_t mode;
	uint32_t is_there;
	/* Not there, but a mode: what gone/ has of a file that was removed. */
};

/* What the object is now; all zero if it is nowhere. */
int must_check result_look(struct commit_ctx *ctx, const struct plan_object *o,
			   struct result *out);
bool result_fits(const struct plan_object *o, const struct result *a,
		 const struct result *b);
int must_check result_save(int dirfd, const struct plan *p,
			   const struct result *all);
int must_check result_read(int dirfd, const struct plan *p, struct result **out,
			   struct reason *why);
/* Looks at all objects and saves that: from here on undoing is possible. */
int must_check result_write(struct commit_ctx *ctx);
/* -ESTALE, -EEXIST: the base was changed since where undoing would change it. */
int must_check result_check(struct commit_ctx *ctx);
/* The commit cannot be undone any more; durable. */
int must_check result_forget(const struct commit_ctx *ctx);

#endif
