/* SPDX-License-Identifier: MIT */
#include "attr.h"

#include <sys/sysmacros.h>

#include "core/base/stat.h"
#include "core/lib/timespec.h"

void view_attr_of(const struct statx *stx, mapfs_ino ino,
		  struct mapfs_attr *out)
{
	*out = (struct mapfs_attr){
		.ino = ino,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.size_bytes = stx->stx_size,
		.blocks_512 = base_blocks(stx),
		.atime = timespec_of_statx(stx->stx_atime),
		.mtime = timespec_of_statx(stx->stx_mtime),
		.ctime = timespec_of_statx(stx->stx_ctime),
		.btime = timespec_of_statx(stx->stx_btime),
	};
	if (!(stx->stx_mask & STATX_BTIME))
		out->btime.tv_nsec = -1;
}
