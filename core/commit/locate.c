/* SPDX-License-Identifier: MIT */
/*
 * Where an object of a plan is now: at a name of either side, in the staging
 * directory, or where the base had it.  All are tried, and what is found must
 * have the object's number and type; no link is followed and no mount crossed
 * on the way [S2].
 */
#include "phases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/lib/beneath.h"
#include "core/lib/fault.h"

#define DIRFDS_MAX 200

int work_openat(int dirfd, const char *name, int flags, int *fd)
{
	return beneath_open(dirfd, name, flags, fd);
}

uint32_t plan_type(const struct plan_object *o)
{
	const struct plan_state *s = &o->side[PLAN_BEFORE];

	if (!s->exists)
		s = &o->side[PLAN_AFTER];
	return s->mode & S_IFMT;
}

bool work_is(const struct plan_object *o, const struct stat *st)
{
	return o->ino != 0 && st->st_ino == o->ino &&
	       (st->st_mode & S_IFMT) == plan_type(o);
}

bool work_is_as(const struct plan_object *o, enum plan_side side,
		uint64_t size_bytes, struct timespec mtime)
{
	const struct plan_state *s = &o->side[side];

	return (!S_ISREG(plan_type(o)) || size_bytes == s->size_bytes) &&
	       mtime.tv_sec == s->mtime.tv_sec &&
	       mtime.tv_nsec == s->mtime.tv_nsec;
}

void work_name_slot(const struct plan_name *n, enum plan_side from,
		    char slot[WORK_SLOT_BYTES])
{
	(void)snprintf(slot, WORK_SLOT_BYTES, "%c%u",
		       from == PLAN_BEFORE ? 'b' : 'a', n->id);
}

void work_build_slot(uint32_t id, char slot[WORK_SLOT_BYTES])
{
	(void)snprintf(slot, WORK_SLOT_BYTES, "n%u", id);
}

static bool slot_holds(struct commit_work *w, const struct plan_object *o,
		       const char *slot)
{
	struct stat st;

	return fstatat(w->stagefd, slot, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       work_is(o, &st);
}

bool work_find_slot(struct commit_work *w, uint32_t id,
		    char slot[WORK_SLOT_BYTES])
{
	const struct plan_object *o = w->plan->objects[id];

	if (w->stagefd < 0)
		return false;
	for (int side = 0; side < PLAN_SIDES; side++) {
		uint32_t i = o->first_name[side];

		for (; i != PLAN_NONE; i = w->plan->names[i]->next[side]) {
			const struct plan_name *n = w->plan->names[i];

			if (!plan_name_changes(n))
				continue;
			work_name_slot(n, (enum plan_side)side, slot);
			if (slot_holds(w, o, slot))
				return true;
		}
	}
	work_build_slot(id, slot);
	return slot_holds(w, o, slot);
}

void work_drop_dirfds(struct commit_work *w)
{
	for (uint32_t i = 0; w->open_dirs > 0 && i < w->plan->object_count;
	     i++) {
		struct plan_object *o = w->plan->objects[i];

		if (o->dirfd < 0)
			continue;
		close(o->dirfd);
		o->dirfd = -1;
		w->open_dirs--;
	}
}

/* The object at this name, if it is that. */
static int open_at(const struct plan_object *o, int dirfd, const char *name,
		   int *fd)
{
	struct stat st;
	int got = -1;
	int err = work_openat(dirfd, name, O_PATH, &got);

	if (err)
		return err;
	if (fstat(got, &st) < 0)
		err = -errno;
	else if (!work_is(o, &st))
		err = -ENOENT;
	if (err)
		close(got);
	else
		*fd = got;
	return err;
}

static bool is_not_there(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ||
	       err == -EXDEV;
}

static int open_in_dir(struct commit_work *w, const struct plan_object *o,
		       uint32_t dir, const char *name, int *fd)
{
	int dirfd = -1;
	int err = work_dirfd(w, dir, &dirfd);

	return err ? err : open_at(o, dirfd, name, fd);
}

static int open_by_names(struct commit_work *w, const struct plan_object *o,
			 enum plan_side side, int *fd)
{
	uint32_t i = o->first_name[side];
	int err = -ENOENT;

	for (; is_not_there(err) && i != PLAN_NONE;
	     i = w->plan->names[i]->next[side]) {
		const struct plan_name *n = w->plan->names[i];

		err = open_in_dir(w, o, n->dir, n->name, fd);
	}
	return err;
}

static int open_anywhere(struct commit_work *w, struct plan_object *o, int *fd)
{
	char slot[WORK_SLOT_BYTES];
	enum plan_side first = w->phase < WORK_PLACE ? plan_other(w->to) :
						       w->to;
	int err;

	if (work_find_slot(w, o->id, slot))
		return open_at(o, w->stagefd, slot, fd);
	err = open_by_names(w, o, first, fd);
	if (is_not_there(err))
		err = open_by_names(w, o, plan_other(first), fd);
	if (is_not_there(err) && o->home_name)
		err = open_in_dir(w, o, o->home_dir, o->home_name, fd);
	return is_not_there(err) ? -ENOENT : err;
}

/*
 * Each directory has up to three places, so one that is missing deep down would
 * be looked for 3^depth times.  Where a circle was cut it may be found by
 * another way yet.
 */
static int locate_below(struct commit_work *w, struct plan_object *o, int *fd)
{
	unsigned int cuts = w->cuts;
	int err;

	if (o->ino == 0 || o->missed == w->search)
		return -ENOENT;
	/* The places of two directories may lead through each other. */
	if (o->is_visited) {
		w->cuts++;
		return -ENOENT;
	}
	o->is_visited = true;
	err = open_anywhere(w, o, fd);
	o->is_visited = false;
	if (err == -ENOENT && w->cuts == cuts)
		o->missed = w->search;
	return err;
}

int work_locate(struct commit_work *w, uint32_t id, int *fd)
{
	struct plan_object *o = w->plan->objects[id];
	bool is_first;
	int err = fault_point("commit.locate");

	if (err)
		return err;
	if (id == PLAN_ROOT)
		return work_openat(w->rootfd, ".", O_PATH, fd);
	is_first = !w->is_searching;
	if (is_first)
		w->search++;
	w->is_searching = true;
	err = locate_below(w, o, fd);
	w->is_searching = !is_first;
	return err;
}

int work_dirfd(struct commit_work *w, uint32_t id, int *fd)
{
	struct plan_object *o = w->plan->objects[id];
	int got;
	int err;

	if (id == PLAN_ROOT || o->dirfd >= 0) {
		*fd = id == PLAN_ROOT ? w->rootfd : o->dirfd;
		return 0;
	}
	err = work_locate(w, id, &got);
	if (err)
		return err;
	if (w->open_dirs >= DIRFDS_MAX)
		work_drop_dirfds(w);
	o->dirfd = got;
	w->open_dirs++;
	*fd = got;
	return 0;
}
