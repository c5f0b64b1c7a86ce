/* SPDX-License-Identifier: MIT */
/*
 * In a journal the record of a snapshot is at the moment of the snapshot, so
 * replay pins the pages that the delta has just then.  In a compacted journal
 * those moments are gone, and records with the pages follow
 * (`pins_follow`).
 */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

void snapshots_init(struct snapshots *s)
{
	*s = (struct snapshots){
		.counters = {
			.base_version = 1,
			.next_base_version = 2,
			.next_snapshot = 1,
		},
	};
}

static void snapshot_destroy(struct snapshot *one)
{
	free((char *)one->rec.name);
	free((char *)one->rec.message);
	free(one);
}

void snapshots_fini(struct snapshots *s, struct arena *a)
{
	struct snapshot *one;
	struct snapshot *next;
	struct new_signature *r;
	struct new_signature *r_next;

	HASH_ITER(hh, s->new_signature, r, r_next) {
		HASH_DEL(s->new_signature, r);
		free(r);
	}
	DL_FOREACH_SAFE(s->list, one, next) {
		DL_DELETE(s->list, one);
		if (a)
			arena_drop_pins(a, one->pins);
		snapshot_destroy(one);
	}
}

struct snapshot *snapshots_find(const struct snapshots *s, const char *name)
{
	struct snapshot *one;

	DL_FOREACH(s->list, one)
		if (strcmp(one->rec.name, name) == 0)
			return one;
	return NULL;
}

struct snapshot *snapshots_find_id(const struct snapshots *s, uint64_t id)
{
	struct snapshot *one;

	/* A compacted journal has many records in a row for the newest one. */
	if (s->list && s->list->prev->rec.id == id)
		return s->list->prev;
	DL_FOREACH(s->list, one)
		if (one->rec.id == id)
			return one;
	return NULL;
}

bool snapshots_need(const struct snapshots *s, uint64_t segment)
{
	const struct snapshot *one;

	DL_FOREACH(s->list, one)
		if (segment >= one->rec.first_segment &&
		    segment <= one->rec.last_segment)
			return true;
	return false;
}

bool snapshots_is_reachable(const struct snapshots *s,
			    const struct snapshot *one)
{
	return one->rec.base_version == s->counters.base_version;
}

static int snapshot_pin(struct snapshot *one, struct arena *a)
{
	if (!a)
		return 0;
	return one->rec.pins_follow ? arena_pin_none(a, &one->pins) :
				      arena_pin(a, &one->pins);
}

static int snapshot_add(struct snapshots *s, const struct record_snapshot *r,
			struct arena *a)
{
	struct snapshot *one;
	int err;

	if (r->id == 0 || r->id > SNAPSHOT_NUMBER_MAX ||
	    snapshots_find_id(s, r->id))
		return -EUCLEAN;
	one = calloc(1, sizeof(*one));
	if (!one)
		return -ENOMEM;
	one->rec = *r;
	one->rec.name = strndup(r->name, r->name_bytes);
	one->rec.message = strndup(r->message, r->message_bytes);
	err = one->rec.name && one->rec.message ? 0 : -ENOMEM;
	if (!err && snapshots_find(s, one->rec.name))
		err = -EUCLEAN;
	if (!err)
		err = snapshot_pin(one, a);
	if (err) {
		snapshot_destroy(one);
		return err;
	}
	DL_APPEND(s->list, one);
	if (s->counters.next_snapshot <= r->id)
		s->counters.next_snapshot = r->id + 1;
	return 0;
}

static int snapshot_remove(struct snapshots *s, uint64_t id, struct arena *a,
			   bool replaying)
{
	struct snapshot *one = snapshots_find_id(s, id);

	if (!one)
		return -EUCLEAN;
	DL_DELETE(s->list, one);
	if (a)
		arena_unpin(a, one->pins, replaying);
	snapshot_destroy(one);
	return 0;
}

static int snapshot_add_pages(struct snapshots *s,
			      const struct record_pinned *r, struct arena *a)
{
	struct snapshot *one = snapshots_find_id(s, r->snapshot);

	if (!one || !one->rec.pins_follow)
		return -EUCLEAN;
	return a ? arena_pin_add(a, one->pins, r->first, r->count) : 0;
}

/*
 * Refuses counters that would give a number twice: the record with it could be
 * journaled, but not replayed.
 */
static int snapshots_set_counters(struct snapshots *s,
				  const struct record_counters *r)
{
	const struct snapshot *one;

	if (r->base_version == 0 || r->base_version >= r->next_base_version ||
	    r->next_base_version > SNAPSHOT_NUMBER_MAX ||
	    r->next_snapshot == 0 || r->next_snapshot > SNAPSHOT_NUMBER_MAX)
		return -EUCLEAN;
	DL_FOREACH(s->list, one)
		if (one->rec.id >= r->next_snapshot)
			return -EUCLEAN;
	s->counters = *r;
	return 0;
}

int snapshots_renew_signature(struct snapshots *s, uint64_t sum,
			      const struct record_sig *sig)
{
	struct new_signature *r = NULL;

	/* An entry that leads to itself would be a circle. */
	if (sig_sum(sig) == sum)
		return 0;
	HASH_FIND(hh, s->new_signature, &sum, sizeof(sum), r);
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return -ENOMEM;
		r->sum = sum;
		HASH_ADD(hh, s->new_signature, sum, sizeof(r->sum), r);
		if (!r->hh.tbl) {
			free(r);
			return -ENOMEM;
		}
	}
	r->sig = *sig;
	return 0;
}

const struct record_sig *snapshots_signature_now(const struct snapshots *s,
						 uint64_t sum)
{
	const struct record_sig *now = NULL;
	unsigned int most = HASH_COUNT(s->new_signature);

	/* Each undo added a step; crafted records may lead in a circle. */
	while (most-- > 0) {
		struct new_signature *r = NULL;

		HASH_FIND(hh, s->new_signature, &sum, sizeof(sum), r);
		if (!r)
			break;
		now = &r->sig;
		sum = sig_sum(now);
	}
	return now;
}

int snapshots_apply(struct snapshots *s, const struct record *r,
		    struct arena *a, bool replaying)
{
	switch (r->type) {
	case RECORD_COUNTERS:
		return snapshots_set_counters(s, &r->counters);
	case RECORD_NEW_SIGNATURE:
		return snapshots_renew_signature(s, r->new_signature.sum,
						 &r->new_signature.sig);
	case RECORD_SNAPSHOT:
		return snapshot_add(s, &r->snapshot, a);
	case RECORD_SNAPSHOT_GONE:
		return snapshot_remove(s, r->snapshot_id, a, replaying);
	case RECORD_PINNED:
		return snapshot_add_pages(s, &r->pinned, a);
	case RECORD_STORE:
	case RECORD_INODE:
	case RECORD_ATTR:
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
	case RECORD_PAGES:
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
	case RECORD_HIDDEN:
	case RECORD_PARENT:
	case RECORD_BASE:
	case RECORD_SUMS:
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		break; /* not about snapshots */
	}
	return -EUCLEAN;
}

static int dump_pins(const struct snapshot *one, struct group *g,
		     int (*emit)(void *arg, struct group *g), void *arg)
{
	struct record r = {
		.type = RECORD_PINNED,
		.pinned = { .snapshot = one->rec.id },
	};
	uint64_t at = 0;
	int err = 0;

	while (!err && (r.pinned.count = arena_pins_next(
				one->pins, at, &r.pinned.first)) > 0) {
		group_add(g, &r);
		at = r.pinned.first + r.pinned.count;
		err = emit(arg, g);
	}
	return err;
}

int snapshots_dump(const struct snapshots *s, struct group *g,
		   int (*emit)(void *arg, struct group *g), void *arg)
{
	const struct new_signature *signature;
	const struct new_signature *tmp;
	const struct snapshot *one;
	int err;

	HASH_ITER(hh, s->new_signature, signature, tmp)
		group_add(g, &(struct record){
			.type = RECORD_NEW_SIGNATURE,
			.new_signature = {
				.sum = signature->sum,
				.sig = signature->sig,
			},
		});
	group_add(g, &(struct record){ .type = RECORD_COUNTERS,
				       .counters = s->counters });
	err = emit(arg, g);
	DL_FOREACH(s->list, one) {
		struct record r = {
			.type = RECORD_SNAPSHOT,
			.snapshot = one->rec,
		};

		if (err)
			break;
		r.snapshot.pins_follow = true;
		group_add(g, &r);
		err = emit(arg, g);
		if (!err)
			err = dump_pins(one, g, emit, arg);
	}
	return err;
}
