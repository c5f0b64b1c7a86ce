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
 * The delta that is left is written as a new journal, as a rollback does it,
 * so a crash leaves all of it or nothing.
 */
#include "revert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lib/path.h"
#include "core/store/compact.h"
#include "invalidate.h"
#include "lookup.h"
#include "lost.h"
#include "revert_apply.h"
#include "revert_links.h"
#include "revert_set.h"
#include "rollback.h"

/* A changed file of the base that has several names there. */
struct linked {
	UT_hash_handle hh;
	mapfs_ino ino;
};

struct revert_ctx {
	struct overlay *o;
	struct revert_set set;
	struct inode *dir; /* directory of the path, with a hold */
	const char *name;  /* last name of the path, in dir */
	char *base_path;   /* the same in the base; NULL: not there */
	mapfs_ino base_ino;
	uint64_t base_generation;
	bool base_is_dir;
	struct linked *linked; /* files that may have a name below base_path */
	struct reason *why;
};

static bool is_at_or_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/' || len == 0);
}

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

/* Notes a file that may have another name, below the path. */
static int judge_elsewhere(struct revert_ctx *r, struct inode *i)
{
	struct linked *l;
	struct statx stx;
	bool foreign;

	if (!r->base_is_dir || S_ISDIR(i->type) ||
	    base_stat(r->o->base, i, NULL, &stx, &foreign) != 0 ||
	    stx.stx_nlink < 2)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->ino = i->ino;
	HASH_ADD(hh, r->linked, ino, sizeof(l->ino), l);
	if (l->hh.tbl)
		return 0;
	free(l);
	return -ENOMEM;
}

static int judge_changed(struct revert_ctx *r, struct inode *i)
{
	char *path;
	int err;

	if (!i->delta->base)
		return 0;
	/* The object of the path itself: its other names do not matter. */
	if (i->ino == r->base_ino) {
		path = strdup(r->base_path);
		return path ? take_changed(r, i, path) : -ENOMEM;
	}
	err = inode_base_path(r->o->itable, i, &path);
	if (err)
		return err;
	if (is_at_or_below(path, r->base_path))
		return take_changed(r, i, path);
	free(path);
	return judge_elsewhere(r, i);
}

static void linked_fini(struct revert_ctx *r)
{
	struct linked *l = r->linked;

	HASH_CLEAR(hh, r->linked);
	while (l) {
		struct linked *next = l->hh.next;

		free(l);
		l = next;
	}
}

/* Called for a name in the base below the path; 1: all were found. */
static int take_linked(void *arg, mapfs_ino ino, const char *path)
{
	struct revert_ctx *r = arg;
	struct linked *l = NULL;
	struct inode *i;
	char *copy;
	int err;

	HASH_FIND(hh, r->linked, &ino, sizeof(ino), l);
	if (!l)
		return 0;
	HASH_DEL(r->linked, l);
	free(l);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	i = itable_get(r->o->itable, ino);
	err = take_changed(r, i, copy);
	(void)inode_put(r->o->itable, i);
	return err || r->linked ? err : 1;
}

/* Finds the changed objects of the base at or below the path. */
static int find_changed(struct revert_ctx *r)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(r->o->itable, &inos, &count);

	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(r->o->itable, inos[n]);

		err = judge_changed(r, i);
		(void)inode_put(r->o->itable, i);
	}
	free(inos);
	if (!err && r->linked)
		err = revert_links_find(&(struct revert_links_walk){
			.o = r->o,
			.ino = r->base_ino,
			.generation = r->base_generation,
			.path = r->base_path,
			.fn = take_linked,
			.arg = r,
		});
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
	struct revert_inode *one = revert_set_find(f, d->ino);
	int err;

	if (!one || d->ino == 0 || revert_set_find_name(f, d) ||
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
	const struct revert_name *lost = revert_set_find_name(f, d);
	struct revert_inode *one = revert_set_find(f, d->ino);

	if (lost && !lost->stays_hidden)
		return 0;
	if (!lost && one && d->ino != 0 && one->action == REVERT_TO_BASE)
		one->names_added++;
	if (!d->over_base || !d->hidden)
		return 0;
	one = revert_set_by_sum(f, d->hidden);
	if (one)
		one->names_hidden++;
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
	const struct dentry *d = namespace_lookup(&o->set.names, r->dir->ino,
						  r->name, strlen(r->name));
	struct scan s = { .r = r, .found = true };
	struct revert_inode *one;
	struct revert_inode *next;
	int err = r->base_path ? find_changed(r) : 0;

	HASH_ITER(hh, r->set.inodes, one, next)
		if (!err)
			err = drop_below(r, one->ino);
	if (!err && d && !revert_set_find_name(&r->set, d))
		err = drop_name(r, d);
	while (!err && s.found) {
		s.found = false;
		err = namespace_iterate(&o->set.names, scan_place, &s);
		if (!err)
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

/* store_lock() is held. */
static int revert_locked(struct revert_ctx *r, struct invalidation *inval)
{
	struct overlay *o = r->o;
	struct delta_set state;
	struct itable *table;
	int err = decide(r);

	if (!err && !r->set.inodes)
		return 0; /* the path is as the base has it */
	if (!err)
		err = note_invalidation(r, inval);
	if (!err)
		err = itable_create(&table, o->view.root_ino);
	if (err)
		return err;
	delta_set_init(&state, table, NULL);
	err = revert_apply(&r->set, &state);
	if (!err)
		err = store_replace(o->store, &state,
				    o->set.snapshots.counters.base_version);
	if (!err)
		invalidation_mark(inval);
	delta_set_fini(&state);
	itable_destroy(table);
	return err;
}

/* strsep() has cut `path` up to `name`, which is no directory. */
static void say_no_directory(struct revert_ctx *r, char *path, const char *name)
{
	for (char *p = path; p < name; p++) {
		if (!*p)
			*p = '/';
	}
	reason_set(
		r->why,
		"%s: no directory of the view, so nothing in it can be reverted; if the base has it, revert it itself first",
		path);
}

/* The directory of the path's last name, with a hold; ns_lock held. */
static int walk(struct revert_ctx *r, char *path)
{
	struct overlay *o = r->o;
	struct lookup_result f = { 0 };
	char *rest = path;
	char *name = strsep(&rest, "/");
	int err = overlay_get(o, o->view.root_ino, &r->dir);

	while (!err && rest) {
		if (name[0] == '\0' || strcmp(name, ".") == 0) {
			name = strsep(&rest, "/");
			continue;
		}
		err = strcmp(name, "..") == 0 ?
			      -EINVAL :
			      overlay_find(o, r->dir, name, &f);
		if (!err && (!f.inode || !S_ISDIR(f.inode->type)))
			err = f.inode ? -ENOTDIR : -ENOENT;
		if (err == -ENOENT || err == -ENOTDIR)
			say_no_directory(r, path, name);
		if (err)
			break;
		(void)inode_put(o->itable, r->dir);
		r->dir = f.inode;
		f.inode = NULL;
		name = strsep(&rest, "/");
	}
	if (f.inode)
		(void)inode_put(o->itable, f.inode);
	r->name = name;
	return err;
}

/* Finds what the base has at the path, or has lost there. */
static int find_base(struct revert_ctx *r)
{
	struct statx stx;
	char *path;
	bool foreign;
	int asked;
	int err;

	if (!overlay_has_base(r->o, r->dir))
		return 0;
	asked = base_stat(r->o->base, r->dir, r->name, &stx, &foreign);
	if (asked && asked != -ENOENT && !overlay_lost_dir(r->o, r->dir, asked))
		return asked;
	err = overlay_base_path(r->o, r->dir, r->name, &path);
	if (err)
		return err;
	if (asked && !origins_get(&r->o->set.origins, path, 0) &&
	    !origins_below(&r->o->set.origins, path)) {
		free(path);
		return 0;
	}
	r->base_path = path;
	if (asked)
		return 0;
	r->base_ino = stx.stx_ino;
	r->base_generation = base_generation(&stx);
	r->base_is_dir = S_ISDIR(stx.stx_mode) && !foreign;
	return 0;
}

static int revert_path(struct overlay *o, char *path,
		       struct invalidation *inval, struct reason *why)
{
	struct revert_ctx r = {
		.o = o,
		.set = { .o = o },
		.why = why,
	};
	int err;

	store_lock(o->store);
	err = store_may_change(o->store);
	if (!err)
		err = walk(&r, path);
	if (!err)
		err = find_base(&r);
	if (!err && !r.base_path &&
	    !namespace_lookup(&o->set.names, r.dir->ino, r.name,
			      strlen(r.name)))
		err = -ENOENT;
	if (!err)
		err = revert_locked(&r, inval);
	store_unlock(o->store);
	if (r.dir)
		overlay_put(o, r.dir);
	revert_set_fini(&r.set);
	linked_fini(&r);
	free(r.base_path);
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
	if (err == -ENOENT && reason_is_empty(why))
		reason_set(
			why,
			"%s: neither the view nor the base has it; check the path",
			path);
	else if (err && reason_is_empty(why))
		reason_set(why, "%s: %s", path, reason_of(err));
	if (!err && fn)
		invalidation_tell(inval, fn, arg);
	invalidation_destroy(inval);
	return err;
}
