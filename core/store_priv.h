/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_PRIV_H
#define MAPFS_CORE_STORE_PRIV_H

/*
 * What store.c and store_dir.c share: the store as a directory.
 *
 * Lifetime: store_dir_open() fills descriptors that store_dir_close() ends;
 *           closing the lock's descriptor releases the store.
 * Errors:   0 or a negative errno and a sentence in `why`.
 * Locking:  none; used before threads start and after they ended.
 */
#include "journal.h"
#include "store.h"

struct store_dir {
	int dirfd;     /* the store, or where unlinked files go; -1: memory */
	int lockfd;    /* -1: ephemeral */
	int journalfd; /* directory of the journal; -1: ephemeral */
	int pagesfd;   /* the arena's file; taken by the arena */
	bool created;  /* nothing was there before */
	char *path;    /* absolute; NULL: ephemeral */
};

int must_check store_dir_open(struct store_dir *d,
			      const struct store_options *opt, char *why,
			      size_t why_bytes);
void store_dir_close(struct store_dir *d);
/* 32 bytes that are the same only while the page cache of this directory's
 * file system lives: this boot, and this mount of it. */
int must_check store_dir_epoch(const struct store_dir *d, uint8_t *out);

#endif
