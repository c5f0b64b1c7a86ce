/* SPDX-License-Identifier: MIT */
#include "attributes.h"

#include <errno.h>
#include <linux/xattr.h>
#include <string.h>

#include "format.h"

/* Removes the extended attributes that the entry does not have. */
static int xattrs_drop(struct layer_apply *l, mapfs_ino ino,
		       struct archive_entry *entry)
{
	char *list = l->old_bytes;
	ssize_t n = mapfs_listxattr(l->view, ino, list, LAYER_IO_BYTES);
	int err = n < 0 ? (int)n : 0;
	const void *value;
	const char *name;
	size_t bytes;

	if (err == -EOPNOTSUPP)
		return 0;
	for (const char *p = list; !err && p < list + n; p += strlen(p) + 1) {
		bool is_kept = false;

		archive_entry_xattr_reset(entry);
		while (archive_entry_xattr_next(entry, &name, &value, &bytes) ==
		       ARCHIVE_OK)
			is_kept |= strcmp(name, p) == 0;
		if (!is_kept)
			err = mapfs_removexattr(l->view, ino, p);
	}
	return err;
}

/* The kernel allows the same; it has no part in this. */
static bool may_have_xattr(struct archive_entry *entry, const char *name)
{
	const mode_t type = archive_entry_filetype(entry);

	return type == AE_IFREG || type == AE_IFDIR ||
	       strncmp(name, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN) != 0;
}

static int xattrs_set(struct layer_apply *l, mapfs_ino ino,
		      struct archive_entry *entry)
{
	struct mapfs_setxattr set = { 0 };
	const char *name;
	int err = 0;

	archive_entry_xattr_reset(entry);
	while (!err && archive_entry_xattr_next(entry, &name, &set.value,
						&set.len) == ARCHIVE_OK) {
		set.name = name;
		err = may_have_xattr(entry, name) ?
			      mapfs_setxattr(l->view, ino, &set) :
			      -EPERM;
		if (err)
			reason_set(&l->why, "its extended attribute %s: %s",
				   name, strerror(-err));
	}
	return err;
}

/* A tar has room for larger numbers than the kernel. */
static bool is_id(int64_t id)
{
	return id >= 0 && id < UINT32_MAX;
}

/* The owner is set first, because a new owner clears the set-id bits. */
int layer_attributes_apply(struct layer_apply *l, mapfs_ino ino,
			   struct archive_entry *entry)
{
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_UID | MAPFS_SET_GID,
		.uid = (uid_t)archive_entry_uid(entry),
		.gid = (gid_t)archive_entry_gid(entry),
		.mode = archive_entry_perm(entry),
		.mtime.tv_sec = archive_entry_mtime(entry),
		.mtime.tv_nsec = archive_entry_mtime_nsec(entry),
	};
	bool is_link = archive_entry_filetype(entry) == AE_IFLNK;
	struct mapfs_attr out;
	int err = -EOVERFLOW;

	if (is_id(archive_entry_uid(entry)) && is_id(archive_entry_gid(entry)))
		err = mapfs_setattr(l->view, mapfs_file_of(ino), &set, &out);
	if (!err)
		err = xattrs_drop(l, ino, entry);
	if (!err)
		err = xattrs_set(l, ino, entry);
	set.valid = MAPFS_SET_MTIME | (is_link ? 0 : MAPFS_SET_MODE);
	if (!err)
		err = mapfs_setattr(l->view, mapfs_file_of(ino), &set, &out);
	return err;
}

bool layer_root_is_fixed(struct mapfs_view *view)
{
	struct mapfs_info info;

	mapfs_view_info(view, &info);
	return info.is_windows;
}
