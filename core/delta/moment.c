/* SPDX-License-Identifier: MIT */
/*
 * Each delta and each dentry has the number of the newest moment that need not
 * copy it: because it was copied then, or because it was made later.
 */
#include "moment.h"

#include <stdlib.h>

/* Walking so many buckets takes less than a millisecond. */
#define SLICE_BUCKETS 512

void moment_begin(struct delta_set *s, const struct moment *m,
		  struct rwlock *ns_lock)
{
	rmutex_lock(&s->moment_lock);
	rwlock_write(ns_lock);
	s->moment++;
	s->copy = m;
	namespace_moment_begin(&s->names, m->name, m->arg);
	rwlock_unlock(ns_lock);
}

static void copy_inode(struct delta_set *s, mapfs_ino ino)
{
	struct inode *i = itable_get(s->itable, ino);
	struct rwlock *stripe;

	if (!i)
		return;
	stripe = delta_stripe(s, i);
	rwlock_write(stripe);
	delta_set_keep(s, i);
	rwlock_unlock(stripe);
	s->copy->put(s->copy->arg, i);
}

static int copy_inodes(struct delta_set *s)
{
	struct kept_walk w = { .buckets = SLICE_BUCKETS };
	int ret;

	while ((ret = itable_walk_kept(s->itable, &w)) > 0)
		for (size_t n = 0; n < w.count; n++)
			copy_inode(s, w.inos[n]);
	free(w.inos);
	return ret;
}

int moment_copy(struct delta_set *s, struct rwlock *ns_lock)
{
	uint64_t at = 0;
	bool more;
	int err = copy_inodes(s);

	do {
		rwlock_read(ns_lock);
		more = namespace_moment_walk(&s->names, &at, SLICE_BUCKETS);
		rwlock_unlock(ns_lock);
	} while (more);
	return err;
}

void moment_end(struct delta_set *s, struct rwlock *ns_lock)
{
	rwlock_write(ns_lock);
	namespace_moment_end(&s->names);
	s->copy = NULL;
	rwlock_unlock(ns_lock);
	rmutex_unlock(&s->moment_lock);
}
