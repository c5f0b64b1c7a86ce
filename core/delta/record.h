/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_RECORD_H
#define MAPFS_CORE_DELTA_RECORD_H

/*
 * Records, which change the delta, and groups of encoded records, of which the
 * journal consists.  FORMAT.md has the tables; record_decode.h reads groups.
 *
 * Lifetime: group_init() .. group_fini().  A group copies what is added to it.
 *           The texts of a struct record are borrowed: from the caller of
 *           group_add(), or from the bytes that the record was decoded from.
 * Errors:   group_add() remembers a failed allocation, and group_error()
 *           reports it, so that callers check once.
 * Locking:  none; values.
 */
#include <time.h>

#include "core/base/identity.h"
#include "core/lib/le.h"
#include "core/lib/types.h"

enum record_type {
	RECORD_STORE = 1,   /* the store: its base, tag and time of creation */
	RECORD_INODE,	    /* an inode enters the delta */
	RECORD_ATTR,	    /* attributes of an inode in the delta */
	RECORD_DENTRY,	    /* a name points at an inode, or is a whiteout */
	RECORD_DENTRY_GONE, /* the delta no longer has a name */
	RECORD_PAGES,	    /* where a run of pages of a file is */
	RECORD_XATTR,	    /* an extended attribute is set */
	RECORD_XATTR_GONE,  /* ... removed */
	RECORD_XATTR_OWN,   /* the base's extended attributes no longer count */
	RECORD_INODE_GONE,  /* an inode and its pages leave the delta */
	RECORD_HIDDEN,	    /* which version of a base object a name hides */
	RECORD_COUNTERS, /* the next numbers of snapshots and base versions */
	RECORD_SNAPSHOT, /* this moment is a snapshot */
	RECORD_SNAPSHOT_GONE,
	RECORD_PINNED,	      /* pages of a snapshot from before this segment */
	RECORD_PARENT,	      /* the store is a branch */
	RECORD_NEW_SIGNATURE, /* a version of a base object has another signature */
	RECORD_BASE,	      /* which directory the base is */
	RECORD_SUMS,	      /* the sums of a run of arena pages */
	RECORD_IN_FLIGHT,     /* pages of a run may differ from their sums */
	RECORD_SETTLED,	      /* ... not any more */
};

/* The attributes of an inode that operations change. */
struct record_attr {
	mapfs_ino ino;
	mapfs_ino parent; /* directories: the one above; else 0 */
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint64_t size_bytes;
	uint64_t visible_base_bytes; /* bytes of the base that may be visible */
	struct timespec atime;
	struct timespec mtime;
	struct timespec ctime;
};

/* The signature of a base object: tells its versions from each other. */
struct record_sig {
	uint64_t ino;
	uint64_t size_bytes;
	struct timespec mtime;
	struct timespec ctime;
	struct timespec btime;
	uint32_t mode;
};

struct record_inode {
	struct record_attr attr;
	bool has_base;
	uint64_t generation;
	uint64_t rdev;
	uint64_t base_blocks_512;
	struct timespec btime;
	struct record_sig sig; /* of the base object, if it has one */
	/* has_base: path from the base's root; symbolic links: the target. */
	const char *text;
	size_t text_bytes;
};

struct record_dentry {
	mapfs_ino dir;
	mapfs_ino ino;	/* 0: whiteout */
	uint32_t type;	/* S_IFMT bits of ino */
	bool over_base; /* the base has this name too */
	const char *name;
	size_t name_bytes;
};

struct record_pages {
	mapfs_ino ino;
	mapfs_pgno first;
	uint64_t count;
	uint32_t kind; /* enum pt_kind */
	mapfs_apage apage;
};

struct record_xattr {
	mapfs_ino ino;
	const char *name; /* NUL-terminated */
	const void *value;
	size_t value_bytes;
};

struct record_store {
	uint64_t ino_tag;  /* high bits of the numbers of new inodes */
	uint64_t next_ino; /* at least this for the next new inode */
	struct timespec created;
	const char *base; /* path of the base */
	size_t base_bytes;
};

/* The version of the base object that (dir, name) hid first. */
struct record_hidden {
	mapfs_ino dir;
	uint64_t sum; /* sig_sum() */
	const char *name;
	size_t name_bytes;
};

struct record_counters {
	uint64_t base_version;	    /* that this delta belongs to */
	uint64_t next_base_version; /* not used so far */
	uint64_t next_snapshot;	    /* not used so far */
};

struct record_snapshot {
	uint64_t id;
	mapfs_lsn lsn;		/* of its last record */
	uint64_t first_segment; /* where its history begins */
	uint64_t last_segment;	/* ... and ends, with lsn */
	uint64_t base_version;
	uint64_t private_pages;
	struct timespec time;
	bool pins_follow; /* its pages follow as RECORD_PINNED */
	const char *name;
	size_t name_bytes;
	const char *message;
	size_t message_bytes;
};

struct record_pinned {
	uint64_t snapshot;
	mapfs_apage first;
	uint64_t count;
};

struct record_sums {
	mapfs_apage first;
	uint64_t count;
	const le64 *sums; /* 0: the page has none */
};

/* Of this store's arena. */
struct record_region {
	mapfs_apage first;
	uint64_t count;
};

struct record_parent {
	uint8_t uuid[16];
	uint64_t snapshot;
	bool begins; /* the records that follow build on its delta */
	const char *path;
	size_t path_bytes;
};

/* An object that an undo restored: the same bytes, another change time. */
struct record_new_signature {
	uint64_t sum; /* sig_sum() of the old signature */
	struct record_sig sig;
};

struct record {
	enum record_type type;
	union {
		struct record_store store;
		struct record_inode inode;
		struct record_attr attr;
		struct record_dentry dentry;
		struct record_pages pages;
		struct record_xattr xattr;
		struct record_hidden hidden;
		struct record_counters counters;
		struct record_snapshot snapshot;
		struct record_pinned pinned;
		struct record_parent parent;
		struct record_new_signature new_signature;
		struct base_identity base;
		struct record_sums sums;
		struct record_region region; /* RECORD_IN_FLIGHT, _SETTLED */
		mapfs_ino ino;	      /* RECORD_INODE_GONE, RECORD_XATTR_OWN */
		uint64_t snapshot_id; /* RECORD_SNAPSHOT_GONE */
	};
};

/* How far a group may use the space that is kept back [A2]; not encoded. */
enum group_space {
	SPACE_GROWS, /* not at all: the store grows */
	SPACE_FREES, /* removes something, or changes what is there */
	SPACE_MUST,  /* all of it */
};

/* Encoded records that will be one atomic group of the journal. */
struct group {
	uint8_t *buf;
	size_t len_bytes;
	size_t cap_bytes;
	bool failed;
	enum group_space space;
};

void group_init(struct group *g);
void group_fini(struct group *g);
/* Empties it and keeps the memory. */
void group_reset(struct group *g);
/* 0, or -ENOMEM if memory was missing for any record. */
int must_check group_error(const struct group *g);
/* Encodes and appends one record. */
void group_add(struct group *g, const struct record *r);

/* A checksum of a signature, for comparing; never 0. */
uint64_t sig_sum(const struct record_sig *sig);

#endif
