/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_DAMAGE_LIST_H
#define MAPFS_CORE_OVERLAY_DAMAGE_LIST_H

/*
 * The first 100 damaged pages that a view met.
 *
 * Lifetime: damage_list_init() to damage_list_fini().
 * Errors:   none; what has no room is not kept.
 * Locking:  takes RANK_LEAF.
 */
#include <stdatomic.h>

#include "core/lib/lock.h"
#include "core/lib/types.h"

#define DAMAGE_MOST 100

/* A page of a file, and where its bytes should be. */
struct damaged_page {
	mapfs_ino ino;
	mapfs_pgno pgno;
	mapfs_apage apage;
	bool is_told;
};

struct damage_list {
	struct rmutex lock;		       /* RANK_LEAF */
	struct damaged_page page[DAMAGE_MOST]; /* by lock */
	size_t count;			       /* by lock */
	_Atomic bool has_untold;
};

void damage_list_init(struct damage_list *l);
void damage_list_fini(struct damage_list *l);
/* Once for each page of an inode. */
void damage_list_add(struct damage_list *l, const struct damaged_page *page);
void damage_list_remove(struct damage_list *l, const struct damaged_page *page);
/* The next page that was not taken so before; false: there is none. */
bool damage_list_take_untold(struct damage_list *l, struct damaged_page *out);
/* Copies all; returns how many. */
size_t damage_list_copy(struct damage_list *l,
			struct damaged_page out[DAMAGE_MOST]);

#endif
