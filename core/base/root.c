/* SPDX-License-Identifier: MIT */
/*
 * Opening the root.
 *
 * Where the kernel allows it, the root is a clone of the base's mount, private
 * to this process, whose attributes follow from the flags: read-only and
 * noatime for a frozen base [B1]; for a base that is written to, a rule for
 * access times that differs from its mount's.  A clone leaves out whatever is
 * mounted further down, now or later, so a mount point in the base shows the
 * directory that it covers.
 */
#include "root.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/lib/beneath.h"
#include "core/lib/fault.h"
#include "core/lib/mapping.h"
#include "core/lib/reason.h"
#include "core/lib/timespec.h"
#include "core/mapfs.h"
#include "fd_cache.h"
#include "fs_type.h"
#include "identity.h"
#include "inode.h"
#include "only_file.h"
#include "none.h"
#include "places.h"
#include "root_priv.h"

#ifndef MOUNT_ATTR__ATIME
#define MOUNT_ATTR__ATIME 0x70
#endif

#define DAY_S (24L * 60 * 60)

static int set_attributes(int fd, uint64_t set, uint64_t clear)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		/* Mounts made later do not appear in the clone. */
		.propagation = MS_PRIVATE,
	};

	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		return 0;
	return -errno;
}

/* Read-only and without access times. */
static int freeze(int fd)
{
	/* A mount has one rule for access times: clear the others. */
	if (set_attributes(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME,
			   MOUNT_ATTR__ATIME) == 0)
		return 0;
	/* In a user namespace that rule may be locked. */
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

/* A detached mount of the directory or file, with the attributes for `flags`. */
static int open_clone(int from, unsigned int flags, int *fd)
{
	int got = open_tree(from, "",
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

/* The rule of the mount through which the base is read. */
static void learn_atime_rule(struct base *b)
{
	struct statvfs vfs;

	b->atime_rule = ATIME_NEVER;
	if (b->noatime || fstatvfs(base_own_fd(b), &vfs) < 0 ||
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

static int learn_root(struct base *b, bool is_clone)
{
	struct statx stx;
	struct statfs fs;

	if (statx(b->rootfd, "", AT_EMPTY_PATH,
		  STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0 ||
	    fstatfs(base_own_fd(b), &fs) < 0)
		return -errno;
	b->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	b->mount_id = stx.stx_mnt_id;
	b->has_mount_id = stx.stx_mask & STATX_MNT_ID;
	b->is_remote = !fs_type_is_local(&fs);
	b->hides_stores = fs_type_hides_stores(&fs);
	b->is_stacked = fs_type_is_stacked(&fs);
	b->has_generations = fs_type_has_generations(&fs);
	/* A clone contains no mounts, but it contains subvolumes. */
	b->may_hide_foreign = !is_clone || fs_type_has_subvolumes(&fs);
	return 0;
}

/* Does the mount's rule for access times differ from the one in `flags`? */
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

/*
 * Puts a clone in the place of *fd where one is needed: it lacks what is
 * mounted below.
 */
static int replace_by_clone(int *fd, unsigned int flags, bool *is_clone)
{
	const int was = *fd;

	*is_clone = ((flags & BASE_FROZEN) || has_other_rule(was, flags)) &&
		    open_clone(was, flags, fd) == 0;
	if (*is_clone)
		close(was);
	else if ((flags & BASE_RELATIME) && has_other_rule(was, flags))
		return -EPERM;
	return 0;
}

static int open_directory(struct base *b, int fd, unsigned int flags)
{
	bool is_clone;
	int err;

	b->rootfd = fd;
	/* Without the right to list and enter it no view is possible. */
	if (faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	err = replace_by_clone(&b->rootfd, flags, &is_clone);
	return err ? err : learn_root(b, is_clone);
}

static int open_file(struct base *b, int fd, unsigned int flags)
{
	bool is_clone;
	int err;

	if (faccessat(fd, "", R_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
		err = -errno;
	else
		err = replace_by_clone(&fd, flags, &is_clone);
	if (err) {
		close(fd);
		return err;
	}
	err = only_file_open(&b->only, b->path, fd);
	if (!err)
		err = only_file_open_above(b->path, &b->rootfd);
	return err ? err : learn_root(b, true);
}

static int open_root(struct base *b, unsigned int flags)
{
	struct stat st;
	int fd = open(b->path, O_PATH | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
		close(fd);
	} else if (S_ISDIR(st.st_mode)) {
		err = open_directory(b, fd, flags);
	} else if (only_file_is_one(st.st_mode)) {
		err = open_file(b, fd, flags);
	} else {
		close(fd);
		err = -EMEDIUMTYPE;
	}
	if (!err)
		learn_atime_rule(b);
	return err;
}

/* A base that has no root yet. */
static struct base *base_create(const char *path)
{
	struct base *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->rootfd = -1;
	rmutex_init(&b->walk_lock, RANK_LEAF);
	pthread_cond_init(&b->walked, NULL);
	b->path = strdup(path);
	if (!b->path || fd_cache_create(&b->fds, b->path) ||
	    places_create(&b->places)) {
		base_close(b);
		return NULL;
	}
	return b;
}

int base_open(struct base **out, const char *path, unsigned int flags)
{
	char *absolute = realpath(path, NULL);
	struct base *b;
	int err;

	if (!absolute)
		return -errno;
	b = base_create(absolute);
	free(absolute);
	if (!b)
		return -ENOMEM;
	b->noatime = flags & (BASE_FROZEN | BASE_NOATIME);
	b->nodiratime = flags & BASE_NODIRATIME;
	b->has_handles = flags & BASE_HANDLES;
	err = open_root(b, flags);
	if (!err)
		err = mapping_guard_init();
	if (err) {
		base_close(b);
		return err;
	}
	*out = b;
	return 0;
}

static int copy_root(struct base *b, const struct base *from)
{
	int fd;

	b->rootfd = fcntl(from->rootfd, F_DUPFD_CLOEXEC, 0);
	if (b->rootfd < 0)
		return -errno;
	if (!from->only)
		return 0;
	fd = fcntl(base_own_fd(from), F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : only_file_open(&b->only, b->path, fd);
}

int base_open_again(struct base **out, const struct base *from)
{
	struct base *b = base_create(from->path);
	int err;

	assert(from->rootfd >= 0);
	if (!b)
		return -ENOMEM;
	b->noatime = from->noatime;
	b->nodiratime = from->nodiratime;
	b->has_handles = from->has_handles;
	err = copy_root(b, from);
	if (!err)
		err = learn_root(b, true);
	b->may_hide_foreign = from->may_hide_foreign;
	b->atime_rule = from->atime_rule;
	if (err) {
		base_close(b);
		return err;
	}
	*out = b;
	return 0;
}

void base_explain(struct reason *why, const char *path, int err)
{
	reason_set(
		why, "base %s: %s", path,
		err == -EMEDIUMTYPE ?
			"is neither a directory nor a file nor a block device; name one of these" :
			reason_of(err));
}

int base_open_absent(struct base **out, const char *path)
{
	struct base *b = base_create(path);

	if (!b)
		return -ENOMEM;
	b->noatime = true;
	*out = b;
	return 0;
}

bool base_is_absent(const struct base *b)
{
	return b->rootfd < 0 && !b->is_none;
}

int base_open_none(struct base **out)
{
	struct base *b = base_create(MAPFS_NO_BASE);

	if (!b)
		return -ENOMEM;
	b->noatime = true;
	b->is_none = true;
	none_make(&b->none);
	*out = b;
	return 0;
}

bool base_is_none(const struct base *b)
{
	return b->is_none;
}

void base_set_maker(struct base *b, const struct base_identity *made)
{
	assert(b->is_none && made->kind == BASE_KIND_NONE);
	b->none = *made;
}

int base_get_identity(const struct base *b, struct base_identity *out)
{
	assert(!base_is_absent(b));
	if (!b->is_none)
		return base_identify(base_own_fd(b), out);
	*out = b->none;
	return 0;
}

void base_close(struct base *b)
{
	if (!b)
		return;
	fd_cache_destroy(b->fds);
	places_destroy(b->places);
	pthread_cond_destroy(&b->walked);
	rmutex_fini(&b->walk_lock);
	only_file_close(b->only);
	for (size_t n = 0; n < b->claim_count; n++)
		close(b->claims[n]);
	free(b->claims);
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

int base_own_fd(const struct base *b)
{
	return b->only ? b->only->fd : b->rootfd;
}

const char *base_file_name(const struct base *b)
{
	return b->only ? b->only->name : NULL;
}

bool base_is_device(const struct base *b)
{
	return b->only && b->only->is_device;
}

bool base_leaves_atime(const struct base *b, int flags)
{
	if (flags & O_PATH)
		return false;
	return b->noatime || (b->nodiratime && (flags & O_DIRECTORY));
}

bool base_may_try_again(struct base *b, int err)
{
	return fd_cache_may_try_again(b->fds, err);
}

void base_say_full(struct base *b, int err)
{
	fd_cache_say_full(b->fds, err);
}

int base_openat(struct base *b, int dirfd, const char *path, int flags, int *fd)
{
	int err = fault_point("base.open");

	if (err)
		return err;
	if (b->rootfd < 0)
		return -ESTALE;
	if (base_leaves_atime(b, flags))
		flags |= O_NOATIME;
	do {
		err = b->only && strcmp(path, ".") != 0 ?
			      only_file_openat(b->only, path, flags, fd) :
			      beneath_open(dirfd, path, flags, fd);
	} while (base_may_try_again(b, err));
	return err;
}
