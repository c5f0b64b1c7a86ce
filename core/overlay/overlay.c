/* SPDX-License-Identifier: MIT */
/*
 * A copy view from opening to closing, and the few steps every operation of
 * it shares.
 *
 * An inode enters the delta with the attributes its base object has at that
 * moment, and with that object's signature; from then on the base is only
 * asked for pages (and names, for directories), and only as long as the
 * signature fits.
 */
#include "overlay_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/lib/mapping.h"
#include "core/lib/reason.h"

/*
 * The coarse clock is the one the kernel stamps files with: a finer one here
 * would let a file be modified before it was created.
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

/*
 * A removed directory of the base remembers what was removed in it: a commit
 * must know whether the base has something else there by now.
 */
static bool is_tombstone(const struct overlay *o, const struct inode *i)
{
	return i->delta->base && S_ISDIR(i->type) &&
	       namespace_has(&o->set.names, i->ino);
}

/* Removes an unlinked inode nobody counts; ns_lock held for writing. */
static void reap_locked(struct overlay *o, mapfs_ino ino)
{
	struct inode *i = itable_get(o->itable, ino);
	struct group g;

	if (!i)
		return;
	if (i->delta && i->delta->attr.nlink == 0 && !is_tombstone(o, i) &&
	    inode_is_idle(o->itable, i)) {
		group_init(&g);
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

/* Only a look; reap_locked() judges again. */
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

static int overlay_known_files(struct mapfs_view *v, mapfs_ino **out,
			       size_t *count)
{
	return itable_counted(overlay_of(v)->itable, S_IFREG, out, count);
}

bool overlay_has_base(const struct overlay *o, const struct inode *i)
{
	return i == itable_root(o->itable) || i->base_name != NULL;
}

static struct timespec time_of(struct statx_timestamp t)
{
	return (struct timespec){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

struct record_sig overlay_sig_of(const struct statx *stx)
{
	return (struct record_sig){
		.ino = stx->stx_ino,
		.size_bytes = S_ISDIR(stx->stx_mode) ? 0 : stx->stx_size,
		.mtime = time_of(stx->stx_mtime),
		.ctime = time_of(stx->stx_ctime),
		.btime = time_of(stx->stx_btime),
		.mode = stx->stx_mode,
	};
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
			.atime = time_of(stx->stx_atime),
			.mtime = time_of(stx->stx_mtime),
			.ctime = time_of(stx->stx_ctime),
		},
		.has_base = true,
		.generation = base_generation(stx),
		.rdev = ((uint64_t)stx->stx_rdev_major << 32) |
			stx->stx_rdev_minor,
		.base_blocks_512 = base_blocks(stx),
		.btime = has_btime ? time_of(stx->stx_btime) :
				     (struct timespec){ 0, -1 },
		.sig = overlay_sig_of(stx),
	};
}

int overlay_copy_up(struct overlay *o, struct inode *i, bool locked)
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
	r.inode.text = path;
	r.inode.text_bytes = strlen(path);
	group_init(&g);
	group_add(&g, &r);
	err = store_apply(o->store, &g, locked ? i : NULL);
	group_fini(&g);
	free(path);
	return err;
}

int overlay_change_begin(struct overlay *o, mapfs_ino ino, struct inode **out)
{
	struct inode *i;
	int err = overlay_get(o, ino, &i);

	if (err)
		return err;
	rwlock_read(&o->ns_lock);
	rwlock_write(delta_stripe(&o->set, i));
	err = overlay_copy_up(o, i, true);
	if (err) {
		overlay_change_end(o, i);
		return err;
	}
	*out = i;
	return 0;
}

void overlay_change_end(struct overlay *o, struct inode *i)
{
	rwlock_unlock(delta_stripe(&o->set, i));
	rwlock_unlock(&o->ns_lock);
	overlay_put(o, i);
}

static int overlay_fsync(struct mapfs_view *v, struct mapfs_file file,
			 bool data_only)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	int err = overlay_get(o, file.ino, &i);

	(void)data_only;
	/* Of an inode that a rollback took away, pages were dropped. */
	if (err)
		return err;
	overlay_put(o, i);
	return store_sync(o->store);
}

/*
 * What can still be written is the store's to say; the numbers of the base
 * would promise space that no write could use.
 */
static int overlay_statfs(struct mapfs_view *v, struct statvfs *out)
{
	struct overlay *o = overlay_of(v);
	int err = store_statfs(o->store, out);

	if (err == -EOPNOTSUPP)
		err = base_statfs(o->base, out);
	/* No name goes to that file system. */
	if (!err)
		out->f_namemax = MAPFS_NAME_MAX;
	return err;
}

static void overlay_info(struct mapfs_view *v, struct mapfs_info *out)
{
	struct overlay *o = overlay_of(v);

	*out = (struct mapfs_info){
		.mode = MAPFS_COPY,
		.base = base_path(o->base),
		.inodes_known = itable_count(o->itable),
	};
	store_info(o->store, out);
}

static int overlay_close(struct mapfs_view *v)
{
	struct overlay *o = overlay_of(v);
	int err = store_close(o->store);

	listings_destroy(o->listings);
	delta_set_fini(&o->set);
	itable_destroy(o->itable);
	base_close(o->base);
	rwlock_fini(&o->ns_lock);
	free(o);
	return err;
}

static void overlay_announce_mount(struct mapfs_view *v, dev_t dev)
{
	store_announce_mount(overlay_of(v)->store, dev);
}

static void overlay_announce_close(struct mapfs_view *v)
{
	store_announce_close(overlay_of(v)->store);
}

static const struct view_ops overlay_ops = {
	.close = overlay_close,
	.info = overlay_info,
	.lookup = overlay_lookup,
	.reach = overlay_reach,
	.above = overlay_above,
	.interrupt = overlay_interrupt,
	.forget = overlay_forget,
	.known_files = overlay_known_files,
	.mknod = overlay_mknod,
	.mkdir = overlay_mkdir,
	.symlink = overlay_symlink,
	.link = overlay_link,
	.unlink = overlay_unlink,
	.rmdir = overlay_rmdir,
	.rename = overlay_rename,
	.tmpfile = overlay_tmpfile,
	.readlink = overlay_readlink,
	.readdir = overlay_readdir,
	.getattr = overlay_getattr,
	.peek_attr = overlay_getattr,
	.setattr = overlay_setattr,
	.statfs = overlay_statfs,
	.read = overlay_read,
	.write = overlay_write,
	.fsync = overlay_fsync,
	.fallocate = overlay_fallocate,
	.lseek = overlay_lseek,
	.copy_range = overlay_copy_range,
	.getxattr = overlay_getxattr,
	.listxattr = overlay_listxattr,
	.setxattr = overlay_setxattr,
	.removexattr = overlay_removexattr,
	.get_fileattr = overlay_get_fileattr,
	.set_fileattr = overlay_set_fileattr,
	.announce_mount = overlay_announce_mount,
	.announce_close = overlay_announce_close,
	.snapshot_create = overlay_snapshot_create,
	.snapshot_delete = overlay_snapshot_delete,
	.snapshot_iterate = overlay_snapshot_iterate,
	.drift = overlay_drift,
	.held = overlay_held,
	.find_path = overlay_find_path,
	.invalidated = overlay_invalidated,
	.rollback = overlay_rollback,
	.revert = overlay_revert,
};

/* Files that were unlinked but open when the last daemon ended. */
static int sweep_orphans(struct overlay *o)
{
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err = itable_list_kept(o->itable, &inos, &count);

	for (size_t n = 0; !err && n < count; n++)
		if (seems_orphan(o, inos[n]))
			reap(o, inos[n]);
	free(inos);
	return err;
}

/* Its root keeps the number that the delta knows it by. */
static int make_root(struct overlay *o, mapfs_ino ino)
{
	int err = itable_create(&o->itable, ino);

	if (err)
		return err;
	base_set_itable(o->base, o->itable);
	o->view.root_ino = ino;
	return 0;
}

static int open_at(struct overlay *o, const char *path)
{
	struct statx stx;
	bool foreign;
	int err = base_open(&o->base, path, BASE_FROZEN);

	if (!err && statx(base_root_fd(o->base), "", AT_EMPTY_PATH,
			  STATX_BASIC_STATS, &stx) < 0)
		err = -errno;
	if (!err)
		err = make_root(o, stx.stx_ino);
	return err ? err :
		     base_stat(o->base, itable_root(o->itable), NULL, &stx,
			       &foreign);
}

static int open_absent(struct overlay *o, const struct store_base *was)
{
	int err = base_open_absent(&o->base, was->path);

	/* Where no number is known, the delta says nothing of the root. */
	return err ? err : make_root(o, was->id.ino ? was->id.ino : 1);
}

static int open_base(struct overlay *o, const struct mapfs_options *opt,
		     struct reason *why)
{
	struct store_base recorded = { 0 };
	const char *path = opt->base;
	int err = 0;

	if (!path) {
		err = store_recorded_base(opt->store, &recorded, why);
		if (err)
			return err;
		path = recorded.path;
	}
	if (opt->without_base) {
		err = open_absent(o, &recorded);
	} else {
		err = open_at(o, path);
		if ((err == -ENOENT || err == -ENOTDIR) && recorded.path)
			reason_base_gone(why, opt->store, path);
	}
	if (err && reason_is_empty(why))
		reason_set(why, "base %s: %s", path, reason_of(err));
	free(recorded.path);
	return err;
}

static enum store_use use_of(const struct mapfs_options *opt)
{
	if (opt->snapshot)
		return STORE_PAST;
	return opt->look_only ? STORE_LOOK : STORE_CHANGE;
}

int overlay_open(struct mapfs_view **out, const struct mapfs_options *opt,
		 enum overlay_purpose purpose, struct reason *why)
{
	struct overlay *o = calloc(1, sizeof(*o));
	struct store_options so = {
		.use = use_of(opt),
		.snapshot = opt->snapshot,
		.is_trusted = opt->is_trusted,
		.for_commit = purpose == OVERLAY_COMMIT,
		.kind = opt->store_kind,
		.path = opt->store,
		.mountpoint = opt->mountpoint,
		.progress = opt->progress,
		.progress_arg = opt->progress_arg,
	};
	int err;

	/* Nothing can be changed over a base that nobody sees. */
	assert(!opt->without_base ||
	       (!opt->base && (opt->look_only || opt->snapshot)));
	if (!o)
		return -ENOMEM;
	o->view =
		(struct mapfs_view){ .ops = &overlay_ops, .mode = MAPFS_COPY };
	rwlock_init(&o->ns_lock, RANK_NAMESPACE);
	err = mapping_guard_init();
	/* Before the base is opened, whose path may come from the store. */
	if (!err && opt->store_kind == MAPFS_STORE_DIR)
		err = mapfs_store_trust_check(opt->store, opt->is_trusted, why);
	if (!err)
		err = listings_create(&o->listings);
	if (!err)
		err = open_base(o, opt, why);
	if (err)
		goto free_overlay;
	delta_set_init(&o->set, o->itable, NULL);
	so.base = base_path(o->base);
	so.base_fd = base_root_fd(o->base);
	if (!opt->without_base)
		err = base_identify(so.base_fd, &so.base_id);
	if (err)
		goto free_set;
	err = store_open(&o->store, &so, &o->set, why);
	if (err)
		goto free_set;
	o->view.base_fd = so.base_fd;
	o->view.look_only = so.use != STORE_CHANGE;
	err = o->view.look_only ? 0 : sweep_orphans(o);
	if (!err)
		err = store_start(o->store, &o->ns_lock);
	if (err)
		goto close_store;
	*out = &o->view;
	return 0;

close_store:
	(void)store_close(o->store);
free_set:
	delta_set_fini(&o->set);
free_overlay:
	listings_destroy(o->listings);
	itable_destroy(o->itable);
	base_close(o->base);
	rwlock_fini(&o->ns_lock);
	free(o);
	return err;
}
