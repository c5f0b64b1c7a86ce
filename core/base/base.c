/* SPDX-License-Identifier: MIT */
/*
 * The root of the base, and the only way down from it [S2].
 *
 * Where the kernel lets us, the root is a private clone of the base's mount,
 * read-only and noatime: what we never wanted to change, we then cannot [B1].
 * A base that is written to, but whose access times are to follow another
 * rule than its mount's, gets a clone with that rule.
 * The clone leaves out whatever is mounted further down, now or later, so
 * mount points in the base show the directory they cover.
 */
#include "base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/beneath.h"
#include "core/lib/fault.h"
#include "core/lib/path.h"
#include "core/lib/timespec.h"
#include "fs_type.h"
#include "places.h"

#ifndef MOUNT_ATTR__ATIME
#define MOUNT_ATTR__ATIME 0x70
#endif

#define DAY_S (24L * 60 * 60)

/* Waits for renames under way add up to a second, then it is stale. */
#define MOVE_WAITS 200
#define MOVE_WAIT_NS (50 * 1000)

static int set_attributes(int fd, uint64_t set, uint64_t clear)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		/* And no mount that appears later. */
		.propagation = MS_PRIVATE,
	};

	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		return 0;
	return -errno;
}

/* Read-only and without access times. */
static int freeze(int fd)
{
	/* One time policy at a time: the others must be cleared. */
	if (set_attributes(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME,
			   MOUNT_ATTR__ATIME) == 0)
		return 0;
	/* In a user namespace the time policy may be locked. */
	return set_attributes(fd, MOUNT_ATTR_RDONLY, 0);
}

static int set_atime_rule(int fd, unsigned int flags)
{
	uint64_t set = 0;
	uint64_t clear = 0;

	if (flags & (BASE_NOATIME | BASE_RELATIME)) {
		set = flags & BASE_NOATIME ? MOUNT_ATTR_NOATIME :
					     MOUNT_ATTR_RELATIME;
		clear = MOUNT_ATTR__ATIME;
	}
	if (flags & BASE_NODIRATIME)
		set |= MOUNT_ATTR_NODIRATIME;
	return set_attributes(fd, set, clear);
}

/* A detached mount of the directory, as `flags` want it; or an error. */
static int open_clone(int dirfd, unsigned int flags, int *fd)
{
	int got = open_tree(dirfd, "",
			    AT_EMPTY_PATH | OPEN_TREE_CLONE |
				    (unsigned int)OPEN_TREE_CLOEXEC);
	int err;

	if (got < 0)
		return -errno;
	err = flags & BASE_FROZEN ? freeze(got) : set_atime_rule(got, flags);
	if (err)
		close(got);
	else
		*fd = got;
	return err;
}

/* As the mount has it, through which the base is read. */
static void know_atime_rule(struct base *b)
{
	struct statvfs vfs;

	b->atime_rule = ATIME_NEVER;
	if (b->noatime || fstatvfs(b->rootfd, &vfs) < 0 ||
	    (vfs.f_flag & (ST_NOATIME | ST_RDONLY)))
		return;
	b->atime_rule = vfs.f_flag & ST_RELATIME ? ATIME_RELATIVE :
						   ATIME_STRICT;
}

/* As relatime_need_update() of the kernel's fs/inode.c. */
bool base_read_moves_atime(const struct base *b, const struct timespec *atime,
			   const struct timespec *mtime,
			   const struct timespec *ctime)
{
	if (b->atime_rule != ATIME_RELATIVE)
		return b->atime_rule == ATIME_STRICT;
	return !timespec_is_after(*atime, *mtime) ||
	       !timespec_is_after(*atime, *ctime) ||
	       time(NULL) - atime->tv_sec >= DAY_S;
}

static int know_root(struct base *b, bool is_clone)
{
	struct statx stx;
	struct statfs fs;

	if (statx(b->rootfd, "", AT_EMPTY_PATH,
		  STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0 ||
	    fstatfs(b->rootfd, &fs) < 0)
		return -errno;
	b->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	b->mount_id = stx.stx_mnt_id;
	b->has_mount_id = stx.stx_mask & STATX_MNT_ID;
	b->is_remote = !fs_type_is_local(&fs);
	b->has_generations = fs_type_has_generations(&fs);
	/* A clone has no mounts below; subvolumes it has. */
	b->may_hide_foreign = !is_clone ||
			      (unsigned long)fs.f_type == BTRFS_SUPER_MAGIC;
	return 0;
}

/* Is the mount's own rule for access times another one than wanted? */
static bool has_other_rule(int fd, unsigned int flags)
{
	struct statvfs vfs;

	if (!(flags & (BASE_NOATIME | BASE_RELATIME)))
		return false;
	if (fstatvfs(fd, &vfs) < 0)
		return true;
	return !(vfs.f_flag &
		 (flags & BASE_NOATIME ? ST_NOATIME : ST_RELATIME));
}

static int open_root(struct base *b, const char *path, unsigned int flags)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool is_clone;
	int err;

	if (fd < 0)
		return -errno;
	b->rootfd = fd;
	/* A directory we may list and enter, or no view of it is possible. */
	if (faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	/* A clone lacks what is mounted below: none without a reason. */
	is_clone = ((flags & BASE_FROZEN) || has_other_rule(fd, flags)) &&
		   open_clone(fd, flags, &b->rootfd) == 0;
	err = !is_clone && (flags & BASE_RELATIME) &&
			      has_other_rule(fd, flags) ?
		      -EPERM :
		      0;
	if (is_clone)
		close(fd);
	if (!err)
		err = know_root(b, is_clone);
	know_atime_rule(b);
	return err;
}

/* One without a root; base_close() ends it. */
static struct base *base_create(void)
{
	struct base *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->rootfd = -1;
	base_cache_init(b);
	rmutex_init(&b->walk_lock, RANK_LEAF);
	pthread_cond_init(&b->walked, NULL);
	if (places_create(&b->places)) {
		base_close(b);
		return NULL;
	}
	return b;
}

int base_open(struct base **out, const char *path, unsigned int flags)
{
	struct base *b = base_create();
	int err = 0;

	if (!b)
		return -ENOMEM;
	b->noatime = flags & (BASE_FROZEN | BASE_NOATIME);
	b->nodiratime = flags & BASE_NODIRATIME;
	b->has_handles = flags & BASE_HANDLES;
	b->path = realpath(path, NULL);
	if (!b->path)
		err = -errno;
	if (!err)
		err = open_root(b, path, flags);
	if (!err)
		err = mapping_guard_init();
	if (err) {
		base_close(b);
		return err;
	}
	*out = b;
	return 0;
}

int base_open_absent(struct base **out, const char *path)
{
	struct base *b = base_create();

	if (!b)
		return -ENOMEM;
	b->noatime = true;
	b->path = strdup(path);
	if (!b->path) {
		base_close(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

bool base_is_absent(const struct base *b)
{
	return b->rootfd < 0;
}

void base_close(struct base *b)
{
	if (!b)
		return;
	base_cache_fini(b);
	places_destroy(b->places);
	pthread_cond_destroy(&b->walked);
	rmutex_fini(&b->walk_lock);
	if (b->rootfd >= 0)
		close(b->rootfd);
	free(b->path);
	free(b);
}

void base_set_itable(struct base *b, struct itable *t)
{
	b->itable = t;
	itable_set_places(t, b->places);
}

bool base_is_noatime(const struct base *b)
{
	return b->noatime;
}

bool base_is_remote(const struct base *b)
{
	return b->is_remote;
}

const char *base_path(const struct base *b)
{
	return b->path;
}

int base_root_fd(const struct base *b)
{
	return b->rootfd;
}

static bool leaves_atime(const struct base *b, int flags)
{
	if (flags & O_PATH)
		return false;
	return b->noatime || (b->nodiratime && (flags & O_DIRECTORY));
}

int base_openat(struct base *b, int dirfd, const char *path, int flags, int *fd)
{
	int err = fault_point("base.open");

	if (err)
		return err;
	/* Everything is found from the root on. */
	if (base_is_absent(b))
		return -ESTALE;
	if (leaves_atime(b, flags))
		flags |= O_NOATIME;
	do {
		err = beneath_open(dirfd, path, flags, fd);
	} while (base_may_try_again(b, err));
	return err;
}

/* Paths of any length: step by step, PATH_MAX at a time. */
static int open_path(struct base *b, char *path, int flags, int *fd)
{
	int at = b->rootfd;
	int err = 0;

	while (strlen(path) >= PATH_MAX) {
		char *cut = path + PATH_MAX - 1;
		int next;

		while (cut > path && *cut != '/')
			cut--;
		*cut = '\0';
		err = cut == path ? -ENAMETOOLONG :
				    base_openat(b, at, path,
						O_PATH | O_DIRECTORY, &next);
		if (at != b->rootfd)
			close(at);
		if (err)
			return err;
		at = next;
		path = cut + 1;
	}
	err = base_openat(b, at, path, flags, fd);
	if (at != b->rootfd)
		close(at);
	return err;
}

/*
 * Opens the object of a descriptor once more.  It needs no name, so neither
 * a rename nor an unlink can come in between.
 */
static int open_again(struct base *b, int fd, int flags, int *out)
{
	char path[PATH_OF_FD_BYTES];
	int noatime = leaves_atime(b, flags) ? O_NOATIME : 0;
	int got;
	int err;

	path_of_fd(fd, path);
	do {
		got = open(path, flags | noatime | O_CLOEXEC);
		err = got < 0 ? -errno : 0;
		if (err == -EPERM && noatime) {
			noatime = 0;
			err = -EAGAIN;
		}
		if (base_may_try_again(b, err))
			err = -EAGAIN;
	} while (err == -EAGAIN || err == -EINTR);
	if (!err)
		*out = got;
	return err;
}

/* By a descriptor we have: the inode's own, or that of an unlinked one. */
static int open_by_fd(struct base *b, struct inode *i, int flags, int *fd)
{
	struct base_fd *f = base_hold_cached(b, i, BASE_PATH);
	int pin;
	int err;

	if (f) {
		err = open_again(b, f->fd, flags, fd);
		base_put(b, f);
		return err;
	}
	err = inode_pin_dup(b->itable, i, &pin);
	if (err)
		return err;
	/* Not the pin itself: that may be open for writing. */
	err = open_again(b, pin, flags, fd);
	close(pin);
	return err;
}

/* By the directory above if that is open already; -ENOENT: it is not. */
static int open_by_parent(struct base *b, struct inode *i, int flags, int *fd)
{
	char name[NAME_MAX + 1];
	struct base_fd *f;
	struct inode *parent;
	int err = inode_place(b->itable, i, &parent, name);

	if (err)
		return -ENOENT;
	f = base_hold_cached(b, parent, BASE_PATH);
	err = f ? base_openat(b, f->fd, name, flags, fd) : -ENOENT;
	if (f)
		base_put(b, f);
	(void)inode_put(b->itable, parent);
	return err;
}

static int open_by_path(struct base *b, struct inode *i, int flags, int *fd)
{
	char *path;
	int err = inode_base_path(b->itable, i, &path);

	if (err)
		return err;
	err = open_path(b, path[0] ? path : (char[]){ "." }, flags, fd);
	free(path);
	return err;
}

static bool is_lost(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ||
	       err == -EXDEV || err == -ESTALE;
}

/*
 * Is this descriptor's object the inode we think it is?  Only directories
 * must be on the base's device: overlay file systems give files others.
 */
static int verify(struct base *b, const struct inode *i, int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_BTIME, &stx) < 0)
		return -errno;
	if (!base_seems_to_be(b, i, &stx) ||
	    (S_ISDIR(stx.stx_mode) &&
	     makedev(stx.stx_dev_major, stx.stx_dev_minor) != b->dev))
		return -ESTALE;
	return 0;
}

int base_look(struct base *b, struct inode *i)
{
	int fd;
	int err = open_by_path(b, i, O_PATH, &fd);

	if (!err) {
		err = verify(b, i, fd);
		close(fd);
	}
	return is_lost(err) ? -ESTALE : err;
}

static int open_by_name(struct base *b, struct inode *i, int flags, int *fd)
{
	int got;
	int err = open_by_parent(b, i, flags, &got);

	if (!err && verify(b, i, got)) {
		close(got);
		err = -ESTALE;
	}
	if (err == -ENOENT || err == -ESTALE) {
		err = open_by_path(b, i, flags, &got);
		if (!err && verify(b, i, got)) {
			close(got);
			err = -ESTALE;
		}
	}
	if (!err)
		*fd = got;
	return err;
}

/* Was a rename of ours under way at any time since `ended` was read? */
static bool move_came_between(struct base *b, uint64_t ended)
{
	return atomic_load(&b->moves_begun) != ended;
}

int base_open_inode(struct base *b, struct inode *i, int flags, int *fd)
{
	uint64_t ended;
	int err;

	for (int n = 1; n <= MOVE_WAITS; n++) {
		ended = atomic_load(&b->moves_ended);
		err = open_by_fd(b, i, flags, fd);
		/* Also when there is no /proc. */
		if (err == -ENOENT)
			err = open_by_name(b, i, flags, fd);
		if (!is_lost(err))
			return err;
		if (!move_came_between(b, ended))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = n * MOVE_WAIT_NS },
			  NULL);
	}
	return -ESTALE;
}

void base_move_begin(struct base *b)
{
	atomic_fetch_add(&b->moves_begun, 1);
}

void base_move_end(struct base *b)
{
	atomic_fetch_add(&b->moves_ended, 1);
}

int base_reopen(struct base *b, struct inode *i, int flags, int *fd)
{
	struct base_fd *f;
	int err = base_hold(b, i, BASE_PATH, &f);

	if (err)
		return err;
	/* Held, so it is opened by this descriptor, whatever is renamed. */
	err = base_open_inode(b, i, flags, fd);
	base_put(b, f);
	return err;
}
