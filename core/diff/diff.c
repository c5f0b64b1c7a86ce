/* SPDX-License-Identifier: MIT */
/*
 * From edges to entries.
 *
 * A directory that both sides have is followed by identity: in another place
 * it is renamed, whatever else had that name.  All other objects belong to
 * their names: a name on both sides is modified or retyped, a name on one
 * side is added or deleted; and a file that lost one name and got another is
 * renamed.  So each object of either side is in one entry at most.
 */
#include "diff_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A change that is known by its names only; whether M is one is not yet. */
struct change {
	enum mapfs_change kind;
	const struct edge *edge;
	const struct edge *from; /* where the old object is */
	char *path;
	char *old_path;
};

struct changes {
	struct change *change;
	size_t count;
	size_t cap;
};

/* An edge that only one side has, on the way to finding renames. */
struct loose {
	struct edge *edge;
	mapfs_ino id;
	char *path;
};

struct loosened {
	struct loose *loose;
	size_t count;
	size_t cap;
};

static int grow(void **p, size_t *cap, size_t count, size_t size)
{
	size_t n = *cap ? *cap * 2 : 64;
	void *q;

	if (count < *cap)
		return 0;
	q = realloc(*p, n * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = n;
	return 0;
}

static int loosened_add(struct differ *d, struct loosened *all, struct edge *e,
			mapfs_ino id, enum side s)
{
	void *p = all->loose;
	char *path;
	int err = grow(&p, &all->cap, all->count, sizeof(*all->loose));

	all->loose = p;
	if (!err)
		err = dnode_path(d, e->dir, e->name, s, &path);
	if (err)
		return err;
	all->loose[all->count++] = (struct loose){ e, id, path };
	return 0;
}

static void loosened_free(struct loosened *all)
{
	for (size_t n = 0; n < all->count; n++)
		free(all->loose[n].path);
	free(all->loose);
}

static int by_id_and_path(const void *a, const void *b)
{
	const struct loose *x = a;
	const struct loose *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* Names of files that went, and names of files that came. */
static int collect_loose(struct differ *d, struct loosened all[SIDES])
{
	int err = 0;

	for (struct edge *e = d->edges; e && !err; e = e->hh.next) {
		struct object was = { 0 };
		struct object is = { 0 };

		err = edge_object(d, e, OLD, &was);
		if (!err)
			err = edge_object(d, e, NEW, &is);
		if (!err && was.id && !was.dir && !is.id)
			err = loosened_add(d, &all[OLD], e, was.id, OLD);
		else if (!err && is.id && !is.dir && !was.id)
			err = loosened_add(d, &all[NEW], e, is.id, NEW);
	}
	for (int s = OLD; s < SIDES; s++)
		if (all[s].count > 1)
			qsort(all[s].loose, all[s].count, sizeof(*all[s].loose),
			      by_id_and_path);
	return err;
}

static int find_renamed_files(struct differ *d)
{
	struct loosened all[SIDES] = { 0 };
	size_t i = 0;
	size_t j = 0;
	int err = collect_loose(d, all);

	while (!err && i < all[OLD].count && j < all[NEW].count) {
		struct loose *was = &all[OLD].loose[i];
		struct loose *is = &all[NEW].loose[j];

		if (was->id == is->id) {
			is->edge->from = was->edge;
			was->edge->is_source = true;
		}
		i += was->id <= is->id;
		j += is->id <= was->id;
	}
	loosened_free(&all[OLD]);
	loosened_free(&all[NEW]);
	return err;
}

/* Is the path one that was asked for? */
static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return len == 0 || (strncmp(path, top, len) == 0 &&
			    (path[len] == '\0' || path[len] == '/'));
}

/* Does the entry of a directory stand for what is below it? */
static bool speaks_for_below(const struct differ *d, const struct change *c)
{
	if (c->kind == MAPFS_RENAMED)
		return true;
	return c->kind != MAPFS_MODIFIED && !d->opt->want_tree;
}

static bool is_asked_for(const struct differ *d, const struct change *c)
{
	const struct mapfs_diff_options *opt = d->opt;
	const bool for_below = speaks_for_below(d, c);

	for (size_t n = 0; n < opt->path_count; n++) {
		const char *top = opt->paths[n];

		if (is_below(c->path, top) ||
		    (for_below && is_below(top, c->path)))
			return true;
		if (c->kind == MAPFS_RENAMED &&
		    (is_below(c->old_path, top) || is_below(top, c->old_path)))
			return true;
	}
	return opt->paths == NULL;
}

static int add_change(struct differ *d, struct changes *all,
		      enum mapfs_change kind, const struct edge *e,
		      const struct edge *from)
{
	struct change c = { .kind = kind, .edge = e, .from = from };
	void *p = all->change;
	int err = grow(&p, &all->cap, all->count, sizeof(*all->change));

	all->change = p;
	if (!err)
		err = dnode_path(d, e->dir, e->name, NEW, &c.path);
	if (!err)
		err = dnode_path(d, from->dir, from->name, OLD, &c.old_path);
	if (!err && is_asked_for(d, &c)) {
		all->change[all->count++] = c;
		return 0;
	}
	free(c.path);
	free(c.old_path);
	return err;
}

/* A directory that moved here: the edge that it moved from. */
static int find_renamed_dir(struct differ *d, const struct edge *e,
			    struct edge **from)
{
	struct dnode *dir = e->object[NEW].dir;
	const struct place *p;
	bool moved = false;
	int err = dir ? dnode_is_moved(d, dir, &moved) : 0;

	*from = NULL;
	if (err || !moved)
		return err;
	err = dnode_place(d, dir, OLD, &p);
	return err ? err :
		     edge_add(d, p->parent, p->name, strlen(p->name), from);
}

/* The same object on both sides, and in the delta of neither. */
static bool is_untouched(const struct differ *d, const struct edge *e)
{
	const mapfs_ino id = e->object[OLD].id;

	return id == e->object[NEW].id && !side_inode(&d->side[OLD], id) &&
	       !side_inode(&d->side[NEW], id);
}

/* At most two: something else may have had the name of what moved here. */
static int add_changes_of(struct differ *d, struct changes *all,
			  const struct edge *e)
{
	struct object was = { 0 };
	struct object is = { 0 };
	struct edge *from;
	bool covered = false;
	int err;

	if (is_untouched(d, e))
		return 0;
	err = edge_object(d, e, OLD, &was);
	if (!err)
		err = edge_object(d, e, NEW, &is);
	if (!err)
		err = dnode_is_covered(d, e->dir, &covered);
	if (!err && was.id && is.id)
		err = add_change(d, all,
				 was.type == is.type ? MAPFS_MODIFIED :
						       MAPFS_RETYPED,
				 e, e);
	else if (!err && was.id && !e->is_source && !covered)
		err = add_change(d, all, MAPFS_DELETED, e, e);
	else if (!err && is.id && e->from)
		err = add_change(d, all, MAPFS_RENAMED, e, e->from);
	else if (!err && is.id && !covered)
		err = add_change(d, all, MAPFS_ADDED, e, e);
	if (!err)
		err = find_renamed_dir(d, e, &from);
	if (!err && from)
		err = add_change(d, all, MAPFS_RENAMED, e, from);
	return err;
}

/* What goes comes before what takes its name. */
static int by_path(const void *a, const void *b)
{
	const struct change *x = a;
	const struct change *y = b;
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	return (x->kind != MAPFS_DELETED) - (y->kind != MAPFS_DELETED);
}

static int collect_changes(struct differ *d, struct changes *all)
{
	int err = 0;

	for (struct edge *e = d->edges; e && !err; e = e->hh.next)
		err = add_changes_of(d, all, e);
	if (!err && all->count > 1)
		qsort(all->change, all->count, sizeof(*all->change), by_path);
	return err;
}

static int open_old(struct differ *d, const struct change *c,
		    struct subject *out)
{
	if (c->kind == MAPFS_ADDED)
		return 0;
	return subject_init(d, OLD, c->from, OLD, &c->from->object[OLD], out);
}

static int open_new(struct differ *d, const struct change *c,
		    struct subject *out)
{
	if (c->kind == MAPFS_DELETED)
		return 0;
	return subject_init(d, NEW, c->edge, NEW, &c->edge->object[NEW], out);
}

/* Objects that are not the same in kind: all of the one that counts. */
static int measure(const struct differ *d, const struct subject *a,
		   const struct subject *b, struct difference *out)
{
	const struct mapfs_diff_side *s = S_ISREG(b->shown.mode) ? &b->shown :
								   &a->shown;

	if (!S_ISREG(s->mode))
		return 0;
	return difference_add(out, d->opt->want_ranges, 0, s->size_bytes);
}

static int tell(struct differ *d, const struct change *c,
		const struct subject *a, const struct subject *b,
		const struct difference *diff)
{
	const struct mapfs_diff_entry entry = {
		.change = c->kind,
		.what = diff->what,
		.path = c->path,
		.old_path = c->old_path,
		.old_side = subject_show(d, a),
		.new_side = subject_show(d, b),
		.pages = diff->pages,
		.bytes = diff->bytes,
		.ranges = diff->ranges,
		.range_count = diff->range_count,
	};

	if (c->kind == MAPFS_MODIFIED && diff->what == 0)
		return 0;
	return d->fn(d->arg, &entry);
}

static int compare_and_tell(struct differ *d, const struct change *c)
{
	struct subject a = { 0 };
	struct subject b = { 0 };
	struct difference diff = { 0 };
	int err = open_old(d, c, &a);

	if (err)
		return err;
	err = open_new(d, c, &b);
	if (!err) {
		if (c->kind == MAPFS_MODIFIED || c->kind == MAPFS_RENAMED)
			err = subject_compare(d, &a, &b, &diff);
		else
			err = measure(d, &a, &b, &diff);
		if (!err && c->kind == MAPFS_RETYPED)
			diff.what |= MAPFS_WHAT_CONTENT;
		if (!err)
			err = tell(d, c, &a, &b, &diff);
		difference_fini(&diff);
		subject_fini(d, &b);
	}
	subject_fini(d, &a);
	return err;
}

static int compare_sides(struct differ *d, struct overlay *from)
{
	struct changes all = { 0 };
	int err = side_load(d, OLD, from);

	if (!err)
		err = side_load(d, NEW, d->to);
	if (!err)
		err = dnodes_load(d);
	if (!err)
		err = diff_expand(d);
	if (!err)
		err = diff_find_links(d);
	if (!err)
		err = find_renamed_files(d);
	if (!err)
		err = collect_changes(d, &all);
	for (size_t n = 0; n < all.count; n++) {
		if (!err)
			err = compare_and_tell(d, &all.change[n]);
		free(all.change[n].path);
		free(all.change[n].old_path);
	}
	free(all.change);
	return err;
}

static int check_same_base(const struct overlay *a, const struct overlay *b)
{
	struct stat x;
	struct stat y;

	if (base_is_absent(a->base) || base_is_absent(b->base))
		return base_is_absent(a->base) == base_is_absent(b->base) ?
			       0 :
			       -EXDEV;
	if (fstat(base_root_fd(a->base), &x) < 0 ||
	    fstat(base_root_fd(b->base), &y) < 0)
		return -errno;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino ? 0 : -EXDEV;
}

/* Of one store, so that a number means the same page on both sides. */
static bool is_one_store(struct mapfs_view *a, struct mapfs_view *b)
{
	struct mapfs_info x;
	struct mapfs_info y;

	mapfs_view_info(a, &x);
	mapfs_view_info(b, &y);
	return x.store && y.store && strcmp(x.store, y.store) == 0;
}

int mapfs_diff(struct mapfs_view *from, struct mapfs_view *to,
	       const struct mapfs_diff_options *opt, mapfs_diff_fn fn,
	       void *arg)
{
	const struct mapfs_diff_options none = { 0 };
	struct differ d = {
		.opt = opt ? opt : &none,
		.fn = fn,
		.arg = arg,
	};
	int err = 0;

	if (to->mode != MAPFS_COPY || (from && from->mode != MAPFS_COPY))
		return -EINVAL;
	d.to = overlay_of(to);
	if (from) {
		err = check_same_base(overlay_of(from), d.to);
		d.shares_pages = is_one_store(from, to);
	}
	if (!err)
		err = compare_sides(&d, from ? overlay_of(from) : NULL);
	edges_unload(&d);
	dnodes_unload(&d);
	side_unload(&d.side[OLD]);
	side_unload(&d.side[NEW]);
	return err;
}
