/* SPDX-License-Identifier: MIT */
/*
 * What the base says of an object, and whether it is the base's at all.
 *
 * A plain statx of a mount point asks the file system mounted there, which
 * may be dead, or be ourselves.  On a local base AT_STATX_DONT_SYNC rules
 * that out and costs nothing.  A remote base must be asked for true answers,
 * so there the name is opened first, which never crosses a mount.
 */
#include "base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/lib/checksum.h"

#define STAT_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

/*
 * A directory of another device in the same mount is another subvolume.  A
 * file of another device is not foreign: overlay file systems have those.
 */
bool base_is_foreign(const struct base *b, const struct statx *stx)
{
	if (b->has_mount_id && (stx->stx_mask & STATX_MNT_ID) &&
	    stx->stx_mnt_id != b->mount_id)
		return true;
	return S_ISDIR(stx->stx_mode) &&
	       makedev(stx->stx_dev_major, stx->stx_dev_minor) != b->dev;
}

mapfs_ino base_foreign_ino(const struct inode *dir, const char *name)
{
	uint64_t h = dir->ino * 0x9e3779b97f4a7c15ULL;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ULL;
	return h >> 1 | 1ULL << 63;
}

static int stat_fd(int fd, struct statx *out)
{
	return statx(fd, "", AT_EMPTY_PATH, STAT_MASK, out) < 0 ? -errno : 0;
}

static int stat_unsynced(int dirfd, const char *name, struct statx *out)
{
	if (statx(dirfd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STAT_MASK, out) < 0)
		return -errno;
	return 0;
}

static int stat_at(struct base *b, int dirfd, const char *name,
		   struct statx *out)
{
	int fd;
	int err;

	if (!b->is_remote)
		return stat_unsynced(dirfd, name, out);
	err = base_openat(b, dirfd, name, O_PATH, &fd);
	if (err == -EXDEV) /* it will turn out foreign */
		return stat_unsynced(dirfd, name, out);
	if (err)
		return err;
	err = stat_fd(fd, out);
	close(fd);
	return err;
}

/*
 * The handle itself is a number and a generation that only its file system
 * compares; so it is no secret, and the same for as long as the object lives.
 */
uint64_t base_generation_of_fd(const struct base *b, int fd,
			       const struct statx *stx)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	uint64_t sum = base_generation(stx);
	int mount_id;

	if (!b->has_generations ||
	    name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0)
		return sum;
	sum = checksum64(u.h.f_handle, u.h.handle_bytes,
			 sum ^ (uint64_t)(unsigned int)u.h.handle_type << 32);
	return sum & 0x7fffffff;
}

/* One descriptor, so that what is said is said of one object. */
static int identify_at(struct base *b, int dirfd, const char *name,
		       struct statx *out, uint64_t *generation)
{
	int fd;
	int err = base_openat(b, dirfd, name, O_PATH, &fd);

	if (err == -EXDEV) { /* it will turn out foreign */
		err = stat_unsynced(dirfd, name, out);
		*generation = base_generation(out);
		return err;
	}
	if (err)
		return err;
	err = stat_fd(fd, out);
	if (!err)
		*generation = base_generation_of_fd(b, fd, out);
	close(fd);
	return err;
}

/* `generation`: NULL, or asked for too. */
static int stat_name(struct base *b, struct inode *dir, const char *name,
		     struct statx *out, bool *foreign, uint64_t *generation)
{
	struct base_fd *f;
	struct statx stx = { 0 };
	uint64_t g = 0;
	int err = base_hold(b, dir, BASE_PATH, &f);

	if (err)
		return err;
	err = generation ? identify_at(b, f->fd, name, &stx, &g) :
			   stat_at(b, f->fd, name, &stx);
	base_put(b, f);
	if (err)
		return err;
	*foreign = base_is_foreign(b, &stx);
	if (*foreign && !S_ISDIR(stx.stx_mode))
		return -ENOENT;
	if (*foreign)
		stx.stx_ino = base_foreign_ino(dir, name);
	if (generation)
		*generation = g;
	*out = stx;
	return 0;
}

int base_stat_generation(struct base *b, struct inode *dir, const char *name,
			 struct statx *out, bool *foreign, uint64_t *generation)
{
	return stat_name(b, dir, name, out, foreign, generation);
}

/* In the directory above if that is open: no descriptor of its own needed. */
static int stat_by_parent(struct base *b, struct inode *i, struct statx *out)
{
	char name[NAME_MAX + 1];
	struct inode *parent;
	struct base_fd *f;
	struct statx stx;
	int err = inode_place(b->itable, i, &parent, name);

	if (err)
		return err;
	f = base_hold_cached(b, parent, BASE_PATH);
	err = f ? stat_at(b, f->fd, name, &stx) : -ESTALE;
	if (f)
		base_put(b, f);
	(void)inode_put(b->itable, parent);
	if (!err && (!base_seems_to_be(b, i, &stx) || base_is_foreign(b, &stx)))
		err = -ESTALE;
	if (!err)
		*out = stx;
	return err;
}

static int stat_inode(struct base *b, struct inode *i, struct statx *out)
{
	struct base_fd *f = base_hold_cached(b, i, BASE_PATH);
	int err;

	if (!f && stat_by_parent(b, i, out) == 0)
		return 0;
	if (!f) {
		err = base_hold(b, i, BASE_PATH, &f);
		if (err)
			return err;
	}
	err = stat_fd(f->fd, out);
	base_put(b, f);
	return err;
}

int base_stat(struct base *b, struct inode *dir, const char *name,
	      struct statx *out, bool *foreign)
{
	int err;

	if (name)
		return stat_name(b, dir, name, out, foreign, NULL);
	err = stat_inode(b, dir, out);
	if (!err)
		*foreign = false;
	return err;
}

static bool has_number_and_type(const struct inode *i, const struct statx *stx)
{
	return stx->stx_ino == i->ino && (stx->stx_mode & S_IFMT) == i->type;
}

/* A number is given again once its object is gone. */
bool base_is_of(const struct inode *i, const struct statx *stx)
{
	const uint64_t generation = base_generation(stx);

	return has_number_and_type(i, stx) &&
	       (!generation || !i->generation || generation == i->generation);
}

bool base_seems_to_be(const struct base *b, const struct inode *i,
		      const struct statx *stx)
{
	return b->has_handles ? has_number_and_type(i, stx) :
				base_is_of(i, stx);
}

uint64_t base_generation(const struct statx *stx)
{
	int64_t birth[2] = { stx->stx_btime.tv_sec, stx->stx_btime.tv_nsec };

	if (!(stx->stx_mask & STATX_BTIME))
		return 0;
	return checksum64(birth, sizeof(birth), 0) & 0x7fffffff;
}

int base_statfs(struct base *b, struct statvfs *out)
{
	return fstatvfs(b->rootfd, out) < 0 ? -errno : 0;
}

/*
 * Some file systems keep small files without any block, and some do not count
 * at all; but tar takes a file of 0 blocks for one hole.  A page too many
 * harms nobody: who asks where the data is gets the true answer.
 */
uint64_t base_blocks(const struct statx *stx)
{
	if (S_ISREG(stx->stx_mode) && stx->stx_size > 0 && stx->stx_blocks == 0)
		return MAPFS_BLOCKS_PER_PAGE;
	return stx->stx_blocks;
}
