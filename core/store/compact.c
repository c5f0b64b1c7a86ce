/* SPDX-License-Identifier: MIT */
/*
 * The new journal is one segment, written beside the old ones.  Its rename
 * replaces all of them at once: before it nothing has happened, after it
 * everything.
 */
#include "compact.h"

#include <errno.h>
#include <string.h>

#include "core/delta/dump.h"
#include "core/delta/record_decode.h"
#include "core/lib/log.h"
#include "anchor_renew.h"
#include "head.h"
#include "room.h"
#include "state.h"
#include "store.h"
#include "sums.h"
#include "sync.h"

/* When to compact: 4 times the size after the last compaction, and 8 MiB. */
#define COMPACT_MIN_BYTES (8ULL << 20)
#define COMPACT_GROWTH 4
#define GROUP_BYTES (256U << 10)
/* How much longer a full journal must be than when that was last tried. */
#define FULL_MIN_BYTES (16ULL << 10)
#define FULL_SHARE 64

/* A journal that is being replaced. */
struct compaction {
	struct store *st;
	struct delta_set *state; /* the new delta; NULL: empty */
	struct journal_compaction *c;
	uint64_t bytes; /* written so far */
};

/* The size of the whole is estimated from the part that is written. */
static void tell_progress(const struct compaction *a)
{
	const struct delta_set *s = a->state;
	double all;

	if (!a->st->progress || !s || s->dumped == 0)
		return;
	all = (double)a->bytes * (double)s->dump_all / (double)s->dumped;
	/* "All of it" must not be told before the end. */
	if (all <= (double)a->bytes)
		all = (double)a->bytes + 1;
	a->st->progress(a->st->progress_arg, a->bytes, (uint64_t)all);
}

static int compaction_append(struct compaction *a, const struct group *g)
{
	int err = group_verify(g);

	if (!err)
		err = journal_compact_append(a->c, g->buf, g->len_bytes);
	a->bytes += g->len_bytes;
	tell_progress(a);
	return err;
}

/* The sums of a parent's pages follow the records that name these. */
static int compaction_emit(void *arg, const struct group *g)
{
	struct compaction *a = arg;
	struct group sums;
	int err = compaction_append(a, g);

	if (err || a->st->lineage.count == 0)
		return err;
	group_init(&sums);
	err = sums_add_of_parents(a->st, g, &sums);
	if (!err && sums.len_bytes > 0)
		err = compaction_append(a, &sums);
	group_fini(&sums);
	return err;
}

static int compaction_emit_when_full(void *arg, struct group *g)
{
	int err = group_error(g);

	if (err || g->len_bytes < GROUP_BYTES)
		return err;
	err = compaction_emit(arg, g);
	group_reset(g);
	return err;
}

static int compaction_write(struct store *st, struct delta_set *state,
			    struct journal_compaction *c)
{
	struct compaction a = { .st = st, .state = state, .c = c };
	const struct store_head head = head_of(st);
	struct group g;
	int err;

	group_init(&g);
	head_add(&g, &head);
	err = snapshots_dump(&st->set->snapshots, &g, compaction_emit_when_full,
			     &a);
	if (!err)
		err = group_error(&g);
	if (!err && g.len_bytes > 0)
		err = compaction_emit(&a, &g);
	if (!err && state)
		err = delta_set_dump(state, compaction_emit, &a);
	/* Behind the records that name the pages, which begin without sums. */
	group_reset(&g);
	if (!err)
		err = sums_dump(st, &g, compaction_emit_when_full, &a);
	if (!err && g.len_bytes > 0)
		err = compaction_emit(&a, &g);
	group_fini(&g);
	return err;
}

int store_write_state(struct store *st, struct journal_compaction *c)
{
	return compaction_write(st, st->set, c);
}

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

/* The new journal and the room that it needs, under its temporary name. */
static int write_new(struct store *st, struct delta_set *state,
		     struct journal_compaction **out)
{
	int err = journal_compact_begin(st->journal, out);

	if (err)
		return err;
	err = compaction_write(st, state, *out);
	if (!err && st->dir.dirfd >= 0)
		err = journal_compact_reserve(*out, room_of_delta(state));
	if (err)
		journal_compact_abort(*out);
	return err;
}

/*
 * As write_new(); on a full disk with the space that the store has reserved for
 * later changes.  A mere compaction leaves what removals need, because others
 * may take what is given back.
 */
static int write_new_when_full(struct store *st, struct delta_set *state,
			       bool must_save, struct journal_compaction **out)
{
	int err = write_new(st, state, out);

	if (!is_full(err))
		return err;
	arena_give_back(st->arena);
	journal_trim(st->journal, must_save ? room_of_delta(st->set) : 0);
	return write_new(st, state, out);
}

static int install_new(struct store *st, struct delta_set *state,
		       bool must_save)
{
	const bool began = st->lineage.parent.begins;
	struct journal_compaction *c;
	int err;

	/* The new journal has the whole delta, that of the parent included. */
	st->lineage.parent.begins = false;
	err = write_new_when_full(st, state, must_save, &c);
	if (!err && must_save && !journal_compact_saves(c)) {
		journal_compact_abort(c);
		err = -ENOSPC;
	} else if (!err) {
		err = journal_compact_end(c);
		/* The old anchor says nothing of the new segment. */
		if (!err)
			anchor_renew_after_locked(st);
		/* After the rename the old journal takes no more groups. */
		if (err && !is_full(err))
			store_latch(st, err, "cannot replace the journal");
	}
	if (err)
		st->lineage.parent.begins = began;
	if (st->progress)
		st->progress(st->progress_arg, 0, 0);
	return err;
}

/*
 * sync_lock and ns_lock are held, so nothing changes meanwhile.  `must_save`:
 * not unless it makes space.
 */
static int replace_journal(struct store *st, struct delta_set *state,
			   bool must_save)
{
	int err = store_sync_locked(st);

	if (err) {
		store_latch(st, err, "sync failed");
		return err;
	}
	err = install_new(st, state, must_save);
	if (!st->latched)
		room_renew(st, err ? st->set : state);
	return err;
}

void store_compact_if_grown(struct store *st)
{
	uint64_t limit;
	int err = 0;

	rmutex_lock(&st->sync_lock);
	limit = st->compacted_bytes * COMPACT_GROWTH;
	if (limit < COMPACT_MIN_BYTES)
		limit = COMPACT_MIN_BYTES;
	if (!st->latched && journal_bytes(st->journal) > limit) {
		rwlock_write(st->ns_lock);
		err = replace_journal(st, st->set, false);
		rwlock_unlock(st->ns_lock);
		st->compacted_bytes = journal_bytes(st->journal);
	}
	rmutex_unlock(&st->sync_lock);
	if (err)
		log_line(LOG_WARNING,
			 "store %s: its journal was not compacted: %s",
			 st->dir.path ? st->dir.path : "(temporary)",
			 strerror(-err));
}

void store_compact_if_full(struct store *st)
{
	const uint64_t bytes = journal_bytes(st->journal);
	uint64_t least = bytes / FULL_SHARE;
	int err;

	if (least < FULL_MIN_BYTES)
		least = FULL_MIN_BYTES;
	/* While the store is being opened there is no lock yet. */
	if ((bytes >= st->tried_bytes && bytes - st->tried_bytes < least) ||
	    !st->ns_lock)
		return;
	rwlock_write(st->ns_lock);
	err = replace_journal(st, st->set, true);
	rwlock_unlock(st->ns_lock);
	st->tried_bytes = journal_bytes(st->journal);
	if (err)
		return;
	st->compacted_bytes = st->tried_bytes;
	atomic_fetch_add(&st->made_room, 1);
}

uint64_t store_new_base_version(const struct store *st)
{
	return st->set->snapshots.counters.next_base_version;
}

static int apply_group(void *arg, const struct group *g)
{
	return delta_set_apply(arg, g->buf, g->len_bytes, NULL);
}

/* Makes the delta in memory that of the new journal. */
static int replace_delta(struct store *st, struct delta_set *state)
{
	struct delta_set *set = st->set;
	struct namespace before;
	int err;

	delta_set_lock(set);
	err = delta_set_clear(set, &before);
	if (err)
		goto unlock;
	namespace_replace_begin(&set->names, &before);
	set->replaying =
		true; /* pages are marked as used again, as in replay */
	if (state)
		err = delta_set_dump(state, apply_group, set);
	set->replaying = false;
	namespace_replace_end(&set->names);
	namespace_fini(&before);
unlock:
	delta_set_unlock(set);
	return err;
}

int store_replace(struct store *st, struct delta_set *state,
		  uint64_t base_version)
{
	struct record_counters *counters = &st->set->snapshots.counters;
	const struct record_counters was = *counters;
	int err = store_may_change(st);

	if (err)
		return err;
	counters->base_version = base_version;
	if (counters->next_base_version <= base_version)
		counters->next_base_version = base_version + 1;
	err = replace_journal(st, state, false);
	if (err) {
		*counters = was;
		return err;
	}
	st->compacted_bytes = journal_bytes(st->journal);
	atomic_fetch_add(&st->changes, 1);
	err = replace_delta(st, state);
	if (err)
		store_latch(st, err, "cannot apply what was journaled");
	return err;
}
