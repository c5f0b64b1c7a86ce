/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/delta/record_decode.h"
#include "core/lib/io.h"
#include "core/lib/log.h"
#include "room.h"
#include "state.h"

void store_latch(struct store *st, int err, const char *what)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&st->latched, &none, -err))
		log_line(
			LOG_ERR,
			"store %s: %s: %s; it accepts no more changes until it is mounted again",
			st->dir.path ? st->dir.path : "(temporary)", what,
			strerror(-err));
}

int store_may_change(struct store *st)
{
	return st->latched || st->use != STORE_CHANGE ? -EROFS : 0;
}

int store_may_overwrite(struct store *st)
{
	int err = store_may_change(st);

	return err ? err : room_for_mark(st);
}

bool store_is_past(const struct store *st)
{
	return st->use == STORE_PAST;
}

struct arena *store_arena(struct store *st)
{
	return st->arena;
}

int store_dir_fd(const struct store *st)
{
	return st->dir.dirfd;
}

const char *store_path_of(const struct store *st, unsigned int arena)
{
	return arena == 0 ? st->dir.path : st->lineage.up[arena - 1].path;
}

const struct base_identity *store_base_identity(const struct store *st)
{
	return &st->base_id;
}

void store_touch(struct store *st)
{
	atomic_fetch_add(&st->changes, 1);
}

int store_apply(struct store *st, const struct group *g,
		const struct inode *locked)
{
	struct records all;
	mapfs_lsn lsn;
	int err = store_may_change(st);

	/* A group that replay would refuse must not be journaled. */
	if (!err)
		err = records_decode(&all, g);
	if (err)
		return err;
	if (all.count == 0)
		return 0;
	err = room_for_group(st, g, &all);
	if (!err)
		err = journal_append(st->journal, g->buf, g->len_bytes, &lsn);
	if (err)
		goto free_records;
	atomic_fetch_add(&st->changes, 1);
	err = delta_set_apply_decoded(st->set, &all, locked);
	if (err)
		store_latch(st, err, "cannot apply what was journaled");
free_records:
	records_fini(&all);
	return err;
}

void store_lock(struct store *st)
{
	rmutex_lock(&st->sync_lock);
	rwlock_write(st->ns_lock);
}

void store_unlock(struct store *st)
{
	rwlock_unlock(st->ns_lock);
	rmutex_unlock(&st->sync_lock);
}

void store_info(struct store *st, struct mapfs_info *out)
{
	struct arena_stats stats;

	arena_stats(st->arena, &stats);
	out->store = st->dir.path;
	out->private_pages = stats.used_pages;
	out->journal_bytes = st->journal ? journal_bytes(st->journal) : 0;
	out->inodes_changed = st->set->counts.inodes;
	out->is_latched = st->latched != 0;
	out->store_is_new = st->dir.created;
	out->warning = st->warning;
}

/* Freed pages count as free: store_make_room() makes them available. */
static void add_waiting(struct store *st, struct statvfs *out)
{
	uint64_t blocks;

	if (out->f_frsize == 0)
		return;
	blocks = arena_waiting_pages(st->arena) * MAPFS_PAGE_SIZE /
		 out->f_frsize;
	if (blocks > out->f_blocks - out->f_bfree)
		blocks = out->f_blocks - out->f_bfree;
	out->f_bfree += blocks;
	out->f_bavail += blocks;
}

/* The size of the store is `pages`, and no disk says how much is free. */
static void statfs_of_pages(uint64_t pages, struct statvfs *out)
{
	*out = (struct statvfs){
		.f_bsize = MAPFS_PAGE_SIZE,
		.f_frsize = MAPFS_PAGE_SIZE,
		.f_blocks = pages,
		.f_bfree = pages,
		.f_bavail = pages,
	};
}

/* As of a file system that has `limit` pages, on a disk with `out`. */
static void statfs_limit(struct store *st, uint64_t limit, struct statvfs *out)
{
	const uint64_t per_page = MAPFS_PAGE_SIZE / out->f_frsize;
	const struct statvfs disk = *out;
	struct arena_stats stats;
	uint64_t waiting = arena_waiting_pages(st->arena);
	uint64_t used;
	uint64_t left;

	arena_stats(st->arena, &stats);
	/* Others may have been given back in between. */
	used = waiting < stats.used_pages ? stats.used_pages - waiting : 0;
	left = used < limit ? (limit - used) * per_page : 0;
	out->f_blocks = limit * per_page;
	out->f_bfree = left < disk.f_bfree ? left : disk.f_bfree;
	out->f_bavail = left < disk.f_bavail ? left : disk.f_bavail;
}

int store_statfs(struct store *st, struct statvfs *out)
{
	uint64_t limit = st->limit_pages;
	int err = 0;

	if (st->dir.dirfd >= 0)
		err = io_statvfs_for_pages(st->dir.dirfd, out);
	else if (!limit)
		limit = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			(uint64_t)sysconf(_SC_PAGESIZE) / MAPFS_PAGE_SIZE;
	if (err)
		return err;
	if (st->dir.dirfd < 0)
		statfs_of_pages(limit, out);
	else
		add_waiting(st, out);
	if (limit && out->f_frsize && out->f_frsize <= MAPFS_PAGE_SIZE)
		statfs_limit(st, limit, out);
	return 0;
}
