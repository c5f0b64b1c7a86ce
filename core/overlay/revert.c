/* SPDX-License-Identifier: MIT */
/*
 * Reverting a path to the base.
 *
 * A path names an entry of a directory inode, so below a renamed directory it
 * means what that directory has in the base.  What happens to an inode is
 * decided from the delta (revert_set.h):
 *
 *   made in the view, below the path       removed with its last name
 *   of the base, at or below the path      loses its changes, and is moved
 *                                          back if it was moved away
 *   of the base, moved in from elsewhere   is moved back
 *
 * Only what is at or below the path is examined, and all changes are one group
 * of records, so a crash leaves all of them or nothing.  If most of the delta
 * is reverted, the rest is written as a new journal, as a rollback does it.
 *
 * A changed file of the base is known by one name.  If that is elsewhere, the
 * file may have another name below the path, and only the base can tell.  So
 * before anything is locked, the base is walked there, and the numbers in its
 * listings are compared with those in the delta.  A file that is changed only
 * after that is changed after the revert.
 */
#include "revert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"
#include "core/store/compact.h"
#include "core/store/reasons.h"
#include "core/store/sync.h"
#include "invalidate.h"
#include "lost.h"
#include "revert_apply.h"
#include "revert_links.h"
#include "revert_set.h"
#include "revert_target.h"
#include "rollback.h"

/* A name below the path, in the base, of a file that was changed elsewhere. */
struct linked {
	struct linked *next;
	mapfs_ino ino;
	char path[];
};

struct revert_ctx {
	struct overlay *o;
	struct revert_set set;
	struct revert_target target;
	struct linked *linked;
	struct reason *why;
};

/* The inode loses its changes; it is at `path` in the base; takes the path. */
static int take_changed(struct revert_ctx *r, const struct inode *i, char *path)
{
	struct revert_inode *one;
	int err = revert_set_add(&r->set, i->ino, REVERT_TO_BASE, &one);

	if (err)
		free(path);
	else
		err = revert_set_path(&r->set, one, path);
	if (!err && !S_ISDIR(i->type))
		err = revert_set_sum(&r->set, one,
				     sig_sum(&i->delta->base->sig));
	return err;
}

static void linked_fini(struct revert_ctx *r)
{
	while (r->linked) {
		struct linked *next = r->linked->next;

		free(r->linked);
		r->linked = next;
	}
}

/* Is it a file of the base that the view has changed? */
static bool is_changed_file(struct overlay *o, mapfs_ino ino)
{
	struct inode *i = itable_get(o->itable, ino);
	bool is = false;

	if (!i)
		return false;
	rwlock_read(delta_stripe(&o->set, i));
	is = i->delta && i->delta->base && !S_ISDIR(i->type);
	rwlock_unlock(delta_stripe(&o->set, i));
	(void)inode_put(o->itable, i);
	return is;
}

/* Called for each name in the base below the path. */
static int note_linked(void *arg, mapfs_ino ino, const char *path)
{
	struct revert_ctx *r = arg;
	struct linked *l;

	if (!is_changed_file(r->o, ino))
		return 0;
	l = malloc(sizeof(*l) + strlen(path) + 1);
	if (!l)
		return -ENOMEM;
	l->ino = ino;
	memcpy(l->path, path, strlen(path) + 1);
	l->next = r->linked;
	r->linked = l;
	return 0;
}

static int find_linked(struct revert_ctx *r)
{
	linked_fini(r);
	if (!r->target.base_is_dir)
		return 0;
	return revert_links_find(&(struct revert_links_walk){
		.o = r->o,
		.ino = r->target.base_ino,
		.generation = r->target.base_generation,
		.path = r->target.base_path,
		.fn = note_linked,
		.arg = r,
	});
}

/* The object is at `path`, or also there. */
static int take_inode(struct revert_ctx *r, mapfs_ino ino, const char *path)
{
	struct inode *i = itable_get(r->o->itable, ino);
	char *copy = NULL;
	int err = 0;

	if (i && i->delta && i->delta->base && !revert_set_find(&r->set, ino)) {
		if (path)
			copy = strdup(path);
		else
			err = inode_base_path(r->o->itable, i, &copy);
		if (!err)
			err = copy ? take_changed(r, i, copy) : -ENOMEM;
	}
	if (i)
		(void)inode_put(r->o->itable, i);
	return err;
}

/* Does the file that the view has changed have several names in the base? */
static bool has_links(struct revert_ctx *r, mapfs_ino ino)
{
	struct inode *i = itable_get(r->o->itable, ino);
	struct statx stx;
	bool foreign;
	bool has = i && i->delta &&
		   base_stat(r->o->base, i, NULL, &stx, &foreign) == 0 &&
		   stx.stx_nlink > 1;

	if (i)
		(void)inode_put(r->o->itable, i);
	return has;
}

/* Finds the changed objects of the base at or below the path. */
static int find_changed(struct revert_ctx *r)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	/* The object of the path itself: its other names do not matter. */
	int err = r->target.base_ino ? take_inode(r, r->target.base_ino,
						  r->target.base_path) :
				       0;

	if (!err)
		err = origins_inos(&r->o->set.origins, r->target.base_path,
				   &inos, &count);
	for (size_t n = 0; !err && n < count; n++)
		err = take_inode(r, inos[n], NULL);
	free(inos);
	for (const struct linked *l = r->linked; !err && l; l = l->next)
		if (!revert_set_find(&r->set, l->ino) && has_links(r, l->ino))
			err = take_inode(r, l->ino, l->path);
	return err;
}

static int drop_below(struct revert_ctx *r, mapfs_ino dir);

/* The name leaves the delta; decides what happens to its inode. */
static int drop_name(struct revert_ctx *r, const struct dentry *d)
{
	struct revert_inode *one = revert_set_find(&r->set, d->ino);
	struct inode *i;
	char *path = NULL;
	int err = revert_set_add_name(&r->set, d);

	if (err || d->ino == 0)
		return err;
	i = itable_get(r->o->itable, d->ino);
	if (!i || !i->delta)
		err = -EUCLEAN;
	if (!err && !one)
		err = revert_set_add(&r->set, d->ino,
				     i->delta->base ? REVERT_MOVE_BACK :
						      REVERT_REMOVE,
				     &one);
	if (!err && one->action == REVERT_MOVE_BACK && !one->base_path)
		err = inode_base_path(r->o->itable, i, &path);
	if (!err && path)
		err = revert_set_path(&r->set, one, path);
	if (!err && one->action == REVERT_REMOVE && S_ISDIR(i->type) &&
	    one->links == 0)
		err = drop_below(r, d->ino);
	if (!err)
		one->links--;
	if (i)
		(void)inode_put(r->o->itable, i);
	return err;
}

static int drop_unless_dropped(void *arg, const struct dentry *d)
{
	struct revert_ctx *r = arg;

	return revert_set_find_name(&r->set, d) ? 0 : drop_name(r, d);
}

static int drop_below(struct revert_ctx *r, mapfs_ino dir)
{
	return namespace_iterate_dir(&r->o->set.names, dir, drop_unless_dropped,
				     r);
}

/* The path in the base that a dentry over a base name hides; NULL: none. */
static char *hidden_path(struct overlay *o, const struct dentry *d)
{
	struct inode *dir = itable_get(o->itable, d->dir);
	char *path = NULL;

	if (!dir)
		return NULL;
	if (d->over_base && overlay_has_base(o, dir) &&
	    overlay_base_path(o, dir, d->name, &path))
		path = NULL;
	(void)inode_put(o->itable, dir);
	return path;
}

struct scan {
	struct revert_ctx *r;
	bool found; /* this scan decided something new */
};

/* A dentry that covers the place to which an object must return. */
static int scan_place(void *arg, const struct dentry *d)
{
	struct scan *s = arg;
	struct revert_set *f = &s->r->set;
	struct revert_name *lost = revert_set_find_name(f, d);
	struct revert_inode *one;
	char *path = hidden_path(s->r->o, d);
	int err = 0;

	if (!path)
		return 0;
	one = revert_set_by_path(f, path);
	if (one && lost)
		lost->stays_hidden = false;
	if (one && one->ino != d->ino && !one->was_hidden) {
		one->was_hidden = true;
		f->hidden_count++;
		one->parent = d->dir;
		one->links++;
		s->found = true;
		if (!lost && d->ino != 0) {
			reason_set(
				s->r->why,
				"%s: an object of the view has the place to which another one must return; revert that path first",
				path);
			err = -EEXIST;
		} else if (!lost) {
			err = revert_set_add_name(f, d);
		}
	}
	free(path);
	return err;
}

/* The dentry `name` in each directory that the base has, or had, at `dir`. */
static int scan_places_in(struct scan *s, const char *dir, const char *name)
{
	struct overlay *o = s->r->o;
	mapfs_ino ino = *dir ? origins_get(&o->set.origins, dir, 0) :
			       o->view.root_ino;
	int err = 0;

	for (unsigned int n = 1; ino && !err; n++) {
		const struct dentry *d = namespace_lookup(&o->set.names, ino,
							  name, strlen(name));

		if (d)
			err = scan_place(s, d);
		ino = *dir ? origins_get(&o->set.origins, dir, n) : 0;
	}
	return err;
}

/* Dentries that cover a place to which an object must return. */
static int scan_places(struct scan *s)
{
	const struct revert_inode *one;
	int err = 0;

	for (one = s->r->set.inodes; one && !err; one = one->hh.next) {
		const char *path = one->base_path;
		const char *slash = path ? strrchr(path, '/') : NULL;
		char *dir;

		if (!path)
			continue;
		dir = strndup(path, slash ? (size_t)(slash - path) : 0);
		if (!dir)
			return -ENOMEM;
		err = scan_places_in(s, dir, slash ? slash + 1 : path);
		free(dir);
	}
	return err;
}

/* Does the object have the name in the base, too? */
static bool is_own_name(const struct revert_ctx *r, const struct dentry *d)
{
	struct inode *i = itable_get(r->o->itable, d->ino);
	bool is_own = i && i->delta && i->delta->base && d->over_base &&
		      d->hidden == sig_sum(&i->delta->base->sig);

	if (i)
		(void)inode_put(r->o->itable, i);
	return is_own;
}

/* Another name of an object that returns to its own name. */
static int scan_moved(void *arg, const struct dentry *d)
{
	struct scan *s = arg;
	struct revert_set *f = &s->r->set;
	struct revert_inode *one = d->ino ? revert_set_find(f, d->ino) : NULL;
	int err;

	if (!one || revert_set_find_name(f, d) ||
	    one->action == REVERT_REMOVE || !one->was_hidden ||
	    is_own_name(s->r, d))
		return 0;
	s->found = true;
	one->links--;
	err = revert_set_add_name(f, d);
	/* The object that it replaced there is not part of the revert. */
	if (!err)
		revert_set_find_name(f, d)->stays_hidden = d->over_base;
	return err;
}

/*
 * Outside the path the view's changes stay: a link that the view made to a file
 * of the base, and the removal of a name that the file has in the base.
 */
static int scan_staying(void *arg, const struct dentry *d)
{
	struct scan *s = arg;
	struct revert_set *f = &s->r->set;
	const struct revert_name *lost;
	struct revert_inode *has = d->ino ? revert_set_find(f, d->ino) : NULL;
	struct revert_inode *hides = NULL;

	if (d->over_base && d->hidden)
		hides = revert_set_by_sum(f, d->hidden);
	if (!has && !hides)
		return 0;
	lost = revert_set_find_name(f, d);
	if (lost && !lost->stays_hidden)
		return 0;
	if (!lost && has && has->action == REVERT_TO_BASE)
		has->names_added++;
	if (hides)
		hides->names_hidden++;
	return 0;
}

/* Corrects the number of subdirectories of a directory that stays. */
static int count_directory(struct revert_ctx *r, const struct revert_name *lost)
{
	const struct dentry *d = lost->dentry;
	struct revert_inode *dir = revert_set_find(&r->set, d->dir);
	struct inode *i;
	struct statx stx;
	bool foreign;
	int err = 0;

	if (!dir)
		err = revert_set_add(&r->set, d->dir, REVERT_ADJUST, &dir);
	if (err || dir->action == REVERT_TO_BASE ||
	    dir->action == REVERT_REMOVE)
		return err;
	if (d->ino != 0 && S_ISDIR(d->type))
		dir->links--;
	i = itable_get(r->o->itable, d->dir);
	if (i && d->over_base && !lost->stays_hidden &&
	    overlay_has_base(r->o, i) &&
	    base_stat(r->o->base, i, d->name, &stx, &foreign) == 0 &&
	    S_ISDIR(stx.stx_mode))
		dir->links++;
	if (i)
		(void)inode_put(r->o->itable, i);
	return 0;
}

static bool is_changed(struct overlay *o, mapfs_ino ino)
{
	struct inode *i = itable_get(o->itable, ino);
	bool is = i && i->delta;

	if (i)
		(void)inode_put(o->itable, i);
	return is;
}

/*
 * A file of the base that lost all its names is not in the delta; only the
 * whiteouts of its names are.  If one of the names returns, the delta needs the
 * file again, because the others stay hidden.
 */
static int find_removed(struct revert_ctx *r, const struct revert_name *lost)
{
	const struct dentry *d = lost->dentry;
	struct inode *dir = itable_get(r->o->itable, d->dir);
	struct revert_inode *one;
	struct statx stx;
	bool foreign;
	char *path;
	int err = 0;

	if (dir && d->hidden && !lost->stays_hidden &&
	    base_stat(r->o->base, dir, d->name, &stx, &foreign) == 0 &&
	    stx.stx_nlink > 1 && !S_ISDIR(stx.stx_mode) &&
	    !revert_set_find(&r->set, stx.stx_ino) &&
	    !is_changed(r->o, stx.stx_ino)) {
		path = hidden_path(r->o, d);
		err = path ? revert_set_add(&r->set, stx.stx_ino,
					    REVERT_TO_BASE, &one) :
			     -ENOMEM;
		if (err)
			free(path);
		else
			err = revert_set_path(&r->set, one, path);
		if (!err)
			err = revert_set_sum(&r->set, one, d->hidden);
		if (!err)
			one->removed = malloc(sizeof(stx));
		if (!err && one->removed)
			*one->removed = stx;
		else if (!err)
			err = -ENOMEM;
	}
	if (dir)
		(void)inode_put(r->o->itable, dir);
	return err;
}

static int decide(struct revert_ctx *r)
{
	struct overlay *o = r->o;
	const struct dentry *d =
		namespace_lookup(&o->set.names, r->target.dir->ino,
				 r->target.name, strlen(r->target.name));
	struct scan s = { .r = r, .found = true };
	struct revert_inode *one;
	struct revert_inode *next;
	int err = r->target.base_path ? find_changed(r) : 0;

	HASH_ITER(hh, r->set.inodes, one, next)
		if (!err)
			err = drop_below(r, one->ino);
	if (!err && d && !revert_set_find_name(&r->set, d))
		err = drop_name(r, d);
	while (!err && s.found) {
		s.found = false;
		err = scan_places(&s);
		if (!err && r->set.hidden_count > 0)
			err = namespace_iterate(&o->set.names, scan_moved, &s);
	}
	for (const struct revert_name *n = r->set.names; !err && n;
	     n = n->hh.next)
		err = find_removed(r, n);
	for (const struct revert_name *n = r->set.names; !err && n;
	     n = n->hh.next)
		err = count_directory(r, n);
	if (!err)
		err = namespace_iterate(&o->set.names, scan_staying, &s);
	return err;
}

/* Notes the names and inodes that the kernel may have cached. */
static int note_invalidation(const struct revert_ctx *r,
			     struct invalidation *inval)
{
	struct revert_inode *one;
	struct revert_inode *next;
	int err = 0;

	for (const struct revert_name *n = r->set.names; !err && n;
	     n = n->hh.next)
		err = invalidation_note_name(inval, n->dentry->dir,
					     n->dentry->name);
	HASH_ITER(hh, r->set.inodes, one, next) {
		struct inode *i = itable_get(r->o->itable, one->ino);

		if (!i)
			continue;
		if (!err)
			err = invalidation_note_inode(inval, i->ino, i->type);
		(void)inode_put(r->o->itable, i);
	}
	return err;
}

/* What is left becomes the new journal. */
static int replace_by_rest(struct revert_ctx *r)
{
	struct overlay *o = r->o;
	struct delta_set state;
	struct itable *table;
	int err = itable_create(&table, o->view.root_ino);

	if (err)
		return err;
	delta_set_init(&state, table, NULL);
	err = revert_apply(&r->set, &state);
	if (!err)
		err = store_replace(o->store, &state,
				    o->set.snapshots.counters.base_version);
	delta_set_fini(&state);
	itable_destroy(table);
	return err;
}

/* Readers of one inode see it before all of the group or after it. */
static int apply_group(struct overlay *o, const struct group *g)
{
	int err;

	delta_set_lock(&o->set);
	err = store_apply(o->store, g, NULL);
	delta_set_unlock(&o->set);
	return err;
}

/* Changes the delta by one group of records, unless the rest is smaller. */
static int change_delta(struct revert_ctx *r)
{
	const struct delta_set *set = &r->o->set;
	const uint64_t all = set->counts.inodes + set->names.dentries.count;
	struct group g;
	int err;

	if (revert_set_count(&r->set) > all / 2)
		return replace_by_rest(r);
	group_init(&g);
	g.space = SPACE_FREES;
	err = revert_group(&r->set, &g);
	if (!err && g.len_bytes > GROUP_MAX_BYTES)
		err = replace_by_rest(r);
	else if (!err)
		err = apply_group(r->o, &g);
	group_fini(&g);
	return err;
}

/* store_lock() is held. */
static int revert_locked(struct revert_ctx *r, struct invalidation *inval)
{
	int err = decide(r);

	if (!err && !r->set.inodes)
		return 0; /* the path is as the base has it */
	if (!err)
		err = note_invalidation(r, inval);
	if (!err)
		err = change_delta(r);
	if (!err)
		invalidation_mark(inval);
	return err;
}

/* Walks the base without a lock, which takes as long as that has names. */
static int look_ahead(struct revert_ctx *r, const char *path)
{
	int err;

	rwlock_read(&r->o->ns_lock);
	err = revert_target_find(&r->target, path, r->why);
	rwlock_unlock(&r->o->ns_lock);
	return err ? err : find_linked(r);
}

/* Is the target the same object of the base as that which was walked? */
static bool is_same_base(const struct revert_ctx *r, mapfs_ino ino,
			 const char *path)
{
	return r->target.base_ino == ino && !r->target.base_path == !path &&
	       (!path || strcmp(r->target.base_path, path) == 0);
}

/* 1: the path means something else than before; look again. */
static int revert_unless_moved(struct revert_ctx *r, const char *path,
			       struct invalidation *inval)
{
	struct overlay *o = r->o;
	mapfs_ino was_ino = r->target.base_ino;
	char *was_path = r->target.base_path;
	int err;

	r->target.base_path = NULL;
	revert_target_fini(&r->target);
	store_lock(o->store);
	err = store_may_change(o->store);
	if (!err)
		err = revert_target_find(&r->target, path, r->why);
	if (!err && !is_same_base(r, was_ino, was_path))
		err = 1;
	if (!err && !r->target.base_path &&
	    !namespace_lookup(&o->set.names, r->target.dir->ino, r->target.name,
			      strlen(r->target.name)))
		err = -ENOENT;
	if (!err)
		err = revert_locked(r, inval);
	store_unlock(o->store);
	free(was_path);
	return err;
}

static int revert_path(struct overlay *o, const char *path,
		       struct invalidation *inval, struct reason *why)
{
	struct revert_ctx r = {
		.o = o,
		.target = { .o = o },
		.set = { .o = o },
		.why = why,
	};
	int err;

	do {
		revert_target_fini(&r.target);
		err = look_ahead(&r, path);
		if (!err)
			err = revert_unless_moved(&r, path, inval);
	} while (err == 1);
	revert_target_fini(&r.target);
	revert_set_fini(&r.set);
	linked_fini(&r);
	return err;
}

int overlay_revert(struct mapfs_view *v, const char *path,
		   mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	struct overlay *o = overlay_of(v);
	struct invalidation *inval;
	char *copy;
	size_t len;
	int err = v->look_only ? -EROFS : invalidation_create(&inval, o);

	if (err)
		return err;
	copy = strdup(path);
	if (!copy)
		err = -ENOMEM;
	for (len = copy ? strlen(copy) : 0; len > 0 && copy[len - 1] == '/';)
		copy[--len] = '\0';
	if (!err && len == 0)
		err = overlay_replace(o, NULL,
				      o->set.snapshots.counters.base_version,
				      fn, arg);
	else if (!err)
		err = revert_path(o, copy, inval, why);
	free(copy);
	if (!err && fn)
		invalidation_tell(inval, fn, arg);
	/* What was reverted is durable when the command ends [D1]. */
	if (!err)
		err = store_sync(o->store);
	if (err == -ENOENT && reason_is_empty(why))
		reason_set(
			why,
			"%s: neither the view nor the base has it; check the path",
			path);
	else if (err && reason_is_empty(why))
		reason_set(why, "%s: %s", path, reason_of_replacing(err));
	invalidation_destroy(inval);
	return err;
}
