/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_ANCHOR_FILE_H
#define MAPFS_CORE_STORE_ANCHOR_FILE_H

/*
 * The file STORE/anchor (FORMAT.md): two slots in different blocks, of which
 * the newer sound one counts.
 *
 * A write never touches the slot that was flushed last.  So whatever a power
 * cut leaves of a write, one slot is sound.
 *
 * Calling sequence: anchor_file_make() in a new store; anchor_file_open(),
 *   anchor_file_read(), anchor_file_write() ..., anchor_file_close().  A file
 *   that was just made has no sound slot, until anchor_file_begin() fills both.
 *
 * Lifetime: descriptors of directories are borrowed.
 * Errors:   0 or a negative errno.  -ENOENT: no such file; -EBADMSG: no slot
 *           is sound; -EPROTONOSUPPORT: a newer format.
 * Locking:  none; the caller keeps writes apart.
 */
#include "core/delta/record.h"
#include "core/journal/bound.h"

/* What the anchor says. */
struct anchor_facts {
	struct journal_bound bound;
	uint64_t segments; /* that count */
	uint64_t snapshots;
	uint64_t private_pages;
	uint64_t pages_bytes;	    /* of the arena's file */
	struct base_identity pages; /* which file that is; ino 0: not known */
};

struct anchor_file {
	int fd;		   /* -1: none */
	uint64_t sequence; /* of the newest slot */
	unsigned int safe; /* the slot that was flushed last */
};

/* An empty file, whose name is not durable yet. */
int must_check anchor_file_make(int dirfd);
int must_check anchor_file_open(struct anchor_file *a, int dirfd,
				bool for_change);
/* *bad: a slot is not sound. */
int must_check anchor_file_read(struct anchor_file *a, struct anchor_facts *out,
				bool *bad);
/* What was read is durable now, even if a process died that wrote it. */
int must_check anchor_file_sync(struct anchor_file *a);
/* Fills both slots, durably. */
int must_check anchor_file_begin(struct anchor_file *a,
				 const struct anchor_facts *facts);
/* flush: durable on return. */
int must_check anchor_file_write(struct anchor_file *a,
				 const struct anchor_facts *facts, bool flush);
void anchor_file_close(struct anchor_file *a);

#endif
