/* SPDX-License-Identifier: MIT */
#include "lineage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arena/arena.h"
#include "core/delta/delta.h"
#include "core/delta/record_decode.h"
#include "core/lib/array.h"
#include "holds.h"
#include "layout.h"
#include "peek.h"
#include "trust.h"

int lineage_find_parent(const void *records, size_t len,
			struct record_parent *out, bool *found)
{
	struct record r;
	size_t pos = 0;
	int ret;

	*found = false;
	while ((ret = record_next(records, len, &pos, &r)) > 0) {
		if (r.type != RECORD_PARENT)
			continue;
		*out = r.parent;
		*found = true;
		return 0;
	}
	return ret;
}

static void ancestor_close(struct ancestor *a)
{
	if (a->readersfd >= 0)
		close(a->readersfd);
	if (a->journalfd >= 0)
		close(a->journalfd);
	if (a->dirfd >= 0)
		close(a->dirfd);
	snapshots_fini(&a->known, NULL);
	free(a->path);
}

/* Holds the snapshot that the branch begins with, so that it is not deleted. */
static int ancestor_hold(struct ancestor *a, struct store_facts *f,
			 const struct record_parent *want, struct reason *why)
{
	const struct snapshot *one =
		snapshots_find_id(&f->snapshots, want->snapshot);

	if (memcmp(f->uuid, want->uuid, sizeof(f->uuid)) != 0 || !one) {
		reason_set(
			why,
			"store %s is not the store that this branch was made of; put that one back where it was",
			a->path);
		return -ESTALE;
	}
	memcpy(a->uuid, f->uuid, sizeof(a->uuid));
	a->snapshot = one->rec;
	a->snapshot.name = NULL;
	a->snapshot.message = NULL;
	/* The new signatures are kept; the caller frees the other facts. */
	a->known.new_signature = f->snapshots.new_signature;
	f->snapshots.new_signature = NULL;
	return a->readersfd >= 0 ? holds_take(a->readersfd, one->rec.id) : 0;
}

static int ancestor_add_arena(const struct ancestor *a, struct arena *arena)
{
	int fd;
	int err;

	if (!arena)
		return 0;
	/* O_NONBLOCK: opening a fifo in its place must not wait for a writer. */
	fd = openat(a->dirfd, STORE_PAGES,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = arena_add_parent(arena, fd);
	if (err)
		close(fd);
	return err;
}

/* Its records and pages are read like those of the branch. */
static int ancestor_check(const struct ancestor *a, struct reason *why)
{
	char name[PATH_MAX + 32];

	(void)snprintf(name, sizeof(name), "%s, whose branch this is", a->path);
	return store_trust_check(a->dirfd, name, a->is_trusted, why);
}

static int ancestor_open_files(struct ancestor *a, struct reason *why)
{
	int err = 0;

	a->dirfd = open(a->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dirfd >= 0)
		a->journalfd =
			openat(a->dirfd, STORE_JOURNAL,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (a->dirfd < 0 || a->journalfd < 0) {
		err = -errno;
		reason_set(
			why,
			"this store is a branch of %s, which cannot be opened: %s; put it back where it was",
			a->path, reason_of(err));
		return err;
	}
	err = ancestor_check(a, why);
	if (err)
		return err;
	/* A process that may not write there continues without a hold. */
	err = holds_open(a->dirfd, false, &a->readersfd);
	return err == -EROFS || err == -EACCES || err == -ENOENT ? 0 : err;
}

/* Opens the store that `want` names; fills `f` for the next step up. */
static int ancestor_open(struct ancestor *a, struct store_facts *f,
			 const struct record_parent *want, struct reason *why)
{
	int err;

	*a = (struct ancestor){
		.is_trusted = a->is_trusted,
		.dirfd = -1,
		.journalfd = -1,
		.readersfd = -1,
	};
	a->path = strndup(want->path, want->path_bytes);
	if (!a->path)
		return -ENOMEM;
	err = ancestor_open_files(a, why);
	if (!err)
		err = store_peek(f, a->dirfd, a->path, why);
	if (!err)
		err = ancestor_hold(a, f, want, why);
	if (err)
		ancestor_close(a);
	return err;
}

/* Refuses a circle, and more stores than there are numbers of arenas. */
static int lineage_check(const struct lineage *l, const struct ancestor *a,
			 struct reason *why)
{
	for (unsigned int n = 0; n < l->count; n++) {
		if (memcmp(l->up[n].uuid, a->uuid, sizeof(a->uuid)) != 0)
			continue;
		reason_set(
			why,
			"store %s is damaged: it is a branch of itself; restore it from a copy",
			a->path);
		return -ELOOP;
	}
	if (l->count + 1 < MAPFS_ARENAS)
		return 0;
	reason_set(
		why,
		"store %s: more than %u stores are above this branch; make a store without a parent, with `mapfs export` and `mapfs import`",
		a->path, MAPFS_ARENAS - 1);
	return -EMLINK;
}

static int lineage_add(struct lineage *l, struct ancestor *a,
		       struct arena *arena, struct reason *why)
{
	int err = lineage_check(l, a, why);

	if (!err)
		err = ancestor_add_arena(a, arena);
	if (err)
		return err;
	/* A lineage may be hundreds of stores long: keep few descriptors. */
	close(a->dirfd);
	a->dirfd = -1;
	err = array_reserve(&l->up, &l->cap, l->count + 1);
	if (err)
		return err;
	l->up[l->count++] = *a;
	return 0;
}

int lineage_open(struct lineage *l, struct arena *a,
		 const struct record_parent *parent, struct reason *why)
{
	struct store_facts facts = { 0 };
	struct store_facts older = { 0 };
	struct ancestor one;
	int err = 0;

	l->parent = *parent;
	l->parent.path = strndup(parent->path, parent->path_bytes);
	if (!l->parent.path)
		return -ENOMEM;
	l->is_branch = true;
	for (bool more = true; !err && more;) {
		one.is_trusted = l->is_trusted;
		err = ancestor_open(&one, &facts, parent, why);
		if (err)
			break;
		err = lineage_add(l, &one, a, why);
		if (err)
			ancestor_close(&one);
		store_facts_fini(&older);
		older = facts;
		facts = (struct store_facts){ 0 };
		more = older.has_parent;
		parent = &older.parent;
	}
	store_facts_fini(&older);
	store_facts_fini(&facts);
	return err;
}

struct lineage_replay {
	struct lineage *lineage;
	unsigned int n;
	struct delta_set *set;
	bool seen_head;
};

static int load_group(void *arg, mapfs_lsn lsn, const void *records, size_t len)
{
	struct lineage_replay *load = arg;
	struct record_parent parent;
	bool is_branch = false;
	int err = 0;

	(void)lsn;
	if (!load->seen_head)
		err = lineage_find_parent(records, len, &parent, &is_branch);
	load->seen_head = true;
	if (!err && is_branch && parent.begins) {
		err = lineage_load(load->lineage, load->n + 1, load->set);
		load->set->depth = load->n + 1;
	}
	return err ? err : delta_set_apply(load->set, records, len, NULL);
}

int lineage_load(struct lineage *l, unsigned int n, struct delta_set *set)
{
	struct lineage_replay load = { .lineage = l, .n = n, .set = set };
	struct journal_replay replay = { .fn = load_group, .arg = &load };
	struct journal_history history;
	struct journal_where where;
	struct journal_id id = { 0 };
	struct ancestor *a;
	int err;

	if (n >= l->count)
		return -EUCLEAN;
	a = &l->up[n];
	where = (struct journal_where){ .dirfd = a->journalfd };
	set->depth = n + 1;
	history = (struct journal_history){
		.first_segment = a->snapshot.first_segment,
		.last_segment = a->snapshot.last_segment,
		.lsn = a->snapshot.lsn,
	};
	err = journal_replay_history(&where, &id, &history, &replay);
	set->depth = 0;
	return err;
}

int lineage_renew_signatures(const struct lineage *l, struct delta_set *set)
{
	int err = 0;

	for (unsigned int n = 0; !err && n < l->count; n++)
		err = delta_set_renew_signatures(set, &l->up[n].known);
	return err;
}

void lineage_close(struct lineage *l)
{
	for (unsigned int n = 0; n < l->count; n++)
		ancestor_close(&l->up[n]);
	free(l->up);
	if (l->is_branch)
		free((char *)l->parent.path);
	*l = (struct lineage){ .count = 0 };
}
