/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_PEEK_H
#define MAPFS_CORE_STORE_PEEK_H

/*
 * The facts that the journal of a store states about it, for any process that
 * may read it.
 *
 * Lifetime: store_peek() .. store_facts_fini().
 * Errors:   0 or a negative errno and a sentence in `why`; then there is
 *           nothing to free.  -ENOENT: no store.
 * Locking:  none: another process may be writing the journal, so a look that
 *           fails is repeated for a fifth of a second, and only then the
 *           journal is called damaged.
 */
#include "core/delta/snapshot.h"
#include "core/journal/journal.h"
#include "core/lib/reason.h"
#include "core/mapfs_store.h"

struct store_facts {
	uint8_t uuid[JOURNAL_UUID_BYTES];
	char *base;
	struct base_identity base_id; /* ino 0: unknown */
	struct timespec created;
	struct snapshots snapshots; /* without pins */
	bool is_copy; /* taken while the store was in use (anchor.h) */
	bool has_parent;
	struct record_parent parent; /* its path is allocated */
	/*
	 * The journal is damaged, and these are the facts that its sound groups
	 * state: snapshots may be missing, or deleted by now.
	 */
	bool is_damaged;
	/* A lost segment may have begun another version of the base. */
	bool may_be_old;
};

/* `dirfd` is the store, `path` is for people. */
int must_check store_peek(struct store_facts *f, int dirfd, const char *path,
			  struct reason *why);
/*
 * The same of a leftover, which has a sound journal only if the command that
 * left it came that far; nobody writes it.
 */
int must_check store_peek_leftover(struct store_facts *f, int dirfd,
				   enum mapfs_leftover kind);
void store_facts_fini(struct store_facts *f);

#endif
