/* SPDX-License-Identifier: MIT */
#include "foreign.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "inode.h"
#include "root_priv.h"

/*
 * A directory of another device in the same mount is another subvolume.  A
 * file of another device is not foreign: overlay file systems have those.
 */
bool base_is_foreign(const struct base *b, const struct statx *stx)
{
	/* Nothing but the file is reached, wherever it is mounted. */
	if (b->only)
		return false;
	if (b->has_mount_id && (stx->stx_mask & STATX_MNT_ID) &&
	    stx->stx_mnt_id != b->mount_id)
		return true;
	return S_ISDIR(stx->stx_mode) &&
	       makedev(stx->stx_dev_major, stx->stx_dev_minor) != b->dev;
}

/* The highest bit is set: hardly a file system gives such numbers itself. */
mapfs_ino base_foreign_ino(const struct inode *dir, const char *name)
{
	uint64_t h = dir->ino * 0x9e3779b97f4a7c15ULL;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ULL;
	return h >> 1 | 1ULL << 63;
}
