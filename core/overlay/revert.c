/* SPDX-License-Identifier: MIT */
/*
 * Putting a path back to the base.
 *
 * A path means a name in a directory inode, so below a renamed directory it
 * is what that directory has in the base.  From there everything is decided
 * by looking at the delta only:
 *
 *   made in the view, below the path       goes with its last name
 *   of the base, at or below the path      forgets its changes, and comes
 *                                          back if it was moved away
 *   of the base, moved in from elsewhere   goes back to where it was
 *
 * The delta without these is then written as a new journal, as a rollback
 * does, so a crash finds all of it or nothing.
 */
#include "revert.h"
#include "core/lib/reason.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A changed file of the base that has several names there. */
struct linked {
	UT_hash_handle hh;
	mapfs_ino ino;
};

struct reverting {
	struct overlay *o;
	struct fates fates;
	struct inode *dir; /* with a hold */
	const char *name;  /* in dir */
	char *base_path;   /* of the name, NULL: the base has none */
	mapfs_ino base_ino;
	uint64_t base_generation;
	bool base_is_dir;
	struct linked *linked; /* may have a name below base_path */
	struct reason *why;
};

struct fate_of *fates_find(const struct fates *f, mapfs_ino ino)
{
	struct fate_of *one = NULL;

	HASH_FIND(hh, f->all, &ino, sizeof(ino), one);
	return one;
}

static int fates_add(struct fates *f, mapfs_ino ino, enum fate fate,
		     struct fate_of **out)
{
	struct fate_of *one = calloc(1, sizeof(*one));

	if (!one)
		return -ENOMEM;
	one->ino = ino;
	one->fate = fate;
	HASH_ADD(hh, f->all, ino, sizeof(one->ino), one);
	if (!one->hh.tbl) {
		free(one);
		return -ENOMEM;
	}
	if (out)
		*out = one;
	return 0;
}

static void fates_fini(struct fates *f)
{
	struct lost_name *n = f->lost;
	struct fate_of *one = f->all;

	HASH_CLEAR(by_path, f->paths);
	HASH_CLEAR(by_sum, f->sums);
	HASH_CLEAR(hh, f->all);
	while (one) {
		struct fate_of *next = one->hh.next;

		free(one->base_path);
		free(one->removed);
		free(one);
		one = next;
	}
	HASH_CLEAR(hh, f->lost);
	while (n) {
		struct lost_name *next = n->hh.next;

		free(n);
		n = next;
	}
}

struct lost_name *fates_lost(const struct fates *f, const struct dentry *d)
{
	struct lost_name *n = NULL;

	HASH_FIND_PTR(f->lost, &d, n);
	return n;
}

bool fates_is_lost(const struct fates *f, const struct dentry *d)
{
	return fates_lost(f, d) != NULL;
}

static int lose(struct fates *f, const struct dentry *d)
{
	struct lost_name *n;

	if (fates_is_lost(f, d))
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->dentry = d;
	HASH_ADD_PTR(f->lost, dentry, n);
	if (n->hh.tbl)
		return 0;
	free(n);
	return -ENOMEM;
}

/* Where the object is in the base; takes the path. */
static int fate_set_path(struct fates *f, struct fate_of *one, char *path)
{
	one->base_path = path;
	HASH_ADD_KEYPTR(by_path, f->paths, path, strlen(path), one);
	return one->by_path.tbl ? 0 : -ENOMEM;
}

/* By what names that hide it remember it. */
static int fate_set_sum(struct fates *f, struct fate_of *one, uint64_t sum)
{
	one->sum = sum;
	HASH_ADD(by_sum, f->sums, sum, sizeof(one->sum), one);
	return one->by_sum.tbl ? 0 : -ENOMEM;
}

static bool is_at_or_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/' || len == 0);
}

/* It goes back to the base, where it is at `path`; takes the path. */
static int take_changed(struct reverting *r, const struct inode *i, char *path)
{
	struct fate_of *one;
	int err = fates_add(&r->fates, i->ino, FATE_BASE, &one);

	if (err)
		free(path);
	else
		err = fate_set_path(&r->fates, one, path);
	if (!err && !S_ISDIR(i->type))
		err = fate_set_sum(&r->fates, one,
				   sig_sum(&i->delta->base->sig));
	return err;
}

/* It may have a name below the path beside the one that is known. */
static int judge_elsewhere(struct reverting *r, struct inode *i)
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

static int judge_changed(struct reverting *r, struct inode *i)
{
	char *path;
	int err;

	if (!i->delta->base)
		return 0;
	/* By the name that was asked for, whatever others it has. */
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

static void linked_drop(struct reverting *r, struct linked *l)
{
	HASH_DEL(r->linked, l);
	free(l);
}

/* A name in the base below the path; 1: no other can matter. */
static int take_linked(void *arg, mapfs_ino ino, const char *path)
{
	struct reverting *r = arg;
	struct linked *l = NULL;
	struct inode *i;
	char *copy;
	int err;

	HASH_FIND(hh, r->linked, &ino, sizeof(ino), l);
	if (!l)
		return 0;
	linked_drop(r, l);
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	i = itable_get(r->o->itable, ino);
	err = take_changed(r, i, copy);
	(void)inode_put(r->o->itable, i);
	return err || r->linked ? err : 1;
}

/* Everything of the base at or below the path that has changed. */
static int find_changed(struct reverting *r)
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
		err = fates_walk_base(r->o, r->base_ino, r->base_generation,
				      r->base_path, take_linked, r);
	return err;
}

static int lose_below(struct reverting *r, mapfs_ino dir);

/* The name goes; what it points at follows as it must. */
static int lose_name(struct reverting *r, const struct dentry *d)
{
	struct fate_of *one = fates_find(&r->fates, d->ino);
	struct inode *i;
	char *path = NULL;
	int err = lose(&r->fates, d);

	if (err || d->ino == 0)
		return err;
	i = itable_get(r->o->itable, d->ino);
	if (!i || !i->delta)
		err = -EUCLEAN;
	if (!err && !one)
		err = fates_add(&r->fates, d->ino,
				i->delta->base ? FATE_RETURN : FATE_NEW, &one);
	if (!err && one->fate == FATE_RETURN && !one->base_path)
		err = inode_base_path(r->o->itable, i, &path);
	if (!err && path)
		err = fate_set_path(&r->fates, one, path);
	if (!err && one->fate == FATE_NEW && S_ISDIR(i->type) &&
	    one->links == 0)
		err = lose_below(r, d->ino);
	if (!err)
		one->links--;
	if (i)
		(void)inode_put(r->o->itable, i);
	return err;
}

static int lose_unless_lost(void *arg, const struct dentry *d)
{
	struct reverting *r = arg;

	return fates_is_lost(&r->fates, d) ? 0 : lose_name(r, d);
}

static int lose_below(struct reverting *r, mapfs_ino dir)
{
	return namespace_iterate_dir(&r->o->set.names, dir, lose_unless_lost,
				     r);
}

/* The path that a dentry over a base name hides; NULL: none. */
static char *hidden_path(struct overlay *o, const struct dentry *d)
{
	struct inode *dir = itable_get(o->itable, d->dir);
	char *above = NULL;
	char *path = NULL;

	if (!dir)
		return NULL;
	if (d->over_base && overlay_has_base(o, dir) &&
	    inode_base_path(o->itable, dir, &above) == 0 &&
	    asprintf(&path, "%s%s%s", above, above[0] ? "/" : "", d->name) < 0)
		path = NULL;
	free(above);
	(void)inode_put(o->itable, dir);
	return path;
}

static struct fate_of *fate_by_path(const struct fates *f, const char *path)
{
	struct fate_of *one = NULL;

	HASH_FIND(by_path, f->paths, path, strlen(path), one);
	return one;
}

struct scan {
	struct reverting *r;
	bool found; /* something new was decided */
};

/* A dentry of the delta that stands where an object wants to return to. */
static int scan_place(void *arg, const struct dentry *d)
{
	struct scan *s = arg;
	struct fates *f = &s->r->fates;
	struct lost_name *lost = fates_lost(f, d);
	struct fate_of *one;
	char *path = hidden_path(s->r->o, d);
	int err = 0;

	if (!path)
		return 0;
	one = fate_by_path(f, path);
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
				"%s: what is in the view there hides what must go back to it; revert that path first",
				path);
			err = -EEXIST;
		} else if (!lost) {
			err = lose(f, d);
		}
	}
	free(path);
	return err;
}

/* Is the name one that the object has in the base as well? */
static bool is_own_name(const struct reverting *r, const struct dentry *d)
{
	struct inode *i = itable_get(r->o->itable, d->ino);
	bool is_own = i && i->delta && i->delta->base && d->over_base &&
		      d->hidden == sig_sum(&i->delta->base->sig);

	if (i)
		(void)inode_put(r->o->itable, i);
	return is_own;
}

/* Another name of an object that comes back to its own. */
static int scan_moved(void *arg, const struct dentry *d)
{
	struct scan *s = arg;
	struct fates *f = &s->r->fates;
	struct fate_of *one = fates_find(f, d->ino);
	int err;

	if (!one || d->ino == 0 || fates_is_lost(f, d) ||
	    one->fate == FATE_NEW || !one->was_hidden || is_own_name(s->r, d))
		return 0;
	s->found = true;
	one->links--;
	err = lose(f, d);
	/* What it replaced there was not asked for. */
	if (!err)
		fates_lost(f, d)->stays_hidden = d->over_base;
	return err;
}

/*
 * A link that the view made to a file of the base keeps its name, and a name
 * of the base elsewhere that the view took away stays away.
 */
static int scan_staying(void *arg, const struct dentry *d)
{
	struct scan *s = arg;
	struct fates *f = &s->r->fates;
	const struct lost_name *lost = fates_lost(f, d);
	struct fate_of *one = fates_find(f, d->ino);

	if (lost && !lost->stays_hidden)
		return 0;
	if (!lost && one && d->ino != 0 && one->fate == FATE_BASE)
		one->stay++;
	if (!d->over_base || !d->hidden)
		return 0;
	HASH_FIND(by_sum, f->sums, &d->hidden, sizeof(d->hidden), one);
	if (one)
		one->away++;
	return 0;
}

/* Inodes that live on with another number of names or subdirectories. */
static int count_directory(struct reverting *r, const struct lost_name *lost)
{
	const struct dentry *d = lost->dentry;
	struct fate_of *dir = fates_find(&r->fates, d->dir);
	struct inode *i;
	struct statx stx;
	bool foreign;
	int err = 0;

	if (!dir)
		err = fates_add(&r->fates, d->dir, FATE_STAY, &dir);
	if (err || dir->fate == FATE_BASE || dir->fate == FATE_NEW)
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
 * Of a file that lost all its names the delta knows nothing, but for the names
 * that are away; when one of them is back, it has to know it again.
 */
static int find_removed(struct reverting *r, const struct lost_name *lost)
{
	const struct dentry *d = lost->dentry;
	struct inode *dir = itable_get(r->o->itable, d->dir);
	struct fate_of *one;
	struct statx stx;
	bool foreign;
	char *path;
	int err = 0;

	if (dir && d->hidden && !lost->stays_hidden &&
	    base_stat(r->o->base, dir, d->name, &stx, &foreign) == 0 &&
	    stx.stx_nlink > 1 && !S_ISDIR(stx.stx_mode) &&
	    !fates_find(&r->fates, stx.stx_ino) &&
	    !is_changed(r->o, stx.stx_ino)) {
		path = hidden_path(r->o, d);
		err = path ? fates_add(&r->fates, stx.stx_ino, FATE_BASE,
				       &one) :
			     -ENOMEM;
		if (err)
			free(path);
		else
			err = fate_set_path(&r->fates, one, path);
		if (!err)
			err = fate_set_sum(&r->fates, one, d->hidden);
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

static int decide(struct reverting *r)
{
	struct overlay *o = r->o;
	const struct dentry *d = namespace_lookup(&o->set.names, r->dir->ino,
						  r->name, strlen(r->name));
	struct scan s = { .r = r, .found = true };
	struct fate_of *one;
	struct fate_of *next;
	int err = r->base_path ? find_changed(r) : 0;

	HASH_ITER(hh, r->fates.all, one, next)
		if (!err)
			err = lose_below(r, one->ino);
	if (!err && d && !fates_is_lost(&r->fates, d))
		err = lose_name(r, d);
	while (!err && s.found) {
		s.found = false;
		err = namespace_iterate(&o->set.names, scan_place, &s);
		if (!err)
			err = namespace_iterate(&o->set.names, scan_moved, &s);
	}
	for (const struct lost_name *n = r->fates.lost; !err && n;
	     n = n->hh.next)
		err = find_removed(r, n);
	for (const struct lost_name *n = r->fates.lost; !err && n;
	     n = n->hh.next)
		err = count_directory(r, n);
	if (!err)
		err = namespace_iterate(&o->set.names, scan_staying, &s);
	return err;
}

/* What the kernel will have to forget. */
static int note_invalidation(const struct reverting *r,
			     struct invalidation *inval)
{
	struct fate_of *one;
	struct fate_of *next;
	int err = 0;

	for (const struct lost_name *n = r->fates.lost; !err && n;
	     n = n->hh.next)
		err = invalidation_note_name(inval, n->dentry->dir,
					     n->dentry->name);
	HASH_ITER(hh, r->fates.all, one, next) {
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
static int revert_locked(struct reverting *r, struct invalidation *inval)
{
	struct overlay *o = r->o;
	struct delta_set state;
	struct itable *table;
	int err = decide(r);

	if (!err && !r->fates.all)
		return 0; /* it is what the base says already */
	if (!err)
		err = note_invalidation(r, inval);
	if (!err)
		err = itable_create(&table, o->view.root_ino);
	if (err)
		return err;
	delta_set_init(&state, table, NULL);
	err = fates_apply(&r->fates, &state);
	if (!err)
		err = store_replace(o->store, &state,
				    o->set.snapshots.counters.base_version);
	if (!err)
		invalidation_mark(inval);
	delta_set_fini(&state);
	itable_destroy(table);
	return err;
}

/* `name` in `path`, which strsep() has cut, is no directory here. */
static void say_no_way(struct reverting *r, char *path, const char *name)
{
	for (char *p = path; p < name; p++) {
		if (!*p)
			*p = '/';
	}
	reason_set(
		r->why,
		"%s: no directory of the view, so nothing in it can be put back; revert that itself first, if the base has it",
		path);
}

/* The directory of the path's last name, with a hold; ns_lock held. */
static int walk(struct reverting *r, char *path)
{
	struct overlay *o = r->o;
	struct found f = { 0 };
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
			say_no_way(r, path, name);
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

/* What the base has under that name, or lost there. */
static int find_base(struct reverting *r)
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
	struct reverting r = {
		.o = o,
		.fates = { .o = o },
		.why = why,
	};
	struct linked *l;
	struct linked *next;
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
	fates_fini(&r.fates);
	HASH_ITER(hh, r.linked, l, next)
		linked_drop(&r, l);
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
			"%s: neither the view nor the base has it; name a path from the root of the view",
			path);
	else if (err && reason_is_empty(why))
		reason_set(why, "%s: %s", path, reason_of(err));
	if (!err && fn)
		invalidation_tell(inval, fn, arg);
	invalidation_destroy(inval);
	return err;
}
