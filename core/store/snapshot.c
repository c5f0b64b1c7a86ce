/* SPDX-License-Identifier: MIT */
/*
 *   create:  sync | record, pins; changes wait | sync
 *   delete:  record, unpin; changes wait | sync | pages and segments are free
 *
 * The first sync of create() has most of the work, so that changes need not
 * wait for it; the second makes the record durable, and with it the pages of
 * the snapshot [D1].
 */
#include "snapshot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/reason.h"
#include "anchor_renew.h"
#include "branches.h"
#include "holds.h"
#include "reasons.h"
#include "state.h"
#include "store.h"
#include "sums.h"
#include "sync.h"

int store_snapshots_iterate(const struct snapshots *all, mapfs_snapshot_fn fn,
			    void *arg)
{
	int ret = 0;

	for (const struct snapshot *one = all->list; one && !ret;
	     one = one->next) {
		if (one->rec.name[0] == '.')
			continue;
		ret = fn(arg, &(struct mapfs_snapshot){
				      .id = one->rec.id,
				      .name = one->rec.name,
				      .message = one->rec.message,
				      .time = one->rec.time,
				      .private_pages = one->rec.private_pages,
				      .is_reachable =
					      snapshots_is_reachable(all, one),
			      });
	}
	return ret;
}

int store_snapshot_may_show(const struct snapshots *all,
			    const struct snapshot *one, const char *store,
			    struct reason *why)
{
	if (snapshots_is_reachable(all, one))
		return 0;
	reason_set(
		why,
		"snapshot %s of store %s belongs to the base before a commit; undo that with `mapfs commit --undo %s`",
		one->rec.name, store, store);
	return -ESTALE;
}

static int check_can_have(const struct store *st, struct reason *why)
{
	if (st->ephemeral) {
		reason_set(
			why,
			"this view has no kept store; mount it with -s STORE to take snapshots");
		return -EINVAL;
	}
	if (st->use != STORE_CHANGE) {
		reason_set(
			why,
			"store %s is open for reading only; mount the store itself, or a branch of it",
			st->dir.path);
		return -EROFS;
	}
	return 0;
}

static int check_new_name(const char *name, const char *message,
			  struct reason *why)
{
	size_t len = strlen(name);

	/* mapfs diff reads A..B as a range. */
	if (len == 0 || len > MAPFS_NAME_MAX || strpbrk(name, "/@") ||
	    strstr(name, "..") || strcmp(name, ".") == 0) {
		reason_set(
			why,
			"snapshot name '%s': a name has 1 to 255 bytes, but no '/', '@' or '..'; choose another",
			name);
		return -EINVAL;
	}
	if (strlen(message) > SNAPSHOT_MESSAGE_MAX) {
		reason_set(
			why,
			"message of snapshot %s: longer than %u bytes; shorten it",
			name, SNAPSHOT_MESSAGE_MAX);
		return -EINVAL;
	}
	return 0;
}

/* sync_lock held, and ns_lock for writing. */
static int create_locked(struct store *st, const char *name,
			 const char *message, struct reason *why)
{
	const struct record_counters *counters = &st->set->snapshots.counters;
	struct record r = {
		.type = RECORD_SNAPSHOT,
		.snapshot = {
			.id = counters->next_snapshot,
			.base_version = counters->base_version,
			.name = name,
			.name_bytes = strlen(name),
			.message = message,
			.message_bytes = strlen(message),
		},
	};
	struct arena_stats stats;
	struct group g;
	int err;

	if (snapshots_find(&st->set->snapshots, name)) {
		reason_set(
			why,
			"store %s has a snapshot %s already; choose another name, or delete that one",
			st->dir.path, name);
		return -EEXIST;
	}
	/* Its history is to have the sum of each of its pages [S3]. */
	err = sums_append(st);
	if (err)
		return err;
	arena_stats(st->arena, &stats);
	r.snapshot.private_pages = stats.live_pages;
	clock_gettime(CLOCK_REALTIME, &r.snapshot.time);
	journal_position(st->journal, &r.snapshot.first_segment,
			 &r.snapshot.last_segment, &r.snapshot.lsn);
	group_init(&g);
	group_add(&g, &r);
	err = store_apply(st, &g, NULL);
	group_fini(&g);
	return err;
}

int store_snapshot_create(struct store *st, const char *name,
			  const char *message, struct reason *why)
{
	int err = check_can_have(st, why);

	if (!err)
		err = check_new_name(name, message, why);
	if (!err)
		err = store_sync(st);
	if (!err) {
		store_lock(st);
		err = create_locked(st, name, message, why);
		store_unlock(st);
	}
	if (!err)
		err = store_sync(st);
	if (!err)
		anchor_renew_after(st);
	if (err && reason_is_empty(why))
		reason_set(why, "snapshot %s of store %s: %s", name,
			   st->dir.path, reason_of(err));
	return err;
}

/* The search for a branch of a snapshot. */
struct branch_search {
	uint64_t snapshot;
	char uuid[2 * JOURNAL_UUID_BYTES + 1]; /* "": none was found */
	char path[PATH_MAX];
};

static int find_branch(void *arg, const struct branch_entry *e)
{
	struct branch_search *s = arg;

	if (e->snapshot != s->snapshot)
		return 0;
	(void)snprintf(s->uuid, sizeof(s->uuid), "%s", e->uuid);
	(void)snprintf(s->path, sizeof(s->path), "%s", e->path);
	return 1;
}

/* The caller names the branch once it holds no lock (branches_refuse()). */
static int check_no_branch(struct store *st, struct branch_search *search,
			   struct reason *why)
{
	int err = branches_iterate(st->dir.dirfd, find_branch, search);

	if (err > 0)
		return -EBUSY;
	if (err == -EUCLEAN)
		reason_bad_branch(why, st->dir.path);
	return err;
}

/* No branch and no reader; on success others are kept from holding it. */
static int check_unused(struct store *st, const struct snapshot *one,
			struct branch_search *search, struct reason *why)
{
	int err;

	search->snapshot = one->rec.id;
	err = check_no_branch(st, search, why);
	if (err)
		return err;
	err = holds_exclude(st->dir.readersfd, one->rec.id);
	if (err == -EBUSY)
		reason_set(
			why,
			"snapshot %s of store %s is mounted or being read; unmount it first",
			one->rec.name, st->dir.path);
	if (err)
		return err;
	/* A branch may have been made until now; from now on none can be. */
	err = check_no_branch(st, search, why);
	if (err)
		holds_allow(st->dir.readersfd, one->rec.id);
	return err;
}

/* sync_lock and ns_lock held. */
static int delete_locked(struct store *st, const char *name, uint64_t *held,
			 struct branch_search *search, struct reason *why)
{
	const struct snapshot *one = snapshots_find(&st->set->snapshots, name);
	struct group g;
	int err;

	if (!one) {
		reason_no_snapshot(why, st->dir.path, name);
		return -ENOENT;
	}
	err = check_unused(st, one, search, why);
	if (err)
		return err;
	*held = one->rec.id;
	group_init(&g);
	group_add(&g, &(struct record){
			      .type = RECORD_SNAPSHOT_GONE,
			      .snapshot_id = one->rec.id,
		      });
	g.space = SPACE_FREES;
	err = store_apply(st, &g, NULL);
	group_fini(&g);
	return err;
}

static void refuse_branch(const struct store *st, const char *name,
			  const struct branch_search *search,
			  struct reason *why)
{
	char what[PATH_MAX + NAME_MAX + 32];

	(void)snprintf(what, sizeof(what), "snapshot %s of store %s", name,
		       st->dir.path);
	branches_refuse(what, st->dir.path,
			&(struct branch_entry){
				.snapshot = search->snapshot,
				.uuid = search->uuid,
				.path = search->path,
			},
			why);
}

/* Up to two seconds, so before any lock is taken. */
static int wait_for_readers(struct store *st, const char *name)
{
	const struct snapshot *one;
	uint64_t id;

	rwlock_read(st->ns_lock);
	one = snapshots_find(&st->set->snapshots, name);
	id = one ? one->rec.id : 0;
	rwlock_unlock(st->ns_lock);
	return one ? holds_wait(st->dir.readersfd, id, 1) : 0;
}

/*
 * A killed `mapfs branch` must not keep the snapshot.  While one is at work, it
 * holds the snapshot.  The hold has a descriptor of its own, because another
 * thread may exclude holds with the store's.
 */
static void forget_leftovers(struct store *st, const char *name)
{
	const struct snapshot *one;
	uint64_t id;
	int fd = -1;

	rwlock_read(st->ns_lock);
	one = snapshots_find(&st->set->snapshots, name);
	id = one ? one->rec.id : 0;
	rwlock_unlock(st->ns_lock);
	if (!one || holds_open(st->dir.dirfd, true, &fd))
		return;
	if (holds_exclude(fd, id) == 0)
		branches_forget_leftovers(st->dir.dirfd, id);
	close(fd);
}

int store_snapshot_delete(struct store *st, const char *name,
			  struct reason *why)
{
	struct branch_search search = { .snapshot = 0 };
	uint64_t held = 0;
	int err = check_can_have(st, why);

	if (err)
		return err;
	/* A reader that stays is refused below, with a sentence. */
	err = wait_for_readers(st, name);
	if (err && err != -EBUSY)
		return err;
	forget_leftovers(st, name);
	/* No sync may release the pages before the record is durable [A1]. */
	rmutex_lock(&st->sync_lock);
	rwlock_write(st->ns_lock);
	err = delete_locked(st, name, &held, &search, why);
	rwlock_unlock(st->ns_lock);
	if (!err) {
		err = store_sync_locked(st);
		if (err)
			store_latch(st, err, "sync failed");
	}
	if (!err) {
		/* A compaction may make room that it did not before. */
		st->tried_bytes = 0;
		rwlock_read(st->ns_lock);
		anchor_renew_after_locked(st);
		journal_tidy(st->journal);
		rwlock_unlock(st->ns_lock);
	}
	rmutex_unlock(&st->sync_lock);
	if (held)
		holds_allow(st->dir.readersfd, held);
	if (err && search.uuid[0])
		refuse_branch(st, name, &search, why);
	if (err && reason_is_empty(why))
		reason_set(why, "snapshot %s of store %s: %s", name,
			   st->dir.path, reason_of(err));
	return err;
}
