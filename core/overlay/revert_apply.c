/* SPDX-License-Identifier: MIT */
/*
 * The delta after a revert: the records of the delta as it is, without those
 * of what is gone or is the base's again, and with links counted anew.
 */
#include "revert.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/delta/dump.h"
#include "core/delta/record_decode.h"

struct filter {
	const struct fates *fates;
	struct delta_set *state;
	struct timespec now;
};

/* The name that a record of the live delta speaks of, if it leaves it. */
static const struct lost_name *lost_of(const struct filter *f, mapfs_ino dir,
				       const char *name, size_t name_bytes)
{
	const struct dentry *d = namespace_lookup(&f->fates->o->set.names, dir,
						  name, name_bytes);

	return d ? fates_lost(f->fates, d) : NULL;
}

/* False: the record goes with the name. */
static bool keep_dentry(const struct filter *f, struct record_dentry *r)
{
	const struct lost_name *n = lost_of(f, r->dir, r->name, r->name_bytes);

	if (n && n->stays_hidden) {
		r->ino = 0;
		r->type = 0;
	}
	return !n || n->stays_hidden;
}

static bool keep_hidden(const struct filter *f, const struct record_hidden *r)
{
	const struct lost_name *n = lost_of(f, r->dir, r->name, r->name_bytes);

	return !n || n->stays_hidden;
}

/* Links that an object has in the end, beside those the base gives it. */
static int64_t links_left(const struct fate_of *one,
			  const struct record_attr *a)
{
	return (int64_t)a->nlink + one->links;
}

/* Is the inode in the delta no more? */
static bool is_gone(const struct filter *f, mapfs_ino ino)
{
	const struct fate_of *one = fates_find(f->fates, ino);

	if (!one)
		return false;
	if (one->fate == FATE_BASE)
		return true;
	if (one->fate == FATE_NEW) {
		struct inode *i = itable_get(f->fates->o->itable, ino);
		bool gone = true;

		if (i && i->delta && !S_ISDIR(i->type))
			gone = links_left(one, &i->delta->attr) <= 0;
		if (i)
			(void)inode_put(f->fates->o->itable, i);
		return gone;
	}
	return false;
}

/* As the base has it, but for the names the view gave it. */
static int adjust_to_base(const struct filter *f, const struct fate_of *one,
			  struct record_inode *r)
{
	struct overlay *o = f->fates->o;
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
		r->attr.nlink += one->stay;
		r->attr.nlink -= one->away;
	}
	if (i)
		(void)inode_put(o->itable, i);
	return err;
}

static int adjust(const struct filter *f, struct record_inode *r)
{
	struct record_attr *a = &r->attr;
	const struct fate_of *one = fates_find(f->fates, a->ino);

	if (!one)
		return 0;
	if (one->fate == FATE_BASE)
		return adjust_to_base(f, one, r);
	/* Some file systems count no subdirectories: 1 for ever. */
	if (!S_ISDIR(a->mode) || a->nlink >= 2)
		a->nlink = (uint32_t)links_left(one, a);
	a->ctime = f->now;
	if (S_ISDIR(a->mode) && one->fate == FATE_STAY)
		a->mtime = f->now;
	if (S_ISDIR(a->mode) && one->fate == FATE_RETURN && one->parent)
		a->parent = one->parent;
	return 0;
}

/* A file of the base with more or fewer names than it has there. */
static bool stays_linked(const struct filter *f, mapfs_ino ino)
{
	const struct fate_of *one = fates_find(f->fates, ino);

	return one && one->fate == FATE_BASE &&
	       (one->stay > 0 || one->away > 0);
}

/* A dentry may go and its whiteout stay. */
static bool is_kept(const struct filter *f, struct record *r)
{
	switch ((int)r->type) {
	case RECORD_INODE:
		return !is_gone(f, r->inode.attr.ino) ||
		       stays_linked(f, r->inode.attr.ino);
	case RECORD_PAGES:
		return !is_gone(f, r->pages.ino);
	case RECORD_XATTR:
		return !is_gone(f, r->xattr.ino);
	case RECORD_XATTR_OWN:
		return !is_gone(f, r->ino);
	case RECORD_DENTRY:
		return keep_dentry(f, &r->dentry);
	case RECORD_HIDDEN:
		return keep_hidden(f, &r->hidden);
	default:
		return true;
	}
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

/* What the dump of the delta as it is cannot say. */
static int add_removed(const struct filter *f)
{
	const struct fate_of *one;
	struct record r = { .type = RECORD_INODE };
	struct group g;
	int err;

	group_init(&g);
	for (one = f->fates->all; one; one = one->hh.next) {
		if (!one->removed || one->away == 0)
			continue;
		overlay_inode_record(one->removed, one->ino, 0, &r.inode);
		r.inode.text = one->base_path;
		r.inode.text_bytes = strlen(one->base_path);
		r.inode.attr.nlink -= one->away;
		group_add(&g, &r);
	}
	err = group_error(&g);
	if (!err)
		err = delta_set_apply(f->state, g.buf, g.len_bytes, NULL);
	group_fini(&g);
	return err;
}

int fates_apply(const struct fates *f, struct delta_set *state)
{
	struct filter filter = {
		.fates = f,
		.state = state,
		.now = overlay_now(),
	};
	int err;

	state->replaying = true;
	err = delta_set_dump(&f->o->set, filter_group, &filter);
	if (!err)
		err = add_removed(&filter);
	state->replaying = false;
	return err;
}
