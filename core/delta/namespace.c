/* SPDX-License-Identifier: MIT */
/*
 * One hash table over (directory, name) and, for each directory with changes,
 * a tree of its live dentries by position and a list of its whiteouts.
 *
 * The tree is a treap: a search tree by position, and a heap by a hash of the
 * position, which keeps it as flat as a random tree.  It costs two pointers a
 * dentry, and renaming a name among a hundred thousand moves none of the
 * others.
 */
#include "namespace.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/checksum.h"

/*
 * Names that were removed.  If a name is created again it gets its position
 * back, because a running listing may have met it there.  The table is
 * set-associative: a full set loses its oldest name.  8 names in each of 8192
 * sets are enough to keep the last ten thousand names almost certainly.
 */
#define PAST_SETS 8192U
#define PAST_WAYS 8U

struct past_name {
	uint64_t sum; /* of directory and name; 0 with position 0: free */
	uint64_t position;
};

struct dirlist {
	UT_hash_handle hh;
	mapfs_ino dir;
	uint64_t version;
	size_t renamed; /* live dentries for which is_renamed() */
	struct dentry *tree;
	struct dentry *whiteouts;
};

static uint64_t name_sum(mapfs_ino dir, const char *name, size_t name_bytes)
{
	return checksum64(name, name_bytes, dir);
}

static uint64_t dentry_hash(const struct table_link *l)
{
	const struct dentry *d = (const struct dentry *)l;

	static_assert(offsetof(struct dentry, link) == 0, "a cast is enough");
	return name_sum(d->dir, d->name, d->name_bytes);
}

void namespace_init(struct namespace *ns)
{
	*ns = (struct namespace){
		.next_slot = (1ULL << POSITION_SLOT_BITS) - 1,
	};
	table_init(&ns->dentries, dentry_hash);
}

/* The last steps of splitmix64. */
static uint64_t priority(const struct dentry *d)
{
	uint64_t x = d->position;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void tree_split(struct dentry *t, uint64_t at, struct dentry **low,
		       struct dentry **high)
{
	while (t) {
		if (t->position < at) {
			*low = t;
			low = &t->right;
			t = t->right;
		} else {
			*high = t;
			high = &t->left;
			t = t->left;
		}
	}
	*low = NULL;
	*high = NULL;
}

static struct dentry **tree_step(struct dentry *t, uint64_t position)
{
	return position < t->position ? &t->left : &t->right;
}

static void tree_insert(struct dentry **root, struct dentry *d)
{
	while (*root && priority(*root) >= priority(d))
		root = tree_step(*root, d->position);
	tree_split(*root, d->position, &d->left, &d->right);
	*root = d;
}

static void tree_remove(struct dentry **root, struct dentry *d)
{
	struct dentry *low = d->left;
	struct dentry *high = d->right;

	while (*root && *root != d)
		root = tree_step(*root, d->position);
	assert(*root);
	while (low && high) {
		if (priority(low) >= priority(high)) {
			*root = low;
			root = &low->right;
			low = low->right;
		} else {
			*root = high;
			root = &high->left;
			high = high->left;
		}
	}
	*root = low ? low : high;
}

/* The lowest position above `position`. */
static struct dentry *tree_next(struct dentry *t, uint64_t position)
{
	struct dentry *best = NULL;

	while (t) {
		if (t->position > position) {
			best = t;
			t = t->left;
		} else {
			t = t->right;
		}
	}
	return best;
}

/* From the highest position down; recurses some log n levels. */
static int tree_iterate(const struct dentry *t,
			int (*fn)(void *arg, const struct dentry *d), void *arg)
{
	int ret = 0;

	for (; t && !ret; t = t->left) {
		ret = tree_iterate(t->right, fn, arg);
		if (!ret)
			ret = fn(arg, t);
	}
	return ret;
}

static void list_insert(struct dentry **head, struct dentry *d)
{
	d->left = NULL;
	d->right = *head;
	if (*head)
		(*head)->left = d;
	*head = d;
}

static void list_remove(struct dentry **head, struct dentry *d)
{
	if (d->left)
		d->left->right = d->right;
	else
		*head = d->right;
	if (d->right)
		d->right->left = d->left;
}

/* Was it renamed from the base name whose slot it is in? */
static bool is_renamed(const struct dentry *d)
{
	return (d->position & POSITION_BASE) && !d->over_base;
}

static uint64_t *count_of(struct namespace *ns, const struct dentry *d)
{
	if (d->ino == 0)
		return &ns->counts.hidden;
	if (d->of_base)
		return &ns->counts.moved;
	return d->over_base ? &ns->counts.replaced : &ns->counts.added;
}

static void dirlist_insert(struct dirlist *l, struct dentry *d)
{
	if (d->ino == 0) {
		list_insert(&l->whiteouts, d);
		return;
	}
	tree_insert(&l->tree, d);
	if (is_renamed(d))
		l->renamed++;
}

static void dirlist_remove(struct dirlist *l, struct dentry *d)
{
	if (d->ino == 0) {
		list_remove(&l->whiteouts, d);
		return;
	}
	tree_remove(&l->tree, d);
	if (is_renamed(d))
		l->renamed--;
}

/* Before the dentry changes or leaves. */
static void dentry_keep(struct namespace *ns, struct dentry *d)
{
	if (!ns->keep || d->moment == ns->moment)
		return;
	d->moment = ns->moment;
	ns->keep(ns->keep_arg, d);
}

static void count_live(struct namespace *ns, const struct dentry *d)
{
	ns->live += d->ino != 0;
	ns->live_bytes += d->ino != 0 ? d->name_bytes : 0;
}

static void uncount_live(struct namespace *ns, const struct dentry *d)
{
	ns->live -= d->ino != 0;
	ns->live_bytes -= d->ino != 0 ? d->name_bytes : 0;
}

/* The name left the list of its directory. */
static void dentry_destroy(struct namespace *ns, struct dentry *d)
{
	dentry_keep(ns, d);
	uncount_live(ns, d);
	(*count_of(ns, d))--;
	table_remove(&ns->dentries, &d->link);
	free(d);
}

static void tree_destroy(struct namespace *ns, struct dentry *t)
{
	while (t) {
		struct dentry *left = t->left;

		tree_destroy(ns, t->right);
		dentry_destroy(ns, t);
		t = left;
	}
}

static void dirlist_destroy(struct namespace *ns, struct dirlist *l)
{
	struct dentry *next;

	tree_destroy(ns, l->tree);
	for (struct dentry *d = l->whiteouts; d; d = next) {
		next = d->right;
		dentry_destroy(ns, d);
	}
	HASH_DEL(ns->dirs, l);
	free(l);
}

void namespace_fini(struct namespace *ns)
{
	struct dirlist *l;
	struct dirlist *tmp;

	HASH_ITER(hh, ns->dirs, l, tmp)
		dirlist_destroy(ns, l);
	table_fini(&ns->dentries);
	free(ns->past);
	namespace_init(ns);
}

struct dentry *namespace_lookup(const struct namespace *ns, mapfs_ino dir,
				const char *name, size_t name_bytes)
{
	struct table_link *l =
		table_chain(&ns->dentries, name_sum(dir, name, name_bytes));

	for (; l; l = l->next) {
		struct dentry *d = (struct dentry *)l;

		if (d->dir == dir && d->name_bytes == name_bytes &&
		    memcmp(d->name, name, name_bytes) == 0)
			return d;
	}
	return NULL;
}

static struct dirlist *dirlist_find(const struct namespace *ns, mapfs_ino dir)
{
	struct dirlist *l = NULL;

	HASH_FIND(hh, ns->dirs, &dir, sizeof(dir), l);
	return l;
}

static struct dirlist *dirlist_find_or_add(struct namespace *ns, mapfs_ino dir)
{
	struct dirlist *l = dirlist_find(ns, dir);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->dir = dir;
	HASH_ADD(hh, ns->dirs, dir, sizeof(l->dir), l);
	if (!l->hh.tbl) {
		free(l);
		return NULL;
	}
	return l;
}

static struct dentry *dentry_new(const struct record_dentry *r, bool of_base)
{
	struct dentry *d = calloc(1, sizeof(*d) + r->name_bytes + 1);

	if (!d)
		return NULL;
	d->dir = r->dir;
	d->ino = r->ino;
	d->type = (uint16_t)r->type;
	d->over_base = r->over_base;
	d->of_base = of_base;
	d->name_bytes = (uint16_t)r->name_bytes;
	memcpy(d->name, r->name, r->name_bytes);
	return d;
}

static struct past_name *past_set(const struct namespace *ns, uint64_t sum)
{
	return &ns->past[sum % PAST_SETS * PAST_WAYS];
}

/* The position that the name had; 0: not known. */
static uint64_t past_find(const struct namespace *ns, mapfs_ino dir,
			  const char *name, size_t name_bytes)
{
	const uint64_t sum = name_sum(dir, name, name_bytes);

	if (!ns->past)
		return 0;
	for (unsigned int i = 0; i < PAST_WAYS; i++)
		if (past_set(ns, sum)[i].sum == sum)
			return past_set(ns, sum)[i].position;
	return 0;
}

/*
 * Remembers a name that is being removed.  Without memory for the table the
 * name may be listed twice if it is created again.
 */
static void past_add(struct namespace *ns, const struct dentry *d)
{
	const uint64_t sum = name_sum(d->dir, d->name, d->name_bytes);
	struct past_name *set;
	unsigned int i = 0;

	if (d->over_base || d->ino == 0)
		return; /* its position follows from the base's name */
	if (!ns->past)
		ns->past = calloc(PAST_SETS, PAST_WAYS * sizeof(*ns->past));
	if (!ns->past)
		return;
	set = past_set(ns, sum);
	while (i < PAST_WAYS - 1 && set[i].sum != sum)
		i++;
	memmove(&set[1], &set[0], i * sizeof(*set));
	set[0] = (struct past_name){ .sum = sum, .position = d->position };
}

uint64_t namespace_base_position(const char *name, size_t name_bytes)
{
	const uint64_t sum = checksum64(name, name_bytes, 0);

	return POSITION_BASE |
	       sum >> (64 - POSITION_SLOT_BITS) << POSITION_PLACE_BITS |
	       POSITION_PLACE_MASK;
}

static bool is_free(const struct dirlist *l, uint64_t position)
{
	const struct dentry *d = tree_next(l->tree, position - 1);

	return !d || d->position != position;
}

/* Below every position; 2^44 slots cannot be used up. */
static uint64_t position_new(struct namespace *ns)
{
	assert(ns->next_slot > 0);
	return ns->next_slot-- << POSITION_PLACE_BITS | POSITION_PLACE_MASK;
}

/*
 * Just below `at` and the other names in its slot, but above all lower slots.
 * Place 0 stays free, so that a listing can stand before the slot.
 */
static uint64_t position_before(struct namespace *ns, const struct dirlist *l,
				uint64_t at)
{
	const uint64_t slot = at & ~POSITION_PLACE_MASK;
	const struct dentry *lowest = tree_next(l->tree, slot);

	if (lowest && lowest->position < at)
		at = lowest->position;
	return at - 1 > slot ? at - 1 : position_new(ns);
}

/* The position of a name that the directory does not have yet. */
static uint64_t position_for(struct namespace *ns, const struct dirlist *l,
			     const struct dentry *d)
{
	const struct dentry *before =
		ns->before ? namespace_lookup(ns->before, d->dir, d->name,
					      d->name_bytes) :
			     NULL;
	const mapfs_ino left_dir = ns->left_dir;
	uint64_t at = 0;

	ns->left_dir = 0;
	if (before && before->ino != 0)
		at = before->position;
	else if (d->over_base)
		at = namespace_base_position(d->name, d->name_bytes);
	else
		at = past_find(ns, d->dir, d->name, d->name_bytes);
	if (at != 0)
		return is_free(l, at) ? at : position_new(ns);
	if (left_dir == d->dir)
		return position_before(ns, l, ns->left_at);
	return position_new(ns);
}

void namespace_change(struct namespace *ns)
{
	ns->left_dir = 0;
}

static void note_left(struct namespace *ns, const struct dentry *d,
		      uint64_t position)
{
	ns->left_dir = d->dir;
	ns->left_at = position;
}

/* Gives a dentry that is in the table its position, and removes `old`. */
static void dentry_place(struct namespace *ns, struct dirlist *l,
			 struct dentry *d, struct dentry *old)
{
	const bool was_live = old && old->ino != 0;

	if (old)
		dirlist_remove(l, old);
	if (d->ino == 0)
		note_left(ns, d,
			  was_live ? old->position :
				     namespace_base_position(d->name,
							     d->name_bytes));
	else if (was_live)
		d->position = old->position;
	else
		d->position = position_for(ns, l, d);
	dirlist_insert(l, d);
}

int namespace_insert(struct namespace *ns, const struct record_dentry *r,
		     bool of_base)
{
	struct dirlist *l = dirlist_find_or_add(ns, r->dir);
	struct dentry *old;
	struct dentry *d;

	if (!l)
		return -ENOMEM;
	d = dentry_new(r, of_base);
	if (!d)
		return -ENOMEM;
	old = namespace_lookup(ns, r->dir, r->name, r->name_bytes);
	d->hidden = old ? old->hidden : 0;
	d->moment = ns->moment;
	/* For a moment the name is there twice, so that this can fail. */
	if (table_insert(&ns->dentries, &d->link)) {
		free(d);
		return -ENOMEM;
	}
	dentry_place(ns, l, d, old);
	(*count_of(ns, d))++;
	count_live(ns, d);
	l->version = ++ns->changes;
	if (old)
		dentry_destroy(ns, old);
	return 0;
}

void namespace_remove(struct namespace *ns, mapfs_ino dir, const char *name,
		      size_t name_bytes)
{
	struct dentry *d = namespace_lookup(ns, dir, name, name_bytes);
	struct dirlist *l = dirlist_find(ns, dir);

	if (!d)
		return;
	if (d->ino != 0)
		note_left(ns, d, d->position);
	past_add(ns, d);
	dirlist_remove(l, d);
	l->version = ++ns->changes;
	dentry_destroy(ns, d);
}

void namespace_drop(struct namespace *ns, mapfs_ino dir)
{
	struct dirlist *l = dirlist_find(ns, dir);

	if (l)
		dirlist_destroy(ns, l);
}

struct dentry *namespace_next(const struct namespace *ns, mapfs_ino dir,
			      uint64_t position)
{
	const struct dirlist *l = dirlist_find(ns, dir);

	return l ? tree_next(l->tree, position) : NULL;
}

struct dentry *namespace_next_renamed(const struct namespace *ns, mapfs_ino dir,
				      uint64_t position)
{
	const struct dirlist *l = dirlist_find(ns, dir);
	struct dentry *d;

	if (!l || l->renamed == 0)
		return NULL;
	do {
		d = tree_next(l->tree, position);
		if (!d || d->position > (position | POSITION_PLACE_MASK))
			return NULL;
		position = d->position;
	} while (d->over_base);
	return d;
}

bool namespace_has(const struct namespace *ns, mapfs_ino dir)
{
	const struct dirlist *l = dirlist_find(ns, dir);

	return l && (l->tree || l->whiteouts);
}

uint64_t namespace_version(const struct namespace *ns, mapfs_ino dir)
{
	const struct dirlist *l = dirlist_find(ns, dir);

	return l ? l->version : 0;
}

static int dirlist_iterate(const struct dirlist *l,
			   int (*fn)(void *arg, const struct dentry *d),
			   void *arg)
{
	int ret = tree_iterate(l->tree, fn, arg);

	for (const struct dentry *d = l->whiteouts; d && !ret; d = d->right)
		ret = fn(arg, d);
	return ret;
}

int namespace_iterate_dir(const struct namespace *ns, mapfs_ino dir,
			  int (*fn)(void *arg, const struct dentry *d),
			  void *arg)
{
	const struct dirlist *l = dirlist_find(ns, dir);

	return l ? dirlist_iterate(l, fn, arg) : 0;
}

int namespace_iterate(const struct namespace *ns,
		      int (*fn)(void *arg, const struct dentry *d), void *arg)
{
	const struct dirlist *l;
	const struct dirlist *tmp;
	int ret = 0;

	HASH_ITER(hh, ns->dirs, l, tmp) {
		ret = dirlist_iterate(l, fn, arg);
		if (ret)
			break;
	}
	return ret;
}

void namespace_move(struct namespace *ns, struct namespace *to)
{
	struct table_link *l;

	for (uint64_t n = 0; ns->keep && n < table_buckets(&ns->dentries); n++)
		for (l = table_bucket(&ns->dentries, n); l; l = l->next)
			dentry_keep(ns, (struct dentry *)l);
	*to = *ns;
	to->keep = NULL;
	namespace_init(ns);
	ns->moment = to->moment;
}

void namespace_moment_begin(struct namespace *ns,
			    void (*keep)(void *arg, const struct dentry *d),
			    void *arg)
{
	/* 0 is the number of what was never copied. */
	if (++ns->moment == 0)
		ns->moment = 1;
	ns->keep = keep;
	ns->keep_arg = arg;
}

bool namespace_moment_walk(struct namespace *ns, uint64_t *at, uint64_t count)
{
	const uint64_t end = table_buckets(&ns->dentries);
	struct table_link *l;

	for (; count > 0 && *at < end; (*at)++, count--)
		for (l = table_bucket(&ns->dentries, *at); l; l = l->next)
			dentry_keep(ns, (struct dentry *)l);
	return *at < end;
}

void namespace_moment_end(struct namespace *ns)
{
	ns->keep = NULL;
}

void namespace_replace_begin(struct namespace *ns, struct namespace *before)
{
	assert(ns->dentries.count == 0 && !ns->past);
	ns->next_slot = before->next_slot;
	ns->changes = before->changes;
	ns->past = before->past;
	before->past = NULL;
	ns->before = before;
}

void namespace_replace_end(struct namespace *ns)
{
	const struct table *was = &ns->before->dentries;
	const struct table_link *l;

	for (uint64_t n = 0; n < table_buckets(was); n++) {
		for (l = table_bucket(was, n); l; l = l->next) {
			const struct dentry *d = (const struct dentry *)l;

			if (!namespace_lookup(ns, d->dir, d->name,
					      d->name_bytes))
				past_add(ns, d);
		}
	}
	ns->before = NULL;
}
