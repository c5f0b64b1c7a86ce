/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_JOURNAL_PRIV_H
#define MAPFS_CORE_JOURNAL_JOURNAL_PRIV_H

/*
 * What the files of the journal share: the bytes of a segment (FORMAT.md) and
 * the segment that is being written.
 *
 * Lifetime: segment_create() to segment_end() or segment_discard().
 * Errors, locking: as journal.h.
 */
#include <assert.h>

#include "core/lib/le.h"
#include "core/lib/lock.h"
#include "journal.h"

#define SEGMENT_MAGIC 0x4c4e4a534650414dULL /* "MAPFSJNL" */
#define SEGMENT_VERSION 1U
#define SEGMENT_HEADER_BYTES 4096U
#define SEGMENT_FROM_NOTHING 1U /* flag: forget all segments before */
/* Feature bits this code knows, of the kind that must be known. */
#define SEGMENT_HAS_BASE (1ULL << 0) /* RECORD_BASE may be in it */
#define SEGMENT_KNOWN_MUST_REFUSE SEGMENT_HAS_BASE

#define GROUP_MAGIC 0x5052474dU /* "MGRP" */

#define SEGMENT_NAME_BYTES 32

/*
 *   off  size  meaning (all integers little-endian)
 *     0     8  SEGMENT_MAGIC
 *     8     4  version, SEGMENT_VERSION
 *    12     4  flags
 *    16     8  feature bits a reader and a writer may ignore
 *    24     8  feature bits that make whoever does not know them refuse
 *    32     8  feature bits a writer that does not know them must clear
 *    40    16  uuid of the store
 *    56     8  number of the segment, as in its name
 *    64     8  lsn of its first group
 *    72     8  groups up to this lsn were durable when it got its name
 *    80    32  epoch
 *   112     8  XXH3-64 (seed 0) of bytes 0..111
 */
struct segment_disk {
	le64 magic;
	le32 version;
	le32 flags;
	le64 may_ignore;
	le64 must_refuse;
	le64 must_clear;
	uint8_t uuid[JOURNAL_UUID_BYTES];
	le64 number;
	le64 first_lsn;
	le64 durable_lsn;
	uint8_t epoch[JOURNAL_EPOCH_BYTES];
	le64 sum;
};
static_assert(sizeof(struct segment_disk) == 120, "no padding");
static_assert(offsetof(struct segment_disk, uuid) == 40, "as in the table");
static_assert(offsetof(struct segment_disk, epoch) == 80, "as in the table");
static_assert(offsetof(struct segment_disk, sum) == 112, "sum covers 0..111");

/*
 *   off  size  meaning
 *     0     4  GROUP_MAGIC
 *     4     4  enum group_kind
 *     8     8  bytes of the payload, padding not counted
 *    16     8  lsn
 *    24     8  XXH3-64 of the payload, seeded with the XXH3-64 of bytes 0..23,
 *              seeded with segment_seed()
 */
struct group_disk {
	le32 magic;
	le32 kind;
	le64 payload_bytes;
	le64 lsn;
	le64 sum;
};
static_assert(sizeof(struct group_disk) == 32, "no padding");
static_assert(offsetof(struct group_disk, sum) == 24, "sum covers 0..23");

/*
 * Payload of GROUP_SYNC and GROUP_CLOSE.
 *
 *   off  size  meaning
 *     0     8  groups up to this lsn are durable with this mark
 *     8     8  groups up to this lsn were durable before it was written
 */
struct mark_disk {
	le64 covers;
	le64 flushed;
};
static_assert(sizeof(struct mark_disk) == 16, "no padding");

/* A segment that is being written. */
struct segment {
	int fd; /* -1: none */
	uint64_t number;
	mapfs_lsn first_lsn;
	unsigned int flags;
	uint64_t seed;	     /* of the sums of its groups */
	uint64_t end;	     /* where the next group goes */
	uint64_t reserved;   /* bytes of the file that have space */
	bool cannot_reserve; /* the file system has no such call */
	bool named;	     /* it has its final name */
	uint8_t *scratch;    /* a group on its way to the file */
	size_t scratch_bytes;
};

struct journal {
	struct journal_where where; /* fixed while open */
	struct journal_id id;	    /* fixed while open */
	struct rmutex lock;	    /* RANK_JOURNAL */
	struct segment seg;	    /* by lock */
	mapfs_lsn next_lsn;	    /* by lock */
	mapfs_lsn flushed_lsn;	    /* durable up to here; by lock */
	uint64_t older_bytes;	    /* history before this segment; by lock */
	uint64_t first_number;	    /* oldest segment that counts; by lock */
	uint64_t last_number;	    /* newest that open saw; fixed then */
	bool (*needs)(void *arg, uint64_t segment); /* fixed early */
	void *needs_arg;			    /* fixed early */
	bool broken; /* nobody knows which name counts */
	bool closed; /* a GROUP_CLOSE was written; by lock */
};

struct journal *journal_alloc(const struct journal_where *where,
			      const struct journal_id *id);
/*
 * The number a file name stands for; 0: none, it is no segment.
 * *tmp: one that never got its final name.
 */
uint64_t segment_number(const char *name, bool *tmp);
void segment_name(uint64_t number, bool tmp, char *out);
/* Keeps groups of one segment from vouching for those of another. */
uint64_t segment_seed(const struct journal_id *id, uint64_t number);
uint64_t segment_sum(const struct segment_disk *d);
uint64_t group_sum(const struct group_disk *d, const void *payload, size_t len,
		   uint64_t seed);
/* Calls `fn` for each segment and leftover in the directory. */
int must_check segment_iterate(int dirfd,
			       int (*fn)(void *arg, uint64_t number, bool tmp),
			       void *arg);
/*
 * A new segment under its temporary name.  It becomes history with
 * segment_publish(), which writes the header ("durable up to ..."), flushes
 * and renames.  On failure look at s->named: the rename may have happened.
 */
int must_check segment_create(struct journal *j, struct segment *s,
			      uint64_t number, mapfs_lsn first_lsn,
			      unsigned int flags);
int must_check segment_publish(struct journal *j, struct segment *s,
			       mapfs_lsn durable_lsn);
/* Ends the struct; the file stays. */
void segment_end(struct segment *s);
/* Ends the struct, and the file unless it has its final name. */
void segment_discard(struct journal *j, struct segment *s);
/* Appends one group; nothing counts if it fails. */
int must_check segment_append(struct segment *s, enum group_kind kind,
			      mapfs_lsn lsn, const void *payload, size_t len);
int must_check segment_append_mark(struct segment *s, enum group_kind kind,
				   mapfs_lsn lsn, mapfs_lsn covers,
				   mapfs_lsn flushed);
/* Removes the segments [first, end) that are there and not needed. */
void segments_remove(struct journal *j, uint64_t first, uint64_t end);
bool segment_is_needed(const struct journal *j, uint64_t number);

#endif
