/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_NAMESPACE_H
#define MAPFS_CORE_NAMESPACE_H

/*
 * The names in which a view differs from its base: dentries that point at a
 * changed or new inode, and whiteouts.
 *
 * Every dentry of a directory carries a cookie that only grows, so a listing
 * that is under way survives any change around it.
 *
 * Lifetime: init/fini for memory the caller owns.  A struct dentry is
 *           borrowed until the next change of its name.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  overlay.ns_lock: reading to look, writing to change.
 */
#include "types.h"
#include "uthash_safe.h"

struct dentry {
	UT_hash_handle hh;
	uint64_t cookie; /* place in the listing of its directory */
	uint64_t hidden; /* sum of the version of the base object that the
			    name hid first; 0: unknown */
	mapfs_ino ino;	 /* 0: whiteout */
	uint16_t type;	 /* S_IFMT bits */
	uint16_t name_bytes;
	bool over_base; /* the base has this name too */
	mapfs_ino dir;	/* the key: this and the name behind it */
	char name[];	/* NUL-terminated */
};

struct dirlist; /* the dentries of one directory in order of cookie */

struct namespace
{
	struct dentry *dentries;
	struct dirlist *dirs;
};

void namespace_init(struct namespace *ns);
void namespace_fini(struct namespace *ns);
/* NULL: the delta says nothing of this name. */
struct dentry *namespace_lookup(const struct namespace *ns, mapfs_ino dir,
				const char *name, size_t name_bytes);
/*
 * Adds, or replaces what the delta said (the cookie is new then, too, and
 * `hidden` stays).
 */
int must_check namespace_insert(struct namespace *ns, mapfs_ino dir,
				const char *name, size_t name_bytes,
				mapfs_ino ino, uint16_t type, bool over_base);
/* Not being there is fine. */
void namespace_remove(struct namespace *ns, mapfs_ino dir, const char *name,
		      size_t name_bytes);
/* Forgets every dentry of a directory that is gone. */
void namespace_drop(struct namespace *ns, mapfs_ino dir);
/* The first dentry of the directory behind `cookie`; NULL: no more. */
struct dentry *namespace_next(const struct namespace *ns, mapfs_ino dir,
			      uint64_t cookie);
/* Has the delta any dentry (whiteouts included) in this directory? */
bool namespace_has(const struct namespace *ns, mapfs_ino dir);
/* Every dentry, those of one directory in order of cookie; non-zero stops. */
int must_check namespace_iterate(const struct namespace *ns,
				 int (*fn)(void *arg, const struct dentry *d),
				 void *arg);

#endif
