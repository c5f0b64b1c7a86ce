/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_CHANGES_H
#define MAPFS_TOOLS_LIB_CHANGES_H

/*
 * What changed in a target, live or resting: entry by entry, or counted.
 *
 * Lifetime: entries are borrowed until the callback returns.
 * Errors:   0 or a negative errno and a sentence in `why`; what `fn` returns
 *           other than 0 stops and is returned, without a sentence.
 */
#include "target.h"

/*
 * Since snapshot `from`, or NULL: against the base.  opt->progress is called
 * as the core does.
 */
int must_check changes_iterate(const struct target *t, const char *from,
			       const struct mapfs_diff_options *opt,
			       mapfs_diff_fn fn, void *arg, struct reason *why);

struct changes {
	uint64_t added;
	uint64_t modified;
	uint64_t deleted;
	uint64_t renamed;
	uint64_t retyped;
	uint64_t bytes; /* that really differ */
};

int must_check changes_count(struct changes *out, const struct target *t,
			     const char *from, struct reason *why);
/* "3 added, 1 deleted", or "none". */
#define CHANGES_TEXT 160
void changes_text(const struct changes *c, char out[CHANGES_TEXT]);

#endif
