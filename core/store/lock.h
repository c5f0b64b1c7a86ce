/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LOCK_H
#define MAPFS_CORE_STORE_LOCK_H

/*
 * The lock of a store: who holds it, and whether waiting makes sense.
 *
 * Lifetime: `lockfd` is borrowed; closing it releases the store.
 * Errors:   0 or a negative errno; -EBUSY and a sentence in `why`: the holder
 *           does not end, or not in time.
 * Locking:  none of ours; store_holder_take() may sleep for as long as the
 *           holder closes the store, so it is called before threads start.
 */
#include <limits.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

struct store_holder {
	char where[PATH_MAX + 1]; /* mount point, or "nothing"; or "" */
	pid_t pid;		  /* 0: not said */
	dev_t dev;		  /* of the mount; 0: none yet */
	bool is_closing;	  /* it has nothing left to do but that */
};

/* Locks the store at `path`, shared or alone, once the holder has closed it. */
int must_check store_holder_take(const char *path, int lockfd, bool shared,
				 struct reason *why);
/* What is said in the lock by whoever holds it alone. */
int must_check store_holder_write(int lockfd, const char *mountpoint);
/* The mount is there now. */
int must_check store_holder_write_mount(int lockfd, dev_t dev);
int must_check store_holder_write_closing(int lockfd);
/* False: nobody holds it alone; `out` is then zeroed. */
int must_check store_holder_read(int lockfd, struct store_holder *out,
				 bool *is_held);

#endif
