/* SPDX-License-Identifier: MIT */
#include "fs_type.h"

#include <linux/magic.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const unsigned long local_types[] = {
	BTRFS_SUPER_MAGIC,    EXT4_SUPER_MAGIC,
	F2FS_SUPER_MAGIC,     MSDOS_SUPER_MAGIC,
	ISOFS_SUPER_MAGIC,    OVERLAYFS_SUPER_MAGIC,
	RAMFS_MAGIC,	      SQUASHFS_MAGIC,
	TMPFS_MAGIC,	      XFS_SUPER_MAGIC,
	EROFS_SUPER_MAGIC_V1, 0x2011bab0 /* exfat */,
	0x2fc12fc1 /* zfs */, 0xca451a4e /* bcachefs */,
};

static const unsigned long generation_types[] = {
	BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC,
	TMPFS_MAGIC,	   XFS_SUPER_MAGIC,
};

/* Their pages are never written back, so a store is no fault. */
static const unsigned long storing_types[] = {
	HUGETLBFS_MAGIC,
	RAMFS_MAGIC,
	TMPFS_MAGIC,
};

static bool is_among(const struct statfs *fs, const unsigned long *types,
		     size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((unsigned long)fs->f_type == types[i])
			return true;
	return false;
}

bool fs_type_is_local(const struct statfs *fs)
{
	return is_among(fs, local_types, COUNT(local_types));
}

bool fs_type_has_generations(const struct statfs *fs)
{
	return is_among(fs, generation_types, COUNT(generation_types));
}

bool fs_type_has_subvolumes(const struct statfs *fs)
{
	return (unsigned long)fs->f_type == BTRFS_SUPER_MAGIC;
}

bool fs_type_hides_stores(const struct statfs *fs)
{
	return is_among(fs, storing_types, COUNT(storing_types));
}

bool fs_type_is_stacked(const struct statfs *fs)
{
	return (unsigned long)fs->f_type == OVERLAYFS_SUPER_MAGIC;
}
