/* SPDX-License-Identifier: MIT */
/*
 * A rollback reads the delta of the snapshot from its segments into a set
 * beside the live one, writes it as the beginning of a new journal, and only
 * then puts it in the place of the live one in memory.  A crash leaves either
 * the old journal or the new one.
 */
#include "rollback.h"

#include <errno.h>
#include <string.h>

#include "core/store/compact.h"
#include "core/store/reasons.h"
#include "core/store/recover.h"
#include "core/store/snapshot.h"

#include "invalidate.h"

/* A commit depends on its own snapshot, whose name begins with a dot. */
static int refuse_own(const char *name, struct reason *why)
{
	if (name[0] != '.')
		return 0;
	reason_set(
		why,
		"snapshot name '%s': names with a dot in front are mapfs's own; choose another",
		name);
	return -EINVAL;
}

int overlay_snapshot_create(struct mapfs_view *v, const char *name,
			    const char *message, struct reason *why)
{
	int err = refuse_own(name, why);

	if (err)
		return err;
	return store_snapshot_create(overlay_of(v)->store, name, message, why);
}

int overlay_snapshot_delete(struct mapfs_view *v, const char *name,
			    struct reason *why)
{
	int err = refuse_own(name, why);

	if (err)
		return err;
	return store_snapshot_delete(overlay_of(v)->store, name, why);
}

int overlay_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			     void *arg)
{
	struct overlay *o = overlay_of(v);
	int ret;

	rwlock_read(&o->ns_lock);
	ret = store_snapshots_iterate(&o->set.snapshots, fn, arg);
	rwlock_unlock(&o->ns_lock);
	return ret;
}

/* Between store_lock() and store_unlock(). */
static int replace_locked(struct overlay *o, struct delta_set *state,
			  uint64_t base_version, struct invalidation *inval)
{
	int err = invalidation_note_set(inval, &o->set);

	if (!err && state)
		err = invalidation_note_set(inval, state);
	if (!err)
		err = store_replace(o->store, state, base_version);
	if (!err)
		invalidation_mark(inval);
	return err;
}

int overlay_replace(struct overlay *o, struct delta_set *state,
		    uint64_t base_version, mapfs_invalidation_fn fn, void *arg)
{
	struct invalidation *inval;
	int err = invalidation_create(&inval, o);

	if (err)
		return err;
	store_lock(o->store);
	err = replace_locked(o, state, base_version, inval);
	store_unlock(o->store);
	if (!err && fn)
		invalidation_tell(inval, fn, arg);
	invalidation_destroy(inval);
	return err;
}

/* Loads the delta of the snapshot, if there is one of that name. */
static int load(struct overlay *o, const char *name, struct delta_set *state,
		struct reason *why)
{
	const char *store = "";
	const struct snapshot *one = snapshots_find(&o->set.snapshots, name);
	struct mapfs_info info = { 0 };
	int err;

	store_info(o->store, &info);
	if (info.store)
		store = info.store;
	if (!one) {
		reason_no_snapshot(why, store, name);
		return -ENOENT;
	}
	err = store_snapshot_may_show(&o->set.snapshots, one, store, why);
	return err ? err :
		     store_snapshot_load(o->store, one, &o->set.snapshots,
					 state, why);
}

/* store_lock() is held, so the snapshot cannot be deleted meanwhile. */
static int rollback_locked(struct overlay *o, const char *name,
			   struct invalidation *inval, struct reason *why)
{
	struct delta_set state;
	struct itable *table;
	int err = store_may_change(o->store);

	if (!err)
		err = itable_create(&table, o->view.root_ino);
	if (err)
		return err;
	delta_set_init(&state, table, NULL);
	err = load(o, name, &state, why);
	if (!err)
		err = replace_locked(o, &state,
				     o->set.snapshots.counters.base_version,
				     inval);
	delta_set_fini(&state);
	itable_destroy(table);
	return err;
}

int overlay_rollback(struct mapfs_view *v, const char *name,
		     mapfs_invalidation_fn fn, void *arg, struct reason *why)
{
	struct overlay *o = overlay_of(v);
	struct invalidation *inval;
	int err = invalidation_create(&inval, o);

	if (err)
		return err;
	if (v->look_only) {
		err = -EROFS;
	} else {
		store_lock(o->store);
		err = rollback_locked(o, name, inval, why);
		store_unlock(o->store);
	}
	if (err && reason_is_empty(why))
		reason_set(why, "rollback to snapshot %s: %s", name,
			   reason_of_replacing(err));
	if (!err && fn)
		invalidation_tell(inval, fn, arg);
	invalidation_destroy(inval);
	return err;
}
