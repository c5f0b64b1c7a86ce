/* SPDX-License-Identifier: MIT */
/*
 * Replay reads groups before anything is known about the store, so the first
 * group decides: it is the head (head.h), and of a branch it opens the lineage
 * and begins with the delta of the parent's snapshot.
 *
 * The order of opening for changes:
 *
 *   replay -> is it the right base? -> flush pages -> new segment -> record
 *                                                     of a base that moved
 */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/arena/arena.h"
#include "core/arena/page_sums.h"
#include "core/delta/record_decode.h"
#include "core/journal/journal.h"
#include "core/lib/log.h"
#include "core/lib/timespec.h"
#include "anchor_renew.h"
#include "base_record.h"
#include "copy.h"
#include "epoch.h"
#include "head.h"
#include "holds.h"
#include "intent.h"
#include "lineage.h"
#include "peek.h"
#include "reasons.h"
#include "room.h"
#include "salvage.h"
#include "snapshot.h"
#include "state.h"
#include "store.h"
#include "sums.h"

/* A replay, of the store itself or up to one of its snapshots. */
struct replay {
	struct store *st;
	struct delta_set *set;
	bool seen_head;
	struct reason *why;
};

/* The first group of a history. */
static int replay_head(struct replay *rp, const void *records, size_t len)
{
	struct record_parent parent;
	struct store *st = rp->st;
	struct record r;
	bool is_branch;
	size_t pos = 0;
	int ret = record_next(records, len, &pos, &r);

	if (ret < 0)
		return ret;
	if (ret == 0 || r.type != RECORD_STORE)
		return -EUCLEAN;
	st->created = r.store.created;
	ret = lineage_find_parent(records, len, &parent, &is_branch);
	if (ret || !is_branch)
		return ret;
	if (st->lineage.count == 0)
		ret = lineage_open(&st->lineage, st->arena, &parent, rp->why);
	if (!ret && parent.begins) {
		ret = lineage_load(&st->lineage, 0, rp->set);
		/* The place in this journal would mislead. */
		if (ret == -EUCLEAN || ret == -EBADMSG)
			reason_damaged(rp->why, st->lineage.parent.path, ret,
				       &(struct journal_damage){ 0 });
	}
	/* -ENOENT would mean that this store has no journal yet. */
	return ret == -ENOENT ? -ESTALE : ret;
}

static int replay_group(void *arg, mapfs_lsn lsn, const void *records,
			size_t len)
{
	struct replay *rp = arg;
	int err = 0;

	(void)lsn;
	if (!rp->seen_head)
		err = replay_head(rp, records, len);
	rp->seen_head = true;
	return err ? err : delta_set_apply(rp->set, records, len, NULL);
}

/*
 * Pages may have been overwritten after the last sync point.  The records that
 * say so were flushed before, but no mark covers them.
 */
static int replay_untrusted(void *arg, mapfs_lsn lsn, const void *records,
			    size_t len)
{
	struct replay *rp = arg;
	struct record r;
	size_t pos = 0;
	int ret;

	(void)lsn;
	while ((ret = record_next(records, len, &pos, &r)) > 0) {
		if (r.type != RECORD_IN_FLIGHT)
			continue;
		ret = arena_set_in_flight(rp->st->arena, r.region.first,
					  r.region.count, true);
		if (ret)
			break;
		rp->st->was_in_flight = true;
	}
	return ret;
}

int store_snapshot_load(struct store *st, const struct snapshot *one,
			const struct snapshots *known, struct delta_set *into,
			struct reason *why)
{
	struct journal_where where = { .dirfd = st->dir.journalfd };
	struct journal_id id = { 0 };
	struct replay rp = {
		.st = st,
		.set = into,
		.why = why,
	};
	const struct journal_history history = {
		.first_segment = one->rec.first_segment,
		.last_segment = one->rec.last_segment,
		.lsn = one->rec.lsn,
	};
	struct journal_replay replay = { .fn = replay_group, .arg = &rp };
	int err;

	into->replaying = true;
	err = journal_replay_history(&where, &id, &history, &replay);
	into->replaying = false;
	if (replay.damage.kind != JOURNAL_SOUND && reason_is_empty(why))
		reason_damaged(why, st->dir.path, err, &replay.damage);
	if (!err)
		err = lineage_renew_signatures(&st->lineage, into);
	return err ? err : delta_set_renew_signatures(into, known);
}

static bool is_needed(void *arg, uint64_t segment)
{
	const struct store *st = arg;

	return snapshots_need(&st->set->snapshots, segment);
}

static int create_journal(struct store *st, const struct journal_where *where,
			  struct journal_id *id)
{
	struct store_head head;
	struct group g;
	int err;

	if (getrandom(id->uuid, sizeof(id->uuid), 0) != sizeof(id->uuid))
		return -EIO;
	err = head_draw_ino_tag(&st->set->ino_tag);
	if (err)
		return err;
	id->must_refuse = head_must_refuse(&st->base_id);
	if (!st->ephemeral) {
		id->must_refuse |= SEGMENT_HAS_ANCHOR;
		err = anchor_begin(&st->anchor, st->dir.dirfd, id->uuid);
		if (err)
			return err;
	}
	clock_gettime(CLOCK_REALTIME_COARSE, &st->created);
	head = head_of(st);
	group_init(&g);
	head_add(&g, &head);
	group_add(&g, &(struct record){
			      .type = RECORD_COUNTERS,
			      .counters = st->set->snapshots.counters,
		      });
	err = group_verify(&g);
	if (!err)
		err = journal_create(&st->journal, where, id, g.buf,
				     g.len_bytes);
	group_fini(&g);
	if (err)
		return err;
	journal_set_needs(st->journal, is_needed, st);
	/* It may be lost: that there was no segment is a bound, too. */
	return anchor_renew_locked(st, false);
}

/* The recorded base; in old stores, the root in the delta tells it. */
static int check_base(const struct store *st, const struct store_options *opt,
		      struct reason *why)
{
	const struct delta *root = itable_root(st->set->itable)->delta;
	struct base_identity id = st->set->base_id;

	if (id.ino == 0 && root && root->base) {
		id.ino = root->base->sig.ino;
		id.btime = root->base->sig.btime;
		if (id.btime.tv_sec == 0)
			id.btime.tv_nsec = -1;
	}
	return store_check_base(opt, st->dir.path, st->set->base, &id, why);
}

/* Replay met the root of another base and stopped. */
static int refuse_root(const struct store *st, const struct store_options *opt,
		       struct reason *why)
{
	struct store_facts facts;
	int err = store_peek(&facts, st->dir.dirfd, st->dir.path, why);

	if (err)
		return err;
	err = store_refuse_base(opt, st->dir.path, facts.base, &facts.base_id,
				why);
	store_facts_fini(&facts);
	return err;
}

/* Where there is no base, the maker that was recorded stays. */
static void keep_maker(struct store *st, const struct base_identity *recorded)
{
	if (st->base_id.kind == BASE_KIND_NONE)
		st->base_id = *recorded;
}

/* Records the base if it moved, or was never recorded. */
static int renew_base(struct store *st)
{
	const struct base_identity *was = &st->set->base_id;
	const struct base_identity *is = &st->base_id;
	struct store_head head;
	struct group g;
	int err;

	if (is->ino == 0 ||
	    (strcmp(st->set->base, st->base) == 0 && was->ino == is->ino &&
	     timespec_is_equal(was->btime, is->btime) &&
	     was->handle_type == is->handle_type &&
	     was->handle_sum == is->handle_sum))
		return 0;
	head = head_of(st);
	group_init(&g);
	head_add_base(&g, &head);
	g.space = SPACE_MUST;
	err = store_apply(st, &g, NULL);
	group_fini(&g);
	return err;
}

static bool has_segments(const struct store *st, uint64_t first, uint64_t last,
			 uint64_t *missing)
{
	char name[SEGMENT_NAME_BYTES];

	for (*missing = first; *missing <= last; (*missing)++) {
		segment_name(*missing, false, name);
		if (faccessat(st->dir.journalfd, name, F_OK,
			      AT_SYMLINK_NOFOLLOW) < 0)
			return false;
	}
	return true;
}

/* The delta needs no segment that only a snapshot has. */
static int warn_of_snapshots(struct store *st)
{
	for (const struct snapshot *one = st->set->snapshots.list; one;
	     one = one->next) {
		struct reason text;
		uint64_t missing;

		if (has_segments(st, one->rec.first_segment,
				 one->rec.last_segment, &missing))
			continue;
		reason_snapshot_damaged(&text, st->dir.path, one->rec.name,
					missing);
		log_line(LOG_WARNING, "%s", text.text);
		if (st->warning)
			continue;
		st->warning = strdup(text.text);
		if (!st->warning)
			return -ENOMEM;
	}
	return 0;
}

/* With salvage it says what is missing, and refuses nothing. */
static int look_at_anchor(struct store *st, const struct store_options *opt,
			  struct reason *why)
{
	int err = anchor_look(&st->anchor, st->dir.dirfd,
			      st->use == STORE_CHANGE);

	if (opt->salvage) {
		if (err)
			st->anchor.err = err; /* it says nothing */
		return 0;
	}
	return err ? err : anchor_check_pages(&st->anchor, st->dir.path, why);
}

/*
 * Replays the whole journal and checks the base.  1: there is no segment yet, to
 * an opener that may create one.
 */
static int replay_journal(struct store *st, const struct journal_where *where,
			  struct journal_id *id,
			  const struct store_options *opt, struct reason *why)
{
	struct replay rp = {
		.st = st,
		.set = st->set,
		.why = why,
	};
	struct journal_replay replay = {
		.fn = replay_group,
		.untrusted = replay_untrusted,
		.arg = &rp,
	};
	int err = look_at_anchor(st, opt, why);

	if (err)
		return err;
	replay.bound = anchor_bound(&st->anchor);
	st->set->replaying = true;
	err = opt->salvage ? salvage_replay(st, id, opt, &replay, why) :
			     journal_open(&st->journal, where, id,
					  st->use != STORE_CHANGE, &replay);
	st->set->replaying = false;
	if (err == -ENOENT && !opt->salvage) {
		err = anchor_check(&st->anchor, NULL, 0, st->dir.path, why);
		return err ? err : st->use == STORE_CHANGE ? 1 : -ENOENT;
	}
	if (err == -EXDEV)
		return refuse_root(st, opt, why);
	if (replay.damage.kind != JOURNAL_SOUND && reason_is_empty(why))
		reason_damaged(why, st->dir.path, err, &replay.damage);
	if (err)
		return err;
	if (!rp.seen_head)
		return -EUCLEAN;
	if (opt->salvage)
		anchor_judge_copy(&st->anchor, 0);
	else
		err = anchor_check(&st->anchor, st->journal, id->must_refuse,
				   st->dir.path, why);
	if (!err && !opt->salvage)
		err = warn_of_snapshots(st);
	if (err)
		return err;
	err = check_base(st, opt, why);
	if (!err)
		keep_maker(st, &st->set->base_id);
	if (!err)
		err = lineage_renew_signatures(&st->lineage, st->set);
	if (!err)
		err = sums_recover(st, replay.after_cut);
	if (!err && !opt->salvage)
		err = copy_check(st, why);
	if (!err && !opt->salvage)
		err = copy_warn(st);
	if (!err && replay.discarded)
		log_line(
			LOG_NOTICE,
			"store %s: the last %llu operations were lost when the %s; they were not synced",
			st->dir.path, (unsigned long long)replay.discarded,
			st->anchor.is_copy ? "store was copied" :
					     "machine went down");
	return err;
}

/*
 * From here on groups can be appended.  Groups that do not count from now on
 * may have said of pages that they are in flight, so the new segment must say
 * it from the beginning.
 */
static int start_journal(struct store *st, const struct journal_id *id)
{
	struct group g;
	/* The new segment builds on pages that must be durable before it. */
	int err = arena_sync(st->arena);

	group_init(&g);
	if (st->was_in_flight)
		intent_add(st, &g);
	if (!err)
		err = group_verify(&g);
	if (!err)
		err = st->anchor.err ? anchor_begin(&st->anchor, st->dir.dirfd,
						    id->uuid) :
				       anchor_resume(&st->anchor);
	if (!err) {
		journal_add_feature(st->journal, SEGMENT_HAS_ANCHOR);
		err = journal_start_with(st->journal, g.buf, g.len_bytes);
	}
	group_fini(&g);
	/* Before the first change: a store that changes is not closed [S4]. */
	if (!err)
		err = anchor_renew_locked(st, true);
	if (err)
		return err;
	room_renew(st, st->set);
	return renew_base(st);
}

int recover_journal(struct store *st, const struct store_options *opt,
		    struct reason *why)
{
	struct journal_where where = {
		.dirfd = st->ephemeral ? st->dir.dirfd : st->dir.journalfd,
		.spare_dirfd = st->ephemeral ? 0 : st->dir.dirfd,
		.ephemeral = st->ephemeral,
	};
	struct journal_id id = { 0 };
	int err = store_epoch(st->dir.dirfd, id.epoch);

	if (err)
		return err;
	if (st->dir.created)
		return create_journal(st, &where, &id);
	err = replay_journal(st, &where, &id, opt, why);
	if (err > 0)
		return store_dir_has_pages(&st->dir) ?
			       -EUCLEAN :
			       create_journal(st, &where, &id);
	if (err)
		return err;
	if (st->journal)
		journal_set_needs(st->journal, is_needed, st);
	return st->use == STORE_CHANGE ? start_journal(st, &id) : 0;
}

/* Finds a snapshot by name and holds it, so that nobody deletes it. */
static int hold_snapshot(struct store *st, const struct store_options *opt,
			 struct store_facts *facts, struct snapshot **out,
			 struct reason *why)
{
	const char *name = opt->snapshot;
	const struct snapshot *one;
	uint64_t id = 0;
	int err;

	/* Again once it is held: it may have been deleted in between. */
	for (int n = 0; n < 2; n++) {
		store_facts_fini(facts);
		err = store_peek(facts, st->dir.dirfd, st->dir.path, why);
		if (err)
			return err;
		one = snapshots_find(&facts->snapshots, name);
		if (!one || (n > 0 && one->rec.id != id)) {
			reason_no_snapshot(why, st->dir.path, name);
			return -ENOENT;
		}
		id = one->rec.id;
		if (n == 0 && st->dir.readersfd >= 0)
			err = holds_take(st->dir.readersfd, id);
		if (err)
			return err;
	}
	*out = (struct snapshot *)one;
	return opt->for_check ? 0 :
				store_snapshot_may_show(&facts->snapshots, one,
							st->dir.path, why);
}

/* What a damaged journal leaves unknown about a snapshot that is intact. */
static int judge_facts(const struct store *st, const struct store_options *opt,
		       const struct store_facts *facts, struct reason *why)
{
	if (!facts->is_damaged || opt->for_check)
		return 0;
	if (facts->may_be_old && !opt->salvage) {
		reason_set(
			why,
			"store %s: its journal is damaged, and a commit may have changed the base since snapshot %s; look at it with `mapfs mount -o salvage`",
			st->dir.path, opt->snapshot);
		return -EUCLEAN;
	}
	log_line(
		LOG_WARNING,
		"store %s: its journal is damaged, but not where snapshot %s is; see `mapfs check %s`",
		st->dir.path, opt->snapshot, st->dir.path);
	return 0;
}

int recover_snapshot(struct store *st, const struct store_options *opt,
		     struct reason *why)
{
	struct store_facts facts = { 0 };
	struct snapshot *one = NULL;
	int err = hold_snapshot(st, opt, &facts, &one, why);

	if (!err)
		err = judge_facts(st, opt, &facts, why);
	if (!err)
		err = store_check_base(opt, st->dir.path, facts.base,
				       &facts.base_id, why);
	if (!err)
		keep_maker(st, &facts.base_id);
	st->anchor.is_copy = facts.is_copy;
	if (!err)
		err = copy_warn(st);
	if (!err)
		err = store_snapshot_load(st, one, &facts.snapshots, st->set,
					  why);
	if (err == -EXDEV && reason_is_empty(why))
		err = store_refuse_base(opt, st->dir.path, facts.base,
					&facts.base_id, why);
	store_facts_fini(&facts);
	return err;
}
