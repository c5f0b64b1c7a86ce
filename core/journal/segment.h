/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_JOURNAL_SEGMENT_H
#define MAPFS_CORE_JOURNAL_SEGMENT_H

/*
 * One segment of the journal: its bytes (FORMAT.md), its name, and the steps
 * that write it.
 *
 * Calling sequence: segment_create() opens it under its temporary name;
 *   segment_append() and segment_append_mark(); segment_publish() writes the
 *   header, flushes and renames, which makes the segment part of the history;
 *   further appends; segment_end().  segment_discard() instead of
 *   segment_end() removes a segment that has only its temporary name.  Death
 *   before the rename leaves such a segment, which the next start removes.
 *
 * Lifetime: struct segment is the caller's; create to end or discard.
 * Errors:   0 or a negative errno.  After a failed append nothing of the group
 *           counts, and the next group overwrites it.  After a failed publish
 *           look at `named`: the rename may have happened.
 * Locking:  none here; the owner keeps the calls apart.
 */
#include <assert.h>

#include "core/lib/le.h"
#include "where.h"

#define SEGMENT_MAGIC 0x4c4e4a534650414dULL /* "MAPFSJNL" */
#define SEGMENT_VERSION 1U
#define SEGMENT_HEADER_BYTES 4096U
#define SEGMENT_FROM_NOTHING 1U /* flag: forget all segments before */
/* Feature bits this code knows, of the kind that must be known. */
#define SEGMENT_HAS_BASE (1ULL << 0) /* RECORD_BASE may be in it */
#define SEGMENT_HAS_BASE_KIND \
	(1ULL << 1)		       /* ... of a base that is no directory */
#define SEGMENT_HAS_SUMS (1ULL << 2)   /* RECORD_SUMS may be in it */
#define SEGMENT_HAS_ANCHOR (1ULL << 3) /* the store has an anchor */
#define SEGMENT_KNOWN_MUST_REFUSE                                      \
	(SEGMENT_HAS_BASE | SEGMENT_HAS_BASE_KIND | SEGMENT_HAS_SUMS | \
	 SEGMENT_HAS_ANCHOR)

#define GROUP_MAGIC 0x5052474dU /* "MGRP" */

enum group_kind {
	GROUP_RECORDS = 1, /* records of the caller */
	GROUP_SYNC,	   /* a mark: a sync point */
	GROUP_CLOSE,	   /* a mark: the last group of a closed journal */
};

#define SEGMENT_NAME_BYTES 32

/*
 *   off  size  meaning (all integers little-endian)
 *     0     8  SEGMENT_MAGIC
 *     8     4  version, SEGMENT_VERSION
 *    12     4  flags
 *    16     8  feature bits a reader and a writer may ignore
 *    24     8  feature bits that a reader or a writer must know, or refuse
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
	uint64_t end;	     /* offset of the next group */
	uint64_t reserved;   /* bytes of the file that have space */
	bool cannot_reserve; /* the file system has no such call */
	bool named;	     /* it has its final name */
	uint64_t header_sum; /* fixed when it is published */
	mapfs_lsn covers;    /* by its last mark; before, below first_lsn */
	mapfs_lsn durable_covers; /* ... that was flushed */
	uint64_t durable_end;	  /* the groups before it were flushed */
	uint8_t *scratch;	  /* the group that is being written */
	size_t scratch_bytes;
};

/*
 * The number that a file name stands for; 0: it is not a segment.
 * *tmp: it is the temporary name of one that was never published.
 */
uint64_t segment_number(const char *name, bool *tmp);
void segment_name(uint64_t number, bool tmp, char out[SEGMENT_NAME_BYTES]);
/* With it, the groups of one segment do not fit into another. */
uint64_t segment_seed(const struct journal_id *id, uint64_t number);
uint64_t segment_sum(const struct segment_disk *d);
uint64_t group_sum(const struct group_disk *d, const void *payload, size_t len,
		   uint64_t seed);
/*
 * Calls `fn` for each segment in the directory, published or not, in no
 * order.  A result of `fn` other than 0 ends it and is returned.
 */
int must_check segment_iterate(int dirfd,
			       int (*fn)(void *arg, uint64_t number, bool tmp),
			       void *arg);
/*
 * Opens a published segment for reading.  -EUCLEAN: there is no regular file
 * of that name; -EBADMSG: it is shorter than a header, *file_bytes long.
 */
int must_check segment_open(const struct journal_where *where, uint64_t number,
			    int *fd, uint64_t *file_bytes);

/*
 * number, first_lsn and flags of `s` are the caller's; the rest is set here.
 * The spare (spare.h) becomes the file if there is one.
 */
int must_check segment_create(struct segment *s,
			      const struct journal_where *where,
			      const struct journal_id *id);
/* `durable_lsn`: the groups up to it are durable when it is called. */
int must_check segment_publish(struct segment *s,
			       const struct journal_where *where,
			       const struct journal_id *id,
			       mapfs_lsn durable_lsn);
/* Appends one group in one write; -EMSGSIZE: more than GROUP_MAX_BYTES. */
int must_check segment_append(struct segment *s, enum group_kind kind,
			      mapfs_lsn lsn, const void *payload, size_t len);
int must_check segment_append_mark(struct segment *s, enum group_kind kind,
				   mapfs_lsn lsn, mapfs_lsn covers,
				   mapfs_lsn flushed);
/* What was appended before `end`, and marks up to `covers`, was flushed. */
void segment_note_flush(struct segment *s, uint64_t end, mapfs_lsn covers);
/*
 * Space for `need` bytes behind the last group [D5].  -ENOSPC, -EDQUOT: there
 * is none, or, if the store `grows`, others need it (io_check_headroom()).
 */
int must_check segment_reserve(struct segment *s, uint64_t need, bool grows);
/* Gives back the space behind the last group, but for `keep` bytes of it. */
void segment_trim(struct segment *s, uint64_t keep);
/* Ends the struct; the file stays. */
void segment_end(struct segment *s);
/* Ends the struct, and removes the file unless it is published. */
void segment_discard(struct segment *s, const struct journal_where *where);

#endif
