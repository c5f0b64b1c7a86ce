/* SPDX-License-Identifier: MIT */
/*
 * A plain statx of a mount point asks the file system mounted there, whose
 * server may be dead, or be this daemon.  On a local base AT_STATX_DONT_SYNC
 * rules that out and costs nothing.  A remote base has to be asked for true
 * answers, so there the name is opened first, which never crosses a mount.
 */
#include "stat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "foreign.h"
#include "generation.h"
#include "inode.h"
#include "none.h"
#include "only_file.h"
#include "resolve.h"
#include "root.h"
#include "root_priv.h"

#define STAT_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

static int stat_fd(const struct base *b, int fd, struct statx *out)
{
	if (statx(fd, "", AT_EMPTY_PATH, STAT_MASK, out) < 0)
		return -errno;
	only_file_show(b->only, out);
	return 0;
}

static int stat_unsynced(int dirfd, const char *name, struct statx *out)
{
	if (statx(dirfd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STAT_MASK, out) < 0)
		return -errno;
	return 0;
}

/*
 * By a descriptor, so that everything is said of one object.  generation:
 * NULL, or asked for too.
 */
static int stat_opened(struct base *b, int dirfd, const char *name,
		       struct statx *out, uint64_t *generation)
{
	int fd;
	int err = base_openat(b, dirfd, name, O_PATH, &fd);

	if (err == -EXDEV) { /* it will turn out foreign */
		err = stat_unsynced(dirfd, name, out);
		if (generation)
			*generation = base_generation(out);
		return err;
	}
	if (err)
		return err;
	err = stat_fd(b, fd, out);
	if (!err && generation)
		*generation = base_generation_of_fd(b, fd, out);
	close(fd);
	return err;
}

static int stat_at(struct base *b, int dirfd, const char *name,
		   struct statx *out)
{
	if (b->only)
		return strcmp(name, b->only->name) == 0 ?
			       stat_fd(b, b->only->fd, out) :
			       -ENOENT;
	if (!b->is_remote)
		return stat_unsynced(dirfd, name, out);
	return stat_opened(b, dirfd, name, out, NULL);
}

/* Judges an object found by this name: is it foreign, and may it show? */
static int judge(const struct base *b, const struct inode *dir,
		 const char *name, struct base_seen *seen)
{
	seen->is_foreign = base_is_foreign(b, &seen->stx);
	if (!seen->is_foreign)
		return 0;
	if (!S_ISDIR(seen->stx.stx_mode))
		return -ENOENT;
	seen->stx.stx_ino = base_foreign_ino(dir, name);
	return 0;
}

static int stat_name(struct base *b, struct inode *dir, const char *name,
		     struct base_seen *out)
{
	struct base_seen seen = { 0 };
	struct base_fd *f;
	int err;

	if (b->is_none)
		return -ENOENT;
	err = base_hold(b, dir, BASE_PATH, &f);
	if (err)
		return err;
	err = stat_at(b, base_fd_of(f), name, &seen.stx);
	base_put(b, f);
	if (!err)
		err = judge(b, dir, name, &seen);
	if (!err)
		*out = seen;
	return err;
}

int base_stat_generation(struct base *b, struct inode *dir, const char *name,
			 struct base_seen *out)
{
	struct base_seen seen = { 0 };
	struct base_fd *f;
	int err = base_hold(b, dir, BASE_PATH, &f);

	if (err)
		return err;
	err = stat_opened(b, base_fd_of(f), name, &seen.stx, &seen.generation);
	base_put(b, f);
	if (!err)
		err = judge(b, dir, name, &seen);
	if (!err)
		*out = seen;
	return err;
}

/* In the directory above if that is open: needs no descriptor of its own. */
static int stat_by_parent(struct base *b, struct inode *i, struct statx *out)
{
	char name[NAME_MAX + 1];
	struct inode *parent;
	struct base_fd *f;
	struct statx stx;
	int err = inode_place(b->itable, i, &parent, name);

	if (err)
		return err;
	f = base_hold_open(b, parent, BASE_PATH);
	err = f ? stat_at(b, base_fd_of(f), name, &stx) : -ESTALE;
	if (f)
		base_put(b, f);
	(void)inode_put(b->itable, parent);
	if (!err && (!base_seems_to_be(b, i, &stx) || base_is_foreign(b, &stx)))
		err = -ESTALE;
	if (!err)
		*out = stx;
	return err;
}

/* The root is the only object. */
static int stat_none(struct base *b, const struct inode *i, struct statx *out)
{
	if (i != itable_root(b->itable))
		return -ESTALE;
	none_stat(&b->none, out);
	return 0;
}

static int stat_inode(struct base *b, struct inode *i, struct statx *out)
{
	struct base_fd *f;
	int err;

	if (b->is_none)
		return stat_none(b, i, out);
	f = base_hold_open(b, i, BASE_PATH);
	if (!f && stat_by_parent(b, i, out) == 0)
		return 0;
	if (!f) {
		err = base_hold(b, i, BASE_PATH, &f);
		if (err)
			return err;
	}
	err = stat_fd(b, base_fd_of(f), out);
	base_put(b, f);
	return err;
}

int base_stat(struct base *b, struct inode *dir, const char *name,
	      struct statx *out, bool *foreign)
{
	struct base_seen seen = { 0 };
	int err = name ? stat_name(b, dir, name, &seen) :
			 stat_inode(b, dir, &seen.stx);

	if (err)
		return err;
	*out = seen.stx;
	*foreign = seen.is_foreign;
	return 0;
}

struct inode_facts base_facts(const struct statx *stx, struct inode *dir,
			      const char *name)
{
	return (struct inode_facts){
		.ino = stx->stx_ino,
		.generation = base_generation(stx),
		.type = stx->stx_mode & S_IFMT,
		.parent = dir,
		.name = name,
	};
}

int base_statfs(struct base *b, struct statvfs *out)
{
	if (b->rootfd < 0)
		return -EOPNOTSUPP;
	return fstatvfs(base_own_fd(b), out) < 0 ? -errno : 0;
}

/*
 * Some file systems keep small files without any block, and some do not count
 * blocks at all; but tar takes a file of 0 blocks for one hole.  A page too
 * many does no harm: SEEK_DATA still gives the true answer.
 */
uint64_t base_blocks(const struct statx *stx)
{
	if (S_ISREG(stx->stx_mode) && stx->stx_size > 0 && stx->stx_blocks == 0)
		return MAPFS_BLOCKS_PER_PAGE;
	return stx->stx_blocks;
}
