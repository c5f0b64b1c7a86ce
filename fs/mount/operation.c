/* SPDX-License-Identifier: MIT */
/*
 * The names of operations, as they stand in the output of `mapfs status`.
 */
#include "operation.h"

#include <stddef.h>

static const char *const names[] = {
	[MAPFS_OP_LOOKUP] = "lookup",
	[MAPFS_OP_FORGET] = "forget",
	[MAPFS_OP_GETATTR] = "getattr",
	[MAPFS_OP_SETATTR] = "setattr",
	[MAPFS_OP_STATX] = "statx",
	[MAPFS_OP_STATFS] = "statfs",
	[MAPFS_OP_READLINK] = "readlink",
	[MAPFS_OP_SYMLINK] = "symlink",
	[MAPFS_OP_MKNOD] = "mknod",
	[MAPFS_OP_MKDIR] = "mkdir",
	[MAPFS_OP_UNLINK] = "unlink",
	[MAPFS_OP_RMDIR] = "rmdir",
	[MAPFS_OP_RENAME] = "rename",
	[MAPFS_OP_LINK] = "link",
	[MAPFS_OP_OPEN] = "open",
	[MAPFS_OP_CREATE] = "create",
	[MAPFS_OP_TMPFILE] = "tmpfile",
	[MAPFS_OP_FLUSH] = "flush",
	[MAPFS_OP_RELEASE] = "release",
	[MAPFS_OP_READ] = "read",
	[MAPFS_OP_WRITE] = "write",
	[MAPFS_OP_FSYNC] = "fsync",
	[MAPFS_OP_FALLOCATE] = "fallocate",
	[MAPFS_OP_LSEEK] = "lseek",
	[MAPFS_OP_COPY_FILE_RANGE] = "copy_file_range",
	[MAPFS_OP_OPENDIR] = "opendir",
	[MAPFS_OP_RELEASEDIR] = "releasedir",
	[MAPFS_OP_READDIR] = "readdir",
	[MAPFS_OP_READDIRPLUS] = "readdirplus",
	[MAPFS_OP_FSYNCDIR] = "fsyncdir",
	[MAPFS_OP_GETXATTR] = "getxattr",
	[MAPFS_OP_LISTXATTR] = "listxattr",
	[MAPFS_OP_SETXATTR] = "setxattr",
	[MAPFS_OP_REMOVEXATTR] = "removexattr",
	[MAPFS_OP_IOCTL] = "ioctl",
};

const char *operation_name(unsigned int op)
{
	return op < MAPFS_OP_COUNT ? names[op] : NULL;
}
