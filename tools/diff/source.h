/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_SOURCE_H
#define MAPFS_TOOLS_DIFF_SOURCE_H

/*
 * The two sides that `mapfs diff` compares, as the command line names them.
 *
 * Lifetime: diff_source_open() gives it to the caller, diff_source_close() ends
 *           it and accepts NULL.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/mapfs.h"
#include "tree.h"

struct diff_source;

struct diff_source_options {
	const char *target;
	const char *from; /* a snapshot; NULL: the base */
	const char *to;	  /* a snapshot; NULL: the current state */
	bool is_trusted;  /* as in struct target */
};

int must_check diff_source_open(struct diff_source **out,
				const struct diff_source_options *opt,
				struct reason *why);
/* The owner of the store or mount, who should own added objects, too. */
uid_t diff_source_owner(const struct diff_source *s);
/*
 * A path argument as a path from the root of the view; "." is the path that the
 * target names.  The caller frees *out.
 */
int must_check diff_source_path(const struct diff_source *s, const char *arg,
				char **out, struct reason *why);
/* Compares the sides, as mapfs_diff() does. */
int must_check diff_source_run(struct diff_source *s,
			       const struct mapfs_diff_options *opt,
			       mapfs_diff_fn fn, void *arg, struct reason *why);
/* The sides, to be read; borrowed until the source is closed. */
int must_check diff_source_trees(struct diff_source *s,
				 const struct diff_tree **old_tree,
				 const struct diff_tree **new_tree,
				 struct reason *why);
void diff_source_close(struct diff_source *s);

#endif
