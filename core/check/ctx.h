/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_CHECK_CTX_H
#define MAPFS_CORE_CHECK_CTX_H

/*
 * A check of a store under way: what was read of it, and what was found.
 *
 * Lifetime: one call of mapfs_check() or mapfs_repair().
 * Errors:   0 or a negative errno: the check cannot go on.  Damage is reported
 *           by check_report() and is no error.
 * Locking:  none; one thread.
 */
#include "core/journal/survey.h"
#include "core/mapfs.h"
#include "core/store/peek.h"

struct page_damage; /* pages.h */

struct check_ctx {
	const struct mapfs_check_options *opt;
	struct mapfs_check_result *out;
	struct reason *why;
	const char *path; /* of the store, absolute; borrowed */
	int dirfd;
	int journalfd;
	bool in_use; /* a process may change it meanwhile */
	struct journal_survey survey;
	struct store_facts facts;
	bool has_facts;
	const struct mapfs_check_position *from; /* NULL: the start */
	uint64_t done_bytes;
	uint64_t all_bytes;	    /* an estimate */
	struct mapfs_view *present; /* NULL: cannot be shown */
	bool present_is_whole;	    /* nothing was skipped */
	struct page_damage *pages;  /* a list */
	uint64_t pages_end;	    /* behind the last own page with a name */
	uint64_t *bad;		    /* snapshots that cannot be replayed */
	size_t bad_count;
	size_t bad_cap;
	struct page_damage *hint; /* the one that was met last */
	/* enum of pages.c for each own page: what its first reading found. */
	uint8_t *seen;
	uint64_t seen_pages;
};

/* Counts bytes that were read; -EINTR: the check is asked to stop. */
int must_check check_step(struct check_ctx *c, uint64_t bytes);
/* Counts the damage and tells the caller; `text` is set from the format. */
int must_check check_report(struct check_ctx *c, struct mapfs_check_damage *d,
			    const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
