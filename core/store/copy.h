/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_COPY_H
#define MAPFS_CORE_STORE_COPY_H

/*
 * A copy that was taken of a store while that was in use (anchor.h).  Its files
 * were read one after the other, so a page may be older or newer than the
 * records that name it.  The copy is a store like any other if every page of
 * its delta has the bytes that its sum says; so all of them are read once.
 *
 * Lifetime: none.
 * Errors:   0 or a negative errno and a sentence in `why`; -EBADMSG: some pages
 *           do not fit.
 * Locking:  nobody else knows the store.
 */
#include "core/lib/reason.h"
#include "core/lib/types.h"

struct store;

/* After replay; in a store that is no copy there is nothing to do. */
int must_check copy_check(struct store *st, struct reason *why);
/* Tells the log and the user that the store is one, if it is. */
int must_check copy_warn(struct store *st);

#endif
