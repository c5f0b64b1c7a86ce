/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_SOURCE_H
#define MAPFS_TOOLS_DIFF_SOURCE_H

/*
 * Where the entries of `mapfs diff` come from: two trees that are found by
 * what the command line says.
 *
 * Lifetime: diff_source_open() .. diff_source_close() (accepts NULL).
 * Errors:   0 or a negative errno and a sentence in `why`.
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
	const char *to;	  /* a snapshot; NULL: what it is now */
	bool is_trusted;  /* as in struct target */
};

int must_check diff_source_open(struct diff_source **out,
				const struct diff_source_options *opt,
				struct reason *why);
/* Who should own what was added: the user whose store or mount it is. */
uid_t diff_source_owner(const struct diff_source *s);
/*
 * A path of the command line as the trees have it, the caller's to free; "."
 * is what was named.
 */
int must_check diff_source_path(const struct diff_source *s, const char *arg,
				char **out, struct reason *why);
/* As mapfs_diff(). */
int must_check diff_source_run(struct diff_source *s,
			       const struct mapfs_diff_options *opt,
			       mapfs_diff_fn fn, void *arg, struct reason *why);
/* The sides to read from; borrowed until the source is closed. */
int must_check diff_source_trees(struct diff_source *s,
				 const struct diff_tree **old_tree,
				 const struct diff_tree **new_tree,
				 struct reason *why);
void diff_source_close(struct diff_source *s);

#endif
