/* SPDX-License-Identifier: MIT */
/*
 * Applying records.  Each type has a function, which first looks for what the
 * record builds on and refuses the record if that is missing: records that are
 * replayed come from a disk and may be damaged or crafted [S1].
 */
#include "delta.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/arena/page_sums.h"
#include "record_decode.h"

/*
 * Numbers of new inodes: bit 62, a tag of 22 bits that is drawn for each store,
 * and a counter.  An object of the base could only have such a number if the
 * base were a view itself, and then its tag would be different.
 */
#define INO_NEW (1ULL << 62)
#define INO_TAG_SHIFT 40
#define INO_TAG_MASK ((1ULL << 22) - 1)
#define INO_COUNTER_MASK ((1ULL << INO_TAG_SHIFT) - 1)

void delta_set_init(struct delta_set *s, struct itable *t, struct arena *a)
{
	*s = (struct delta_set){ .itable = t, .arena = a };
	atomic_init(&s->next_ino, 1);
	namespace_init(&s->names);
	origins_init(&s->origins);
	snapshots_init(&s->snapshots);
	rmutex_init(&s->moment_lock, RANK_SYNC);
	for (int i = 0; i < DELTA_STRIPES; i++)
		rwlock_init(&s->stripes[i], RANK_INODE);
}

struct rwlock *delta_stripe(struct delta_set *s, const struct inode *i)
{
	/* Fibonacci hashing: inode numbers of one directory are neighbours. */
	return &s->stripes[(i->ino * 0x9e3779b97f4a7c15ULL) >>
			   (64 - DELTA_STRIPES_SHIFT)];
}

static uint64_t ino_prefix(const struct delta_set *s)
{
	return INO_NEW | (s->ino_tag & INO_TAG_MASK) << INO_TAG_SHIFT;
}

mapfs_ino delta_set_new_ino(struct delta_set *s)
{
	return ino_prefix(s) |
	       (atomic_fetch_add(&s->next_ino, 1) & INO_COUNTER_MASK);
}

bool delta_set_is_own_ino(const struct delta_set *s, mapfs_ino ino)
{
	return (ino & ~INO_COUNTER_MASK) == ino_prefix(s);
}

const struct xattr *delta_xattr_find(const struct delta *d, const char *name)
{
	for (const struct xattr *x = d->xattrs; x; x = x->next)
		if (strcmp(x->name, name) == 0)
			return x;
	return NULL;
}

static void xattrs_clear(struct delta *d)
{
	while (d->xattrs) {
		struct xattr *x = d->xattrs;

		d->xattrs = x->next;
		free(x);
	}
}

static void pages_freed(void *arg, mapfs_apage first, uint64_t count)
{
	struct delta_set *s = arg;

	if (!s->arena)
		return;
	/* In replay nobody can have read them; else not before a sync [A1]. */
	if (s->replaying)
		arena_free_replayed(s->arena, first, count);
	else
		arena_free(s->arena, first, count);
}

/* s NULL: its pages are not given back. */
static void delta_destroy(struct delta_set *s, struct delta *d)
{
	if (!d)
		return;
	pagetable_fini(&d->pages, s ? pages_freed : NULL, s);
	xattrs_clear(d);
	free(d->target);
	free(d);
}

static int destroy_delta_of(void *arg, struct inode *i)
{
	(void)arg;
	delta_destroy(NULL, i->delta);
	i->delta = NULL;
	return 0;
}

void delta_set_fini(struct delta_set *s)
{
	(void)itable_iterate_kept(s->itable, destroy_delta_of, NULL);
	namespace_fini(&s->names);
	origins_fini(&s->origins);
	snapshots_fini(&s->snapshots, s->arena);
	free(s->base);
	rmutex_fini(&s->moment_lock);
	for (int i = 0; i < DELTA_STRIPES; i++)
		rwlock_fini(&s->stripes[i]);
}

void delta_set_keep(struct delta_set *s, struct inode *i)
{
	struct delta *d = i->delta;

	if (!s->copy || !d || d->moment == s->moment)
		return;
	d->moment = s->moment;
	s->copy->inode(s->copy->arg, i);
}

int delta_set_clear(struct delta_set *s, struct namespace *names)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(s->itable, &inos, &count);

	if (err)
		return err;
	for (size_t n = 0; n < count; n++) {
		struct inode *i = itable_get(s->itable, inos[n]);
		struct delta *d = i->delta;

		delta_set_keep(s, i);
		i->delta = NULL;
		delta_destroy(s, d);
		inode_set_kept(s->itable, i, false);
		(void)inode_put(s->itable, i);
	}
	free(inos);
	namespace_move(&s->names, names);
	origins_clear(&s->origins);
	s->counts = (struct delta_counts){ 0 };
	return 0;
}

static int renew_signature_of_name(void *arg, const struct dentry *d)
{
	const struct record_sig *now = snapshots_signature_now(arg, d->hidden);

	if (d->hidden && now)
		((struct dentry *)d)->hidden = sig_sum(now);
	return 0;
}

int delta_set_renew_signatures(struct delta_set *s, const struct snapshots *by)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = by->new_signature ?
			  itable_list_kept(s->itable, &inos, &count) :
			  0;

	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(s->itable, inos[n]);
		struct delta_base *base = i->delta->base;
		const struct record_sig *now =
			base ? snapshots_signature_now(by,
						       sig_sum(&base->sig)) :
			       NULL;

		if (now)
			base->sig = *now;
		(void)inode_put(s->itable, i);
	}
	free(inos);
	if (err || !by->new_signature)
		return err;
	return namespace_iterate(&s->names, renew_signature_of_name,
				 (void *)by);
}

void delta_set_lock(struct delta_set *s)
{
	for (int i = 0; i < DELTA_STRIPES; i++)
		rwlock_write_all(&s->stripes[i]);
	s->is_locked = true;
}

void delta_set_unlock(struct delta_set *s)
{
	s->is_locked = false;
	for (int i = DELTA_STRIPES; i-- > 0;)
		rwlock_unlock_all(&s->stripes[i]);
}

static struct delta *delta_create(const struct record_inode *r)
{
	struct delta *d =
		calloc(1, sizeof(*d) + (r->has_base ? sizeof(*d->of_base) : 0));
	bool is_link = S_ISLNK(r->attr.mode);

	if (!d)
		return NULL;
	d->attr = r->attr;
	d->generation = r->generation;
	d->rdev = r->rdev;
	d->btime = r->btime;
	pagetable_init(&d->pages);
	pagetable_set_base_end(&d->pages,
			       page_ceil(r->attr.visible_base_bytes));
	if (is_link && !r->has_base)
		d->target = strndup(r->text, r->text_bytes);
	if (is_link && !r->has_base && !d->target) {
		delta_destroy(NULL, d);
		return NULL;
	}
	if (r->has_base) {
		d->base = d->of_base;
		*d->base = (struct delta_base){
			.sig = r->sig,
			.blocks_512 = r->base_blocks_512,
		};
	}
	return d;
}

/* The inode of a record with its delta, with a hold; or NULL. */
static struct inode *changed_get(struct delta_set *s, mapfs_ino ino)
{
	struct inode *i = itable_get(s->itable, ino);

	if (i && !i->delta) {
		(void)inode_put(s->itable, i);
		return NULL;
	}
	return i;
}

static void stripe_lock(struct delta_set *s, const struct inode *i,
			const struct inode *locked)
{
	if (i != locked && !s->is_locked)
		rwlock_write(delta_stripe(s, i));
}

static void stripe_unlock(struct delta_set *s, const struct inode *i,
			  const struct inode *locked)
{
	if (i != locked && !s->is_locked)
		rwlock_unlock(delta_stripe(s, i));
}

/* A place is where the object was when it entered the delta. */
static int add_place(struct delta_set *s, struct inode *i)
{
	char *path;
	int err = inode_base_path(s->itable, i, &path);

	if (err)
		return err == -ESTALE ? 0 : err;
	if (*path)
		err = origins_add(&s->origins, path, i->ino);
	free(path);
	return err;
}

static int remove_place(struct delta_set *s, struct inode *i)
{
	char *path;
	int err = inode_base_path(s->itable, i, &path);

	if (err)
		return err == -ESTALE ? 0 : err;
	origins_remove(&s->origins, path, i->ino);
	free(path);
	return 0;
}

static void count_one(_Atomic uint64_t *n, bool add)
{
	if (add)
		atomic_fetch_add(n, 1);
	else
		atomic_fetch_sub(n, 1);
}

/* To be called for what a delta was before a change, and is after it. */
static void count_delta(struct delta_set *s, const struct delta *d, bool add)
{
	struct delta_counts *c = &s->counts;

	count_one(&c->inodes, add);
	if (d->attr.nlink == 0)
		count_one(&c->orphans, add);
	else if (d->base)
		count_one(S_ISDIR(d->attr.mode) ? &c->base_dirs :
						  &c->base_files,
			  add);
}

static int add_delta(struct delta_set *s, const struct record_inode *r,
		     struct inode *i, const struct inode *locked)
{
	struct delta *d = delta_create(r);
	int err = d ? 0 : -ENOMEM;

	if (!err && d->base)
		err = add_place(s, i);
	if (err) {
		delta_destroy(NULL, d);
		return err;
	}
	d->moment = s->moment;
	stripe_lock(s, i, locked);
	i->delta = d;
	stripe_unlock(s, i, locked);
	inode_set_kept(s->itable, i, true);
	count_delta(s, d, true);
	if (s->replaying && delta_set_is_own_ino(s, i->ino) &&
	    (i->ino & INO_COUNTER_MASK) >= s->next_ino)
		s->next_ino = (i->ino & INO_COUNTER_MASK) + 1;
	return 0;
}

static int apply_inode(struct delta_set *s, const struct record_inode *r,
		       const struct inode *locked)
{
	struct inode *root = itable_root(s->itable);
	struct inode_facts facts;
	char *path = NULL;
	struct inode *i;
	int err;

	/* Only the root has no path: the records are about another base. */
	if (r->has_base && (r->text_bytes == 0) != (r->attr.ino == root->ino))
		return -EXDEV;
	if (r->has_base && r->attr.ino != root->ino) {
		path = strndup(r->text, r->text_bytes);
		if (!path)
			return -ENOMEM;
	}
	facts = (struct inode_facts){
		.ino = r->attr.ino,
		.generation = r->generation,
		.type = r->attr.mode & S_IFMT,
		.parent = path ? root : NULL,
		.name = path,
	};
	err = itable_get_or_add(s->itable, &facts, &i);
	if (!err) {
		err = i->delta ? -EUCLEAN : add_delta(s, r, i, locked);
		(void)inode_put(s->itable, i);
	}
	free(path);
	return err;
}

static int apply_attr(struct delta_set *s, const struct record_attr *r,
		      const struct inode *locked)
{
	struct inode *i = changed_get(s, r->ino);
	int err = 0;

	if (!i)
		return -EUCLEAN;
	stripe_lock(s, i, locked);
	if ((i->delta->attr.mode & S_IFMT) == (r->mode & S_IFMT)) {
		delta_set_keep(s, i);
		count_delta(s, i->delta, false);
		i->delta->attr = *r;
		count_delta(s, i->delta, true);
		pagetable_set_base_end(&i->delta->pages,
				       page_ceil(r->visible_base_bytes));
	} else {
		err = -EUCLEAN;
	}
	stripe_unlock(s, i, locked);
	(void)inode_put(s->itable, i);
	return err;
}

static int apply_dentry(struct delta_set *s, const struct record_dentry *r)
{
	bool of_base = false;
	struct inode *i;

	if (r->ino != 0) {
		i = changed_get(s, r->ino);
		if (!i)
			return -EUCLEAN;
		of_base = i->delta->base != NULL;
		(void)inode_put(s->itable, i);
	}
	return namespace_insert(&s->names, r, of_base);
}

static int apply_hidden(struct delta_set *s, const struct record_hidden *r)
{
	struct dentry *d =
		namespace_lookup(&s->names, r->dir, r->name, r->name_bytes);

	if (!d || !d->over_base)
		return -EUCLEAN;
	d->hidden = r->sum;
	return 0;
}

static int apply_pages(struct delta_set *s, const struct record_pages *r,
		       const struct inode *locked)
{
	struct pt_run run = {
		.kind = (enum pt_kind)r->kind,
		.first = r->first,
		.count = r->count,
		.apage = r->apage,
	};
	struct inode *i = changed_get(s, r->ino);
	int err = 0;

	if (!i)
		return -EUCLEAN;
	/* Arena 0 of a store is arena `depth` of a branch further down. */
	run.apage += (uint64_t)s->depth << MAPFS_APAGE_BITS;
	if (run.kind == PT_ARENA && apage_arena(run.apage) >= MAPFS_ARENAS)
		err = -EUCLEAN;
	if (!err && s->replaying && s->arena && run.kind == PT_ARENA)
		err = arena_mark(s->arena, run.apage, run.count);
	stripe_lock(s, i, locked);
	if (!err && !S_ISREG(i->delta->attr.mode))
		err = -EUCLEAN;
	if (!err)
		err = pagetable_set(&i->delta->pages, &run, pages_freed, s);
	stripe_unlock(s, i, locked);
	(void)inode_put(s->itable, i);
	if (!err && !s->replaying && s->arena && run.kind == PT_ARENA)
		arena_set_named(s->arena, run.apage, run.count);
	return err;
}

static void xattr_remove(struct delta *d, const char *name)
{
	for (struct xattr **p = &d->xattrs; *p; p = &(*p)->next) {
		struct xattr *x = *p;

		if (strcmp(x->name, name) == 0) {
			*p = x->next;
			free(x);
			return;
		}
	}
}

static int xattr_insert(struct delta *d, const struct record_xattr *r)
{
	size_t name_bytes = strlen(r->name) + 1;
	struct xattr *x = malloc(sizeof(*x) + name_bytes + r->value_bytes);

	if (!x)
		return -ENOMEM;
	x->name_bytes = name_bytes;
	x->value_bytes = r->value_bytes;
	memcpy(x->name, r->name, name_bytes);
	memcpy(x->name + name_bytes, r->value, r->value_bytes);
	xattr_remove(d, r->name);
	x->next = d->xattrs;
	d->xattrs = x;
	return 0;
}

static int apply_xattr(struct delta_set *s, enum record_type type,
		       mapfs_ino ino, const struct record_xattr *r,
		       const struct inode *locked)
{
	struct inode *i = changed_get(s, ino);
	int err = 0;

	if (!i)
		return -EUCLEAN;
	stripe_lock(s, i, locked);
	if (type == RECORD_XATTR_OWN) {
		delta_set_keep(s, i);
		xattrs_clear(i->delta);
		i->delta->owns_xattrs = true;
	} else if (type == RECORD_XATTR) {
		err = xattr_insert(i->delta, r);
	} else {
		xattr_remove(i->delta, r->name);
	}
	stripe_unlock(s, i, locked);
	(void)inode_put(s->itable, i);
	return err;
}

static int apply_inode_gone(struct delta_set *s, mapfs_ino ino,
			    const struct inode *locked)
{
	struct inode *i = changed_get(s, ino);
	struct delta *d;
	int err;

	if (!i)
		return -EUCLEAN;
	err = i->delta->base ? remove_place(s, i) : 0;
	if (err) {
		(void)inode_put(s->itable, i);
		return err;
	}
	stripe_lock(s, i, locked);
	delta_set_keep(s, i);
	d = i->delta;
	i->delta = NULL;
	stripe_unlock(s, i, locked);
	if (S_ISDIR(d->attr.mode))
		namespace_drop(&s->names, ino);
	count_delta(s, d, false);
	delta_destroy(s, d);
	inode_set_kept(s->itable, i, false);
	(void)inode_put(s->itable, i);
	return 0;
}

static int apply_store(struct delta_set *s, const struct record_store *r)
{
	char *base = strndup(r->base, r->base_bytes);

	if (!base)
		return -ENOMEM;
	free(s->base);
	s->base = base;
	s->ino_tag = r->ino_tag;
	if (r->next_ino > s->next_ino)
		s->next_ino = r->next_ino;
	return 0;
}

/* They are about arena pages, whichever file has these. */
static int apply_sums(struct delta_set *s, const struct record_sums *r)
{
	const mapfs_apage first =
		r->first + ((uint64_t)s->depth << MAPFS_APAGE_BITS);

	/* Elsewhere the arena had them before the journal. */
	if (!s->replaying || !s->arena)
		return 0;
	if (apage_arena(first) >= MAPFS_ARENAS)
		return -EUCLEAN;
	return arena_set_sums(s->arena, first, r->sums, r->count);
}

static int apply_region(struct delta_set *s, const struct record *r)
{
	/* What was in flight in a parent is in none of its snapshots. */
	if (!s->replaying || !s->arena || s->depth > 0)
		return 0;
	return arena_set_in_flight(s->arena, r->region.first, r->region.count,
				   r->type == RECORD_IN_FLIGHT);
}

static int apply_record(struct delta_set *s, const struct record *r,
			const struct inode *locked)
{
	switch (r->type) {
	case RECORD_STORE:
		return s->depth > 0 ? 0 : apply_store(s, &r->store);
	case RECORD_BASE:
		if (s->depth == 0)
			s->base_id = r->base;
		return 0;
	case RECORD_INODE:
		return apply_inode(s, &r->inode, locked);
	case RECORD_ATTR:
		return apply_attr(s, &r->attr, locked);
	case RECORD_DENTRY:
		return apply_dentry(s, &r->dentry);
	case RECORD_DENTRY_GONE:
		namespace_remove(&s->names, r->dentry.dir, r->dentry.name,
				 r->dentry.name_bytes);
		return 0;
	case RECORD_PAGES:
		return apply_pages(s, &r->pages, locked);
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		return apply_xattr(s, r->type, r->xattr.ino, &r->xattr, locked);
	case RECORD_XATTR_OWN:
		return apply_xattr(s, r->type, r->ino, NULL, locked);
	case RECORD_INODE_GONE:
		return apply_inode_gone(s, r->ino, locked);
	case RECORD_HIDDEN:
		return apply_hidden(s, &r->hidden);
	case RECORD_COUNTERS:
	case RECORD_NEW_SIGNATURE:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_GONE:
	case RECORD_PINNED:
		/* Snapshots of a parent are not snapshots of the branch. */
		return s->depth > 0 ? 0 :
				      snapshots_apply(&s->snapshots, r,
						      s->arena, s->replaying);
	case RECORD_SUMS:
		return apply_sums(s, &r->sums);
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		return apply_region(s, r);
	case RECORD_PARENT:
		return 0; /* read by the store */
	}
	return -EUCLEAN;
}

static bool record_is_name(const struct record *r)
{
	return r->type == RECORD_DENTRY || r->type == RECORD_DENTRY_GONE;
}

/* The next record of a group; *has_names: a record before it was a name. */
static int apply_next(struct delta_set *s, const struct record *r,
		      const struct inode *locked, bool *has_names)
{
	if (!*has_names && record_is_name(r)) {
		/* Only then ns_lock is held for writing. */
		namespace_change(&s->names);
		*has_names = true;
	}
	return apply_record(s, r, locked);
}

int delta_set_apply(struct delta_set *s, const void *records, size_t len,
		    const struct inode *locked)
{
	struct record r;
	bool has_names = false;
	size_t pos = 0;
	int ret;

	while ((ret = record_next(records, len, &pos, &r)) > 0) {
		ret = apply_next(s, &r, locked, &has_names);
		if (ret)
			return ret;
	}
	return ret;
}

int delta_set_apply_decoded(struct delta_set *s, const struct records *all,
			    const struct inode *locked)
{
	bool has_names = false;
	int err = 0;

	for (size_t n = 0; !err && n < all->count; n++)
		err = apply_next(s, &all->list[n], locked, &has_names);
	return err;
}
