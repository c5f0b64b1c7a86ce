/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_PARTITION_H
#define MAPFS_TOOLS_PARTITION_PARTITION_H

/*
 * The values that this folder reads from a disk image: partitions, and the
 * table that they come from.
 *
 * Lifetime: a table is memory of the caller; all zero is an empty one, and
 *           partition_table_fini() ends it.  Strings belong to their partition.
 * Errors:   0, or -ENOMEM: the table is as before.
 * Locking:  none.
 */
#include "core/lib/reason.h"
#include "core/lib/types.h"

enum partition_kind {
	PARTITION_USED,	 /* an entry of the table */
	PARTITION_TABLE, /* bytes of the table itself */
	PARTITION_GAP,	 /* bytes that are in neither */
};

struct partition {
	enum partition_kind kind;
	/* As the table counts partitions, from 1; tables and gaps by place. */
	unsigned int number;
	uint64_t start_bytes;
	uint64_t size_bytes;
	/* What is unknown, or does not exist, is NULL. */
	char *type;	/* "Linux filesystem" */
	char *type_id;	/* the UUID of a GPT, "0x83" of an MBR */
	char *name;	/* in a GPT */
	char *uuid;	/* of the partition */
	char *fs;	/* "ext4"; PARTITION_AMBIGUOUS */
	char *fs_label; /* of the file system */
	char *fs_uuid;	/* of the file system */
};

/* Signatures of several file systems were found. */
#define PARTITION_AMBIGUOUS "ambiguous"

enum partition_table_kind {
	TABLE_NONE, /* one file system without a table, shown as partition 1 */
	TABLE_GPT,
	TABLE_DOS, /* a master boot record */
	/* A table that was read for partition_table_read() has none of these: */
	TABLE_GPT_LOST, /* a protective MBR, but no sound GPT */
	TABLE_OTHER,
};

/* Bytes of the image that the table itself takes. */
struct partition_extent {
	uint64_t start_bytes;
	uint64_t size_bytes;
};

struct partition_table {
	enum partition_table_kind kind;
	unsigned int sector_bytes;
	uint64_t size_bytes; /* of the image */
	char *id;	     /* of the disk, or NULL */
	struct partition *list;
	size_t count;
	size_t cap;
	struct partition_extent *own;
	size_t own_count;
	size_t own_cap;
	/* Sentences, or empty: what was damaged and yet could be read; and what
	   makes the table contradict itself or the image. */
	struct reason note;
	struct reason fault;
};

/* "p1", "table", "table2", "gap1": the name of its file in a view. */
#define PARTITION_FILE_SIZE 24
void partition_file(char out[PARTITION_FILE_SIZE], const struct partition *p);

/* A copy of `s`, or NULL for NULL and for an empty string. */
int must_check partition_set(char **field, const char *s);
void partition_fini(struct partition *p);
/* Takes the strings of `p`, also on an error. */
int must_check partition_table_add(struct partition_table *t,
				   struct partition *p);
int must_check partition_table_add_own(struct partition_table *t,
				       uint64_t start_bytes,
				       uint64_t size_bytes);
void partition_table_sort(struct partition_table *t,
			  int (*compare)(const void *, const void *));
/* For partition_table_sort(), and qsort(3) of partitions. */
int partition_by_start(const void *a, const void *b);
int partition_by_number(const void *a, const void *b);
void partition_table_fini(struct partition_table *t);

#endif
