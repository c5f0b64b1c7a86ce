/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_TABLE_H
#define MAPFS_CORE_LIB_TABLE_H

/*
 * Hash tables for the many: the inodes and names of a view, of which there may
 * be millions.  An element costs two pointers, where uthash needs eight, and
 * the table grows by one bucket at a time (linear hashing), so that no insert
 * waits until a million elements are distributed again.
 *
 *	struct item {
 *		struct table_link link;	first member
 *		uint64_t key;
 *	};
 *
 *	for (l = table_chain(&t, hash_of(key)); l; l = l->next)
 *		if (((struct item *)l)->key == key)
 *			...
 *
 * A walk over the buckets 0, 1, .. table_buckets() - 1 may be left and
 * continued at the next bucket: what is in the table all the time is met at
 * least once, whatever is inserted and removed meanwhile, because elements
 * only move to buckets of higher numbers.
 *
 * Lifetime: table_init() to table_fini(); elements belong to the caller.
 * Errors:   -ENOMEM: the table has no memory at all; the first insert only.
 * Locking:  the caller's.
 */
#include "pool.h"
#include "types.h"

struct table_link {
	struct table_link *next;
};

struct table_segment;

struct table {
	uint64_t (*hash)(const struct table_link *l);
	struct pool *mem; /* of the buckets, if it is set before the first
			       insert; or NULL: malloc(3) */
	struct table_segment **segments;
	size_t segment_cap;
	uint64_t buckets;
	uint64_t count; /* of elements */
};

void table_init(struct table *t, uint64_t (*hash)(const struct table_link *l));
void table_fini(struct table *t);
int must_check table_insert(struct table *t, struct table_link *l);
/* The element must be in the table. */
void table_remove(struct table *t, struct table_link *l);
/* The elements of this hash, among others; the newest first. */
struct table_link *table_chain(const struct table *t, uint64_t hash);
uint64_t table_buckets(const struct table *t);
struct table_link *table_bucket(const struct table *t, uint64_t n);
/* For numbers of which neighbours are used together, as those of inodes are. */
uint64_t table_hash_number(uint64_t n);

#endif
