/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_RECORD_DISK_H
#define MAPFS_CORE_DELTA_RECORD_DISK_H

/*
 * The layout of records on disk, which record.c writes and record_decode.c
 * reads: a header of 8 bytes (type, flags, length of the payload) and a
 * payload that is padded to a multiple of 8 bytes.  A payload is one of the
 * structs below and behind it at most two texts or values.  FORMAT.md has the
 * tables.
 *
 * Lifetime, errors, locking: none; values.
 */
#include <assert.h>
#include <stdint.h>

#include "core/lib/le.h"

struct head_disk {
	le16 type;
	le16 flags;
	le32 payload_bytes;
};
static_assert(sizeof(struct head_disk) == 8, "no padding");

struct time_disk {
	le64 sec;
	le32 nsec;
};
static_assert(sizeof(struct time_disk) == 12, "no padding");

struct attr_disk {
	le64 ino;
	le64 parent;
	le32 mode;
	le32 nlink;
	le32 uid;
	le32 gid;
	le64 size_bytes;
	le64 visible_base_bytes;
	struct time_disk atime;
	struct time_disk mtime;
	struct time_disk ctime;
};
static_assert(sizeof(struct attr_disk) == 84, "no padding");

struct sig_disk {
	le64 ino;
	le64 size_bytes;
	struct time_disk mtime;
	struct time_disk ctime;
	struct time_disk btime;
	le32 mode;
};
static_assert(sizeof(struct sig_disk) == 56, "no padding");

struct inode_disk {
	struct attr_disk attr;
	le64 generation;
	le64 rdev;
	le64 base_blocks_512;
	struct time_disk btime;
	struct sig_disk sig;
	le32 text_bytes;
};
static_assert(sizeof(struct inode_disk) == 180, "no padding");

struct dentry_disk {
	le64 dir;
	le64 ino;
	le32 type;
	le32 name_bytes;
};
static_assert(sizeof(struct dentry_disk) == 24, "no padding");

struct pages_disk {
	le64 ino;
	le64 first;
	le64 count;
	le64 apage;
	le32 kind;
};
static_assert(sizeof(struct pages_disk) == 36, "no padding");

struct xattr_disk {
	le64 ino;
	le32 name_bytes; /* the NUL included */
	le32 value_bytes;
};
static_assert(sizeof(struct xattr_disk) == 16, "no padding");

struct store_disk {
	le64 ino_tag;
	le64 next_ino;
	struct time_disk created;
	le32 base_bytes;
};
static_assert(sizeof(struct store_disk) == 32, "no padding");

struct hidden_disk {
	le64 dir;
	le64 sum;
	le32 name_bytes;
};
static_assert(sizeof(struct hidden_disk) == 20, "no padding");

struct counters_disk {
	le64 base_version;
	le64 next_base_version;
	le64 next_snapshot;
};
static_assert(sizeof(struct counters_disk) == 24, "no padding");

struct snapshot_disk {
	le64 id;
	le64 lsn;
	le64 first_segment;
	le64 last_segment;
	le64 base_version;
	le64 private_pages;
	struct time_disk time;
	le32 name_bytes;
	le32 message_bytes;
};
static_assert(sizeof(struct snapshot_disk) == 68, "no padding");

struct pinned_disk {
	le64 snapshot;
	le64 first;
	le64 count;
};
static_assert(sizeof(struct pinned_disk) == 24, "no padding");

struct parent_disk {
	uint8_t uuid[16];
	le64 snapshot;
	le32 path_bytes;
};
static_assert(sizeof(struct parent_disk) == 28, "no padding");

struct new_signature_disk {
	le64 sum;
	struct sig_disk sig;
};
static_assert(sizeof(struct new_signature_disk) == 64, "no padding");

struct base_disk {
	le64 ino;
	struct time_disk btime;
	le32 handle_type;
	le64 handle_sum;
};
static_assert(sizeof(struct base_disk) == 32, "no padding");

/* Behind it, if there is no base. */
struct maker_disk {
	le32 uid;
	le32 gid;
};
static_assert(sizeof(struct maker_disk) == 8, "no padding");

struct sums_disk {
	le64 first;
	le64 count;
};
static_assert(sizeof(struct sums_disk) == 16, "no padding");

struct region_disk {
	le64 first;
	le64 count;
};
static_assert(sizeof(struct region_disk) == 16, "no padding");

#define FLAG_PINS_FOLLOW 1U   /* RECORD_SNAPSHOT */
#define FLAG_BEGINS 1U	      /* RECORD_PARENT */
#define FLAG_HAS_BASE 1U      /* RECORD_INODE */
#define FLAG_OVER_BASE 1U     /* RECORD_DENTRY */
#define RECORD_PAGES_BASE 0U  /* the kind for pages without an entry */
#define RECORD_PAGES_ARENA 2U /* the kind for arena pages */

#endif
