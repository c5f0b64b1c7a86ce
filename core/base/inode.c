/* SPDX-License-Identifier: MIT */
/*
 * One hash table of inodes, and one lock for all counts.
 *
 * An inode leaves the table as soon as nothing counts it.  It no longer counts
 * the inode above, which may then leave too.  Inodes that left are chained,
 * and freed after the lock is dropped: the base can take a while to close the
 * last descriptor of an unlinked file.
 */
#include "inode.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "core/lib/array.h"
#include "core/lib/lock.h"
#include "places.h"

#define PINS_MIN 16

struct itable {
	struct rmutex lock;    /* RANK_ITABLE */
	struct table inodes;   /* by lock */
	struct inode *root;    /* fixed */
	struct places *places; /* fixed before use; borrowed; or NULL */
	struct inode *pinned;  /* by lock; oldest first */
	uint64_t pins;	       /* by lock */
	uint64_t moves;	       /* by lock: places this view has changed */
	uint64_t max_pins;     /* fixed */
};

/* Inodes to free, and a descriptor to close, once the lock is dropped. */
struct remains {
	struct inode *inodes; /* chained by base_parent */
	int fd;		      /* -1: none */
};

static uint64_t max_pins(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur / 4 < PINS_MIN)
		return PINS_MIN;
	return r.rlim_cur / 4;
}

static struct inode *inode_of(struct table_link *l)
{
	static_assert(offsetof(struct inode, link) == 0, "a cast is enough");
	return (struct inode *)l;
}

static uint64_t inode_hash(const struct table_link *l)
{
	return table_hash_number(((const struct inode *)l)->ino);
}

static struct inode *inode_create(const struct inode_facts *facts)
{
	struct inode *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->ino = facts->ino;
	i->generation = facts->generation;
	i->type = facts->type;
	i->pinned_fd = -1;
	return i;
}

static void inode_destroy(struct inode *i)
{
	if (i->pinned_fd >= 0)
		close(i->pinned_fd);
	free(i->base_name);
	free(i);
}

static void remains_fini(struct remains *r)
{
	while (r->inodes) {
		struct inode *i = r->inodes;

		r->inodes = i->base_parent;
		inode_destroy(i);
	}
	if (r->fd >= 0)
		close(r->fd);
}

static bool inode_is_counted(const struct inode *i)
{
	return i->nlookup || i->holds || i->children || i->kept;
}

/* Takes the pinned descriptor from the inode; -1: there is none. */
static int take_pin_locked(struct itable *t, struct inode *i)
{
	int fd = i->pinned_fd;

	if (fd >= 0) {
		DL_DELETE2(t->pinned, i, pin_prev, pin_next);
		t->pins--;
		i->pinned_fd = -1;
	}
	return fd;
}

/* Nothing counts the inode any more, but a file handle may still name it. */
static void note_place(const struct itable *t, const struct inode *i)
{
	/* After a replay the name can be a path from the root. */
	if (t->places && i->base_parent && !strchr(i->base_name, '/'))
		places_note(t->places, &(struct place){
					       .ino = i->ino,
					       .dir = i->base_parent->ino,
				       });
}

/* Removes the inode if nothing counts it, and then those above likewise. */
static void sweep_locked(struct itable *t, struct inode *i, struct remains *r)
{
	while (i && !inode_is_counted(i)) {
		struct inode *parent = i->base_parent;
		int fd = take_pin_locked(t, i);

		note_place(t, i);
		table_remove(&t->inodes, &i->link);
		i->pinned_fd = fd; /* closed with the inode */
		i->base_parent = r->inodes;
		r->inodes = i;
		if (parent) {
			assert(parent->children > 0);
			parent->children--;
		}
		i = parent;
	}
}

static struct inode *find_locked(struct itable *t, mapfs_ino ino)
{
	struct table_link *l = table_chain(&t->inodes, table_hash_number(ino));

	while (l && inode_of(l)->ino != ino)
		l = l->next;
	return inode_of(l);
}

/* Is `i` the inode `above`, or below it? */
static bool is_below(const struct inode *i, const struct inode *above)
{
	while (i && i != above)
		i = i->base_parent;
	return i != NULL;
}

/* `parent` and `name` are NULL for no place.  On an error nothing changed. */
static int set_place_locked(struct itable *t, struct inode *i,
			    struct inode *parent, const char *name,
			    struct remains *r)
{
	struct inode *old = i->base_parent;
	char *copy = NULL;

	if (i == t->root)
		return 0;
	if (parent) {
		if (parent == old && i->base_name &&
		    strcmp(name, i->base_name) == 0)
			return 0;
		/* Another process may rename directories meanwhile. */
		if (parent == i || (i->children > 0 && is_below(parent, i)))
			return -ESTALE;
		copy = strdup(name);
		if (!copy)
			return -ENOMEM;
		parent->children++;
	}
	free(i->base_name);
	i->base_name = copy;
	i->base_parent = parent;
	if (old) {
		old->children--;
		sweep_locked(t, old, r);
	}
	return 0;
}

int itable_create(struct itable **out, mapfs_ino root_ino)
{
	struct itable *t = calloc(1, sizeof(*t));
	struct inode *root;

	if (!t)
		return -ENOMEM;
	root = inode_create(&(struct inode_facts){
		.ino = root_ino,
		.type = S_IFDIR,
	});
	if (!root)
		goto free_table;
	root->holds = 1; /* the table's own, never dropped */
	t->root = root;
	t->max_pins = max_pins();
	table_init(&t->inodes, inode_hash);
	if (table_insert(&t->inodes, &root->link))
		goto free_root;
	rmutex_init(&t->lock, RANK_ITABLE);
	*out = t;
	return 0;

free_root:
	inode_destroy(root);
free_table:
	free(t);
	return -ENOMEM;
}

void itable_destroy(struct itable *t)
{
	if (!t)
		return;
	for (uint64_t n = 0; n < table_buckets(&t->inodes); n++) {
		struct table_link *l = table_bucket(&t->inodes, n);

		while (l) {
			struct inode *i = inode_of(l);

			l = l->next;
			inode_destroy(i);
		}
	}
	table_fini(&t->inodes);
	rmutex_fini(&t->lock);
	free(t);
}

void itable_set_places(struct itable *t, struct places *p)
{
	t->places = p;
}

struct inode *itable_root(struct itable *t)
{
	return t->root;
}

struct inode *itable_get(struct itable *t, mapfs_ino ino)
{
	struct inode *i;

	rmutex_lock(&t->lock);
	i = find_locked(t, ino);
	if (i)
		i->holds++;
	rmutex_unlock(&t->lock);
	return i;
}

static int add_locked(struct itable *t, const struct inode_facts *facts,
		      struct inode **out)
{
	struct remains none = { .fd = -1 };
	struct inode *i = inode_create(facts);
	int err = -ENOMEM;

	if (i)
		err = table_insert(&t->inodes, &i->link);
	if (!err && facts->parent) {
		err = set_place_locked(t, i, facts->parent, facts->name, &none);
		if (err)
			table_remove(&t->inodes, &i->link);
	}
	if (err) {
		if (i)
			inode_destroy(i);
		return err;
	}
	*out = i;
	return 0;
}

/* Records what is new about an inode whose number is known. */
static int renew_locked(struct itable *t, struct inode *i,
			const struct inode_facts *facts, bool move,
			struct remains *r)
{
	bool is_another = i->generation != facts->generation && !i->kept &&
			  i != t->root;
	int err = 0;

	/* The place of another object is of no use. */
	if (is_another || (facts->parent && move))
		err = set_place_locked(t, i, facts->parent, facts->name, r);
	if (!err && is_another) {
		i->generation = facts->generation;
		i->type = facts->type;
		atomic_store(&i->change_cookie, 0);
	}
	return err;
}

static int get_or_add_locked(struct itable *t, const struct inode_facts *facts,
			     bool move, struct inode **out, struct remains *r)
{
	struct inode *i = find_locked(t, facts->ino);
	int err;

	assert(!facts->parent == !facts->name);
	if (i)
		err = renew_locked(t, i, facts, move, r);
	else
		err = add_locked(t, facts, &i);
	if (!err) {
		i->holds++;
		*out = i;
	}
	return err;
}

int itable_get_or_add(struct itable *t, const struct inode_facts *facts,
		      struct inode **out)
{
	struct remains r = { .fd = -1 };
	int err;

	rmutex_lock(&t->lock);
	err = get_or_add_locked(t, facts, false, out, &r);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	return err;
}

uint64_t itable_moves(struct itable *t)
{
	uint64_t moves;

	rmutex_lock(&t->lock);
	moves = t->moves;
	rmutex_unlock(&t->lock);
	return moves;
}

int itable_see(struct itable *t, const struct inode_facts *facts,
	       uint64_t moves, struct inode **out)
{
	struct remains r = { .fd = -1 };
	int err;

	rmutex_lock(&t->lock);
	err = get_or_add_locked(t, facts, t->moves == moves, out, &r);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	return err;
}

void inode_hold(struct itable *t, struct inode *i)
{
	rmutex_lock(&t->lock);
	i->holds++;
	rmutex_unlock(&t->lock);
}

/* After a count was lowered: is it a kept inode that nothing else counts? */
static bool uncount_locked(struct itable *t, struct inode *i, struct remains *r)
{
	bool is_left = i->kept && !i->holds && !i->nlookup;

	sweep_locked(t, i, r);
	return is_left;
}

bool inode_put(struct itable *t, struct inode *i)
{
	struct remains r = { .fd = -1 };
	bool is_left;

	rmutex_lock(&t->lock);
	assert(i->holds > 0);
	i->holds--;
	is_left = uncount_locked(t, i, &r);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	return is_left;
}

void inode_count_lookup(struct itable *t, struct inode *i)
{
	rmutex_lock(&t->lock);
	if (i != t->root)
		i->nlookup++;
	rmutex_unlock(&t->lock);
}

bool itable_forget(struct itable *t, mapfs_ino ino, uint64_t n)
{
	struct remains r = { .fd = -1 };
	struct inode *i;
	bool is_left = false;

	rmutex_lock(&t->lock);
	i = find_locked(t, ino);
	if (i) {
		i->nlookup -= n < i->nlookup ? n : i->nlookup;
		is_left = uncount_locked(t, i, &r);
	}
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	return is_left;
}

bool inode_is_idle(struct itable *t, struct inode *i)
{
	bool is_idle;

	rmutex_lock(&t->lock);
	is_idle = !i->nlookup && i->holds <= 1;
	rmutex_unlock(&t->lock);
	return is_idle;
}

bool inode_is_known(struct itable *t, const struct inode *i)
{
	bool known;

	rmutex_lock(&t->lock);
	known = i->nlookup > 0 || i == t->root;
	rmutex_unlock(&t->lock);
	return known;
}

void inode_set_kept(struct itable *t, struct inode *i, bool kept)
{
	struct remains r = { .fd = -1 };

	rmutex_lock(&t->lock);
	i->kept = kept;
	if (!kept) {
		i->read_ctime_ns = 0;
		i->is_guarded = false;
	}
	sweep_locked(t, i, &r);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
}

int inode_move(struct itable *t, struct inode *i, struct inode *parent,
	       const char *name)
{
	struct remains r = { .fd = -1 };
	int err;

	assert(!parent == !name);
	rmutex_lock(&t->lock);
	t->moves++;
	if (t->places && S_ISDIR(i->type))
		places_disturb(t->places);
	err = set_place_locked(t, i, parent, name, &r);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	return err;
}

bool inode_lose_place(struct itable *t, struct inode *i,
		      const struct inode *parent, const char *name)
{
	struct remains r = { .fd = -1 };
	bool was_there;

	rmutex_lock(&t->lock);
	t->moves++;
	was_there = i->base_parent == parent && i->base_name &&
		    strcmp(i->base_name, name) == 0;
	if (was_there && set_place_locked(t, i, NULL, NULL, &r))
		abort(); /* nothing to allocate, nothing to refuse */
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	return was_there;
}

int inode_place(struct itable *t, struct inode *i, struct inode **parent,
		char name[NAME_MAX + 1])
{
	int err = 0;

	rmutex_lock(&t->lock);
	if (!i->base_parent)
		err = -ESTALE;
	else if (strlen(i->base_name) > NAME_MAX || strchr(i->base_name, '/'))
		err = -ENAMETOOLONG;
	if (!err) {
		memcpy(name, i->base_name, strlen(i->base_name) + 1);
		*parent = i->base_parent;
		i->base_parent->holds++;
	}
	rmutex_unlock(&t->lock);
	return err;
}

mapfs_ino inode_parent_ino(struct itable *t, const struct inode *i)
{
	mapfs_ino ino;

	rmutex_lock(&t->lock);
	ino = i->base_parent ? i->base_parent->ino : i->ino;
	rmutex_unlock(&t->lock);
	return ino;
}

/* Length of the path with its NUL; 0: the inode is not below the root. */
static size_t path_bytes_locked(const struct itable *t, const struct inode *i)
{
	size_t bytes = i == t->root ? 1 : 0;

	for (; i != t->root; i = i->base_parent) {
		if (!i->base_parent)
			return 0;
		bytes += strlen(i->base_name) + 1;
	}
	return bytes;
}

int inode_base_path(struct itable *t, struct inode *i, char **out)
{
	char *path = NULL;
	size_t at;
	int err = -ESTALE;

	rmutex_lock(&t->lock);
	at = path_bytes_locked(t, i);
	if (at > 0) {
		path = malloc(at);
		err = path ? 0 : -ENOMEM;
	}
	if (!err) {
		path[--at] = '\0';
		for (; i != t->root; i = i->base_parent) {
			size_t len = strlen(i->base_name);

			at -= len;
			memcpy(path + at, i->base_name, len);
			if (at > 0)
				path[--at] = '/';
		}
		assert(at == 0);
		*out = path;
	}
	rmutex_unlock(&t->lock);
	return err;
}

void inode_pin(struct itable *t, struct inode *i, int fd)
{
	struct remains r = { .fd = -1 };
	int old;

	rmutex_lock(&t->lock);
	old = take_pin_locked(t, i);
	i->pinned_fd = fd;
	DL_APPEND2(t->pinned, i, pin_prev, pin_next);
	if (++t->pins > t->max_pins)
		r.fd = take_pin_locked(t, t->pinned);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
	if (old >= 0)
		close(old);
}

void inode_unpin(struct itable *t, struct inode *i)
{
	struct remains r = { .fd = -1 };

	rmutex_lock(&t->lock);
	r.fd = take_pin_locked(t, i);
	rmutex_unlock(&t->lock);
	remains_fini(&r);
}

int inode_pin_dup(struct itable *t, struct inode *i, int *fd)
{
	int err = -ENOENT;
	int copy;

	rmutex_lock(&t->lock);
	if (i->pinned_fd >= 0) {
		copy = fcntl(i->pinned_fd, F_DUPFD_CLOEXEC, 0);
		err = copy < 0 ? -errno : 0;
	}
	rmutex_unlock(&t->lock);
	if (!err)
		*fd = copy;
	return err;
}

uint64_t itable_count(struct itable *t)
{
	uint64_t count;

	rmutex_lock(&t->lock);
	count = t->inodes.count;
	rmutex_unlock(&t->lock);
	return count;
}

int itable_counted(struct itable *t, uint16_t type, mapfs_ino **out,
		   size_t *count)
{
	const struct table_link *l;
	mapfs_ino *all;
	size_t found = 0;

	rmutex_lock(&t->lock);
	all = malloc((size_t)(t->inodes.count + 1) * sizeof(*all));
	for (uint64_t n = 0; all && n < table_buckets(&t->inodes); n++) {
		for (l = table_bucket(&t->inodes, n); l; l = l->next) {
			const struct inode *i = (const struct inode *)l;

			if (i->type == type && i->nlookup > 0)
				all[found++] = i->ino;
		}
	}
	rmutex_unlock(&t->lock);
	if (!all)
		return -ENOMEM;
	*out = all;
	*count = found;
	return 0;
}

int itable_iterate_kept(struct itable *t, int (*fn)(void *arg, struct inode *i),
			void *arg)
{
	struct table_link *l;
	int ret = 0;

	rmutex_lock(&t->lock);
	for (uint64_t n = 0; !ret && n < table_buckets(&t->inodes); n++)
		for (l = table_bucket(&t->inodes, n); l && !ret; l = l->next)
			if (inode_of(l)->kept)
				ret = fn(arg, inode_of(l));
	rmutex_unlock(&t->lock);
	return ret;
}

static int walk_bucket_locked(struct itable *t, struct kept_walk *w)
{
	const struct table_link *l = table_bucket(&t->inodes, w->at);
	int err = 0;

	for (; l && !err; l = l->next) {
		const struct inode *i = (const struct inode *)l;

		if (!i->kept)
			continue;
		err = array_reserve(&w->inos, &w->cap, w->count + 1);
		if (!err)
			w->inos[w->count++] = i->ino;
	}
	return err;
}

int itable_walk_kept(struct itable *t, struct kept_walk *w)
{
	uint64_t left = w->buckets;
	int ret = 0;

	w->count = 0;
	rmutex_lock(&t->lock);
	for (; !ret && left > 0 && w->at < table_buckets(&t->inodes); left--) {
		ret = walk_bucket_locked(t, w);
		w->at++;
	}
	rmutex_unlock(&t->lock);
	return ret ? ret : left < w->buckets;
}

struct kept_list {
	mapfs_ino *inos;
	size_t count;
	size_t cap;
};

static int list_one(void *arg, struct inode *i)
{
	struct kept_list *l = arg;
	int err = array_reserve(&l->inos, &l->cap, l->count + 1);

	if (err)
		return err;
	l->inos[l->count++] = i->ino;
	return 0;
}

int itable_list_kept(struct itable *t, mapfs_ino **out, size_t *count)
{
	struct kept_list l = { 0 };
	int err = itable_iterate_kept(t, list_one, &l);

	if (err) {
		free(l.inos);
		return err;
	}
	*out = l.inos;
	*count = l.count;
	return 0;
}
