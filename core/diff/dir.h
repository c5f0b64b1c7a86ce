/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_DIR_H
#define MAPFS_CORE_DIFF_DIR_H

/*
 * One directory, wherever the sides have it: known by its path in the base, by
 * its number in a delta, or by both.
 *
 * Lifetime: dirs_load() after both sides are loaded; dirs_unload() before the
 *           sides are unloaded, also if the load failed.  Results are borrowed
 *           and valid until then.
 * Errors:   0 or a negative errno; -EUCLEAN: a delta contradicts itself.
 *           -ESTALE: the base has another directory of that path now.
 * Locking:  none; one thread.
 */
#include "core/lib/uthash_safe.h"
#include "tree.h"

/* The attributes of the object that a name means in the base. */
struct base_facts {
	mapfs_ino ino; /* 0: it has no such name */
	uint64_t generation;
	uint64_t rdev;
	uint64_t size_bytes;
	mode_t mode;
	uint32_t nlink;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	bool is_foreign;
};

/* The number of an object of the base that no side has in its delta. */
#define ANOTHER_OBJECT (1ULL << 61)

struct place {
	bool is_known;
	bool is_present;
	struct diff_dir *parent; /* NULL: the root, or not present */
	const char *name;	 /* borrowed from dentry or base_path */
};

struct diff_dir {
	UT_hash_handle hh_id;
	UT_hash_handle hh_path;
	struct diff_dir *next;	      /* all of them */
	struct diff_dir *queued;      /* the next in differ.queue */
	mapfs_ino id;		      /* 0: not known and not needed */
	char *base_path;	      /* NULL: not a directory of the base */
	struct inode *inode;	      /* of the base, with a hold, or NULL */
	struct diff_dir *replacement; /* on the other side, or NULL */
	struct place place[SIDES];
	bool is_foreign;
	bool is_queued;
};

int must_check dirs_load(struct differ *d);
/* Finds or adds the directory of the base with this path. */
int must_check dir_of_path(struct differ *d, const char *path, size_t bytes,
			   struct diff_dir **out);
/* NULL: no delta has it. */
struct diff_dir *dir_of_id(const struct differ *d, mapfs_ino id);
/* Where the side has it; is_present false: nowhere. */
int must_check dir_place(struct differ *d, struct diff_dir *dir, enum side s,
			 const struct place **out);
int must_check dir_is_present(struct differ *d, struct diff_dir *dir,
			      enum side s, bool *present);
/* The directory that the side has there: itself, its replacement, or NULL. */
int must_check dir_on(struct differ *d, struct diff_dir *dir, enum side s,
		      struct diff_dir **out);
/* Is it in other places on the two sides? */
int must_check dir_is_moved(struct differ *d, struct diff_dir *dir,
			    bool *moved);
/* The inode of a directory of the base, borrowed. */
int must_check dir_inode(struct differ *d, struct diff_dir *dir,
			 struct inode **out);
/*
 * The path of `name` in `dir` on a side, in differ.mem.  Above a
 * directory that the side does not have, the path is that of the other side.
 */
int must_check dir_path(struct differ *d, struct diff_dir *dir,
			const char *name, enum side s, char **out);
/* Looks the name up in the base; facts->ino 0: there is nothing. */
int must_check dir_base_lookup(struct differ *d, struct diff_dir *dir,
			       const char *name, struct base_facts *facts);
void dirs_unload(struct differ *d);

#endif
