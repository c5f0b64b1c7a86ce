/* SPDX-License-Identifier: MIT */
/*
 * The order that makes changes last.
 *
 *   change:      page bytes -> record -> reply        (page cache, [D3])
 *   sync point:  L = last lsn -> flush pages -> mark "covers L" -> flush
 *                journal                                     [D1] [D2]
 *
 * One flush of the journal is enough, because a mark counts on recovery only
 * if every group before it is sound: a mark that overtook them to the disk is
 * worth nothing.  Groups appended while the pages were flushed lie behind L
 * and wait for the next mark.
 *
 * Concurrent syncs share: whoever waited for the lock looks whether the sync
 * that ended meanwhile began after its own changes.
 *
 * An ephemeral store is gone after a power cut whatever is flushed, so its
 * sync points flush nothing; they still recycle freed pages.
 */
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/delta/record_decode.h"
#include "core/journal/journal.h"
#include "core/lib/io.h"
#include "core/lib/log.h"
#include "core/lib/reason.h"
#include "lock.h"
#include "store_priv.h"

#define SYNC_INTERVAL_S 5
/* What replay finds out before anything can be checked. */
struct replay {
	struct store *st;
	struct delta_set *set;
	bool seen_store;
	struct reason *why;
};

void store_latch(struct store *st, int err, const char *what)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&st->latched, &none, -err))
		log_line(
			LOG_ERR,
			"store %s: %s: %s; no more changes until it is opened again",
			st->dir.path ? st->dir.path : "(temporary)", what,
			strerror(-err));
}

int store_may_change(struct store *st)
{
	return st->latched || st->use != STORE_CHANGE ? -EROFS : 0;
}

struct arena *store_arena(struct store *st)
{
	return st->arena;
}

int store_dir_fd(const struct store *st)
{
	return st->dir.dirfd;
}

void store_touch(struct store *st)
{
	atomic_fetch_add(&st->changes, 1);
}

int store_commit(struct store *st, const struct group *g,
		 const struct inode *locked)
{
	struct records all;
	mapfs_lsn lsn;
	int err = store_may_change(st);

	/* What no replay would read must not get into the journal. */
	if (!err)
		err = records_decode(&all, g);
	if (err)
		return err;
	if (all.count == 0)
		return 0;
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

int store_sync_locked(struct store *st)
{
	uint64_t upto = st->changes;
	mapfs_lsn covers;
	int err;

	/* Before the lsn is taken, or a page could be freed too early [A1]. */
	arena_seal_freed(st->arena);
	covers = journal_last_lsn(st->journal);
	/* A record must not count before the page it names is there [D2]. */
	err = st->ephemeral ? 0 : arena_sync(st->arena);
	if (!err)
		err = journal_mark(st->journal, GROUP_SYNC, covers);
	/* The caller's word: from here on a power cut loses nothing [D1]. */
	if (!err && !st->ephemeral)
		err = journal_flush(st->journal);
	if (err)
		return err;
	/* Nothing on disk names the sealed pages any more. */
	arena_release_sealed(st->arena);
	atomic_fetch_add(&st->made_room, 1);
	st->synced = upto;
	return 0;
}

int store_sync(struct store *st)
{
	uint64_t mine = st->changes;
	int err = 0;

	rmutex_lock(&st->sync_lock);
	if (st->latched)
		err = -EIO;
	else if (st->synced < mine)
		err = store_sync_locked(st);
	if (err && !st->latched)
		store_latch(st, err, "sync failed");
	rmutex_unlock(&st->sync_lock);
	return err;
}

uint64_t store_made_room(struct store *st)
{
	return st->made_room;
}

bool store_make_room(struct store *st, int err, uint64_t made)
{
	if (err != -ENOSPC && err != -EDQUOT)
		return false;
	rmutex_lock(&st->sync_lock);
	/* What somebody else's sync point gave back meanwhile is as good. */
	if (!st->latched && arena_waiting_pages(st->arena) > 0) {
		err = store_sync_locked(st);
		if (err)
			store_latch(st, err, "sync failed");
	}
	rmutex_unlock(&st->sync_lock);
	return st->made_room != made;
}

static void add_base(struct group *g, const struct store *st)
{
	group_add(g, &(struct record){
		.type = RECORD_STORE,
		.store = {
			.ino_tag = st->set->ino_tag,
			.next_ino = st->set->next_ino,
			.created = st->created,
			.base = st->base,
			.base_bytes = strlen(st->base),
		},
	});
	if (st->base_id.ino)
		group_add(g, &(struct record){
				     .type = RECORD_BASE,
				     .base = st->base_id,
			     });
}

void store_add_head(struct group *g, const struct store *st)
{
	add_base(g, st);
	if (st->line.is_branch)
		group_add(g, &(struct record){
				     .type = RECORD_PARENT,
				     .parent = st->line.parent,
			     });
}

/* Wakes every interval, or when store_close() says so. */
static void *store_thread(void *arg)
{
	struct store *st = arg;
	struct timespec until;

	pthread_mutex_lock(&st->stop_lock);
	while (!st->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += SYNC_INTERVAL_S;
		if (pthread_cond_timedwait(&st->stop_cond, &st->stop_lock,
					   &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&st->stop_lock);
		/* A failure is latched and logged there. */
		if (!st->latched && store_sync(st) == 0)
			store_compact_if_grown(st);
		pthread_mutex_lock(&st->stop_lock);
	}
	pthread_mutex_unlock(&st->stop_lock);
	return NULL;
}

/* The first group of a history: whose store it is, and of what. */
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
	ret = store_line_find(records, len, &parent, &is_branch);
	if (ret || !is_branch)
		return ret;
	if (st->line.count == 0)
		ret = store_line_open(&st->line, st->arena, &parent, rp->why);
	if (!ret && parent.begins)
		ret = store_line_load(&st->line, 0, rp->set);
	/* Not "this store has no journal", which would begin one. */
	return ret == -ENOENT ? -ESTALE : ret;
}

static int replay_group(void *arg, mapfs_lsn lsn, const void *records,
			size_t len)
{
	struct replay *rp = arg;
	int err = 0;

	(void)lsn;
	if (!rp->seen_store)
		err = replay_head(rp, records, len);
	rp->seen_store = true;
	return err ? err : delta_set_apply(rp->set, records, len, NULL);
}

int store_snapshot_load(struct store *st, const struct snapshot *one,
			const struct snapshots *known, struct delta_set *into)
{
	struct reason why;
	struct journal_where where = { .dirfd = st->dir.journalfd };
	struct journal_id id = { 0 };
	struct replay rp = {
		.st = st,
		.set = into,
		.why = &why,
	};
	int err;

	into->replaying = true;
	err = journal_replay_past(&where, &id, one->rec.first_segment,
				  one->rec.last_segment, one->rec.lsn,
				  replay_group, &rp);
	into->replaying = false;
	if (!err)
		err = store_line_renew_signature(&st->line, into);
	return err ? err : delta_set_renew_signature(into, known);
}

const char *store_trouble(int err)
{
	switch (err) {
	case -EPROTONOSUPPORT:
		return "it was written by a newer mapfs; use that version";
	case -EUCLEAN:
	case -EBADMSG:
		return "its journal is damaged; nothing was changed, restore the store from a copy or start a new one";
	default:
		return reason_of(err);
	}
}

static int create_journal(struct store *st, const struct journal_where *where,
			  struct journal_id *id)
{
	struct group g;
	int err;

	if (getrandom(id->uuid, sizeof(id->uuid), 0) != sizeof(id->uuid) ||
	    getrandom(&st->set->ino_tag, sizeof(st->set->ino_tag), 0) !=
		    sizeof(st->set->ino_tag))
		return -EIO;
	st->set->ino_tag &= (1U << 22) - 1;
	clock_gettime(CLOCK_REALTIME_COARSE, &st->created);
	group_init(&g);
	store_add_head(&g, st);
	group_add(&g, &(struct record){
			      .type = RECORD_LINE,
			      .line = st->set->snapshots.line,
		      });
	err = group_verify(&g);
	if (!err)
		err = journal_create(&st->journal, where, id, g.buf,
				     g.len_bytes);
	group_fini(&g);
	return err;
}

static bool is_needed(void *arg, uint64_t segment)
{
	const struct store *st = arg;

	return snapshots_need(&st->set->snapshots, segment);
}

/* The base as the store knows it: recorded, or the root in its delta. */
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

/* Replay met the root of another base, before all of it was read. */
static int refuse_root(const struct store *st, const struct store_options *opt,
		       struct reason *why)
{
	struct store_facts facts;
	int err = store_facts_read(&facts, st->dir.dirfd, st->dir.path, why);

	if (err)
		return err;
	err = store_refuse_base(opt, st->dir.path, facts.base, why);
	store_facts_fini(&facts);
	return err;
}

/* It moved, or was never recorded: the store knows it from now on. */
static int renew_base(struct store *st)
{
	const struct base_identity *was = &st->set->base_id;
	const struct base_identity *is = &st->base_id;
	struct group g;
	int err;

	if (is->ino == 0 ||
	    (strcmp(st->set->base, st->base) == 0 && was->ino == is->ino &&
	     was->btime.tv_sec == is->btime.tv_sec &&
	     was->btime.tv_nsec == is->btime.tv_nsec &&
	     was->handle_type == is->handle_type &&
	     was->handle_sum == is->handle_sum))
		return 0;
	group_init(&g);
	add_base(&g, st);
	err = store_commit(st, &g, NULL);
	group_fini(&g);
	return err;
}

static int open_journal(struct store *st, const struct store_options *opt,
			struct reason *why)
{
	struct journal_where where = {
		.dirfd = st->ephemeral ? st->dir.dirfd : st->dir.journalfd,
		.ephemeral = st->ephemeral,
	};
	struct replay rp = {
		.st = st,
		.set = st->set,
		.why = why,
	};
	struct journal_id id = { 0 };
	uint64_t discarded = 0;
	int err = store_dir_epoch(&st->dir, id.epoch);

	if (err)
		return err;
	if (st->dir.created)
		return create_journal(st, &where, &id);
	st->set->replaying = true;
	err = journal_open(&st->journal, &where, &id, st->use != STORE_CHANGE,
			   replay_group, &rp, &discarded);
	st->set->replaying = false;
	if (err == -ENOENT && st->use == STORE_CHANGE)
		return store_dir_has_pages(&st->dir) ?
			       -EUCLEAN :
			       create_journal(st, &where, &id);
	if (err == -EXDEV)
		return refuse_root(st, opt, why);
	if (err)
		return err;
	if (!rp.seen_store)
		return -EUCLEAN;
	err = check_base(st, opt, why);
	if (err)
		return err;
	err = store_line_renew_signature(&st->line, st->set);
	if (err)
		return err;
	if (discarded)
		log_line(
			LOG_NOTICE,
			"store %s: %llu operations after the last sync point were lost with the machine",
			st->dir.path, (unsigned long long)discarded);
	if (st->use != STORE_CHANGE)
		return 0;
	/* What was trusted must last before the new segment builds on it. */
	err = arena_sync(st->arena);
	if (err)
		return err;
	journal_set_needs(st->journal, is_needed, st);
	err = journal_start(st->journal);
	return err ? err : renew_base(st);
}

/* A snapshot by name, held so that nobody deletes it meanwhile. */
static int hold_snapshot(struct store *st, const char *name,
			 struct store_facts *facts, struct snapshot **out,
			 struct reason *why)
{
	const struct snapshot *one;
	uint64_t id = 0;
	int err;

	/* Looked up again once it is held: it may have gone in between. */
	for (int n = 0; n < 2; n++) {
		store_facts_fini(facts);
		err = store_facts_read(facts, st->dir.dirfd, st->dir.path, why);
		if (err)
			return err;
		one = snapshots_find(&facts->snapshots, name);
		if (!one || (n > 0 && one->rec.id != id)) {
			store_say_no_snapshot(st->dir.path, name, why);
			return -ENOENT;
		}
		id = one->rec.id;
		if (n == 0 && st->dir.readersfd >= 0)
			err = store_readers_hold(st->dir.readersfd, id);
		if (err)
			return err;
	}
	*out = (struct snapshot *)one;
	return store_snapshot_may_show(&facts->snapshots, one, st->dir.path,
				       why);
}

static int open_past(struct store *st, const struct store_options *opt,
		     struct reason *why)
{
	struct store_facts facts = { 0 };
	struct snapshot *one = NULL;
	int err = hold_snapshot(st, opt->snapshot, &facts, &one, why);

	if (!err)
		err = store_check_base(opt, st->dir.path, facts.base,
				       &facts.base_id, why);
	if (!err)
		err = store_snapshot_load(st, one, &facts.snapshots, st->set);
	if (err == -EXDEV && reason_is_empty(why))
		err = store_refuse_base(opt, st->dir.path, facts.base, why);
	store_facts_fini(&facts);
	return err;
}

static struct store *store_alloc(const struct store_options *opt,
				 struct delta_set *set)
{
	struct store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->base = strdup(opt->base);
	if (!st->base) {
		free(st);
		return NULL;
	}
	st->set = set;
	st->base_id = opt->base_id;
	st->ephemeral = opt->kind != MAPFS_STORE_DIR;
	st->use = opt->use;
	st->line.is_trusted = opt->is_trusted;
	st->progress = opt->progress;
	st->progress_arg = opt->progress_arg;
	rmutex_init(&st->sync_lock, RANK_SYNC);
	pthread_mutex_init(&st->stop_lock, NULL);
	pthread_cond_init(&st->stop_cond, NULL);
	return st;
}

static void store_free(struct store *st)
{
	journal_close(st->journal);
	arena_close(st->arena);
	store_line_close(&st->line);
	store_dir_close(&st->dir);
	pthread_cond_destroy(&st->stop_cond);
	pthread_mutex_destroy(&st->stop_lock);
	rmutex_fini(&st->sync_lock);
	free(st->base);
	free(st);
}

int store_open(struct store **out, const struct store_options *opt,
	       struct delta_set *set, struct reason *why)
{
	struct store *st = store_alloc(opt, set);
	int err;

	if (!st)
		return -ENOMEM;
	reason_clear(why);
	err = store_dir_open(&st->dir, opt, why);
	if (err)
		goto free_store;
	err = arena_open(&st->arena, st->dir.pagesfd);
	if (err)
		goto free_store;
	st->dir.pagesfd = -1; /* the arena's now */
	set->arena = st->arena;
	err = opt->use == STORE_PAST ? open_past(st, opt, why) :
				       open_journal(st, opt, why);
	if (err)
		goto free_store;
	if (st->journal) {
		journal_set_needs(st->journal, is_needed, st);
		st->compacted_bytes = journal_bytes(st->journal);
	}
	*out = st;
	return 0;

free_store:
	/* Its pins go while there is an arena. */
	snapshots_fini(&set->snapshots, st->arena);
	set->arena = NULL;
	if (reason_is_empty(why))
		reason_set(why, "store %s: %s",
			   st->dir.path ? st->dir.path : "(temporary)",
			   store_trouble(err));
	store_free(st);
	return err;
}

int store_start(struct store *st, struct rwlock *ns_lock)
{
	int err;

	st->ns_lock = ns_lock;
	if (st->use != STORE_CHANGE)
		return 0;
	err = pthread_create(&st->thread, NULL, store_thread, st);
	st->has_thread = err == 0;
	return -err;
}

static void store_stop_thread(struct store *st)
{
	if (!st->has_thread)
		return;
	pthread_mutex_lock(&st->stop_lock);
	st->stopping = true;
	pthread_cond_signal(&st->stop_cond);
	pthread_mutex_unlock(&st->stop_lock);
	pthread_join(st->thread, NULL);
	st->has_thread = false;
}

static void say_lock_unwritten(const struct store *st, int err)
{
	if (err)
		log_line(LOG_WARNING, "store %s: cannot mark its lock: %s",
			 st->dir.path, strerror(-err));
}

void store_announce_mount(struct store *st, dev_t dev)
{
	if (st->dir.lockfd >= 0 && st->use == STORE_CHANGE)
		say_lock_unwritten(st, store_holder_write_mount(st->dir.lockfd,
								dev));
}

void store_announce_close(struct store *st)
{
	if (st->dir.lockfd >= 0 && st->use == STORE_CHANGE)
		say_lock_unwritten(st,
				   store_holder_write_closing(st->dir.lockfd));
}

/* The set outlives the arena, but its pins must not. */
static void store_drop_pins(struct store *st)
{
	snapshots_fini(&st->set->snapshots, st->arena);
	st->set->arena = NULL;
}

int store_close(struct store *st)
{
	int err;

	if (!st)
		return 0;
	if (st->use != STORE_CHANGE) {
		store_drop_pins(st);
		store_free(st);
		return 0;
	}
	store_announce_close(st);
	store_stop_thread(st);
	err = store_sync(st);
	if (!err && !st->ephemeral) {
		err = journal_mark(st->journal, GROUP_CLOSE,
				   journal_last_lsn(st->journal));
		if (!err)
			err = journal_flush(st->journal);
		if (err)
			store_latch(st, err, "last sync failed");
	}
	store_drop_pins(st);
	store_free(st);
	return err;
}

void store_info(struct store *st, struct mapfs_info *out)
{
	struct arena_stats stats;

	arena_stats(st->arena, &stats);
	out->store = st->dir.path;
	out->private_pages = stats.used_pages;
	out->journal_bytes = st->journal ? journal_bytes(st->journal) : 0;
	out->inodes_changed = st->set->changed;
	out->is_latched = st->latched != 0;
}

/* As free as the rest: who needs them gets a sync point, store_make_room(). */
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

int store_statfs(struct store *st, struct statvfs *out)
{
	int err;

	if (st->dir.dirfd < 0)
		return -EOPNOTSUPP; /* memory */
	err = io_statvfs_for_pages(st->dir.dirfd, out);
	if (!err)
		add_waiting(st, out);
	return err;
}
