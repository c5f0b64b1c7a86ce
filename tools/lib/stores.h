/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_STORES_H
#define MAPFS_TOOLS_LIB_STORES_H

/*
 * The kept stores of this user (registry.h), as they are now.
 *
 * Lifetime: stores_read() fills the list, stores_free() ends it and accepts a
 *           zeroed one; store_look() and store_row_fini() likewise.
 * Errors:   0 or a negative errno.
 * Locking:  none; a store may change while it is looked at.
 */
#include <time.h>

#include "core/lib/types.h"
#include "core/mapfs.h"

enum store_state {
	STORE_KEPT,
	STORE_MOUNTED,
	STORE_BUSY,	 /* in use by a command */
	STORE_COMMIT,	 /* a commit of it was interrupted */
	STORE_BASE_GONE, /* from here on it is stale: */
	STORE_BASE_REPLACED,
	STORE_LEFTOVER,
	STORE_DAMAGED,
	STORE_FOREIGN, /* from here on it was not looked into: */
	STORE_UNREADABLE,
};

struct store_row {
	char *path;
	enum store_state state;
	struct mapfs_store_info info; /* not if damaged or a leftover */
	struct reason note;	      /* what to do about it; may be empty */
	uint64_t bytes;		      /* on disk */
	time_t changed;		      /* when it was last written */
};

struct stores {
	struct store_row *rows; /* by path */
	size_t count;
	size_t cap;
};

int must_check stores_read(struct stores *out);
void stores_free(struct stores *s);
/* 1: there is nothing of a store at the path. */
int must_check store_look(struct store_row *out, const char *path);
void store_row_fini(struct store_row *row);

const char *store_state_name(enum store_state state);
bool store_is_stale(const struct store_row *row);
/* "3d", as `mapfs prune` takes it. */
#define STORE_AGE_TEXT 24
void store_age(char out[STORE_AGE_TEXT], const struct store_row *row);

#endif
