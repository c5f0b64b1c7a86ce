/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_LAYOUT_H
#define MAPFS_CORE_STORE_LAYOUT_H

/*
 * The files of a kept store.
 *
 *   STORE/
 *     lock          flock(2)ed while the store is in use; says by whom (lock.h)
 *     pages         the arena
 *     journal/N     segments of records
 *     journal.part  instead of journal, while a branch or an import is being
 *                   made
 *     anchor        how far the journal reaches (anchor.h)
 *     spare, spare.empty   space for the next segment (core/journal/spare.h)
 *     readers       byte locks on snapshots (holds.h)
 *     branches/U    a file for each branch of this store (branches.h)
 *     commit/       saved files and states of commits (core/commit)
 *     README        for people who find the directory
 *
 * A directory with a journal and pages is a store.
 *
 * Lifetime, errors, locking: names only.
 */
#define STORE_LOCK "lock"
#define STORE_PAGES "pages"
#define STORE_JOURNAL "journal"
#define STORE_JOURNAL_PART "journal.part"
#define STORE_ANCHOR "anchor"
#define STORE_READERS "readers"
#define STORE_BRANCHES "branches"
#define STORE_COMMIT "commit"
#define STORE_COMMIT_OPEN "commit/open" /* a commit began and is unfinished */
#define STORE_README "README"
#define STORE_README_TEXT                                                         \
	"This directory is a mapfs store: the changes of a copy-on-write view.\n" \
	"See `mapfs --help`; mount it again with: mapfs mount -s STORE BASE MOUNTPOINT\n"

#endif
