/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_OPERATION_H
#define MAPFS_FS_MOUNT_OPERATION_H

/*
 * The operations that the kernel may ask for.  A mount counts its requests by
 * operation, and `mapfs status` prints the counts.  Of FORGET the messages are
 * counted, not the inodes in them.
 *
 * Invariants: the numbers are part of struct mapfs_control_info, which
 *             commands of other versions read: a new operation is added at
 *             the end.
 * Locking:    none.
 */

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

/* As "lookup"; NULL for a number that is no operation. */
const char *operation_name(unsigned int op);

#endif
