/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_DIR_H
#define MAPFS_CORE_STORE_DIR_H

/*
 * A store as a directory: created or checked, locked, and its parts opened.
 *
 * Lifetime: store_dir_open() fills descriptors that store_dir_close() closes;
 *           closing the lock's descriptor releases the store.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none; before threads start and after they ended.
 */
#include "options.h"

struct store_dir {
	int dirfd;     /* the store, or where unlinked files are; -1: memory */
	int lockfd;    /* -1: ephemeral, or STORE_PAST */
	int journalfd; /* directory of the journal; -1: ephemeral */
	int pagesfd;   /* the arena's file; taken by the arena */
	int readersfd; /* holds on snapshots; -1: none */
	bool created;  /* there was no store before */
	char *path;    /* absolute; NULL: ephemeral */
};

int must_check store_dir_open(struct store_dir *d,
			      const struct store_options *opt,
			      struct reason *why);
/* Locks an existing store as for changes, and opens nothing else. */
int must_check store_dir_lock_only(struct store_dir *d,
				   const struct store_options *opt,
				   struct reason *why);
/* The same for a leftover; -ENOENT: there is none any more. */
int must_check store_dir_lock_leftover(struct store_dir *d,
				       const struct store_options *opt,
				       enum mapfs_leftover *out,
				       struct reason *why);
/* Pages without a journal are a damaged store, not a new one. */
bool store_dir_has_pages(const struct store_dir *d);
/* is_part: the directory itself is durable on return. */
int must_check store_dir_sync_name(const struct store_dir *d);
/* is_part: from now on the directory is a store; durable on return. */
int must_check store_dir_finish(const struct store_dir *d);
void store_dir_close(struct store_dir *d);

#endif
