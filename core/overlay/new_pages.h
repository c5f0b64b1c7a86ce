/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_NEW_PAGES_H
#define MAPFS_CORE_OVERLAY_NEW_PAGES_H

/*
 * One change of a file in the making: a group of records, and the pages of the
 * arena that were taken for the change and that the records name.
 *
 *	new_pages_begin(&n, o, i);
 *	err = new_pages_write(&n, buf, len, off);
 *	group_add(&n.group, ...);
 *	err = new_pages_end(&n, err);
 *
 * A crash before the end leaves pages that no record names; the next open of
 * the store counts them as free.
 *
 * Lifetime: the caller's struct, from begin to end; `o` and `i` are borrowed.
 * Errors:   0 or a negative errno; -ENOSPC: no page could be had, or one change
 *           would need too many runs.
 * Locking:  the caller holds the stripe of the inode for writing.
 * Invariants: [P1] a page that a snapshot pins is not written; [D2] a record
 *           names a page only after the page holds its bytes.
 */
#include "inode.h"

/* Runs of pages that one change can take. */
#define NEW_PAGES_RUNS 260

struct new_pages {
	struct overlay *o;
	struct inode *i;
	struct group group; /* other records of the change are added, too */
	unsigned int count;
	struct {
		mapfs_apage first;
		uint64_t count;
	} run[NEW_PAGES_RUNS];
};

void new_pages_begin(struct new_pages *n, struct overlay *o, struct inode *i);
/*
 * Writes the bytes: in place where the page is private and not pinned, else to
 * a new page.
 */
int must_check new_pages_write(struct new_pages *n, const void *buf, size_t len,
			       uint64_t off);
/* One new page with these bytes takes the place of page `pgno`. */
int must_check new_pages_replace(struct new_pages *n, mapfs_pgno pgno,
				 const uint8_t page[MAPFS_PAGE_SIZE]);
/* How many pages at the start of the run may be written in place [P1]. */
uint64_t new_pages_in_place(struct overlay *o, const struct pt_run *run);
/*
 * Commits the group, unless `err`; on an error gives the pages back.  Returns
 * the error.
 */
int must_check new_pages_end(struct new_pages *n, int err);

#endif
