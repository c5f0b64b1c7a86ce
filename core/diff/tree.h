/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_TREE_H
#define MAPFS_CORE_DIFF_TREE_H

/*
 * The two trees of one comparison, and the names found to differ: the state that
 * the steps of mapfs_diff() share.
 *
 *   side         the delta of each side, copied
 *   dir          directories, by identity, and their places on the two sides
 *   name         names at which the sides may differ, and their targets
 *   candidates   which names must be looked at
 *   links        names of a changed file that only the base knows
 *   renames      files that were renamed
 *   object       one object of a side
 *   content      bytes of two files compared, where they can differ
 *   compare      one object compared with another
 *   difference   the result of that
 *   diff         names become entries, in order
 *
 * A directory of one side is *replaced* if the other side has another
 * directory under the same name; the two are each other's *replacement*, and
 * their names are compared.
 *
 * Lifetime: everything lives until mapfs_diff() returns.
 * Errors:   none here.
 * Locking:  none; one thread.
 */
#include "core/lib/pool.h"
#include "core/mapfs.h"
#include "side.h"

struct diff_dir;
struct diff_name;

struct differ {
	const struct mapfs_diff_options *opt;
	mapfs_diff_fn fn;
	void *arg;
	struct overlay *to;
	bool shares_pages; /* both sides' pages are in one arena */
	struct pool mem;   /* of sides, names and paths */
	struct diff_side side[SIDES];
	struct diff_dir *by_id;
	struct diff_dir *by_path;
	struct diff_dir *dirs;
	struct diff_dir *root;
	struct diff_dir *queue; /* directories to be listed */
	struct table names;
	struct diff_name *first_name; /* of all names, in the order in which */
	struct diff_name *last_name;  /* they were found */
	uint64_t unseen; /* objects of an absent base that got a number */
	uint64_t done_bytes;
	char *buf[SIDES]; /* for the bytes of two files; NULL: not needed yet */
};

#endif
