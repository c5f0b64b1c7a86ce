/* SPDX-License-Identifier: MIT */
/* SPDX-License-Identifier: MIT */
/*
 * A journal that begins anew: with the delta as it is, when it has outgrown
 * that (compaction), or with another one (rollback, and the empty one after a
 * commit).  The new segment counts from its rename on; before that nothing
 * has happened, after that everything.
 */
#include "compact.h"

#include <errno.h>
#include <string.h>

#include "core/delta/dump.h"
#include "core/delta/record_decode.h"
#include "core/lib/log.h"
#include "head.h"
#include "state.h"
#include "store.h"
#include "sync.h"

/* Compact when the journal has outgrown what it held after the last time. */
#define COMPACT_MIN_BYTES (8ULL << 20)
#define COMPACT_GROWTH 4
#define GROUP_BYTES (256U << 10)

/* A journal that is being written. */
struct anew {
	struct store *st;
	struct delta_set *state; /* or NULL */
	struct journal_compaction *c;
	uint64_t bytes; /* so far */
};

/* What is written so far tells how much there will be. */
static void tell_progress(const struct anew *a)
{
	const struct delta_set *s = a->state;
	double all;

	if (!a->st->progress || !s || s->dumped == 0)
		return;
	all = (double)a->bytes * (double)s->dump_all / (double)s->dumped;
	/* It is not over yet. */
	if (all <= (double)a->bytes)
		all = (double)a->bytes + 1;
	a->st->progress(a->st->progress_arg, a->bytes, (uint64_t)all);
}

static int emit_group(void *arg, const struct group *g)
{
	struct anew *a = arg;
	int err = group_verify(g);

	if (!err)
		err = journal_compact_append(a->c, g->buf, g->len_bytes);

	a->bytes += g->len_bytes;
	tell_progress(a);
	return err;
}

static int emit_when_full(void *arg, struct group *g)
{
	int err = group_error(g);

	if (err || g->len_bytes < GROUP_BYTES)
		return err;
	err = emit_group(arg, g);
	group_reset(g);
	return err;
}

/* `state` NULL: no delta at all. */
static int compact_write(struct store *st, struct delta_set *state,
			 struct journal_compaction *c)
{
	struct anew a = { .st = st, .state = state, .c = c };
	const struct store_head head = head_of(st);
	struct group g;
	int err;

	group_init(&g);
	head_add(&g, &head);
	err = snapshots_dump(&st->set->snapshots, &g, emit_when_full, &a);
	if (!err)
		err = group_error(&g);
	if (!err && g.len_bytes > 0)
		err = emit_group(&a, &g);
	if (!err && state)
		err = delta_set_dump(state, emit_group, &a);
	group_fini(&g);
	return err;
}

/* sync_lock and ns_lock keep every change away. */
static int begin_anew(struct store *st, struct delta_set *state)
{
	const bool began = st->lineage.parent.begins;
	struct journal_compaction *c;
	int err = store_sync_locked(st);

	if (err) {
		store_latch(st, err, "sync failed");
		return err;
	}
	err = journal_compact_begin(st->journal, &c);
	if (err)
		return err;
	/* The state is all there: the parent's is not to be loaded first. */
	st->lineage.parent.begins = false;
	err = compact_write(st, state, c);
	if (err) {
		if (st->progress)
			st->progress(st->progress_arg, 0, 0);
		st->lineage.parent.begins = began;
		journal_compact_abort(c);
		return err;
	}
	err = journal_compact_end(c);
	if (st->progress)
		st->progress(st->progress_arg, 0, 0);
	/* Perhaps both have a name now: nothing may follow in the old one. */
	if (err && err != -ENOSPC)
		store_latch(st, err, "cannot replace the journal");
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
		err = begin_anew(st, st->set);
		rwlock_unlock(st->ns_lock);
		st->compacted_bytes = journal_bytes(st->journal);
	}
	rmutex_unlock(&st->sync_lock);
	if (err)
		log_line(LOG_WARNING, "journal not compacted: %s",
			 strerror(-err));
}

uint64_t store_new_base_version(const struct store *st)
{
	return st->set->snapshots.counters.next_base_version;
}

static int apply_group(void *arg, const struct group *g)
{
	return delta_set_apply(arg, g->buf, g->len_bytes, NULL);
}

/* In memory what the journal says by now. */
static int switch_delta(struct store *st, struct delta_set *state)
{
	struct delta_set *set = st->set;
	struct namespace before;
	int err;

	delta_set_lock(set);
	err = delta_set_clear(set, &before);
	if (err)
		goto unlock;
	namespace_replace_begin(&set->names, &before);
	set->replaying = true; /* its pages are taken again from the pins */
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
	err = begin_anew(st, state);
	if (err) {
		*counters = was;
		return err;
	}
	st->compacted_bytes = journal_bytes(st->journal);
	atomic_fetch_add(&st->changes, 1);
	err = switch_delta(st, state);
	if (err)
		store_latch(st, err, "cannot apply what was journaled");
	return err;
}
