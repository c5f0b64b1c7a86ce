/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_CONTROL_H
#define MAPFS_FS_CONTROL_H

/*
 * Asking a mount about itself: an ioctl on its root directory, for whoever
 * mounted it and for root; -EPERM for others, -ENOTTY elsewhere.
 *
 * The layout is an agreement between a daemon and commands of other
 * versions: fields are only ever added behind `bytes`' end, by growing a
 * new request number.
 *
 * Lifetime: plain values.
 * Locking:  none; the numbers are a moment's.
 */
#include <stdint.h>
#include <sys/ioctl.h>

/* What the kernel may ask, as counted; FORGET counts messages. */
enum mapfs_op {
	MAPFS_OP_LOOKUP,
	MAPFS_OP_FORGET,
	MAPFS_OP_GETATTR,
	MAPFS_OP_SETATTR,
	MAPFS_OP_STATX,
	MAPFS_OP_STATFS,
	MAPFS_OP_READLINK,
	MAPFS_OP_SYMLINK,
	MAPFS_OP_MKNOD,
	MAPFS_OP_MKDIR,
	MAPFS_OP_UNLINK,
	MAPFS_OP_RMDIR,
	MAPFS_OP_RENAME,
	MAPFS_OP_LINK,
	MAPFS_OP_OPEN,
	MAPFS_OP_CREATE,
	MAPFS_OP_TMPFILE,
	MAPFS_OP_FLUSH,
	MAPFS_OP_RELEASE,
	MAPFS_OP_READ,
	MAPFS_OP_WRITE,
	MAPFS_OP_FSYNC,
	MAPFS_OP_FALLOCATE,
	MAPFS_OP_LSEEK,
	MAPFS_OP_COPY_FILE_RANGE,
	MAPFS_OP_OPENDIR,
	MAPFS_OP_RELEASEDIR,
	MAPFS_OP_READDIR,
	MAPFS_OP_READDIRPLUS,
	MAPFS_OP_FSYNCDIR,
	MAPFS_OP_GETXATTR,
	MAPFS_OP_LISTXATTR,
	MAPFS_OP_SETXATTR,
	MAPFS_OP_REMOVEXATTR,
	MAPFS_OP_IOCTL,
	MAPFS_OP_COUNT
};

#define CONTROL_OPS 64 /* room for more in the same layout */

struct mapfs_control_info {
	uint32_t bytes; /* of this struct */
	uint32_t mode;	/* enum mapfs_mode */
	int32_t pid;	/* of the daemon, in its namespace */
	uint32_t owner_uid;
	uint64_t private_pages;
	uint64_t journal_bytes;
	uint64_t inodes_known;
	uint64_t inodes_changed;
	uint64_t requests[CONTROL_OPS]; /* by enum mapfs_op */
	char version[32];
	char base[4096];
	char store[4096]; /* empty: none, or nothing to keep */
};

_Static_assert(sizeof(struct mapfs_control_info) < (1 << 14),
	       "the size fits a request number");
_Static_assert(MAPFS_OP_COUNT <= CONTROL_OPS, "every count has room");

#define MAPFS_IOC_INFO _IOR('M', 0xf5, struct mapfs_control_info)

/* "lookup"; NULL for numbers that name nothing. */
const char *control_op_name(unsigned int op);

#endif
