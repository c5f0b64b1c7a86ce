/* SPDX-License-Identifier: MIT */
/*
 * Inodes of a copy view.
 *
 * An inode enters the delta with the attributes that its base object has at
 * that moment, and with that object's signature.  From then on the base is
 * asked only for pages (of a file) and names (of a directory), and only as
 * long as the signature fits.
 */
#include "inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/lib/timespec.h"
#include "core/store/make_room.h"

/*
 * The kernel stamps files with the coarse clock.  A finer one here would let
 * a file be modified before it was created.
 */
struct timespec overlay_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now;
}

int overlay_get(struct overlay *o, mapfs_ino ino, struct inode **out)
{
	struct inode *i = itable_get(o->itable, ino);

	if (!i)
		return -ESTALE;
	*out = i;
	return 0;
}

int overlay_dir_get(struct overlay *o, mapfs_ino ino, struct inode **out)
{
	struct inode *dir;
	int err = overlay_get(o, ino, &dir);

	if (err)
		return err;
	if (!S_ISDIR(dir->type))
		err = -ENOTDIR;
	else if (dir->is_foreign)
		err = -EXDEV;
	if (err)
		overlay_put(o, dir);
	else
		*out = dir;
	return err;
}

/*
 * A removed directory of the base stays in the delta with the names that were
 * removed in it: a commit must know whether the base has other objects under
 * them by then.
 */
static bool is_tombstone(const struct overlay *o, const struct inode *i)
{
	return i->delta->base && S_ISDIR(i->type) &&
	       namespace_has(&o->set.names, i->ino);
}

/* Removes an inode without names that is not in use; ns_lock for writing. */
static void reap_locked(struct overlay *o, mapfs_ino ino)
{
	struct inode *i = itable_get(o->itable, ino);
	struct group g;

	if (!i)
		return;
	if (i->delta && i->delta->attr.nlink == 0 && !is_tombstone(o, i) &&
	    inode_is_idle(o->itable, i)) {
		group_init(&g);
		g.space = SPACE_FREES;
		group_add(&g, &(struct record){
				      .type = RECORD_INODE_GONE,
				      .ino = ino,
			      });
		/* A latched store keeps its orphans; the next open sweeps. */
		if (store_apply(o->store, &g, NULL))
			(void)0;
		group_fini(&g);
	}
	(void)inode_put(o->itable, i);
}

static void reap(struct overlay *o, mapfs_ino ino)
{
	rwlock_write(&o->ns_lock);
	reap_locked(o, ino);
	rwlock_unlock(&o->ns_lock);
}

/* A first look without ns_lock; reap_locked() decides. */
static bool seems_orphan(struct overlay *o, mapfs_ino ino)
{
	struct inode *i = itable_get(o->itable, ino);
	bool orphan;

	if (!i)
		return false;
	rwlock_read(delta_stripe(&o->set, i));
	orphan = i->delta && i->delta->attr.nlink == 0;
	rwlock_unlock(delta_stripe(&o->set, i));
	(void)inode_put(o->itable, i);
	return orphan;
}

void overlay_put(struct overlay *o, struct inode *i)
{
	mapfs_ino ino = i->ino;

	if (inode_put(o->itable, i) && seems_orphan(o, ino))
		reap(o, ino);
}

void overlay_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup)
{
	struct overlay *o = overlay_of(v);

	if (itable_forget(o->itable, ino, nlookup) && seems_orphan(o, ino))
		reap(o, ino);
}

int overlay_known_files(struct mapfs_view *v, mapfs_ino **out, size_t *count)
{
	return itable_counted(overlay_of(v)->itable, S_IFREG, out, count);
}

int overlay_sweep_orphans(struct overlay *o)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = 0;

	if (o->set.counts.orphans > 0)
		err = itable_list_kept(o->itable, &inos, &count);
	for (size_t n = 0; !err && n < count; n++)
		if (seems_orphan(o, inos[n]))
			reap(o, inos[n]);
	free(inos);
	return err;
}

bool overlay_has_base(const struct overlay *o, const struct inode *i)
{
	return i == itable_root(o->itable) || i->base_name != NULL;
}

bool overlay_is_in_delta(struct overlay *o, struct inode *i)
{
	bool is;

	rwlock_read(delta_stripe(&o->set, i));
	is = i->delta != NULL;
	rwlock_unlock(delta_stripe(&o->set, i));
	return is;
}

mapfs_ino overlay_parent_ino(struct overlay *o, struct inode *dir)
{
	mapfs_ino ino = dir->ino;

	if (dir == itable_root(o->itable))
		return ino;
	rwlock_read(delta_stripe(&o->set, dir));
	if (dir->delta)
		ino = dir->delta->attr.parent;
	else if (dir->base_parent)
		ino = dir->base_parent->ino;
	rwlock_unlock(delta_stripe(&o->set, dir));
	return ino;
}

struct record_sig overlay_sig_of(const struct statx *stx)
{
	return (struct record_sig){
		.ino = stx->stx_ino,
		.size_bytes = S_ISDIR(stx->stx_mode) ? 0 : stx->stx_size,
		.mtime = timespec_of_statx(stx->stx_mtime),
		.ctime = timespec_of_statx(stx->stx_ctime),
		.btime = timespec_of_statx(stx->stx_btime),
		.mode = stx->stx_mode,
	};
}

bool overlay_signature_fits(const struct record_sig *sig,
			    const struct statx *stx)
{
	const struct timespec mtime = timespec_of_statx(stx->stx_mtime);
	const struct timespec ctime = timespec_of_statx(stx->stx_ctime);

	return stx->stx_ino == sig->ino && stx->stx_size == sig->size_bytes &&
	       timespec_is_equal(sig->mtime, mtime) &&
	       timespec_is_equal(sig->ctime, ctime);
}

void overlay_inode_record(const struct statx *stx, mapfs_ino ino,
			  mapfs_ino parent, struct record_inode *r)
{
	bool is_file = S_ISREG(stx->stx_mode);
	bool has_btime = stx->stx_mask & STATX_BTIME;

	*r = (struct record_inode){
		.attr = {
			.ino = ino,
			.parent = S_ISDIR(stx->stx_mode) ? parent : 0,
			.mode = stx->stx_mode,
			.nlink = stx->stx_nlink,
			.uid = stx->stx_uid,
			.gid = stx->stx_gid,
			.size_bytes = stx->stx_size,
			.visible_base_bytes = is_file ? stx->stx_size : 0,
			.atime = timespec_of_statx(stx->stx_atime),
			.mtime = timespec_of_statx(stx->stx_mtime),
			.ctime = timespec_of_statx(stx->stx_ctime),
		},
		.has_base = true,
		.generation = base_generation(stx),
		.rdev = ((uint64_t)stx->stx_rdev_major << 32) |
			stx->stx_rdev_minor,
		.base_blocks_512 = base_blocks(stx),
		.btime = has_btime ? timespec_of_statx(stx->stx_btime) :
				     (struct timespec){ 0, -1 },
		.sig = overlay_sig_of(stx),
	};
}

static int copy_up(struct overlay *o, struct inode *i, bool locked,
		   enum group_space space, int64_t ctime_ns)
{
	struct record r = { .type = RECORD_INODE };
	struct statx stx;
	struct group g;
	char *path = NULL;
	bool foreign;
	int err;

	if (i->delta)
		return 0;
	if (i->is_foreign)
		return -EBUSY;
	if (i->is_stand_in)
		return -EIO;
	err = store_may_change(o->store);
	if (!err)
		err = base_stat(o->base, i, NULL, &stx, &foreign);
	if (!err)
		err = inode_base_path(o->itable, i, &path);
	if (err)
		return err;
	overlay_inode_record(&stx, i->ino,
			     i->base_parent ? i->base_parent->ino : i->ino,
			     &r.inode);
	if (ctime_ns)
		r.inode.sig.ctime = timespec_of_ns(ctime_ns);
	r.inode.text = path;
	r.inode.text_bytes = strlen(path);
	group_init(&g);
	g.space = space;
	group_add(&g, &r);
	err = store_apply(o->store, &g, locked ? i : NULL);
	group_fini(&g);
	free(path);
	return err;
}

int overlay_copy_up(struct overlay *o, struct inode *i, bool locked,
		    enum group_space space)
{
	return copy_up(o, i, locked, space, 0);
}

static int change_begin(struct overlay *o, mapfs_ino ino,
			enum group_space space, bool bytes, struct inode **out)
{
	struct inode *i;
	int err = overlay_get(o, ino, &i);

	if (err)
		return err;
	rwlock_read(&o->ns_lock);
	rwlock_write(delta_stripe(&o->set, i));
	err = copy_up(o, i, true, space,
		      bytes && S_ISREG(i->type) ? i->read_ctime_ns : 0);
	if (err) {
		overlay_change_end(o, i);
		return err;
	}
	*out = i;
	return 0;
}

int overlay_change_begin(struct overlay *o, mapfs_ino ino,
			 enum group_space space, struct inode **out)
{
	return change_begin(o, ino, space, false, out);
}

int overlay_bytes_begin(struct overlay *o, mapfs_ino ino,
			enum group_space space, struct inode **out)
{
	return change_begin(o, ino, space, true, out);
}

void overlay_change_end(struct overlay *o, struct inode *i)
{
	rwlock_unlock(delta_stripe(&o->set, i));
	rwlock_unlock(&o->ns_lock);
	overlay_put(o, i);
}

int overlay_retry_full(struct overlay *o, int (*change)(void *ctx), void *ctx)
{
	const uint64_t made = store_made_room(o->store);
	int err = change(ctx);

	if (store_make_room(o->store, err, made))
		err = change(ctx);
	return err;
}
