/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing a read or write view, and its tables of operations.
 *
 * The base is the file system.  The view only keeps what is needed to find an
 * object again by its number: where it was last seen, or a descriptor of it
 * once it has no name.
 */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attr.h"
#include "core/lib/mapping.h"
#include "core/lib/reason.h"
#include "create.h"
#include "data.h"
#include "fileattr.h"
#include "inode.h"
#include "link.h"
#include "lookup.h"
#include "open_file.h"
#include "file_handle.h"
#include "readdir.h"
#include "xattr.h"

static void direct_info(struct mapfs_view *v, struct mapfs_info *out)
{
	struct direct *d = direct_of(v);

	*out = (struct mapfs_info){
		.mode = v->mode,
		.base = base_path(d->base),
		.inodes_known = itable_count(d->itable),
	};
}

static int direct_known_files(struct mapfs_view *v, mapfs_ino **out,
			      size_t *count)
{
	return itable_counted(direct_of(v)->itable, S_IFREG, out, count);
}

static int direct_statfs(struct mapfs_view *v, struct statvfs *out)
{
	return base_statfs(direct_of(v)->base, out);
}

/* A read view shows the changes of others, whatever makes them. */
static int direct_claim(struct mapfs_view *v, mapfs_ino ino)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	int err;

	if (v->mode == MAPFS_READ)
		return 0;
	err = direct_get(d, ino, &i);
	if (err)
		return err;
	err = base_claim(d->base, i, CLAIM_WRITE);
	direct_put(d, i);
	return err == -EBUSY || err == -ETXTBSY ? err : 0;
}

static int direct_close(struct mapfs_view *v)
{
	struct direct *d = direct_of(v);

	handles_destroy(d->handles);
	itable_destroy(d->itable);
	base_close(d->base);
	free(d);
	return 0;
}

/* view.c refuses every change of a read view: it needs no operation. */
static int direct_places(struct mapfs_view *v, mapfs_place_fn fn, void *arg)
{
	return fn(arg, MAPFS_PLACE_BASE, base_own_fd(direct_of(v)->base));
}

static const struct view_ops read_ops = {
	.close = direct_close,
	.info = direct_info,
	.places = direct_places,
	.lookup = direct_lookup,
	.reach = direct_reach,
	.above = direct_above,
	.interrupt = direct_interrupt,
	.forget = direct_forget,
	.known_files = direct_known_files,
	.readlink = direct_readlink,
	.readdir = direct_readdir,
	.opendir = direct_opendir,
	.readdir_open = direct_readdir_open,
	.release = direct_release,
	.getattr = direct_getattr,
	.peek_attr = direct_peek_attr,
	.statfs = direct_statfs,
	.read = direct_read,
	.lseek = direct_lseek,
	.pages = direct_pages,
	.getxattr = direct_getxattr,
	.listxattr = direct_listxattr,
	.get_fileattr = direct_get_fileattr,
	.claim = direct_claim,
};

static const struct view_ops write_ops = {
	.close = direct_close,
	.info = direct_info,
	.places = direct_places,
	.lookup = direct_lookup,
	.reach = direct_reach,
	.above = direct_above,
	.interrupt = direct_interrupt,
	.forget = direct_forget,
	.known_files = direct_known_files,
	.mknod = direct_mknod,
	.mkdir = direct_mkdir,
	.symlink = direct_symlink,
	.link = direct_link,
	.unlink = direct_unlink,
	.rmdir = direct_rmdir,
	.rename = direct_rename,
	.tmpfile = direct_tmpfile,
	.readlink = direct_readlink,
	.readdir = direct_readdir,
	.opendir = direct_opendir,
	.readdir_open = direct_readdir_open,
	.open = direct_open_file,
	.only_appends = direct_only_appends,
	.read_counts = direct_read_counts,
	.create = direct_create,
	.release = direct_release,
	.getattr = direct_getattr,
	.peek_attr = direct_peek_attr,
	.setattr = direct_setattr,
	.statfs = direct_statfs,
	.read = direct_read,
	.write = direct_write,
	.fsync = direct_fsync,
	.fallocate = direct_fallocate,
	.lseek = direct_lseek,
	.copy_range = direct_copy_range,
	.pages = direct_pages,
	.getxattr = direct_getxattr,
	.listxattr = direct_listxattr,
	.setxattr = direct_setxattr,
	.removexattr = direct_removexattr,
	.get_fileattr = direct_get_fileattr,
	.claim = direct_claim,
	.set_fileattr = direct_set_fileattr,
};

static unsigned int base_flags_of(const struct mapfs_options *opt)
{
	if (opt->mode == MAPFS_READ)
		return BASE_FROZEN;
	return (opt->noatime ? BASE_NOATIME : 0) |
	       (opt->nodiratime ? BASE_NODIRATIME : 0) |
	       (opt->relatime ? BASE_RELATIME : 0);
}

static int open_base(struct direct *d, const struct mapfs_options *opt)
{
	struct statx stx;
	int err = base_open(&d->base, opt->base,
			    base_flags_of(opt) | BASE_HANDLES);

	if (err)
		return err;
	if (statx(base_root_fd(d->base), "", AT_EMPTY_PATH, STATX_INO, &stx) <
	    0)
		return -errno;
	err = itable_create(&d->itable, stx.stx_ino);
	if (err)
		return err;
	base_set_itable(d->base, d->itable);
	d->view.root_ino = stx.stx_ino;
	d->view.file_name = base_file_name(d->base);
	return handles_create(&d->handles, d->base);
}

int direct_open(struct mapfs_view **out, const struct mapfs_options *opt,
		struct reason *why)
{
	struct direct *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->view.ops = opt->mode == MAPFS_READ ? &read_ops : &write_ops;
	d->view.mode = opt->mode;
	d->view.base_fd = -1; /* a store is compared with it: there is none */
	err = mapping_guard_init();
	if (!err)
		err = open_base(d, opt);
	if (!err && opt->mode == MAPFS_WRITE && base_is_device(d->base)) {
		reason_set(
			why,
			"base %s: is a block device, which a view does not write to; use mode copy or read",
			opt->base);
		err = -EROFS;
	} else if (err) {
		if (err == -EPERM && opt->relatime)
			reason_set(
				why,
				"option relatime: the mount of base %s has another rule for access times, which only root may set aside; drop the option",
				opt->base);
		else
			base_explain(why, opt->base, err);
	}
	if (err) {
		(void)direct_close(&d->view);
		return err;
	}
	*out = &d->view;
	return 0;
}
