/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_ROOT_PRIV_H
#define MAPFS_CORE_BASE_ROOT_PRIV_H

/*
 * The fields of an open base, for the files of this folder.
 *
 * Lifetime, errors, locking: as root.h.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "core/lib/lock.h"
#include "core/lib/types.h"
#include "identity.h"

struct base {
	int rootfd;		   /* fixed while open; -1: absent, or none */
	struct only_file *only;	   /* fixed while open; the base is a file, and
				   the root is the directory above; or NULL */
	bool is_none;		   /* fixed while open: base_open_none() */
	struct base_identity none; /* of that; fixed after opening */
	char *path;		   /* fixed while open */
	dev_t dev;		   /* fixed while open */
	uint64_t mount_id;	   /* fixed while open */
	bool has_mount_id;	   /* fixed while open */
	bool noatime;		   /* fixed while open: O_NOATIME everywhere */
	bool nodiratime;	   /* fixed while open */
	enum {
		ATIME_NEVER,
		ATIME_RELATIVE,
		ATIME_STRICT,
	} atime_rule;	       /* of files; fixed while open */
	bool is_remote;	       /* fixed while open */
	bool hides_stores;     /* fixed while open: fs_type_hides_stores() */
	bool is_stacked;       /* fixed while open: fs_type_is_stacked() */
	bool has_generations;  /* fixed while open: a file handle tells
				  whether a number was used again */
	bool has_handles;      /* fixed while open: BASE_HANDLES */
	bool may_hide_foreign; /* fixed while open: a listed directory may
				  turn out to be foreign */
	struct itable *itable; /* fixed after base_set_itable(); borrowed */
	struct places *places; /* fixed while open; has its own lock */
	struct fd_cache *fds;  /* fixed while open; has its own lock */
	_Atomic uint64_t moves_begun; /* renames and the like, by this view */
	_Atomic uint64_t moves_ended;
	struct rmutex walk_lock; /* RANK_LEAF */
	pthread_cond_t walked;	 /* signalled when a walk has ended */
	bool is_walking;	 /* by walk_lock */
	uint64_t walks;		 /* by walk_lock: number that have ended */
	int *claims;		 /* fixed while open: descriptors */
	size_t claim_count;	 /* likewise */
	size_t claim_cap;	 /* likewise */
	atomic_bool is_ending;	 /* no walk may begin or continue */
};

/* Is a file opened with these flags to be opened with O_NOATIME? */
bool base_leaves_atime(const struct base *b, int flags);

#endif
