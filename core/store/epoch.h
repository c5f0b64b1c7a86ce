/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_EPOCH_H
#define MAPFS_CORE_STORE_EPOCH_H

/*
 * The epoch of a journal: 32 bytes that are the same only as long as the page
 * cache of the store's file system lives, that is in this boot and in this
 * mount of it, and of one file `pages`: the files of a copied store were read
 * one after the other, whatever the page cache has.  Recovery trusts unsynced groups only of its own epoch [D3].
 *
 * Lifetime: descriptors are borrowed.
 * Errors:   0 or a negative errno.
 * Locking:  none.
 */
#include "core/delta/record.h"
#include "core/journal/journal.h"

/*
 * Which file is the arena of the store.  ino 0: there is none, or the file
 * system gives no numbers that stay.
 */
int must_check store_identify_pages(int dirfd, struct base_identity *out);
/* `dirfd` is the store's directory; -1: in memory, and the epoch is zero. */
int must_check store_epoch(int dirfd, uint8_t out[JOURNAL_EPOCH_BYTES]);

#endif
