/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LOCK_H
#define MAPFS_CORE_STORE_LOCK_H

/*
 * The lock of a store: taking it, and which process holds it.
 *
 * Lifetime: `lockfd` is borrowed; closing it releases the store.
 * Errors:   0 or a negative errno; -EBUSY and a sentence in `why`: the holder
 *           does not end, or not in time.
 * Locking:  flock(2), no lock of this process.  store_holder_take() sleeps
 *           while the holder closes the store, so it is called before threads
 *           start.
 */
#include <limits.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

/* What the text in the lock begins with. */
#define STORE_HOLDER_MOUNTED "mounted on "
#define STORE_HOLDER_CLOSING "closing on "

struct store_holder {
	char where[PATH_MAX + 1]; /* mount point, or "nothing"; "": not said */
	pid_t pid;		  /* 0: not said */
	dev_t dev;		  /* of the mount; 0: not mounted yet */
	bool is_closing;	  /* its mount is gone, it closes the store */
};

/*
 * Locks the store at `path`, shared or alone; waits for a holder that is about
 * to close it.
 */
int must_check store_holder_take(const char *path, int lockfd, bool shared,
				 struct reason *why);
/* The holder, who has it alone, writes where it is mounted; NULL: nowhere. */
int must_check store_holder_write(int lockfd, const char *mountpoint);
/* Adds that the mount exists now, as the file system `dev`. */
int must_check store_holder_write_mount(int lockfd, dev_t dev);
/* The mount is gone, and the store will be closed. */
int must_check store_holder_write_closing(int lockfd);
/* *is_held false: nobody holds it alone, and *out is zeroed. */
int must_check store_holder_read(int lockfd, struct store_holder *out,
				 bool *is_held);

#endif
