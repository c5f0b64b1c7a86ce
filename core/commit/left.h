/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_LEFT_H
#define MAPFS_CORE_COMMIT_LEFT_H

/*
 * What a commit, or its undo, leaves out because others removed or replaced it
 * meanwhile: that is theirs, and stays as it is.  The list is in
 * STORE/commit/N/left, one line "PATH: SENTENCE" for each path, so that it
 * survives a kill and that people can read it later.  A directory of a commit
 * that has the file is never removed as a remainder of planning.
 *
 *   left_load()     the commit is opened
 *   left_add()...   a phase leaves something out; a line is listed once
 *   left_save()     before the phase counts as done
 *
 * Lifetime: left_fini() frees the list; it accepts a zeroed one.
 * Errors:   0 or a negative errno.
 * Locking:  as ctx.h.
 */
#include "ctx.h"

#define LEFT_FILE "left"

/* The path of the object on the side that is made true, or on the other. */
int must_check left_add(struct commit_ctx *ctx, uint32_t object,
			const char *sentence);
/* The path of the name in its directory. */
int must_check left_add_name(struct commit_ctx *ctx, const struct plan_name *n,
			     enum plan_side side, const char *sentence);
/* A line that is not about a path of the plan. */
int must_check left_add_line(struct commit_ctx *ctx, const char *line);
/*
 * As locate_object(), with a sentence.  1: others have removed or replaced the
 * object, which was in the base or was made by this commit; it is left out.
 */
int must_check left_locate(struct commit_ctx *ctx, uint32_t object, int *fd);

bool left_is_empty(const struct commit_ctx *ctx);
/* Calls `fn` for each line; borrowed for the call. */
void left_iterate(const struct commit_ctx *ctx,
		  void (*fn)(void *arg, const char *line), void *arg);

/* Replaces the list by that of the commit whose files are open. */
int must_check left_load(struct commit_ctx *ctx);
/* Durable on return; does nothing if the file has the list already. */
int must_check left_save(struct commit_ctx *ctx);
/* Empties the list, and removes the file; durable. */
int must_check left_forget(struct commit_ctx *ctx);
void left_fini(struct commit_ctx *ctx);

#endif
