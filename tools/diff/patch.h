/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_DIFF_PATCH_H
#define MAPFS_TOOLS_DIFF_PATCH_H

/*
 * A comparison as a patch that `patch -p1` and `git apply` accept.  A patch
 * knows neither directories nor owners, so both are left out; a directory that
 * was renamed becomes a rename of each file in it.
 *
 * Calling:  diff_patch_create(), diff_patch_add() for each entry of a
 *           comparison with want_tree, diff_patch_write(),
 *           diff_patch_destroy(), which accepts NULL.
 * Lifetime: entries are copied; paths and trees are borrowed.
 * Errors:   0 or a negative errno; diff_patch_write() also gives a sentence.
 *           Out of memory ends the program.
 * Locking:  none.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/mapfs.h"
#include "tree.h"

struct diff_patch;

struct diff_patch *diff_patch_create(void);
int must_check diff_patch_add(struct diff_patch *p,
			      const struct mapfs_diff_entry *e);
/* Limits the patch to these paths and what is below them; NULL: all. */
void diff_patch_limit(struct diff_patch *p, const char *const *paths,
		      size_t count);
/* Entries that were added. */
uint64_t diff_patch_count(const struct diff_patch *p);
/*
 * Prints the patch to stdout.  If stdout fails it ends early and returns 0: the
 * caller checks ferror().  -ENODATA: the base has lost a renamed directory, and
 * the rest of the patch was printed.
 */
int must_check diff_patch_write(struct diff_patch *p,
				const struct diff_tree *old_tree,
				const struct diff_tree *new_tree,
				struct reason *why);
void diff_patch_destroy(struct diff_patch *p);

#endif
