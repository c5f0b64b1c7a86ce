/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_PATCH_H
#define MAPFS_TOOLS_DIFF_PATCH_H

/*
 * A comparison as a patch that `patch -p1` and `git apply` accept.  They know
 * neither directories nor owners, so that is left out; a directory that was
 * renamed is a rename of each file in it.
 *
 * Calling: create, add for each entry (compared with want_tree), write,
 *          destroy (accepts NULL).
 * Errors:  0 or a negative errno; diff_patch_write() also a sentence.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/mapfs.h"
#include "tree.h"

struct diff_patch;

/* Out of memory ends the program. */
struct diff_patch *diff_patch_create(void);
int must_check diff_patch_add(struct diff_patch *p,
			      const struct mapfs_diff_entry *e);
/* Only these paths, borrowed, and what is below; NULL: all. */
void diff_patch_limit(struct diff_patch *p, const char *const *paths,
		      size_t count);
uint64_t diff_patch_count(const struct diff_patch *p);
/* To stdout; ends early, with 0, once that cannot be written. */
int must_check diff_patch_write(struct diff_patch *p,
				const struct diff_tree *old_tree,
				const struct diff_tree *new_tree,
				struct reason *why);
void diff_patch_destroy(struct diff_patch *p);

#endif
