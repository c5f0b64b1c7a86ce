/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_DOOR_H
#define MAPFS_TESTS_UNIT_SUPPORT_DOOR_H

/*
 * Short forms of the argument structs of core/mapfs.h, so that a test shows
 * only the values that matter to it; what a form does not name is zero.
 *
 * Lifetime: the literals live until the end of the enclosing block.
 */
#include "core/mapfs.h"

#define NEW(cred_, dir_, name_, mode_) \
	(&(const struct mapfs_new){    \
		.cred = (cred_),       \
		.dir = (dir_),         \
		.name = (name_),       \
		.mode = (mode_),       \
	})

#define RENAME(dir_, name_, newdir_, newname_, flags_) \
	(&(const struct mapfs_rename){                 \
		.dir = (dir_),                         \
		.name = (name_),                       \
		.newdir = (newdir_),                   \
		.newname = (newname_),                 \
		.flags = (flags_),                     \
	})

#define READDIR(cookie_, plus_, fn_, arg_) \
	(&(const struct mapfs_readdir){    \
		.cookie = (cookie_),       \
		.plus = (plus_),           \
		.fn = (fn_),               \
		.arg = (arg_),             \
	})

#define WRITE(buf_, len_, off_)       \
	(&(const struct mapfs_write){ \
		.buf = (buf_),        \
		.len = (len_),        \
		.off = (off_),        \
	})

#define WRITE_CACHED(buf_, len_, off_)       \
	(&(const struct mapfs_write){        \
		.buf = (buf_),               \
		.len = (len_),               \
		.off = (off_),               \
		.flags = MAPFS_WRITE_CACHED, \
	})

#define HANDLE(ino_, fh_) ((struct mapfs_file){ .ino = (ino_), .fh = (fh_) })

/* write(2) by inode number. */
static inline ssize_t write_at(struct mapfs_view *v, mapfs_ino ino,
			       const void *buf, size_t len, uint64_t off)
{
	return mapfs_write(v, mapfs_file_of(ino), WRITE(buf, len, off));
}

static inline int set_xattr(struct mapfs_view *v, mapfs_ino ino,
			    const char *name, const void *value, size_t len)
{
	const struct mapfs_setxattr set = {
		.name = name,
		.value = value,
		.len = len,
	};

	return mapfs_setxattr(v, ino, &set);
}

#endif
