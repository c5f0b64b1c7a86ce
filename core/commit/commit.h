/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_COMMIT_H
#define MAPFS_CORE_COMMIT_COMMIT_H

/*
 * The commit that mapfs.h hands out, and its state:
 *
 *                 plan_all()         begin()         finish()
 *     UNKNOWN --------------> PLANNED -----> BEGUN ----------> ENDED
 *      | | |                                   |                 |
 *      | | '- find_open() -------------------->|                 |
 *      | '--- find_newest() ------------------ | --------------->|
 *      |                                       |   turn_back()   |
 *      |                                       v                 |
 *      '----- find_open() ---------------> UNDOING <-------------'
 *                                              |
 *                                              '---- finish() ----> UNDONE
 *
 *              STORE/commit/open   STORE/commit/N/after   the base is
 *     UNKNOWN  not looked for yet  not looked for yet     not known yet
 *     PLANNED  not there           not there              untouched
 *     BEGUN    says PLAN_AFTER     not there, or new      between both sides
 *     ENDED    not there           there                  the after side
 *     UNDOING  says PLAN_BEFORE    there, if it had ended between both sides
 *                                  and undoing did not
 *     UNDONE   not there           not there              the before side
 *
 * abandon.c ends a commit that is BEGUN or UNDOING as it stands [S6]: the base
 * stays between both sides, and `open` and `after` are removed.
 *
 * BEGUN and UNDOING survive a crash: the next open of the store finds them.
 * In any other state nothing is under way, and the store can be mounted.
 *
 * Lifetime, errors, locking: as mapfs_commit_open() and mapfs_commit_undo().
 */
#include "core/mapfs.h"
#include "ctx.h"
#include "planning.h"

enum commit_state {
	COMMIT_UNKNOWN,
	COMMIT_PLANNED,
	COMMIT_BEGUN,
	COMMIT_ENDED,
	COMMIT_UNDOING,
	COMMIT_UNDONE,
};

struct mapfs_commit {
	struct mapfs_view *view;
	struct mapfs_commit_options opt; /* strings are the caller's */
	enum commit_state state;
	bool open_is_lost; /* commit/open, of a commit that had begun */
	struct commit_ctx ctx;
	struct planning_ctx planning; /* filled in PLANNED */
	char *store;		      /* absolute path, for people */
};

/* In COMMIT_UNKNOWN, with nothing open; mapfs_commit_close() ends it. */
int must_check commit_create(struct mapfs_commit **out,
			     const struct mapfs_commit_options *opt,
			     struct reason *why);
/* Opens view, base and store, and finds a commit that was interrupted. */
int must_check commit_open_all(struct mapfs_commit *c);

#endif
