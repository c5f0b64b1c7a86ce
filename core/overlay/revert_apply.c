/* SPDX-License-Identifier: MIT */
/*
 * Two ways to the same delta.  A group of records changes the live one.  Or the
 * live one is dumped as records, and a filter passes on those that the revert
 * leaves, with the links of inodes corrected.
 */
#include "revert_apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/delta/dump.h"
#include "core/delta/record_decode.h"

struct filter {
	const struct revert_set *set;
	struct delta_set *state;
	struct timespec now;
};

/* The name of a record, if it leaves the delta. */
static const struct revert_name *leaving_name(const struct filter *f,
					      mapfs_ino dir, const char *name,
					      size_t name_bytes)
{
	const struct dentry *d =
		namespace_lookup(&f->set->o->set.names, dir, name, name_bytes);

	return d ? revert_set_find_name(f->set, d) : NULL;
}

/* A name may leave the delta and its whiteout stay. */
static bool keep_dentry(const struct filter *f, struct record_dentry *r)
{
	const struct revert_name *n =
		leaving_name(f, r->dir, r->name, r->name_bytes);

	if (n && n->stays_hidden) {
		r->ino = 0;
		r->type = 0;
	}
	return !n || n->stays_hidden;
}

static bool keep_hidden(const struct filter *f, const struct record_hidden *r)
{
	const struct revert_name *n =
		leaving_name(f, r->dir, r->name, r->name_bytes);

	return !n || n->stays_hidden;
}

/* Link count of an inode that stays in the delta. */
static int64_t links_left(const struct revert_inode *one,
			  const struct record_attr *a)
{
	return (int64_t)a->nlink + one->links;
}

/* Does an inode that was made in the view lose its last name? */
static bool loses_all_names(const struct filter *f,
			    const struct revert_inode *one)
{
	struct inode *i = itable_get(f->set->o->itable, one->ino);
	bool loses = true;

	if (i && i->delta && !S_ISDIR(i->type))
		loses = links_left(one, &i->delta->attr) <= 0;
	if (i)
		(void)inode_put(f->set->o->itable, i);
	return loses;
}

/* Does the inode leave the delta? */
static bool is_leaving(const struct filter *f, mapfs_ino ino)
{
	const struct revert_inode *one = revert_set_find(f->set, ino);

	if (!one)
		return false;
	switch (one->action) {
	case REVERT_REMOVE:
		return loses_all_names(f, one);
	case REVERT_TO_BASE:
		return true;
	case REVERT_MOVE_BACK:
	case REVERT_ADJUST:
		return false;
	}
	abort();
}

/* As the base has it, but for names that were added or stay hidden. */
static int adjust_to_base(const struct filter *f,
			  const struct revert_inode *one,
			  struct record_inode *r)
{
	struct overlay *o = f->set->o;
	struct inode *i = itable_get(o->itable, one->ino);
	struct statx stx;
	bool foreign;
	int err = i ? base_stat(o->base, i, NULL, &stx, &foreign) : -ESTALE;

	if (!err) {
		const char *text = r->text;
		const size_t text_bytes = r->text_bytes;

		overlay_inode_record(&stx, one->ino, 0, r);
		r->text = text;
		r->text_bytes = text_bytes;
		r->attr.nlink += one->names_added;
		r->attr.nlink -= one->names_hidden;
	}
	if (i)
		(void)inode_put(o->itable, i);
	return err;
}

static int adjust(const struct filter *f, struct record_inode *r)
{
	struct record_attr *a = &r->attr;
	const struct revert_inode *one = revert_set_find(f->set, a->ino);

	if (!one)
		return 0;
	if (one->action == REVERT_TO_BASE)
		return adjust_to_base(f, one, r);
	/* Of a directory whose subdirectories are not counted: always 1. */
	if (!S_ISDIR(a->mode) || a->nlink >= 2)
		a->nlink = (uint32_t)links_left(one, a);
	a->ctime = f->now;
	if (S_ISDIR(a->mode) && one->action == REVERT_ADJUST)
		a->mtime = f->now;
	if (S_ISDIR(a->mode) && one->action == REVERT_MOVE_BACK && one->parent)
		a->parent = one->parent;
	return 0;
}

/* A file of the base with more or fewer names than it has there. */
static bool stays_linked(const struct filter *f, mapfs_ino ino)
{
	const struct revert_inode *one = revert_set_find(f->set, ino);

	return one && one->action == REVERT_TO_BASE &&
	       (one->names_added > 0 || one->names_hidden > 0);
}

static bool is_kept(const struct filter *f, struct record *r)
{
	switch (r->type) {
	case RECORD_INODE:
		return !is_leaving(f, r->inode.attr.ino) ||
		       stays_linked(f, r->inode.attr.ino);
	case RECORD_PAGES:
		return !is_leaving(f, r->pages.ino);
	case RECORD_XATTR:
		return !is_leaving(f, r->xattr.ino);
	case RECORD_XATTR_OWN:
		return !is_leaving(f, r->ino);
	case RECORD_DENTRY:
		return keep_dentry(f, &r->dentry);
	case RECORD_HIDDEN:
		return keep_hidden(f, &r->hidden);
	/* These change or remove something, and a dump never has them. */
	case RECORD_ATTR:
	case RECORD_DENTRY_GONE:
	case RECORD_XATTR_GONE:
	case RECORD_INODE_GONE:
	case RECORD_NEW_SIGNATURE:
	/* These concern the store and its snapshots: no inode and no name. */
	case RECORD_STORE:
	case RECORD_COUNTERS:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_GONE:
	case RECORD_PINNED:
	case RECORD_PARENT:
	case RECORD_BASE:
	case RECORD_SUMS:
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		return true;
	}
	abort();
}

static int filter_group(void *arg, const struct group *g)
{
	const struct filter *f = arg;
	struct group out;
	struct record r;
	size_t pos = 0;
	int ret;

	group_init(&out);
	while ((ret = record_next(g->buf, g->len_bytes, &pos, &r)) > 0) {
		if (!is_kept(f, &r))
			continue;
		if (r.type == RECORD_INODE)
			ret = adjust(f, &r.inode);
		if (ret < 0)
			break;
		group_add(&out, &r);
	}
	if (!ret)
		ret = group_error(&out);
	if (!ret)
		ret = delta_set_apply(f->state, out.buf, out.len_bytes, NULL);
	group_fini(&out);
	return ret;
}

/* Files that the delta does not have, but that keep a hidden name. */
static int group_removed(const struct filter *f, struct group *g)
{
	struct record r = { .type = RECORD_INODE };
	const struct revert_inode *one;

	for (one = f->set->inodes; one; one = one->hh.next) {
		if (!one->removed || one->names_hidden == 0)
			continue;
		overlay_inode_record(one->removed, one->ino, 0, &r.inode);
		r.inode.text = one->base_path;
		r.inode.text_bytes = strlen(one->base_path);
		r.inode.attr.nlink -= one->names_hidden;
		group_add(g, &r);
	}
	return group_error(g);
}

static int add_removed(const struct filter *f)
{
	struct group g;
	int err;

	group_init(&g);
	err = group_removed(f, &g);
	if (!err)
		err = delta_set_apply(f->state, g.buf, g.len_bytes, NULL);
	group_fini(&g);
	return err;
}

static void group_name(const struct revert_name *n, struct group *g)
{
	const struct dentry *d = n->dentry;
	const struct record_dentry r = {
		.dir = d->dir,
		.over_base = d->over_base,
		.name = d->name,
		.name_bytes = d->name_bytes,
	};

	group_add(g, &(struct record){
			     .type = n->stays_hidden ? RECORD_DENTRY :
						       RECORD_DENTRY_GONE,
			     .dentry = r,
		     });
}

/* The record of an inode, as a dump would have it; the caller frees *path. */
static int inode_record(const struct filter *f, struct inode *i,
			struct record_inode *r, char **path)
{
	const struct delta *d = i->delta;
	int err = 0;

	*path = NULL;
	*r = (struct record_inode){
		.attr = d->attr,
		.has_base = d->base != NULL,
		.text = "",
	};
	if (d->base) {
		err = inode_base_path(f->set->o->itable, i, path);
		if (!err)
			r->text = *path;
	}
	r->text_bytes = strlen(r->text);
	return err;
}

static int group_inode(const struct filter *f, const struct revert_inode *one,
		       struct inode *i, struct group *g)
{
	const bool leaves = is_leaving(f, one->ino);
	const bool stays = stays_linked(f, one->ino);
	struct record r;
	char *path;
	int err = inode_record(f, i, &r.inode, &path);

	/* The base may have lost what leaves. */
	if (!err && (stays || !leaves))
		err = adjust(f, &r.inode);
	if (!err && leaves)
		group_add(g, &(struct record){ .type = RECORD_INODE_GONE,
					       .ino = one->ino });
	if (!err && stays) {
		r.type = RECORD_INODE;
		group_add(g, &r);
	} else if (!err && !leaves) {
		group_add(g, &(struct record){ .type = RECORD_ATTR,
					       .attr = r.inode.attr });
	}
	free(path);
	return err;
}

/* Names first: an inode that leaves the delta has none. */
int revert_group(const struct revert_set *set, struct group *g)
{
	const struct filter f = { .set = set, .now = overlay_now() };
	const struct revert_inode *one;
	int err = 0;

	for (const struct revert_name *n = set->names; n; n = n->hh.next)
		group_name(n, g);
	for (one = set->inodes; one && !err; one = one->hh.next) {
		struct inode *i = itable_get(set->o->itable, one->ino);

		if (i && i->delta)
			err = group_inode(&f, one, i, g);
		if (i)
			(void)inode_put(set->o->itable, i);
	}
	if (!err)
		err = group_removed(&f, g);
	return err ? err : group_error(g);
}

int revert_apply(const struct revert_set *set, struct delta_set *state)
{
	struct filter filter = {
		.set = set,
		.state = state,
		.now = overlay_now(),
	};
	int err;

	state->replaying = true;
	err = delta_set_dump(&set->o->set, filter_group, &filter);
	if (!err)
		err = add_removed(&filter);
	state->replaying = false;
	return err;
}
