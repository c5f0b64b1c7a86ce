/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_NAME_H
#define MAPFS_CORE_DIFF_NAME_H

/*
 * A name in a directory at which the sides may differ, and its target: the
 * object that it means on each side.
 *
 * Lifetime: names_init() to names_unload(); the memory is differ.mem.
 * Errors:   0 or a negative errno; -EUCLEAN: a delta contradicts itself.
 * Locking:  none; one thread.
 * Invariants: a directory and its replacement share their names; the
 *           directory of the old side is the key.
 */
#include "dir.h"

struct name_target {
	mapfs_ino id; /* 0: nothing */
	uint16_t type;
	struct diff_dir *dir; /* the target, if it is a directory */
};

struct diff_name {
	struct table_link link;
	struct diff_name *next;
	struct name_target target[SIDES];
	/* In the base, where that side's directory has a place there. */
	const struct base_facts *facts[SIDES];
	struct diff_name *from; /* the new file was renamed from there */
	struct diff_dir *dir;	/* the key: this and the name; NULL: this is
				   the root */
	uint16_t name_bytes;
	bool is_source; /* the old file was renamed away */
	char name[];
};

void names_init(struct differ *d);

/* Finds or adds; `dir` is the directory as any side has it. */
int must_check name_add(struct differ *d, struct diff_dir *dir,
			const char *name, size_t name_bytes,
			struct diff_name **out);
int must_check name_add_root(struct differ *d);
/* The target, or nothing if it is a directory in other places on the sides. */
int must_check name_target(struct differ *d, const struct diff_name *dn,
			   enum side s, struct name_target *out);
void names_unload(struct differ *d);

#endif
