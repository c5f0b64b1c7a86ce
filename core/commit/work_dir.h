/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_WORK_DIR_H
#define MAPFS_CORE_COMMIT_WORK_DIR_H

/*
 * The directories of commits in a store: STORE/commit and, for commit N,
 * STORE/commit/N.  One that has neither ended nor is under way is a remainder
 * of planning and means nothing.
 *
 *   work_dir_open_top()
 *   work_dir_create()       planning begins to save bytes
 *   work_dir_write_plan()
 *   ...                     the commit is under way
 *   work_dir_close()
 *
 * or, for a commit that is there already, work_dir_read_plan() with its number
 * in ctx->at.
 *
 * Lifetime: work_dir_close() closes what work_dir_create() and work_dir_open()
 *           open; it may be called at any time, and twice.
 * Errors:   0 or a negative errno.  -EUCLEAN, -EBADMSG: damaged [S1].
 * Locking:  as ctx.h.
 */
#include "ctx.h"

/* -ENOENT: there is no STORE/commit, and `create` is false. */
int must_check work_dir_open_top(struct commit_ctx *ctx, bool create);
/* A new number, its directory and the files in it; durable. */
int must_check work_dir_create(struct commit_ctx *ctx);
/* The newest commit that has ended becomes ctx->at.number.  -ENOENT: none. */
int must_check work_dir_find_newest(struct commit_ctx *ctx);
/* The newest directory of all, whether it means anything.  -ENOENT: none. */
int must_check work_dir_find_last(struct commit_ctx *ctx);
/* Opens the directory of commit ctx->at.number, and nothing that is in it. */
int must_check work_dir_open_alone(struct commit_ctx *ctx);
/* Opens the files of commit ctx->at.number. */
int must_check work_dir_open(struct commit_ctx *ctx);
void work_dir_close(struct commit_ctx *ctx);
/* Removes STORE/commit/<number> with everything in it. */
int must_check work_dir_remove(struct commit_ctx *ctx, uint64_t number);

/*
 * Writes the plan; what it refers to in `saved` is made durable before, and its
 * sums are durable, too, on return.
 */
int must_check work_dir_write_plan(struct commit_ctx *ctx);
/* Closes and opens the commit; its plan replaces ctx->plan. */
int must_check work_dir_read_plan(struct commit_ctx *ctx);

/*
 * The plan of any commit, whose directory is `dirfd`, with the inode numbers
 * that its objects have in the base.  These are written once all new objects
 * are built; until then new objects have none.
 */
int must_check work_dir_load_plan(int dirfd, struct plan **out,
				  struct reason *why);
int must_check work_dir_write_inos(int dirfd, const struct plan *p);

/*
 * A file of commit ctx->at.number, or its directory gone, is missing although
 * the commit needs it: a sentence, and -EUCLEAN.
 */
int work_dir_refuse_missing(struct commit_ctx *ctx, const char *name);
/* `inos` must be there: the commit has built its objects. */
int must_check work_dir_check_inos(struct commit_ctx *ctx);
/*
 * Had commit ctx->at.number begun, and is there no trace of its end?  If it is
 * not under way, and its delta is kept, its file `after` was removed.
 */
bool work_dir_lost_its_end(const struct commit_ctx *ctx);

#endif
