/* SPDX-License-Identifier: MIT */
/*
 * The calls of core/mapfs.h on a view: arguments that no kind of view can
 * accept are refused here, then the operation of the view's kind is called.
 */
#include "view.h"

#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

const char *mapfs_mode_name(enum mapfs_mode mode)
{
	switch (mode) {
	case MAPFS_READ:
		return "read";
	case MAPFS_WRITE:
		return "write";
	case MAPFS_COPY:
		return "copy";
	}
	return "unknown";
}

int mapfs_view_start(struct mapfs_view *v)
{
	v = view_whole(v);
	return v->ops->start ? v->ops->start(v) : 0;
}

int mapfs_view_places(struct mapfs_view *v, mapfs_place_fn fn, void *arg)
{
	v = view_whole(v);
	return v->ops->places(v, fn, arg);
}

void mapfs_announce_mount(struct mapfs_view *v, dev_t dev)
{
	if (v->ops->announce_mount)
		v->ops->announce_mount(v, dev);
}

void mapfs_announce_close(struct mapfs_view *v)
{
	if (v->ops->announce_close)
		v->ops->announce_close(v);
}

int mapfs_view_close(struct mapfs_view *v)
{
	return v ? v->ops->close(v) : 0;
}

void mapfs_view_info(struct mapfs_view *v, struct mapfs_info *out)
{
	v->ops->info(v, out);
}

mapfs_ino mapfs_root_ino(const struct mapfs_view *v)
{
	return v->root_ino;
}

int mapfs_base_fd(const struct mapfs_view *v)
{
	return v->base_fd;
}

void mapfs_set_kernel_times(struct mapfs_view *v, bool on)
{
	v->kernel_times = on;
	view_whole(v)->kernel_times = on;
}

bool mapfs_is_stateless(const struct mapfs_view *v)
{
	return v->below ? mapfs_is_stateless(v->below) : v->ops->open == NULL;
}

/* 0: the name is one component of a path. */
static int check_name(const char *name)
{
	size_t len = strnlen(name, MAPFS_NAME_MAX + 1);

	if (len == 0)
		return -ENOENT;
	if (len > MAPFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (memchr(name, '/', len) || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

static int check_change(const struct mapfs_view *v)
{
	return v->mode == MAPFS_READ || v->look_only ? -EROFS : 0;
}

static int check_new_name(const struct mapfs_view *v, const char *name)
{
	int err = check_change(v);

	return err ? err : check_name(name);
}

static int check_range(uint64_t off, uint64_t len)
{
	if (off > MAPFS_MAX_SIZE || len > MAPFS_MAX_SIZE - off)
		return -EFBIG;
	return 0;
}

static int check_target(const char *target)
{
	if (target[0] == '\0')
		return -ENOENT;
	return strnlen(target, MAPFS_TARGET_MAX + 1) > MAPFS_TARGET_MAX ?
		       -ENAMETOOLONG :
		       0;
}

/* The kernel refuses such names itself, with the same errno. */
static int check_xattr_name(const char *name)
{
	size_t len = strnlen(name, MAPFS_XATTR_NAME_MAX + 1);

	return len == 0 || len > MAPFS_XATTR_NAME_MAX ? -ERANGE : 0;
}

static bool is_time(struct timespec t)
{
	return t.tv_nsec >= 0 && t.tv_nsec < MAPFS_NSEC_LIMIT;
}

static int check_setattr(const struct mapfs_setattr *set)
{
	if ((set->valid & MAPFS_SET_SIZE) && set->size_bytes > MAPFS_MAX_SIZE)
		return -EFBIG;
	if (((set->valid & MAPFS_SET_ATIME) && !is_time(set->atime)) ||
	    ((set->valid & MAPFS_SET_MTIME) && !is_time(set->mtime)) ||
	    ((set->valid & MAPFS_SET_CTIME) && !is_time(set->ctime)))
		return -EINVAL;
	return 0;
}

/* An inode by its number, as file handles ask for it. */
static int lookup_dot(struct mapfs_view *v, mapfs_ino ino, const char *name,
		      bool may_walk, struct mapfs_entry *out)
{
	int err = 0;

	/* The root has no directory above it in the view. */
	if (name[1] && ino == v->root_ino)
		return -EINVAL;
	if (name[1])
		err = v->ops->above(v, ino, may_walk, &ino);
	if (!err)
		err = v->ops->reach(v, ino, may_walk, out);
	/* The kernel accepts no other generation of the root. */
	if (!err && ino == v->root_ino)
		out->generation = 0;
	return err == -ENOENT ? -ESTALE : err;
}

int mapfs_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		 struct mapfs_entry *out)
{
	int err;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return lookup_dot(v, dir, name, false, out);
	err = check_name(name);
	return err ? err : v->ops->lookup(v, dir, name, out);
}

int mapfs_lookup_far(struct mapfs_view *v, mapfs_ino ino, const char *name,
		     struct mapfs_entry *out)
{
	return lookup_dot(v, ino, name, true, out);
}

void mapfs_interrupt(struct mapfs_view *v)
{
	v->ops->interrupt(v);
}

void mapfs_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup)
{
	v->ops->forget(v, ino, nlookup);
}

int mapfs_known_files(struct mapfs_view *v, mapfs_ino **out, size_t *count)
{
	return v->ops->known_files(v, out, count);
}

int mapfs_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		struct mapfs_entry *out)
{
	int err = check_new_name(v, new->name);

	return err ? err : v->ops->mknod(v, new, out);
}

int mapfs_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		struct mapfs_entry *out)
{
	int err = check_new_name(v, new->name);

	return err ? err : v->ops->mkdir(v, new, out);
}

int mapfs_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		  const char *target, struct mapfs_entry *out)
{
	int err = check_new_name(v, new->name);

	if (!err)
		err = check_target(target);
	return err ? err : v->ops->symlink(v, new, target, out);
}

int mapfs_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
	       const char *name, struct mapfs_entry *out)
{
	int err = check_new_name(v, name);

	return err ? err : v->ops->link(v, ino, dir, name, out);
}

int mapfs_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	int err = check_new_name(v, name);

	return err ? err : v->ops->unlink(v, dir, name);
}

int mapfs_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name)
{
	int err = check_new_name(v, name);

	return err ? err : v->ops->rmdir(v, dir, name);
}

static int check_rename(const struct mapfs_view *v,
			const struct mapfs_rename *rename,
			unsigned int allowed_flags)
{
	int err = check_new_name(v, rename->name);

	if (!err)
		err = check_name(rename->newname);
	if (!err && (rename->flags & ~allowed_flags))
		err = -EINVAL;
	return err;
}

int mapfs_rename(struct mapfs_view *v, const struct mapfs_rename *rename)
{
	int err = check_rename(v, rename, RENAME_NOREPLACE | RENAME_EXCHANGE);

	return err ? err : v->ops->rename(v, NULL, rename);
}

int mapfs_rename_whiteout(struct mapfs_view *v, const struct mapfs_cred *cred,
			  const struct mapfs_rename *rename)
{
	int err = check_rename(v, rename, RENAME_NOREPLACE);

	return err ? err : v->ops->rename(v, cred, rename);
}

int mapfs_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		  struct mapfs_entry *out)
{
	int err = check_change(v);

	return err ? err : v->ops->tmpfile(v, new, out);
}

ssize_t mapfs_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
		       size_t len)
{
	return v->ops->readlink(v, ino, buf, len);
}

int mapfs_readdir(struct mapfs_view *v, mapfs_ino dir,
		  const struct mapfs_readdir *readdir)
{
	return v->ops->readdir(v, dir, readdir);
}

int mapfs_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh)
{
	return v->ops->opendir ? v->ops->opendir(v, dir, fh) : -ENOSYS;
}

int mapfs_readdir_open(struct mapfs_view *v, uint64_t fh,
		       const struct mapfs_readdir *readdir)
{
	return v->ops->readdir_open ? v->ops->readdir_open(v, fh, readdir) :
				      -EBADF;
}

int mapfs_open(struct mapfs_view *v, mapfs_ino ino, int flags, uint64_t *fh,
	       bool *changed)
{
	return v->ops->open ? v->ops->open(v, ino, flags, fh, changed) :
			      -ENOSYS;
}

bool mapfs_only_appends(struct mapfs_view *v, uint64_t fh)
{
	return v->ops->only_appends && v->ops->only_appends(v, fh);
}

bool mapfs_read_counts(struct mapfs_view *v, uint64_t fh)
{
	return v->ops->read_counts && v->ops->read_counts(v, fh);
}

int mapfs_create(struct mapfs_view *v, const struct mapfs_new *new, int flags,
		 struct mapfs_entry *out, uint64_t *fh)
{
	int err = check_new_name(v, new->name);

	if (!err && !v->ops->create)
		err = -ENOSYS;
	return err ? err : v->ops->create(v, new, flags, out, fh);
}

void mapfs_release(struct mapfs_view *v, uint64_t fh)
{
	if (v->ops->release)
		v->ops->release(v, fh);
}

int mapfs_getattr(struct mapfs_view *v, struct mapfs_file file,
		  struct mapfs_attr *out)
{
	return v->ops->getattr(v, file, out);
}

int mapfs_peek_attr(struct mapfs_view *v, struct mapfs_file file,
		    struct mapfs_attr *out)
{
	return v->ops->peek_attr(v, file, out);
}

int mapfs_setattr(struct mapfs_view *v, struct mapfs_file file,
		  const struct mapfs_setattr *set, struct mapfs_attr *out)
{
	int err = check_change(v);

	if (!err)
		err = check_setattr(set);
	return err ? err : v->ops->setattr(v, file, set, out);
}

int mapfs_statfs(struct mapfs_view *v, struct statvfs *out)
{
	return v->ops->statfs(v, out);
}

ssize_t mapfs_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		   size_t len, uint64_t off)
{
	/* No file is that long. */
	if (off >= MAPFS_MAX_SIZE)
		return 0;
	if (len > MAPFS_MAX_SIZE - off)
		len = MAPFS_MAX_SIZE - off;
	return v->ops->read(v, file, buf, len, off);
}

ssize_t mapfs_write(struct mapfs_view *v, struct mapfs_file file,
		    const struct mapfs_write *write)
{
	int err = check_change(v);

	if (!err)
		err = check_range(write->off, write->len);
	return err ? err : v->ops->write(v, file, write);
}

int mapfs_fsync(struct mapfs_view *v, struct mapfs_file file, bool data_only)
{
	if (check_change(v))
		return 0;
	return v->ops->fsync(v, file, data_only);
}

int mapfs_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		    uint64_t off, uint64_t len)
{
	int err = check_change(v);

	if (!err && len == 0)
		err = -EINVAL;
	if (!err)
		err = check_range(off, len);
	return err ? err : v->ops->fallocate(v, file, mode, off, len);
}

int mapfs_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		int whence, uint64_t *out)
{
	return v->ops->lseek(v, file, off, whence, out);
}

ssize_t mapfs_copy_range(struct mapfs_view *v,
			 const struct mapfs_copy_range *copy)
{
	struct mapfs_copy_range cut = *copy;
	int err = check_change(v);

	/* No file is that long, so there is nothing to copy. */
	if (!err && cut.from_off >= MAPFS_MAX_SIZE)
		return 0;
	if (cut.len > MAPFS_MAX_SIZE - cut.from_off)
		cut.len = MAPFS_MAX_SIZE - cut.from_off;
	if (!err)
		err = check_range(cut.to_off, cut.len);
	return err ? err : v->ops->copy_range(v, &cut);
}

int mapfs_pages(struct mapfs_view *v, struct mapfs_file file,
		const struct mapfs_range *range, mapfs_run_fn fn, void *arg)
{
	struct mapfs_range cut = *range;

	/* No file is that long. */
	if (cut.off_bytes > MAPFS_MAX_SIZE)
		cut.off_bytes = MAPFS_MAX_SIZE;
	if (cut.len_bytes > MAPFS_MAX_SIZE - cut.off_bytes)
		cut.len_bytes = MAPFS_MAX_SIZE - cut.off_bytes;
	return v->ops->pages(v, file, &cut, fn, arg);
}

ssize_t mapfs_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
		       void *buf, size_t len)
{
	return v->ops->getxattr(v, ino, name, buf, len);
}

ssize_t mapfs_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			size_t len)
{
	return v->ops->listxattr(v, ino, buf, len);
}

int mapfs_setxattr(struct mapfs_view *v, mapfs_ino ino,
		   const struct mapfs_setxattr *set)
{
	int err = check_change(v);

	if (!err)
		err = check_xattr_name(set->name);
	if (!err && set->len > MAPFS_XATTR_VALUE_MAX)
		err = -E2BIG;
	return err ? err : v->ops->setxattr(v, ino, set);
}

int mapfs_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name)
{
	int err = check_change(v);

	if (!err)
		err = check_xattr_name(name);
	return err ? err : v->ops->removexattr(v, ino, name);
}

int mapfs_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
		       enum mapfs_fileattr_kind what, union mapfs_fileattr *out)
{
	return v->ops->get_fileattr(v, file, what, out);
}

int mapfs_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
		       struct mapfs_file file, enum mapfs_fileattr_kind what,
		       const union mapfs_fileattr *a)
{
	int err = check_change(v);

	if (!err && what == MAPFS_FILEATTR_VERSION)
		err = -ENOTTY;
	return err ? err : v->ops->set_fileattr(v, cred, file, what, a);
}

/* 0: the view has the operation, which only copy mode has. */
static int check_kept(bool has_op, struct reason *why)
{
	reason_clear(why);
	if (has_op)
		return 0;
	reason_set(
		why,
		"this view keeps no changes of its own; only a copy view does");
	return -EINVAL;
}

int mapfs_snapshot_create(struct mapfs_view *v, const char *name,
			  const char *message, struct reason *why)
{
	int err = check_kept(v->ops->snapshot_create, why);

	return err ? err : v->ops->snapshot_create(v, name, message, why);
}

int mapfs_snapshot_delete(struct mapfs_view *v, const char *name,
			  struct reason *why)
{
	int err = check_kept(v->ops->snapshot_delete, why);

	return err ? err : v->ops->snapshot_delete(v, name, why);
}

int mapfs_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			   void *arg)
{
	return v->ops->snapshot_iterate ? v->ops->snapshot_iterate(v, fn, arg) :
					  0;
}

int mapfs_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg)
{
	return v->ops->drift ? v->ops->drift(v, fn, arg) : 0;
}

int mapfs_bad_pages(struct mapfs_view *v, mapfs_bad_page_fn fn, void *arg)
{
	return v->ops->damage ? v->ops->damage(v, fn, arg) : 0;
}

int mapfs_held(struct mapfs_view *v, mapfs_ino ino, enum mapfs_held *out)
{
	if (v->ops->held)
		return v->ops->held(v, ino, out);
	*out = MAPFS_HELD_ALL;
	return 0;
}

int mapfs_find_path(struct mapfs_view *v, mapfs_ino ino, char **out)
{
	return v->ops->find_path ? v->ops->find_path(v, ino, out) : -ENOENT;
}

void mapfs_invalidated(struct mapfs_view *v, mapfs_ino ino)
{
	if (v->ops->invalidated)
		v->ops->invalidated(v, ino);
}

int mapfs_rollback(struct mapfs_view *v, const char *name,
		   mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	int err = check_kept(v->ops->rollback, why);

	return err ? err : v->ops->rollback(v, name, fn, arg, why);
}

int mapfs_revert(struct mapfs_view *v, const char *path,
		 mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	int err = check_kept(v->ops->revert, why);

	return err ? err : v->ops->revert(v, path, fn, arg, why);
}
