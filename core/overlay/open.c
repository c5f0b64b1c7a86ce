/* SPDX-License-Identifier: MIT */
/*
 * A copy view from opening to closing, and the table of its operations.
 *
 * The base is opened first, because its identity decides whether the store may
 * be opened at all, and the store last, because that replays the delta.
 */
#include "open.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attr.h"
#include "core/lib/mapping.h"
#include "core/store/base_record.h"
#include "core/store/open.h"
#include "core/store/places.h"
#include "core/store/reasons.h"
#include "core/store/sync.h"
#include "create.h"
#include "damage.h"
#include "drift.h"
#include "fallocate.h"
#include "fileattr.h"
#include "inode.h"
#include "invalidate.h"
#include "link.h"
#include "listing.h"
#include "lookup.h"
#include "lost.h"
#include "pages.h"
#include "path.h"
#include "file_handle.h"
#include "read.h"
#include "readdir.h"
#include "rename.h"
#include "revert.h"
#include "rollback.h"
#include "setattr.h"
#include "write.h"
#include "xattr.h"

static int overlay_fsync(struct mapfs_view *v, struct mapfs_file file,
			 bool data_only)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	int err = overlay_get(o, file.ino, &i);

	(void)data_only;
	/* -ESTALE: a rollback removed the inode, and its pages with it. */
	if (err)
		return err;
	overlay_put(o, i);
	return store_sync(o->store);
}

/*
 * The store's numbers, because every write takes its space from the store; the
 * base's would promise space that no write can use.
 */
static int overlay_statfs(struct mapfs_view *v, struct statvfs *out)
{
	struct overlay *o = overlay_of(v);
	int err = store_statfs(o->store, out);

	/* Names are kept as records, not as names of that file system. */
	if (!err)
		out->f_namemax = MAPFS_NAME_MAX;
	return err;
}

static void fill_counts(struct overlay *o, struct mapfs_counts *out)
{
	struct name_counts names;

	rwlock_read(&o->ns_lock);
	names = o->set.names.counts;
	rwlock_unlock(&o->ns_lock);
	*out = (struct mapfs_counts){
		.inodes = o->set.counts.inodes,
		.base_files = o->set.counts.base_files,
		.names_added = names.added,
		.names_replaced = names.replaced,
		.names_moved = names.moved,
		.names_hidden = names.hidden,
	};
}

static void overlay_info(struct mapfs_view *v, struct mapfs_info *out)
{
	struct overlay *o = overlay_of(v);

	*out = (struct mapfs_info){
		.mode = MAPFS_COPY,
		.base = base_path(o->base),
		.inodes_known = itable_count(o->itable),
	};
	fill_counts(o, &out->counts);
	store_info(o->store, out);
}

/* After the store was closed, and the delta's set ended. */
static void free_overlay(struct overlay *o)
{
	listings_destroy(o->listings);
	itable_destroy(o->itable);
	base_close(o->base);
	rwlock_fini(&o->ns_lock);
	damage_list_fini(&o->damage);
	free(o);
}

static int overlay_close(struct mapfs_view *v)
{
	struct overlay *o = overlay_of(v);
	int err = store_close(o->store);

	delta_set_fini(&o->set);
	free_overlay(o);
	return err;
}

/* A file of the delta alone is nobody else's. */
static int overlay_claim(struct mapfs_view *v, mapfs_ino ino)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	int err;

	/* Whoever only looks, mixes nothing. */
	if (v->look_only)
		return 0;
	err = overlay_get(o, ino, &i);
	if (err)
		return err;
	err = base_claim(o->base, i, CLAIM_COPY);
	overlay_put(o, i);
	return err == -EBUSY ? err : 0;
}

static int overlay_start(struct mapfs_view *v)
{
	return store_start(overlay_of(v)->store);
}

static int overlay_places(struct mapfs_view *v, mapfs_place_fn fn, void *arg)
{
	int err = v->base_fd < 0 ? 0 : fn(arg, MAPFS_PLACE_BASE, v->base_fd);

	return err ? err : store_places(overlay_of(v)->store, fn, arg);
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
	.places = overlay_places,
	.start = overlay_start,
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
	.pages = overlay_pages,
	.getxattr = overlay_getxattr,
	.listxattr = overlay_listxattr,
	.setxattr = overlay_setxattr,
	.removexattr = overlay_removexattr,
	.get_fileattr = overlay_get_fileattr,
	.set_fileattr = overlay_set_fileattr,
	.claim = overlay_claim,
	.announce_mount = overlay_announce_mount,
	.announce_close = overlay_announce_close,
	.snapshot_create = overlay_snapshot_create,
	.snapshot_delete = overlay_snapshot_delete,
	.snapshot_iterate = overlay_snapshot_iterate,
	.drift = overlay_drift,
	.damage = overlay_damage,
	.held = overlay_held,
	.find_path = overlay_find_path,
	.invalidated = overlay_invalidated,
	.rollback = overlay_rollback,
	.revert = overlay_revert,
};

/* The root keeps the number by which the delta knows it. */
static int make_root(struct overlay *o, mapfs_ino ino)
{
	int err = itable_create(&o->itable, ino);

	if (err)
		return err;
	base_set_itable(o->base, o->itable);
	o->view.root_ino = ino;
	o->view.file_name = base_file_name(o->base);
	return 0;
}

/* `like`: a view that has it open, or NULL. */
static int open_at(struct overlay *o, const char *path, struct mapfs_view *like)
{
	struct statx stx;
	bool foreign;
	int err = like ? base_open_again(&o->base,
					 overlay_of(view_whole(like))->base) :
			 base_open(&o->base, path, BASE_FROZEN);

	if (!err && statx(base_root_fd(o->base), "", AT_EMPTY_PATH,
			  STATX_BASIC_STATS, &stx) < 0)
		err = -errno;
	if (!err)
		err = make_root(o, stx.stx_ino);
	return err ? err :
		     base_stat(o->base, itable_root(o->itable), NULL, &stx,
			       &foreign);
}

static int open_none(struct overlay *o)
{
	struct base_identity id;
	int err = base_open_none(&o->base);

	if (!err)
		err = base_get_identity(o->base, &id);
	return err ? err : make_root(o, id.ino);
}

static int open_absent(struct overlay *o, const struct store_base *was)
{
	int err = base_open_absent(&o->base, was->path);

	if (err)
		return err;
	/* The delta has no record of the root; the file must not have its number. */
	if (was->id.kind == BASE_KIND_FILE)
		return make_root(o, was->id.ino == 1 ? 2 : 1);
	/* Likewise if no number was recorded. */
	return make_root(o, was->id.ino ? was->id.ino : 1);
}

static int open_base(struct overlay *o, const struct mapfs_options *opt,
		     struct reason *why)
{
	struct store_base recorded = { 0 };
	const char *path = opt->base;
	int err = 0;

	if (opt->base_kind == MAPFS_BASE_NONE)
		return open_none(o);
	if (!path) {
		err = store_recorded_base(opt->store, &recorded, why);
		if (err)
			return err;
		path = recorded.path;
	}
	if (recorded.id.kind == BASE_KIND_NONE) {
		err = open_none(o);
	} else if (opt->without_base) {
		err = open_absent(o, &recorded);
	} else {
		err = open_at(o, path, opt->base_of);
		if ((err == -ENOENT || err == -ENOTDIR) && recorded.path)
			reason_base_gone(why, opt->store, path);
	}
	if (err && reason_is_empty(why))
		base_explain(why, path, err);
	free(recorded.path);
	return err;
}

static enum store_use use_of(const struct mapfs_options *opt)
{
	if (opt->snapshot)
		return STORE_PAST;
	return opt->look_only || opt->salvage ? STORE_LOOK : STORE_CHANGE;
}

/* The base is open; replays the delta. */
static int open_store(struct overlay *o, const struct mapfs_options *opt,
		      enum overlay_purpose purpose, struct reason *why)
{
	struct store_options so = {
		.use = use_of(opt),
		.snapshot = opt->snapshot,
		.is_trusted = opt->is_trusted,
		.for_commit = purpose == OVERLAY_COMMIT,
		.is_part = opt->is_part,
		.salvage = opt->salvage || purpose == OVERLAY_CHECK,
		.for_check = purpose == OVERLAY_CHECK,
		.kind = opt->store_kind,
		.path = opt->store,
		.size_bytes = opt->size_bytes,
		.mountpoint = opt->mountpoint,
		.progress = opt->progress,
		.progress_arg = opt->progress_arg,
		.base = base_path(o->base),
		.base_fd = base_own_fd(o->base),
	};
	int err = 0;

	if (!base_is_absent(o->base))
		err = base_get_identity(o->base, &so.base_id);
	if (!err)
		err = store_open(&o->store, &so, &o->set, why);
	if (err)
		return err;
	if (base_is_none(o->base))
		base_set_maker(o->base, store_base_identity(o->store));
	o->view.base_fd = so.base_fd;
	o->view.look_only = so.use != STORE_CHANGE;
	if (!o->view.look_only)
		err = overlay_sweep_orphans(o);
	store_set_ns_lock(o->store, &o->ns_lock);
	if (!err && !opt->waits_to_start)
		err = store_start(o->store);
	if (err)
		(void)store_close(o->store);
	return err;
}

int overlay_open(struct mapfs_view **out, const struct mapfs_options *opt,
		 enum overlay_purpose purpose, struct reason *why)
{
	struct overlay *o = calloc(1, sizeof(*o));
	int err;

	/* Without its base a view cannot be changed. */
	assert(!opt->without_base ||
	       (!opt->base && (opt->look_only || opt->snapshot)));
	if (!o)
		return -ENOMEM;
	o->view =
		(struct mapfs_view){ .ops = &overlay_ops, .mode = MAPFS_COPY };
	rwlock_init(&o->ns_lock, RANK_NAMESPACE);
	damage_list_init(&o->damage);
	err = mapping_guard_init();
	/* Before the base is opened: its path may come from the store. */
	if (!err && opt->store_kind == MAPFS_STORE_DIR)
		err = mapfs_store_trust_check(opt->store, opt->is_trusted, why);
	if (!err)
		err = listings_create(&o->listings);
	if (!err)
		err = open_base(o, opt, why);
	if (err)
		goto free_overlay;
	delta_set_init(&o->set, o->itable, NULL);
	err = open_store(o, opt, purpose, why);
	if (err)
		goto fini_set;
	*out = &o->view;
	return 0;

fini_set:
	delta_set_fini(&o->set);
free_overlay:
	free_overlay(o);
	return err;
}
