/* SPDX-License-Identifier: MIT */
#include "room.h"

#include <errno.h>
#include <string.h>

#include "core/arena/page_sums.h"
#include "core/delta/record_decode.h"
#include "core/lib/log.h"
#include "state.h"

#define CLOSE_BYTES (8ULL << 10)
/* The rest: a quarter of the journal, within these bounds. */
#define REST_MIN_BYTES (16ULL << 10)
#define REST_MAX_BYTES (1ULL << 20)
/* Of the spare while the store is open. */
#define SPARE_BYTES (16ULL << 10)

#define GROUP_HEADER_BYTES 40U /* and padding */
/* Overwriting takes a mark, and records that a region is in flight or not. */
#define OVERWRITE_BYTES 512U
/* The sum of a page that is a run of its own. */
#define SUM_BYTES 40U
/*
 * A name goes: a dentry, attributes of its inode and of the directory, and a
 * sync point after it; with padding and headers.
 */
#define NAME_GONE_BYTES 320U
/* An inode goes, in a group of its own. */
#define INODE_GONE_BYTES 64U

static uint64_t names_bytes(uint64_t live, uint64_t live_bytes)
{
	return live * NAME_GONE_BYTES + live_bytes;
}

uint64_t room_of_delta(const struct delta_set *s)
{
	if (!s)
		return CLOSE_BYTES;
	return CLOSE_BYTES + names_bytes(s->names.live, s->names.live_bytes) +
	       s->counts.inodes * INODE_GONE_BYTES;
}

static uint64_t sums_bytes(struct store *st)
{
	return st->ephemeral ? 0 :
			       arena_unrecorded_pages(st->arena) * SUM_BYTES;
}

static uint64_t rest_bytes(struct store *st)
{
	const uint64_t part = journal_bytes(st->journal) / 4;

	if (part < REST_MIN_BYTES)
		return REST_MIN_BYTES;
	return part < REST_MAX_BYTES ? part : REST_MAX_BYTES;
}

/* Of a dentry: what the names need more after it, or less. */
static int64_t dentry_bytes(const struct delta_set *s, const struct record *r)
{
	const struct record_dentry *n = &r->dentry;
	const struct dentry *was =
		namespace_lookup(&s->names, n->dir, n->name, n->name_bytes);
	const int64_t one = (int64_t)names_bytes(1, n->name_bytes);
	const bool is_live = r->type == RECORD_DENTRY && n->ino != 0;

	return (is_live ? one : 0) - (was && was->ino != 0 ? one : 0);
}

/* What names, inodes and sums need more after the group, or less. */
static int64_t group_bytes(const struct delta_set *s, const struct records *all)
{
	int64_t sum = 0;

	for (size_t n = 0; n < all->count; n++) {
		const struct record *r = &all->list[n];

		if (r->type == RECORD_DENTRY || r->type == RECORD_DENTRY_GONE)
			sum += dentry_bytes(s, r);
		else if (r->type == RECORD_INODE)
			sum += INODE_GONE_BYTES;
		else if (r->type == RECORD_INODE_GONE)
			sum -= INODE_GONE_BYTES;
		else if (r->type == RECORD_PAGES && r->pages.kind == PT_ARENA)
			sum += (int64_t)(r->pages.count * SUM_BYTES);
	}
	return sum;
}

int room_for_mark(struct store *st)
{
	if (st->dir.dirfd < 0)
		return 0;
	return journal_reserve(st->journal,
			       room_of_delta(st->set) + sums_bytes(st) +
				       OVERWRITE_BYTES,
			       false);
}

int room_for_group(struct store *st, const struct group *g,
		   const struct records *all)
{
	const bool grows = g->space == SPACE_GROWS;
	uint64_t room = g->len_bytes + GROUP_HEADER_BYTES;
	int err = 0;

	/* Memory is on no disk. */
	if (st->dir.dirfd < 0 || g->space == SPACE_MUST)
		return 0;
	room += sums_bytes(st);
	room += (uint64_t)((int64_t)room_of_delta(st->set) +
			   group_bytes(st->set, all));
	if (grows) {
		room += rest_bytes(st);
		err = journal_make_spare(st->journal, SPARE_BYTES);
	}
	return err ? err : journal_reserve(st->journal, room, grows);
}

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static int reserve_in_segment(struct store *st, uint64_t bytes)
{
	return journal_reserve(st->journal, bytes, false);
}

static int reserve_in_spare(struct store *st, uint64_t bytes)
{
	return journal_make_spare(st->journal, SEGMENT_HEADER_BYTES + bytes);
}

/*
 * Space for `bytes` and the rest, or without the rest; -ENOSPC, -EDQUOT: as much
 * of it as can be had.
 */
static int reserve_most(struct store *st, uint64_t bytes,
			int (*reserve)(struct store *st, uint64_t bytes))
{
	int err = reserve(st, bytes + rest_bytes(st));

	if (!is_full(err))
		return err;
	err = reserve(st, bytes);
	while (is_full(err) && bytes > CLOSE_BYTES) {
		bytes = bytes / 8 * 7;
		if (!is_full(reserve(st, bytes)))
			break;
	}
	return err;
}

void room_renew(struct store *st, const struct delta_set *s)
{
	int err = 0;

	if (st->dir.dirfd >= 0)
		err = reserve_most(st, room_of_delta(s), reserve_in_segment);
	if (!err)
		err = journal_make_spare(st->journal, SPARE_BYTES);
	/* The next change that grows the store fails, and this one does not. */
	if (err)
		log_line(
			LOG_NOTICE,
			"store %s: no space can be kept back for removing files: %s",
			st->dir.path ? st->dir.path : "(temporary)",
			strerror(-err));
}

void room_hand_over(struct store *st)
{
	int err;

	/* First: on a full disk that is the space. */
	journal_trim(st->journal, 0);
	err = reserve_most(st, room_of_delta(st->set), reserve_in_spare);
	if (err)
		log_line(
			LOG_NOTICE,
			"store %s: less space than needed is kept back for the next mount: %s",
			st->dir.path, strerror(-err));
}
