/* SPDX-License-Identifier: MIT */
/*
 * Inodes are found by three keys: their number, the path of their object in
 * the base, and the sum that names remember which hide it.
 */
#include "revert_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void revert_set_fini(struct revert_set *s)
{
	struct revert_name *n = s->names;
	struct revert_inode *one = s->inodes;

	HASH_CLEAR(by_path, s->paths);
	HASH_CLEAR(by_sum, s->sums);
	HASH_CLEAR(hh, s->inodes);
	while (one) {
		struct revert_inode *next = one->hh.next;

		free(one->base_path);
		free(one->removed);
		free(one);
		one = next;
	}
	HASH_CLEAR(hh, s->names);
	while (n) {
		struct revert_name *next = n->hh.next;

		free(n);
		n = next;
	}
}

int revert_set_add(struct revert_set *s, mapfs_ino ino,
		   enum revert_action action, struct revert_inode **out)
{
	struct revert_inode *one = calloc(1, sizeof(*one));

	if (!one)
		return -ENOMEM;
	one->ino = ino;
	one->action = action;
	HASH_ADD(hh, s->inodes, ino, sizeof(one->ino), one);
	if (!one->hh.tbl) {
		free(one);
		return -ENOMEM;
	}
	if (out)
		*out = one;
	return 0;
}

int revert_set_path(struct revert_set *s, struct revert_inode *one, char *path)
{
	one->base_path = path;
	HASH_ADD_KEYPTR(by_path, s->paths, path, strlen(path), one);
	return one->by_path.tbl ? 0 : -ENOMEM;
}

int revert_set_sum(struct revert_set *s, struct revert_inode *one, uint64_t sum)
{
	one->sum = sum;
	HASH_ADD(by_sum, s->sums, sum, sizeof(one->sum), one);
	return one->by_sum.tbl ? 0 : -ENOMEM;
}

int revert_set_add_name(struct revert_set *s, const struct dentry *d)
{
	struct revert_name *n;

	if (revert_set_find_name(s, d))
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->dentry = d;
	HASH_ADD_PTR(s->names, dentry, n);
	if (n->hh.tbl)
		return 0;
	free(n);
	return -ENOMEM;
}

uint64_t revert_set_count(const struct revert_set *s)
{
	return HASH_CNT(hh, s->inodes) + HASH_CNT(hh, s->names);
}

struct revert_inode *revert_set_find(const struct revert_set *s, mapfs_ino ino)
{
	struct revert_inode *one = NULL;

	HASH_FIND(hh, s->inodes, &ino, sizeof(ino), one);
	return one;
}

struct revert_inode *revert_set_by_path(const struct revert_set *s,
					const char *path)
{
	struct revert_inode *one = NULL;

	HASH_FIND(by_path, s->paths, path, strlen(path), one);
	return one;
}

struct revert_inode *revert_set_by_sum(const struct revert_set *s, uint64_t sum)
{
	struct revert_inode *one = NULL;

	HASH_FIND(by_sum, s->sums, &sum, sizeof(sum), one);
	return one;
}

struct revert_name *revert_set_find_name(const struct revert_set *s,
					 const struct dentry *d)
{
	struct revert_name *n = NULL;

	HASH_FIND_PTR(s->names, &d, n);
	return n;
}
