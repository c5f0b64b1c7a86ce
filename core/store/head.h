/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_HEAD_H
#define MAPFS_CORE_STORE_HEAD_H

/*
 * The head of a journal: the records that say which store it is, of which
 * base and, of a branch, of which parent.
 *
 * Lifetime: a head borrows its strings.
 * Errors:   as group_add().
 * Locking:  none; values.
 */
#include "core/delta/record.h"

struct store;

struct store_head {
	uint64_t ino_tag;
	uint64_t next_ino;
	struct timespec created;
	const char *base;
	struct base_identity base_id;	    /* ino 0: not recorded */
	const struct record_parent *parent; /* NULL: no branch */
};

/* The tag that the numbers of new inodes of a new store have. */
int must_check head_draw_ino_tag(uint64_t *out);
/* The feature bits (struct journal_id) of a store with such a base. */
uint64_t head_must_refuse(const struct base_identity *base);
/* The head that the store has now. */
struct store_head head_of(const struct store *st);
void head_add(struct group *g, const struct store_head *h);
/* Without the parent: what a store writes that finds its base elsewhere. */
void head_add_base(struct group *g, const struct store_head *h);

#endif
