/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_STAT_H
#define MAPFS_CORE_BASE_STAT_H

/*
 * Attributes of base objects, symbolic links not followed.
 *
 * Lifetime: values.
 * Errors:   0 or a negative errno, that of base_hold() included; on an error
 *           the result is not touched.  -ENOENT also for a file that another
 *           one is mounted on.
 * Locking:  as base_hold().
 */
#include <sys/stat.h>

#include "core/lib/types.h"

struct base;
struct inode;
struct inode_facts;
struct statvfs;

/*
 * Of `name` in the directory `dir`, or of `dir` itself if name is NULL; that
 * may be any object except a foreign directory.  *foreign: it is a foreign
 * directory; its stx_ino is then base_foreign_ino(), and the rest of *out is
 * what the directory mounted there says.
 */
int must_check base_stat(struct base *b, struct inode *dir, const char *name,
			 struct statx *out, bool *foreign);

struct base_seen {
	struct statx stx;
	uint64_t generation; /* base_generation_of_fd() */
	bool is_foreign;
};

/* The same of a name, with the generation of the object's file handle. */
int must_check base_stat_generation(struct base *b, struct inode *dir,
				    const char *name, struct base_seen *out);
/* The facts of a name, from its base_stat(); borrows `dir` and `name`. */
struct inode_facts base_facts(const struct statx *stx, struct inode *dir,
			      const char *name);
/* 512-byte blocks of the object; never 0 for a file that may have data. */
uint64_t base_blocks(const struct statx *stx);
/* -EOPNOTSUPP: the base is on no file system. */
int must_check base_statfs(struct base *b, struct statvfs *out);

#endif
