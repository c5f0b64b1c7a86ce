/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_CHECK_PAGES_H
#define MAPFS_CORE_CHECK_PAGES_H

/*
 * The pages that a state names: each is read and compared with its sum [S3].
 * Damage is collected, because several states may have the same page.
 *
 * Lifetime: pages_fini() frees what was collected.
 * Errors:   as ctx.h.
 * Locking:  none; nobody else uses the view.
 */
#include "core/overlay/inode.h"
#include "ctx.h"
#include "names.h"

/* A run of damaged pages, neighbours in the file and in the arena. */
struct page_damage {
	struct page_damage *prev;
	struct page_damage *next;
	mapfs_apage apage; /* of the first page */
	uint64_t count;
	mapfs_ino ino;
	mapfs_pgno first;
	uint64_t size_bytes; /* of the file */
	char *path;	     /* NULL: it has no name */
	struct name_list names;
};

/*
 * Reads the pages of a state; `name` is its snapshot's, or NULL: the present
 * one.  `id` is the snapshot's number, or UINT64_MAX.
 */
int must_check pages_check(struct check_ctx *c, struct mapfs_view *v,
			   const char *name, uint64_t id);
/*
 * Compares the damaged pages of the present state with a later one, and
 * forgets those that were being written.
 */
int must_check pages_check_again(struct check_ctx *c, struct mapfs_view *v);
/* Reading the damaged pages of this arena is EIO from now on, and stays it. */
int must_check pages_keep_damaged(struct check_ctx *c, struct arena *a);
int must_check pages_report(struct check_ctx *c);
void pages_fini(struct check_ctx *c);

#endif
