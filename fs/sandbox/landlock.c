/* SPDX-License-Identifier: MIT */
/*
 * Landlock judges the opening of files, and changes of names, by what is above
 * the object in its directory tree: also below a descriptor that was opened
 * before.  A rule belongs to an inode, so it holds in the private clone of the
 * base's mount as well, and for a store that is moved.  Files that are open
 * already are not judged, nor are descriptors with O_PATH, stat(2) and extended
 * attributes.
 *
 * The daemon may open:
 *
 *   base      read; in write mode everything but devices' and programs' rights
 *   store     everything that the store does; parents are only read
 *   the root of the mount      as its tools do
 *   /proc     read: what concerns the daemon itself; of other processes
 *             Landlock shows what everybody may see
 *   /dev/null, and what the C library and libfuse read about the machine
 *
 * Nothing else that exists can be opened, and no file can be executed.
 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of linux/landlock.h, which may be older than the kernel. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_MAKE_FIFO (1ULL << 10)
#define FS_MAKE_BLOCK (1ULL << 11)
#define FS_MAKE_SYM (1ULL << 12)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define NET_TCP 3ULL   /* bind, connect */
#define SCOPE_ALL 3ULL /* abstract unix sockets, signals */

#define OF_FILE (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define READ (FS_READ_FILE | FS_READ_DIR)
#define STORE                                                                  \
	(READ | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR | FS_REMOVE_FILE | \
	 FS_MAKE_DIR | FS_MAKE_REG | FS_REFER)
#define SCRATCH                                                        \
	(FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_FILE | \
	 FS_MAKE_REG)
#define WRITE                                                                 \
	(STORE | FS_MAKE_CHAR | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK | \
	 FS_MAKE_SYM)
#define ALL (WRITE | FS_EXECUTE | FS_IOCTL_DEV)

#define ABI_REFER 2 /* before, every rename to another directory fails */
#define ABI_TRUNCATE 3
#define ABI_NET 4
#define ABI_IOCTL_DEV 5
#define ABI_SCOPE 6

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct ruleset {
	const struct mount *m;
	int fd;
	uint64_t handled;
};

static int ruleset_create(struct ruleset *r)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
			       CREATE_RULESET_VERSION);
	struct ruleset_attr attr = { .handled_access_fs = ALL };

	if (abi < ABI_REFER)
		return -EOPNOTSUPP;
	if (abi < ABI_TRUNCATE)
		attr.handled_access_fs &= ~FS_TRUNCATE;
	if (abi < ABI_IOCTL_DEV)
		attr.handled_access_fs &= ~FS_IOCTL_DEV;
	if (abi >= ABI_NET)
		attr.handled_access_net = NET_TCP;
	if (abi >= ABI_SCOPE)
		attr.scoped = SCOPE_ALL;
	/* The kernel takes a longer struct, if what it does not know is 0. */
	r->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			     0);
	r->handled = attr.handled_access_fs;
	return r->fd < 0 ? -errno : 0;
}

static int allow_fd(const struct ruleset *r, int fd, uint64_t access)
{
	struct path_beneath_attr attr = {
		.allowed_access = access & r->handled,
		.parent_fd = fd,
	};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= OF_FILE;
	return syscall(SYS_landlock_add_rule, r->fd, RULE_PATH_BENEATH, &attr,
		       0) < 0 ?
		       -errno :
		       0;
}

/* What is not there need not be allowed. */
static int allow_path(const struct ruleset *r, const char *path,
		      uint64_t access)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	int err;

	if (fd < 0)
		return 0;
	err = allow_fd(r, fd, access);
	close(fd);
	return err;
}

static int allow_place(void *arg, enum mapfs_place place, int fd)
{
	const struct ruleset *r = arg;

	switch (place) {
	case MAPFS_PLACE_BASE:
		/* The size of a block device is asked by ioctl(2). */
		return allow_fd(r, fd,
				r->m->opt->mode == MAPFS_WRITE ?
					WRITE :
					READ | FS_IOCTL_DEV);
	case MAPFS_PLACE_STORE:
		return allow_fd(r, fd, STORE);
	case MAPFS_PLACE_SCRATCH:
		return allow_fd(r, fd, SCRATCH);
	case MAPFS_PLACE_READ_STORE:
		return allow_fd(r, fd, READ);
	case MAPFS_PLACE_HOLDS:
		return allow_fd(r, fd, FS_READ_FILE | FS_WRITE_FILE);
	}
	return -EINVAL;
}

/*
 * The root is opened with O_PATH, for which the kernel asks no daemon: there is
 * none yet.  fstat(2) would wait for one.
 */
static int allow_root(const struct ruleset *r)
{
	const struct fs_options *opt = r->m->opt;
	struct path_beneath_attr attr = {
		.allowed_access = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE,
	};
	int err = 0;

	if (opt->fuse_fd >= 0)
		return 0; /* it is in another namespace */
	if (!opt->root_is_file)
		attr.allowed_access |= FS_READ_DIR;
	attr.allowed_access &= r->handled;
	attr.parent_fd = open(opt->mountpoint, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, r->fd, RULE_PATH_BENEATH, &attr, 0) <
	    0)
		err = -errno;
	close(attr.parent_fd);
	return err;
}

static int ruleset_fill(struct ruleset *r)
{
	static const char *const read_only[] = {
		"/proc",
		"/sys/devices/system",
		"/sys/module/fuse/parameters",
	};
	int err = mapfs_view_places(r->m->view, allow_place, r);

	if (!err)
		err = allow_root(r);
	if (!err)
		err = allow_path(r, "/dev/null", FS_READ_FILE | FS_WRITE_FILE);
	for (size_t i = 0; i < sizeof(read_only) / sizeof(*read_only) && !err;
	     i++)
		err = allow_path(r, read_only[i], READ);
	return err;
}

int landlock_enter(struct mount *m)
{
	struct ruleset r = { .m = m };
	int err = ruleset_create(&r);

	if (err)
		return err;
	err = ruleset_fill(&r);
	if (!err && syscall(SYS_landlock_restrict_self, r.fd, 0) < 0)
		err = -errno;
	close(r.fd);
	return err;
}
