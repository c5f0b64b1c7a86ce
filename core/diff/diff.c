/* SPDX-License-Identifier: MIT */
/*
 * From names to entries.
 *
 * A directory that both sides have is followed by identity: if it is in another
 * place, it is renamed, whatever had that name before.  All other objects are
 * compared by name: a name on both sides is modified or retyped, a name on one
 * side is added or deleted; and a file that has lost one name and got another
 * is renamed.  So each object of either side is in one entry at most.
 */
#include "core/mapfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "candidates.h"
#include "compare.h"
#include "core/lib/array.h"
#include "core/window/window.h"
#include "links.h"
#include "renames.h"

/* Found by names only: a MODIFIED one may turn out to be no change. */
struct change {
	enum mapfs_change kind;
	const struct diff_name *name;
	const struct diff_name *from; /* where the old object is */
	char *path; /* borrowed, as the next one; often the same string */
	char *old_path;
};

struct changes {
	struct change *change;
	size_t count;
	size_t cap;
};

/* Is the path `top` or below it? */
static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return len == 0 || (strncmp(path, top, len) == 0 &&
			    (path[len] == '\0' || path[len] == '/'));
}

/* Does the entry of a directory stand for everything below it? */
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

/* Is the directory in the same place on both sides, and so each one above? */
static int is_unmoved(struct differ *d, struct diff_dir *dir, bool *unmoved)
{
	*unmoved = true;
	while (*unmoved && dir && dir != d->root) {
		const struct place *was;
		const struct place *is;
		int err = dir_place(d, dir, OLD, &was);

		if (!err)
			err = dir_place(d, dir, NEW, &is);
		if (err)
			return err;
		*unmoved = was->is_present && is->is_present &&
			   was->parent == is->parent &&
			   strcmp(was->name, is->name) == 0;
		dir = was->parent;
	}
	return 0;
}

/* Most changes have the same path on both sides, and then it is stored once. */
static int old_path_of(struct differ *d, struct change *c)
{
	bool unmoved = false;
	int err = 0;

	if (c->from == c->name)
		err = is_unmoved(d, c->name->dir, &unmoved);
	c->old_path = c->path;
	if (err || unmoved)
		return err;
	return dir_path(d, c->from->dir, c->from->name, OLD, &c->old_path);
}

static int add_change(struct differ *d, struct changes *all,
		      enum mapfs_change kind, const struct diff_name *dn,
		      const struct diff_name *from)
{
	struct change c = { .kind = kind, .name = dn, .from = from };
	int err = array_reserve(&all->change, &all->cap, all->count + 1);

	if (!err)
		err = dir_path(d, dn->dir, dn->name, NEW, &c.path);
	if (!err)
		err = old_path_of(d, &c);
	if (!err && is_asked_for(d, &c))
		all->change[all->count++] = c;
	return err;
}

/* If a directory was moved here: the name that it had. */
static int find_renamed_dir(struct differ *d, const struct diff_name *dn,
			    struct diff_name **from)
{
	struct diff_dir *dir = dn->target[NEW].dir;
	const struct place *p;
	bool moved = false;
	int err = dir ? dir_is_moved(d, dir, &moved) : 0;

	*from = NULL;
	if (err || !moved)
		return err;
	err = dir_place(d, dir, OLD, &p);
	return err ? err :
		     name_add(d, p->parent, p->name, strlen(p->name), from);
}

/* The same object on both sides, and in the delta of neither. */
static bool is_untouched(const struct differ *d, const struct diff_name *dn)
{
	const mapfs_ino id = dn->target[OLD].id;

	return id == dn->target[NEW].id && !side_inode(&d->side[OLD], id) &&
	       !side_inode(&d->side[NEW], id);
}

/* At most two: another object may have had the name of a moved directory. */
static int add_changes_of(struct differ *d, struct changes *all,
			  const struct diff_name *dn)
{
	struct name_target was = { 0 };
	struct name_target is = { 0 };
	struct diff_name *from;
	bool covered = false;
	int err;

	if (is_untouched(d, dn))
		return 0;
	err = name_target(d, dn, OLD, &was);
	if (!err)
		err = name_target(d, dn, NEW, &is);
	if (!err)
		err = dir_is_covered(d, dn->dir, &covered);
	if (!err && was.id && is.id)
		err = add_change(d, all,
				 was.type == is.type ? MAPFS_MODIFIED :
						       MAPFS_RETYPED,
				 dn, dn);
	else if (!err && was.id && !dn->is_source && !covered)
		err = add_change(d, all, MAPFS_DELETED, dn, dn);
	else if (!err && is.id && dn->from)
		err = add_change(d, all, MAPFS_RENAMED, dn, dn->from);
	else if (!err && is.id && !covered)
		err = add_change(d, all, MAPFS_ADDED, dn, dn);
	if (!err)
		err = find_renamed_dir(d, dn, &from);
	if (!err && from)
		err = add_change(d, all, MAPFS_RENAMED, dn, from);
	return err;
}

/* By path; a deletion is before the new object of that name. */
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

	for (struct diff_name *dn = d->first_name; dn && !err; dn = dn->next)
		err = add_changes_of(d, all, dn);
	if (!err && all->count > 1)
		qsort(all->change, all->count, sizeof(*all->change), by_path);
	return err;
}

static int open_old(struct differ *d, const struct change *c,
		    struct diff_object *out)
{
	const struct object_of_name which = {
		.name = c->from,
		.where = OLD,
		.id = c->from->target[OLD].id,
	};

	return c->kind == MAPFS_ADDED ? 0 : object_init(d, OLD, &which, out);
}

static int open_new(struct differ *d, const struct change *c,
		    struct diff_object *out)
{
	const struct object_of_name which = {
		.name = c->name,
		.where = NEW,
		.id = c->name->target[NEW].id,
	};

	return c->kind == MAPFS_DELETED ? 0 : object_init(d, NEW, &which, out);
}

/* Added, deleted or retyped: all bytes count, of the new file if it is one. */
static int measure(const struct differ *d, const struct diff_object *a,
		   const struct diff_object *b, struct difference *out)
{
	const struct mapfs_diff_side *s = S_ISREG(b->shown.mode) ? &b->shown :
								   &a->shown;

	if (!S_ISREG(s->mode))
		return 0;
	return difference_add(out, d->opt->want_ranges, 0, s->size_bytes);
}

static int tell(struct differ *d, const struct change *c,
		const struct diff_object *a, const struct diff_object *b,
		const struct difference *diff)
{
	struct mapfs_diff_side shown[SIDES];
	struct mapfs_diff_entry entry = {
		.change = c->kind,
		.what = diff->what,
		.path = c->path,
		.old_path = c->old_path,
		.pages = diff->pages,
		.bytes = diff->bytes,
		.ranges = diff->ranges,
		.range_count = diff->range_count,
	};

	if (c->kind == MAPFS_MODIFIED && diff->what == 0)
		return 0;
	objects_show(d, a, b, shown);
	entry.old_side = shown[OLD];
	entry.new_side = shown[NEW];
	return d->fn(d->arg, &entry);
}

static int compare_and_tell(struct differ *d, const struct change *c)
{
	struct diff_object a = { 0 };
	struct diff_object b = { 0 };
	struct difference diff = { 0 };
	int err = open_old(d, c, &a);

	if (err)
		return err;
	err = open_new(d, c, &b);
	if (!err) {
		if (c->kind == MAPFS_MODIFIED || c->kind == MAPFS_RENAMED)
			err = objects_compare(d, &a, &b, &diff);
		else
			err = measure(d, &a, &b, &diff);
		if (!err && c->kind == MAPFS_RETYPED)
			diff.what |= MAPFS_WHAT_CONTENT;
		if (!err)
			err = tell(d, c, &a, &b, &diff);
		difference_fini(&diff);
		object_fini(d, &b);
	}
	object_fini(d, &a);
	return err;
}

static int compare_sides(struct differ *d, struct overlay *from)
{
	struct changes all = { 0 };
	int err = side_load(&d->side[OLD], from, NULL, &d->mem);

	if (!err)
		err = side_load(&d->side[NEW], d->to, &d->side[OLD], &d->mem);
	if (!err)
		err = dirs_load(d);
	if (!err)
		err = diff_candidates_find(d);
	if (!err)
		err = diff_links_find(d);
	if (!err)
		err = diff_renames_find(d);
	if (!err)
		err = collect_changes(d, &all);
	for (size_t n = 0; n < all.count && !err; n++)
		err = compare_and_tell(d, &all.change[n]);
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
	if (base_is_none(a->base) || base_is_none(b->base))
		return base_is_none(a->base) == base_is_none(b->base) ? 0 :
									-EXDEV;
	if (fstat(base_root_fd(a->base), &x) < 0 ||
	    fstat(base_root_fd(b->base), &y) < 0)
		return -errno;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino ? 0 : -EXDEV;
}

/* Are they views of one store, in which a page has one number? */
static bool is_one_store(struct mapfs_view *a, struct mapfs_view *b)
{
	struct mapfs_info x;
	struct mapfs_info y;

	mapfs_view_info(a, &x);
	mapfs_view_info(b, &y);
	return x.store && y.store && strcmp(x.store, y.store) == 0;
}

/* The paths that are asked for; that of a window is the one of its file. */
static const char **paths_below(struct mapfs_view *v,
				const struct mapfs_diff_options *opt)
{
	const char **out = calloc(opt->path_count, sizeof(*out));

	for (size_t i = 0; out && i < opt->path_count; i++)
		out[i] = v->below ? window_file_of(v, opt->paths[i]) :
				    opt->paths[i];
	return out;
}

int mapfs_diff(struct mapfs_view *from, struct mapfs_view *to,
	       const struct mapfs_diff_options *opt, mapfs_diff_fn fn,
	       void *arg)
{
	struct mapfs_diff_options mapped =
		opt ? *opt : (struct mapfs_diff_options){ 0 };
	const char **paths = NULL;
	struct differ d = {
		.opt = &mapped,
		.fn = fn,
		.arg = arg,
	};
	int err = 0;

	if (to->mode != MAPFS_COPY || (from && from->mode != MAPFS_COPY))
		return -EINVAL;
	if (opt && opt->path_count) {
		paths = paths_below(to, opt);
		if (!paths)
			return -ENOMEM;
		mapped.paths = paths;
	}
	to = view_whole(to);
	from = from ? view_whole(from) : NULL;
	d.to = overlay_of(to);
	names_init(&d);
	if (from) {
		err = check_same_base(overlay_of(from), d.to);
		d.shares_pages = is_one_store(from, to);
	}
	if (!err)
		err = compare_sides(&d, from ? overlay_of(from) : NULL);
	free(paths);
	names_unload(&d);
	dirs_unload(&d);
	side_unload(&d.side[OLD]);
	side_unload(&d.side[NEW]);
	free(d.buf[OLD]);
	free(d.buf[NEW]);
	pool_fini(&d.mem);
	return err;
}
