/* SPDX-License-Identifier: MIT */
/*
 * A change is made by a descriptor of the object (or by the descriptor's path
 * in /proc, for a system call that takes no O_PATH descriptor), never by a
 * path of the base, where another process could put another object meanwhile.
 */
#include "attr.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change_cookie.h"
#include "core/lib/path.h"
#include "core/view/attr.h"

/* Of a foreign directory: the attributes that a lookup of its name gives. */
static int stat_foreign(struct direct *d, struct inode *i, struct statx *out)
{
	char name[NAME_MAX + 1];
	struct inode *parent;
	bool foreign;
	int err = inode_place(d->itable, i, &parent, name);

	if (err)
		return -ESTALE;
	err = base_stat(d->base, parent, name, out, &foreign);
	direct_put(d, parent);
	/* Unmounted since: on -ESTALE the kernel looks the name up again. */
	return err || !foreign ? -ESTALE : 0;
}

static int stat_inode(struct direct *d, struct inode *i, uint64_t fh,
		      struct statx *out)
{
	struct direct_fd f;
	bool foreign;
	int err;

	if (i->is_foreign)
		return stat_foreign(d, i, out);
	if (!fh) {
		err = base_stat(d->base, i, NULL, out, &foreign);
		/* Without a name it may still be open. */
		if (err != -ESTALE)
			return err;
	}
	err = direct_fd_get(d, i, fh, DIRECT_PATH, &f);
	if (err)
		return err;
	if (statx(f.fd, "", AT_EMPTY_PATH, DIRECT_STAT_MASK, out) < 0)
		err = -errno;
	direct_fd_put(d, &f);
	return err;
}

static int show_attr(struct direct *d, struct inode *i, uint64_t fh,
		     struct mapfs_attr *out)
{
	struct statx stx;
	int err = stat_inode(d, i, fh, &stx);

	if (err)
		return err;
	change_cookie_set(i, &stx);
	view_attr_of(&stx, i->ino, out);
	return 0;
}

int direct_peek_attr(struct mapfs_view *v, struct mapfs_file file,
		     struct mapfs_attr *out)
{
	struct direct *d = direct_of(v);
	struct statx stx;
	struct inode *i;
	int err = direct_get(d, file.ino, &i);

	if (err)
		return err;
	err = stat_inode(d, i, file.fh, &stx);
	if (!err)
		view_attr_of(&stx, i->ino, out);
	direct_put(d, i);
	return err;
}

int direct_getattr(struct mapfs_view *v, struct mapfs_file file,
		   struct mapfs_attr *out)
{
	struct direct *d = direct_of(v);
	struct inode *i;
	int err = direct_get(d, file.ino, &i);

	if (err)
		return err;
	err = show_attr(d, i, file.fh, out);
	direct_put(d, i);
	return err;
}

int direct_chmod(const struct direct_fd *f, mode_t mode)
{
	char path[PATH_OF_FD_BYTES];
	int ret;

	mode &= ~(mode_t)S_IFMT;
	if (f->is_path) {
		path_of_fd(f->fd, path);
		ret = chmod(path, mode);
	} else {
		ret = fchmod(f->fd, mode);
	}
	return ret < 0 ? -errno : 0;
}

/*
 * File capabilities need no care: the base drops them on every write,
 * truncation and change of owner, by whatever process.  It does not drop
 * set-id bits if the process is privileged, as the daemon may be although its
 * caller is not.
 */
static int kill_priv(const struct direct_fd *f, bool kill_sgid)
{
	struct stat st;
	mode_t mode;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	mode = st.st_mode & ~(mode_t)S_ISUID;
	if (kill_sgid || (mode & S_IXGRP))
		mode &= ~(mode_t)S_ISGID;
	if (!S_ISREG(mode) || mode == st.st_mode)
		return 0;
	return direct_chmod(f, mode);
}

static int set_owner(const struct direct_fd *f, const struct mapfs_setattr *set)
{
	uid_t uid = set->valid & MAPFS_SET_UID ? set->uid : (uid_t)-1;
	gid_t gid = set->valid & MAPFS_SET_GID ? set->gid : (gid_t)-1;

	if (fchownat(f->fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int set_size(const struct direct_fd *f, uint64_t size)
{
	char path[PATH_OF_FD_BYTES];
	int ret;

	if (f->is_path) {
		path_of_fd(f->fd, path);
		ret = truncate(path, (off_t)size);
	} else {
		ret = ftruncate(f->fd, (off_t)size);
	}
	return ret < 0 ? -errno : 0;
}

static struct timespec time_to_set(unsigned int valid, unsigned int set_bit,
				   unsigned int now_bit, struct timespec t)
{
	if (valid & now_bit)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (valid & set_bit)
		return t;
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_times(const struct direct_fd *f, const struct mapfs_setattr *set)
{
	const struct timespec times[2] = {
		time_to_set(set->valid, MAPFS_SET_ATIME, MAPFS_SET_ATIME_NOW,
			    set->atime),
		time_to_set(set->valid, MAPFS_SET_MTIME, MAPFS_SET_MTIME_NOW,
			    set->mtime),
	};
	char path[PATH_OF_FD_BYTES];
	int ret;

	if (f->is_path) {
		path_of_fd(f->fd, path);
		ret = utimensat(AT_FDCWD, path, times, 0);
	} else {
		ret = futimens(f->fd, times);
	}
	return ret < 0 ? -errno : 0;
}

/* Owner first: that drops set-id bits.  Times last: the rest changes them. */
static int set_all(const struct direct_fd *f, const struct mapfs_setattr *set)
{
	const unsigned int valid = set->valid;
	int err = 0;

	if (valid & (MAPFS_SET_UID | MAPFS_SET_GID))
		err = set_owner(f, set);
	if (!err && (valid & MAPFS_SET_SIZE))
		err = set_size(f, set->size_bytes);
	if (!err && (valid & MAPFS_SET_MODE))
		err = direct_chmod(f, set->mode);
	else if (!err && (valid & (MAPFS_SET_KILL_PRIV | MAPFS_SET_KILL_SGID)))
		err = kill_priv(f, valid & MAPFS_SET_KILL_SGID);
	if (!err && (valid & (MAPFS_SET_ATIME | MAPFS_SET_ATIME_NOW |
			      MAPFS_SET_MTIME | MAPFS_SET_MTIME_NOW)))
		err = set_times(f, set);
	return err;
}

int direct_setattr(struct mapfs_view *v, struct mapfs_file file,
		   const struct mapfs_setattr *set, struct mapfs_attr *out)
{
	struct direct *d = direct_of(v);
	/* Only a handle that may write can do what ftruncate(2) asks. */
	bool by_handle = file.fh && (set->valid & MAPFS_SET_SIZE);
	struct direct_fd f;
	struct inode *i;
	int err = direct_get(d, file.ino, &i);

	if (err)
		return err;
	err = direct_fd_get(d, i, file.fh,
			    by_handle ? DIRECT_WRITE : DIRECT_PATH, &f);
	if (!err) {
		err = set_all(&f, set);
		direct_fd_put(d, &f);
	}
	if (!err)
		err = show_attr(d, i, file.fh, out);
	direct_put(d, i);
	return err;
}
