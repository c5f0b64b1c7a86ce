/* SPDX-License-Identifier: MIT */
/*
 * Committing from opening to closing.
 *
 *   plan it           the base is only looked at; what is going to be
 *                     overwritten is saved in the store
 *   write the plan    durable before anything in the base is touched
 *   write "open"      from here on the commit is under way, and the store
 *                     cannot be mounted until it is finished or undone
 *   the phases        commit_work.c
 *   write "after"     from here on it can be undone
 *   empty the delta
 *   remove "open"
 */
#include "core/mapfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collect.h"
#include "commit_priv.h"
#include "core/lib/fault.h"
#include "core/lib/log.h"
#include "core/lib/reason.h"
#include "core/overlay/overlay.h"
#include "resolve.h"
#include "select.h"
#include "state.h"

static int say(struct mapfs_commit *c, int err, const char *what)
{
	struct commit_work *w = &c->work;

	if (err && reason_is_empty(w->why))
		reason_set(w->why, "store %s: %s: %s", c->store, what,
			   err == -EUCLEAN || err == -EBADMSG ?
				   "its record of the commit is damaged" :
				   reason_of(err));
	return err;
}

static int open_view(struct mapfs_commit *c)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = c->opt.base,
		.store = c->opt.store,
		.is_trusted = c->opt.is_trusted,
		.log = c->opt.log,
		.log_arg = c->opt.log_arg,
	};
	struct mapfs_info info;
	int err;

	/* A typing error must not make a store. */
	if (access(c->opt.store, F_OK) < 0) {
		err = -errno;
		reason_set(c->work.why, "store %s: %s", c->opt.store,
			   reason_of(err));
		return err;
	}
	if (opt.log)
		log_set(opt.log, opt.log_arg);
	err = overlay_open(&c->view, &opt, OVERLAY_COMMIT, c->work.why);
	if (err && reason_is_empty(c->work.why))
		reason_set(c->work.why, "store %s: %s", opt.store,
			   reason_of(err));
	if (err)
		return err;
	c->o = overlay_of(c->view);
	c->work.arena = store_arena(c->o->store);
	mapfs_view_info(c->view, &info);
	c->store = strdup(info.store);
	return c->store ? 0 : -ENOMEM;
}

/* The base to write to: the very directory the view looks at. */
static int open_base(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	const char *path = base_path(c->o->base);
	struct stat seen;
	struct stat st;
	int err = 0;

	w->rootfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->rootfd < 0 || fstat(w->rootfd, &st) < 0 ||
	    fstat(base_root_fd(c->o->base), &seen) < 0)
		err = -errno;
	else if (st.st_ino != seen.st_ino || st.st_dev != seen.st_dev)
		err = -ESTALE;
	if (err)
		reason_set(w->why, "base %s: %s", path, reason_of(err));
	return err;
}

static int open_store(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	int err;

	/* The very one that was judged, whatever its path leads to by now. */
	w->storefd = openat(store_dir_fd(c->o->store), ".",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = w->storefd < 0 ? -errno : 0;
	if (!err)
		err = commit_open_top(c, false);
	if (!err)
		err = work_read_state(w->topfd, w);
	c->is_begun = err == 0;
	return say(c, err == -ENOENT ? 0 : err, "cannot open it");
}

static int commit_create(struct mapfs_commit **out,
			 const struct mapfs_commit_options *opt,
			 struct reason *why)
{
	struct mapfs_commit *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opt = *opt;
	c->work = (struct commit_work){
		.to = PLAN_AFTER,
		.rootfd = -1,
		.storefd = -1,
		.topfd = -1,
		.dirfd = -1,
		.gonefd = -1,
		.savedfd = -1,
		.pagesfd = -1,
		.stagefd = -1,
		.progress = opt->progress,
		.progress_arg = opt->progress_arg,
		.why = why,
	};
	reason_clear(why);
	*out = c;
	return 0;
}

static int open_all(struct mapfs_commit *c)
{
	int err = plan_create(&c->work.plan);

	if (!err)
		err = open_view(c);
	if (!err)
		err = open_base(c);
	return err ? err : open_store(c);
}

static int plan_all(struct mapfs_commit *c)
{
	int err;

	planning_init(&c->planning, c->o, &c->work, c->opt.resolution);
	err = collect_delta(&c->planning);
	if (!err)
		err = select_paths(&c->planning, c->opt.paths,
				   c->opt.path_count);
	if (!err)
		err = resolve_conflicts(&c->planning);
	return say(c, err, "cannot compare it with its base");
}

int mapfs_commit_open(struct mapfs_commit **out,
		      const struct mapfs_commit_options *opt,
		      struct reason *why)
{
	struct mapfs_commit *c;
	int err = commit_create(&c, opt, why);

	if (err)
		return err;
	err = open_all(c);
	if (!err)
		err = c->is_begun ? commit_read_plan(c) : plan_all(c);
	if (err) {
		(void)say(c, err, "cannot commit it");
		mapfs_commit_close(c);
		return err;
	}
	*out = c;
	return 0;
}

bool mapfs_commit_is_empty(const struct mapfs_commit *c)
{
	return !c->is_begun && planning_is_empty(&c->planning);
}

bool mapfs_commit_is_begun(const struct mapfs_commit *c)
{
	return c->is_begun;
}

bool mapfs_commit_is_undo(const struct mapfs_commit *c)
{
	return c->is_begun && c->work.to == PLAN_BEFORE;
}

int mapfs_commit_conflicts(struct mapfs_commit *c,
			   int (*fn)(void *arg,
				     const struct mapfs_conflict *conflict),
			   void *arg)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < c->planning.conflict_count; i++) {
		const struct conflict *x = &c->planning.conflicts[i];
		const struct mapfs_conflict out = {
			.kind = x->kind,
			.path = x->path,
			.ours = x->ours,
			.theirs = x->theirs,
		};

		if (fn)
			ret = fn(arg, &out);
	}
	return ret ? ret : (int)c->planning.conflict_count;
}

struct planning {
	struct mapfs_commit *c;
	struct mapfs_commit_totals *totals;
	mapfs_diff_fn fn;
	void *arg;
};

static int conflict_at(const void *path, const void *conflict)
{
	return strcmp(path, ((const struct conflict *)conflict)->path);
}

/* Resolving them has sorted them. */
static const struct conflict *find_conflict(const struct mapfs_commit *c,
					    const char *path)
{
	if (c->planning.conflict_count == 0)
		return NULL;
	return bsearch(path, c->planning.conflicts, c->planning.conflict_count,
		       sizeof(*c->planning.conflicts), conflict_at);
}

static bool is_lost_dir(const struct mapfs_commit *c, const struct conflict *x)
{
	const struct object_info *f;

	if (x->object == PLAN_NONE)
		return false;
	f = &c->planning.info[x->object];
	return f->is_lost && f->delta && S_ISDIR(f->delta->attr.mode);
}

/* Where the base wins nothing is done. */
static bool is_given_up(const struct mapfs_commit *c, const char *path)
{
	const struct conflict *x = find_conflict(c, path);
	char *above;
	char *slash;

	if (x || c->opt.resolution != MAPFS_THEIRS)
		return x && c->opt.resolution == MAPFS_THEIRS;
	/* Nothing goes into a directory that is not the view's any more. */
	above = strdup(path);
	while (above && !x && (slash = strrchr(above, '/'))) {
		*slash = '\0';
		x = find_conflict(c, above);
		if (x && !is_lost_dir(c, x))
			x = NULL;
	}
	free(above);
	return x != NULL;
}

static int plan_entry(void *arg, const struct mapfs_diff_entry *e)
{
	struct planning *p = arg;
	struct mapfs_commit_totals *t = p->totals;

	if (is_given_up(p->c, e->path))
		return 0;
	switch (e->change) {
	case MAPFS_ADDED:
		t->added++;
		break;
	case MAPFS_MODIFIED:
	case MAPFS_RETYPED:
		t->modified++;
		break;
	case MAPFS_DELETED:
		t->deleted++;
		break;
	case MAPFS_RENAMED:
		t->renamed++;
		break;
	}
	t->bytes += e->bytes;
	return p->fn ? p->fn(p->arg, e) : 0;
}

int mapfs_commit_plan(struct mapfs_commit *c, mapfs_diff_fn fn, void *arg,
		      struct mapfs_commit_totals *totals)
{
	const struct mapfs_diff_options opt = {
		.paths = c->opt.paths,
		.path_count = c->opt.path_count,
	};
	struct planning p = { .c = c, .totals = totals, .fn = fn, .arg = arg };

	*totals = (struct mapfs_commit_totals){ 0 };
	if (c->is_begun)
		return -EBUSY;
	return mapfs_diff(NULL, c->view, &opt, plan_entry, &p);
}

/* Roughly: what comes must fit, or the commit stops halfway. */
static int check_space(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	struct statvfs v;
	uint64_t room;

	if (fstatvfs(w->rootfd, &v) < 0)
		return -errno;
	room = (uint64_t)v.f_bavail * v.f_frsize;
	if (v.f_flag & ST_RDONLY) {
		reason_set(
			w->why,
			"base %s: it is on a file system mounted read-only; mount that for writing first",
			base_path(c->o->base));
		return -EROFS;
	}
	if (v.f_blocks == 0 || room >= w->all_bytes)
		return 0;
	reason_set(
		w->why,
		"base %s: %llu bytes are to be written and %llu are free; make room first",
		base_path(c->o->base), (unsigned long long)w->all_bytes,
		(unsigned long long)room);
	return -ENOSPC;
}

/* A view takes files of any size, a file system has a largest one. */
static int check_sizes(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	int fd = openat(w->rootfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int err = 0;

	/* Without such files, or the right to make one, it turns out later. */
	if (fd < 0)
		return 0;
	for (uint32_t i = 0; !err && i < w->plan->object_count; i++) {
		const struct plan_object *o = w->plan->objects[i];
		const struct plan_state *after = &o->side[PLAN_AFTER];

		if (!after->exists || !S_ISREG(after->mode) ||
		    (o->side[PLAN_BEFORE].exists && !o->has_data))
			continue;
		if (ftruncate(fd, (off_t)after->size_bytes) < 0 &&
		    errno == EFBIG)
			err = work_fail(
				w, i,
				"its size is more than a file of the base can have; nothing was written, truncate it in the view",
				-EFBIG);
	}
	close(fd);
	return err;
}

/* Better now than halfway. */
static int check_locks(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;

	for (uint32_t i = 0; i < w->plan->object_count; i++)
		if (w->plan->objects[i]->is_touched &&
		    c->planning.info[i].is_locked)
			return work_fail(
				w, i,
				"it is immutable or append-only; nothing was written, see chattr",
				-EPERM);
	if (faccessat(w->rootfd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
	    w->plan->objects[PLAN_ROOT]->side[PLAN_BEFORE].uid == geteuid())
		return 0;
	reason_set(
		w->why,
		"base %s: committing needs the right to write to this very directory: %s",
		base_path(c->o->base), strerror(errno));
	return -EACCES;
}

/* Who may not give files away must not have to, nor change others' modes. */
static int check_rights(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	uid_t me = geteuid();

	for (uint32_t i = 0; me != 0 && i < w->plan->object_count; i++) {
		const struct plan_object *o = w->plan->objects[i];
		const struct plan_state *before = &o->side[PLAN_BEFORE];
		const struct plan_state *after = &o->side[PLAN_AFTER];
		uint32_t owner = before->exists ? before->uid : me;

		if (!o->is_touched || !after->exists)
			continue;
		if (after->uid != owner)
			return work_fail(
				w, i,
				"only root may give it the owner it has in the view",
				-EPERM);
		if (owner != me && after->mode != before->mode)
			return work_fail(
				w, i,
				"only its owner may give it the mode it has in the view",
				-EPERM);
	}
	return 0;
}

/* Since it was planned somebody may have been asked, and taken his time. */
static int plan_again(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;

	work_drop_dirfds(w);
	planning_fini(&c->planning);
	plan_destroy(w->plan);
	w->plan = NULL;
	return plan_create(&w->plan) ? -ENOMEM : plan_all(c);
}

static int begin(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	int err = plan_again(c);

	if (err)
		return err;
	if (c->planning.conflict_count && c->opt.resolution == MAPFS_STOP) {
		reason_set(
			w->why,
			"%s: also changed in the base since; choose --ours or --theirs",
			c->planning.conflicts[0].path);
		return -EEXIST;
	}
	if (planning_is_empty(&c->planning))
		return 0;
	err = store_sync(c->o->store);
	if (!err)
		err = commit_make_place(c);
	if (!err)
		err = commit_keep_delta(c);
	if (!err)
		err = state_fill(&c->planning);
	if (!err)
		err = check_space(c);
	if (!err)
		err = check_sizes(c);
	if (!err)
		err = check_locks(c);
	if (!err)
		err = check_rights(c);
	if (!err)
		err = commit_mark_earlier(c);
	if (!err)
		err = commit_write_plan(c);
	/*
	 * From here on what the plan says counts, not what was collected; and
	 * one that cannot be read could be neither finished nor taken back.
	 */
	if (!err)
		err = commit_read_plan(c);
	w->phase = WORK_BUILD;
	w->to = PLAN_AFTER;
	if (!err)
		err = work_write_state(w);
	if (!err)
		c->is_begun = true;
	return err;
}

/* The base is as the plan says; the store follows. */
static int finish(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	int err;

	if (w->to == PLAN_AFTER) {
		err = commit_write_after(c);
		if (!err)
			err = commit_forget_delta(c);
		if (!err)
			err = commit_close_state(c);
	} else {
		err = commit_restore_delta(c);
		if (!err)
			err = commit_renew_earlier(c);
		/* While it is open, so that nobody undoes it twice. */
		if (!err)
			err = commit_forget_after(c);
		if (!err)
			err = commit_close_state(c);
		if (!err)
			err = commit_remove_place(c, w->number);
	}
	if (!err)
		c->is_begun = false;
	return err;
}

/* Whatever stopped it: it is halfway now, and that has two ways out. */
static void say_how_to_go_on(struct mapfs_commit *c, int err)
{
	struct commit_work *w = &c->work;

	if (err == -EINTR)
		reason_set(w->why, "store %s: stopped halfway", c->store);
	(void)say(c, err, "cannot go on");
	reason_add(w->why, "; finish it with `mapfs commit%s %s'%s%s%s",
		   w->to == PLAN_BEFORE ? " --undo" : "", c->store,
		   w->to == PLAN_AFTER ?
			   ", or take it back with `mapfs commit --undo " :
			   "",
		   w->to == PLAN_AFTER ? c->store : "",
		   w->to == PLAN_AFTER ? "'" : "");
}

static int run(struct mapfs_commit *c)
{
	int err = work_run(&c->work);

	if (!err)
		err = finish(c);
	if (err)
		say_how_to_go_on(c, err);
	return err;
}

/* What planning saved may be much, and the disk may be full of it. */
static void abandon(struct mapfs_commit *c)
{
	struct reason unheard;
	struct reason *why = c->work.why;

	if (c->work.topfd < 0 || c->work.number == 0)
		return;
	c->work.why = &unheard;
	reason_clear(&unheard);
	work_close(&c->work);
	/* Whatever stays means nothing, and the next commit removes it. */
	if (commit_remove_place(c, c->work.number) == 0)
		(void)!commit_drop_kept(c);
	c->work.why = why;
}

int mapfs_commit_run(struct mapfs_commit *c, struct reason *why)
{
	int err = 0;

	c->work.why = why;
	reason_clear(why);
	if (!c->is_begun)
		err = begin(c);
	if (!err)
		return c->is_begun ? run(c) : 0;
	/* It may fail after the word that it is under way got out. */
	if (c->work.topfd >= 0 &&
	    faccessat(c->work.topfd, "open", F_OK, 0) == 0)
		say_how_to_go_on(c, err);
	else
		abandon(c);
	return say(c, err, "cannot begin");
}

void mapfs_commit_close(struct mapfs_commit *c)
{
	struct commit_work *w;

	if (!c)
		return;
	w = &c->work;
	work_close(w);
	planning_fini(&c->planning);
	plan_destroy(w->plan);
	if (w->topfd >= 0)
		close(w->topfd);
	if (w->storefd >= 0)
		close(w->storefd);
	if (w->rootfd >= 0)
		close(w->rootfd);
	/* Everything that counts was synced, or told. */
	if (mapfs_view_close(c->view))
		(void)0;
	free(c->store);
	free(c);
}

/* From now on the base goes back, whatever was done so far. */
static int turn_back(struct mapfs_commit *c)
{
	struct commit_work *w = &c->work;
	int err = 0;

	if (!c->is_begun) {
		err = commit_open_top(c, false);
		if (!err)
			err = commit_find_newest(c);
		if (err == -ENOENT)
			reason_set(
				w->why,
				"store %s: nothing was committed from it that could be undone",
				c->store);
		if (!err && getrandom(&w->stage_tag, sizeof(w->stage_tag), 0) !=
				    (ssize_t)sizeof(w->stage_tag))
			err = -EIO;
		if (err)
			return err;
	}
	err = commit_read_plan(c);
	if (!err && !c->is_begun)
		err = check_space(c);
	if (!err && !c->is_begun)
		err = commit_check_delta(c);
	if (!err && !c->is_begun)
		err = commit_check_after(c);
	if (!err && c->opt.confirm)
		err = c->opt.confirm(c->opt.confirm_arg, c);
	if (err || (c->is_begun && w->to == PLAN_BEFORE))
		return err;
	w->to = PLAN_BEFORE;
	w->reached = c->is_begun ? w->phase : WORK_DELTA;
	w->phase = WORK_BUILD;
	err = work_write_state(w);
	if (!err)
		c->is_begun = true;
	return err;
}

int mapfs_commit_undo(const struct mapfs_commit_options *opt,
		      struct reason *why)
{
	struct mapfs_commit *c;
	int err = commit_create(&c, opt, why);

	if (err)
		return err;
	err = open_all(c);
	if (!err)
		err = turn_back(c);
	if (!err)
		err = run(c);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: cannot undo: %s", opt->store,
			   reason_of(err));
	mapfs_commit_close(c);
	return err;
}
