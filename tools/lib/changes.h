/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_CHANGES_H
#define MAPFS_TOOLS_LIB_CHANGES_H

/*
 * What changed in a target, mounted or not: entry by entry, or counted.
 *
 * Lifetime: a query and what it points to are borrowed until the call returns;
 *           entries until the callback returns.
 * Errors:   0 or a negative errno and a sentence in `why`.  What `fn` returns
 *           other than 0 ends the comparison and is returned, without a
 *           sentence.
 * Locking:  none.
 */
#include "target.h"

struct changes_query {
	const struct target *target;
	const char *from; /* the snapshot to compare with; NULL: the base */
	const struct mapfs_diff_options *opt;
	mapfs_diff_fn fn;
	void *arg;
};

int must_check changes_iterate(const struct changes_query *q,
			       struct reason *why);

struct changes {
	uint64_t added;
	uint64_t modified;
	uint64_t deleted;
	uint64_t renamed;
	uint64_t retyped;
	uint64_t bytes; /* that differ */
};

/* Counts them; `from` as in struct changes_query. */
int must_check changes_count(struct changes *out, const struct target *t,
			     const char *from, struct reason *why);
/*
 * The same from what the delta has, without comparing: a file that was written
 * with the bytes that it had counts, and so does each name below a removed
 * directory.
 */
void changes_of_counts(struct changes *out, const struct mapfs_counts *c);
/* Gives "3 added, 1 deleted", or "none". */
#define CHANGES_TEXT 160
void changes_text(const struct changes *c, char out[CHANGES_TEXT]);

#endif
