/* SPDX-License-Identifier: MIT */
/*
 * The table of inodes is locked while it is walked, and the base may be slow.
 * So the numbers of some inodes are copied at a time, and then each of these is
 * compared with the base.
 */
#include "drift.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "inode.h"
#include "writer.h"

#define SLICE_BUCKETS 512

/* False: the inode is new or removed, so it depends on no base file. */
static bool signature_of(struct overlay *o, struct inode *i,
			 struct record_sig *out)
{
	bool has = false;

	rwlock_read(delta_stripe(&o->set, i));
	if (i->delta && i->delta->base && i->delta->attr.nlink > 0) {
		*out = i->delta->base->sig;
		has = true;
	}
	rwlock_unlock(delta_stripe(&o->set, i));
	return has;
}

static int tell(struct overlay *o, struct inode *i, bool is_gone,
		mapfs_drift_fn fn, void *arg)
{
	char *path;
	int err = inode_base_path(o->itable, i, &path);

	if (err)
		return err == -ESTALE ? 0 : err;
	err = fn(arg, path, is_gone);
	free(path);
	return err;
}

/* Is reading it refused because of a program that can change it unseen? */
static bool has_writer(struct overlay *o, struct inode *i)
{
	bool has;

	rwlock_read(delta_stripe(&o->set, i));
	has = i->delta && overlay_check_writer(o, i) != 0;
	rwlock_unlock(delta_stripe(&o->set, i));
	return has;
}

static int look(struct overlay *o, struct inode *i, mapfs_drift_fn fn,
		void *arg)
{
	struct record_sig sig;
	struct statx stx;
	bool foreign;
	int err;

	if (!signature_of(o, i, &sig))
		return 0;
	/* An open descriptor would lead to it although its name is gone. */
	err = base_look(o->base, i);
	if (!err)
		err = base_stat(o->base, i, NULL, &stx, &foreign);
	if (err == -ENOENT || err == -ESTALE || err == -ENOTDIR)
		return tell(o, i, true, fn, arg);
	/* A directory's times change with its names. */
	if (err || S_ISDIR(i->type) ||
	    (overlay_signature_fits(&sig, &stx) && !has_writer(o, i)))
		return err;
	return tell(o, i, false, fn, arg);
}

int overlay_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg)
{
	struct overlay *o = overlay_of(v);
	struct kept_walk w = { .buckets = SLICE_BUCKETS };
	int ret;

	while ((ret = itable_walk_kept(o->itable, &w)) > 0) {
		for (size_t n = 0; n < w.count && ret > 0; n++) {
			struct inode *i = itable_get(o->itable, w.inos[n]);
			int err = i ? look(o, i, fn, arg) : 0;

			if (i)
				overlay_put(o, i);
			ret = err ? err : ret;
		}
		if (ret <= 0)
			break;
	}
	free(w.inos);
	return ret;
}
