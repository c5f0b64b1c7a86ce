/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_OPTIONS_H
#define MAPFS_CORE_STORE_OPTIONS_H

/*
 * How a store is to be opened.
 *
 * Lifetime: strings and base_fd are borrowed while the store is being opened.
 * Errors, locking: none; values.
 */
#include "core/delta/record.h"
#include "core/mapfs.h"

enum store_use {
	STORE_CHANGE, /* alone; a store that does not exist is created */
	STORE_LOOK,   /* read only, shared with others that only look; -EBUSY
			 while the store is in use for changes */
	STORE_PAST,   /* a snapshot, read only; whatever else uses the store */
};

struct store_options {
	enum store_use use;
	const char *snapshot; /* STORE_PAST */
	bool is_trusted;      /* also if another user could have written it */
	bool salvage;	      /* STORE_LOOK, STORE_PAST: damage is no
				 obstacle, and nothing is written */
	bool for_check;	      /* with salvage: nobody is told, no lock is
				 taken, and a snapshot of another version of
				 the base may be opened */
	bool for_commit;      /* an unfinished commit is no obstacle */
	bool is_part;	      /* a new store, which counts as one only after
				 store_dir_finish(); -EEXIST: there is one */
	enum mapfs_store_kind kind;
	const char *path; /* the store; or where unlinked files are
				       created */
	const char *base; /* absolute path of the base, or
				       MAPFS_NO_BASE */
	int base_fd;	  /* of the base, a directory or a file; or -1 */
	struct base_identity base_id; /* identifies base_fd; ino 0: opened
				       without a base, and any base fits */
	uint64_t size_bytes;	      /* of private pages; 0: no limit */
	const char *mountpoint;	      /* or NULL */
	mapfs_progress_fn progress;   /* or NULL; as in struct mapfs_options */
	void *progress_arg;
};

#endif
