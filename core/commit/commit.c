/* SPDX-License-Identifier: MIT */
/*
 * A commit from opening to closing.
 *
 *   plan              the base is only looked at; what will be overwritten is
 *                     saved in the store
 *   write the plan    durable before anything in the base is touched
 *   write `open`      from here on the commit is under way, and the store
 *                     cannot be mounted until it is finished or undone
 *   the phases        phases.c
 *   write `after`     from here on the commit can be undone
 *   empty the delta
 *   remove `open`
 *
 * Contract: core/mapfs.h.  commit.h has the states.
 */
#include "commit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect.h"
#include "core/lib/log.h"
#include "core/overlay/open.h"
#include "core/store/lost_commit.h"
#include "core/store/sync.h"
#include "delta.h"
#include "earlier.h"
#include "kept.h"
#include "left.h"
#include "locate.h"
#include "phases.h"
#include "precheck.h"
#include "resolve.h"
#include "result.h"
#include "select.h"
#include "state.h"
#include "sums.h"
#include "verify.h"
#include "work_dir.h"

static bool commit_may_move(enum commit_state from, enum commit_state to)
{
	switch (from) {
	case COMMIT_UNKNOWN:
		return to == COMMIT_PLANNED || to == COMMIT_BEGUN ||
		       to == COMMIT_ENDED || to == COMMIT_UNDOING;
	case COMMIT_PLANNED:
		return to == COMMIT_PLANNED || /* planned again */
		       to == COMMIT_BEGUN;
	case COMMIT_BEGUN:
		return to == COMMIT_ENDED || to == COMMIT_UNDOING;
	case COMMIT_ENDED:
		return to == COMMIT_UNDOING;
	case COMMIT_UNDOING:
		return to == COMMIT_UNDONE;
	case COMMIT_UNDONE:
		return false;
	}
	return false;
}

static void commit_move(struct mapfs_commit *c, enum commit_state to)
{
	assert(commit_may_move(c->state, to));
	c->state = to;
}

/* Has STORE/commit/open been written, so that the commit has to be finished? */
static bool is_under_way(const struct mapfs_commit *c)
{
	return c->state == COMMIT_BEGUN || c->state == COMMIT_UNDOING;
}

static int say(struct mapfs_commit *c, int err, const char *what)
{
	struct commit_ctx *ctx = &c->ctx;

	if (err && reason_is_empty(ctx->why))
		reason_set(ctx->why, "store %s: %s: %s",
			   c->store ? c->store : c->opt.store, what,
			   err == -EUCLEAN || err == -EBADMSG ?
				   "its record of the commit is damaged" :
				   reason_of(err));
	return err;
}

/* Damage must not lock the store for good. */
static void say_way_out(struct mapfs_commit *c, int err)
{
	if ((err != -EUCLEAN && err != -EBADMSG) || c->ctx.fd.top < 0 ||
	    faccessat(c->ctx.fd.top, "open", F_OK, 0) < 0)
		return;
	reason_add(c->ctx.why,
		   "; end the commit as it is with `mapfs commit --abandon %s`",
		   c->opt.store);
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

	/* Opening a view would make a store, out of a typing error. */
	if (access(c->opt.store, F_OK) < 0) {
		err = -errno;
		reason_set(c->ctx.why, "store %s: %s", c->opt.store,
			   reason_of(err));
		return err;
	}
	if (opt.log)
		log_set(opt.log, opt.log_arg);
	err = overlay_open(&c->view, &opt, OVERLAY_COMMIT, c->ctx.why);
	if (err && reason_is_empty(c->ctx.why))
		reason_set(c->ctx.why, "store %s: %s", opt.store,
			   reason_of(err));
	if (err)
		return err;
	c->ctx.overlay = overlay_of(c->view);
	c->ctx.arena = store_arena(c->ctx.overlay->store);
	mapfs_view_info(c->view, &info);
	c->store = strdup(info.store);
	c->ctx.store = c->store;
	return c->store ? 0 : -ENOMEM;
}

/* The root of the base, for reading: O_PATH lists nothing. */
static int open_root(const struct base *b, int *fd)
{
	int above;
	int err;

	if (!base_file_name(b)) {
		*fd = open(base_path(b), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return *fd < 0 ? -errno : 0;
	}
	err = only_file_open_above(base_path(b), &above);
	if (err)
		return err;
	*fd = openat(above, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = *fd < 0 ? -errno : 0;
	close(above);
	return err;
}

/* A commit and a view in write mode would mix what they write. */
static int check_unused(struct mapfs_commit *c, const char *name)
{
	struct mapfs_entry e;
	int err = mapfs_lookup(c->view, mapfs_root_ino(c->view), name, &e);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = c->view->ops->claim(c->view, e.attr.ino);
	mapfs_forget(c->view, e.attr.ino, 1);
	if (err)
		reason_set(
			c->ctx.why,
			"base %s: is in use by a view in write mode; unmount that first (see mapfs list)",
			base_path(c->ctx.overlay->base));
	return err;
}

/* Opens the base for writing: the very directory that the view shows. */
static int open_base(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	const char *path = base_path(c->ctx.overlay->base);
	struct stat seen = { 0 };
	struct stat st = { 0 };
	int err;

	if (base_is_none(c->ctx.overlay->base)) {
		reason_set(
			ctx->why,
			"store %s has no base that it could be committed to; copy its files out of a view of it, or write them as a layer with `mapfs export %s`",
			c->store, c->store);
		return -EOPNOTSUPP;
	}
	if (base_is_device(c->ctx.overlay->base)) {
		reason_set(
			ctx->why,
			"base %s: a commit does not write to a block device; mount the store, and copy the file of the view to the device",
			path);
		return -EOPNOTSUPP;
	}
	if (base_file_name(c->ctx.overlay->base)) {
		err = check_unused(c, base_file_name(c->ctx.overlay->base));
		if (err)
			return err;
	}
	err = open_root(c->ctx.overlay->base, &ctx->fd.root);
	if (!err && (fstat(ctx->fd.root, &st) < 0 ||
		     fstat(base_root_fd(c->ctx.overlay->base), &seen) < 0))
		err = -errno;
	if (err) {
		reason_set(ctx->why, "base %s: %s", path, reason_of(err));
		return err;
	}
	if (st.st_ino == seen.st_ino && st.st_dev == seen.st_dev)
		return 0;
	reason_set(
		ctx->why,
		"base %s: another directory has this path now; unmount it, or move it away",
		path);
	return -ESTALE;
}

static int open_store(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;

	/* The very directory that was trusted, wherever its path leads now. */
	ctx->fd.store = openat(store_dir_fd(ctx->overlay->store), ".",
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ctx->fd.store < 0 ? -errno : 0;
}

/* A commit that was interrupted: COMMIT_BEGUN or COMMIT_UNDOING. */
static int find_open(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = work_dir_open_top(ctx, false);

	if (!err)
		err = position_read(ctx->fd.top, &ctx->at, ctx->why);
	if (err == -ENOENT && lost_commit_exists(ctx->fd.store, ctx->fd.root)) {
		c->open_is_lost = true;
		lost_commit_explain(ctx->why, c->store);
		return -EUCLEAN;
	}
	if (err)
		return err == -ENOENT ? 0 : err;
	commit_move(c,
		    ctx->at.to == PLAN_AFTER ? COMMIT_BEGUN : COMMIT_UNDOING);
	return 0;
}

int commit_create(struct mapfs_commit **out,
		  const struct mapfs_commit_options *opt, struct reason *why)
{
	struct mapfs_commit *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opt = *opt;
	c->ctx = (struct commit_ctx){
		.at.to = PLAN_AFTER,
		.fd = {
			.root = -1,
			.store = -1,
			.top = -1,
			.dir = -1,
			.gone = -1,
			.saved = -1,
			.pages = -1,
			.stage = -1,
		},
		.meter = { .progress = opt->progress,
			   .arg = opt->progress_arg },
		.why = why,
	};
	reason_clear(why);
	*out = c;
	return 0;
}

int commit_open_all(struct mapfs_commit *c)
{
	int err = plan_create(&c->ctx.plan);

	if (!err)
		err = open_view(c);
	if (!err)
		err = open_base(c);
	if (err)
		return err;
	err = open_store(c);
	if (!err)
		err = find_open(c);
	return say(c, err, "cannot open it");
}

static int plan_all(struct mapfs_commit *c)
{
	struct planning_ctx *p = &c->planning;
	int err;

	planning_init(p, c->ctx.overlay, &c->ctx, c->opt.resolution);
	err = collect_delta(p);
	if (!err)
		err = select_paths(p, c->opt.paths, c->opt.path_count);
	if (!err)
		err = resolve_conflicts(p);
	if (!err)
		commit_move(c, COMMIT_PLANNED);
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
	err = commit_open_all(c);
	if (!err)
		err = is_under_way(c) ? work_dir_read_plan(&c->ctx) :
					plan_all(c);
	if (err) {
		(void)say(c, err, "cannot commit it");
		say_way_out(c, err);
		mapfs_commit_close(c);
		return err;
	}
	*out = c;
	return 0;
}

bool mapfs_commit_is_empty(const struct mapfs_commit *c)
{
	return c->state == COMMIT_PLANNED && planning_is_empty(&c->planning);
}

bool mapfs_commit_is_begun(const struct mapfs_commit *c)
{
	return is_under_way(c);
}

bool mapfs_commit_is_undo(const struct mapfs_commit *c)
{
	return c->state == COMMIT_UNDOING;
}

/* Since the first plan the user may have been asked, and others been at work. */
static int plan_again(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;

	locate_forget(ctx);
	planning_fini(&c->planning);
	plan_destroy(ctx->plan);
	ctx->plan = NULL;
	return plan_create(&ctx->plan) ? -ENOMEM : plan_all(c);
}

/* Saves what will be overwritten, and looks for obstacles. */
static int prepare(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = store_sync(ctx->overlay->store);

	if (!err)
		err = work_dir_create(ctx);
	if (!err)
		err = commit_delta_keep(ctx);
	if (!err)
		err = state_fill(&c->planning);
	if (!err)
		err = verify_pages(ctx);
	if (!err)
		err = precheck_commit(&c->planning);
	if (!err)
		err = earlier_mark(ctx);
	if (!err)
		err = work_dir_write_plan(ctx);
	/*
	 * From here on only the plan counts, as it is in the store: a plan that
	 * cannot be read could be neither finished nor undone.
	 */
	return err ? err : work_dir_read_plan(ctx);
}

/* The state stays COMMIT_PLANNED where there is nothing to commit. */
static int begin(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = plan_again(c);

	if (err)
		return err;
	if (c->planning.conflict_count && c->opt.resolution == MAPFS_STOP) {
		reason_set(
			ctx->why,
			"%s: it was changed in the view and in the base; choose --ours or --theirs",
			c->planning.conflicts[0].path);
		return -EEXIST;
	}
	if (planning_is_empty(&c->planning))
		return 0;
	err = prepare(c);
	ctx->at.phase = PHASE_BUILD;
	ctx->at.to = PLAN_AFTER;
	if (!err)
		err = position_write(ctx->fd.top, &ctx->at);
	if (!err)
		commit_move(c, COMMIT_BEGUN);
	return err;
}

static int finish_commit(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = result_write(ctx);

	if (!err)
		err = commit_delta_empty(ctx);
	if (!err)
		err = position_remove(ctx->fd.top);
	if (!err)
		commit_move(c, COMMIT_ENDED);
	return err;
}

static int finish_undo(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = commit_delta_restore(ctx);

	if (!err)
		err = earlier_renew(ctx);
	/* While `open` is there, so that the commit is never undone twice. */
	if (!err)
		err = result_forget(ctx);
	if (!err)
		err = position_remove(ctx->fd.top);
	/* What was left out may be in it. */
	if (!err && left_is_empty(ctx))
		err = work_dir_remove(ctx, ctx->at.number);
	if (!err)
		commit_move(c, COMMIT_UNDONE);
	return err;
}

/* The base is as the plan says; the store follows. */
static int finish(struct mapfs_commit *c)
{
	assert(is_under_way(c));
	return c->state == COMMIT_BEGUN ? finish_commit(c) : finish_undo(c);
}

/* The commit has stopped halfway.  It can be finished, or undone. */
static void say_how_to_go_on(struct mapfs_commit *c, int err)
{
	const bool is_undo = c->ctx.at.to == PLAN_BEFORE;
	struct reason *why = c->ctx.why;

	if (err == -EINTR)
		reason_set(why, "store %s: the %s was stopped halfway",
			   c->store, is_undo ? "undo" : "commit");
	(void)say(c, err, "cannot go on");
	if (is_undo)
		reason_add(why,
			   "; finish the undo with `mapfs commit --undo %s`",
			   c->store);
	else
		reason_add(
			why,
			"; finish the commit with `mapfs commit %s`, or undo it with `mapfs commit --undo %s`",
			c->store, c->store);
}

static int run(struct mapfs_commit *c)
{
	int err = phases_run(&c->ctx);

	if (!err)
		err = finish(c);
	if (err)
		say_how_to_go_on(c, err);
	else if (c->opt.left_out)
		left_iterate(&c->ctx, c->opt.left_out, c->opt.left_out_arg);
	return err;
}

/* Pages, or the journal, may have been damaged since it was interrupted. */
static int verify_and_run(struct mapfs_commit *c)
{
	int err = c->ctx.at.phase <= PHASE_DATA ? verify_pages(&c->ctx) : 0;

	/* The rest of the delta is made of it. */
	if (!err && c->ctx.plan->is_partial)
		err = commit_delta_judge(&c->ctx);
	if (!err)
		return run(c);
	say_how_to_go_on(c, err);
	return err;
}

/* Planning may have saved much, and filled the disk with it. */
static void abandon(struct mapfs_commit *c)
{
	struct reason unheard;
	struct reason *why = c->ctx.why;

	if (c->ctx.fd.top < 0 || c->ctx.at.number == 0)
		return;
	c->ctx.why = &unheard;
	reason_clear(&unheard);
	work_dir_close(&c->ctx);
	/* A remainder means nothing, and the next commit removes it. */
	if (work_dir_remove(&c->ctx, c->ctx.at.number) == 0)
		(void)!commit_delta_drop(&c->ctx);
	c->ctx.why = why;
}

static int begin_and_run(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = begin(c);

	if (!err)
		return c->state == COMMIT_BEGUN ? run(c) : 0;
	/* It may fail after `open` was written. */
	if (ctx->fd.top >= 0 && faccessat(ctx->fd.top, "open", F_OK, 0) == 0)
		say_how_to_go_on(c, err);
	else
		abandon(c);
	return say(c, err, "cannot begin");
}

int mapfs_commit_run(struct mapfs_commit *c, struct reason *why)
{
	c->ctx.why = why;
	reason_clear(why);
	switch (c->state) {
	case COMMIT_PLANNED:
		return begin_and_run(c);
	case COMMIT_BEGUN:
		return verify_and_run(c);
	case COMMIT_UNDOING:
		return run(c);
	case COMMIT_ENDED:
	case COMMIT_UNDONE:
		return 0; /* nothing is left to do */
	case COMMIT_UNKNOWN:
		break; /* mapfs_commit_open() leaves this state */
	}
	assert(false);
	return -EINVAL;
}

void mapfs_commit_close(struct mapfs_commit *c)
{
	struct commit_ctx *ctx;

	if (!c)
		return;
	ctx = &c->ctx;
	work_dir_close(ctx);
	left_fini(ctx);
	planning_fini(&c->planning);
	plan_destroy(ctx->plan);
	if (ctx->fd.top >= 0)
		close(ctx->fd.top);
	if (ctx->fd.store >= 0)
		close(ctx->fd.store);
	if (ctx->fd.root >= 0)
		close(ctx->fd.root);
	/* What matters was synced, or its error was reported. */
	if (mapfs_view_close(c->view))
		(void)0;
	free(c->store);
	free(c);
}

/* A newer one whose file `after` others removed must not be passed over. */
static int check_newest(struct commit_ctx *ctx)
{
	int err = work_dir_find_last(ctx);

	if (err)
		return err;
	return commit_delta_is_kept(ctx) && work_dir_lost_its_end(ctx) ?
		       work_dir_refuse_missing(ctx, "after") :
		       0;
}

/* Nothing is under way: the newest commit that has ended is to be undone. */
static int find_newest(struct mapfs_commit *c)
{
	struct commit_ctx *ctx = &c->ctx;
	int err = work_dir_open_top(ctx, false);

	if (!err)
		err = check_newest(ctx);
	if (!err)
		err = work_dir_find_newest(ctx);
	if (err == -ENOENT)
		reason_set(
			ctx->why,
			"store %s: nothing was committed from it that could be undone",
			c->store);
	if (!err && getrandom(&ctx->at.stage_tag, sizeof(ctx->at.stage_tag),
			      0) != (ssize_t)sizeof(ctx->at.stage_tag))
		err = -EIO;
	if (!err)
		commit_move(c, COMMIT_ENDED);
	return err;
}

/* Would undoing lose a change that was made after the commit? */
static int check_undo(struct commit_ctx *ctx)
{
	int err = precheck_space(ctx);

	if (!err)
		err = commit_delta_check(ctx);
	return err ? err : result_check(ctx);
}

/* From here on the base returns to its before side. */
static int turn_back(struct mapfs_commit *c)
{
	struct commit_position *at = &c->ctx.at;
	int err;

	if (c->state == COMMIT_UNDOING)
		return 0;
	/* What the commit left out may be put back all the same. */
	err = left_forget(&c->ctx);
	if (err)
		return err;
	at->to = PLAN_BEFORE;
	at->reached = c->state == COMMIT_BEGUN ? at->phase : PHASE_DELTA;
	at->phase = PHASE_BUILD;
	err = position_write(c->ctx.fd.top, at);
	if (!err)
		commit_move(c, COMMIT_UNDOING);
	return err;
}

/* Undoing writes saved bytes unless no file was written, or all were. */
static bool needs_saved(const struct mapfs_commit *c)
{
	const struct commit_position *at = &c->ctx.at;

	if (c->state == COMMIT_BEGUN)
		return at->phase >= PHASE_DATA;
	if (c->state == COMMIT_UNDOING)
		return at->phase <= PHASE_DATA && !position_left_files(at);
	return c->state == COMMIT_ENDED;
}

/* Once the objects are built nothing is taken from gone/ any more. */
static bool needs_kept(const struct mapfs_commit *c)
{
	return c->state != COMMIT_UNDOING || c->ctx.at.phase == PHASE_BUILD;
}

static int check_saved(struct mapfs_commit *c)
{
	int err = needs_saved(c) ? sums_check(&c->ctx, c->opt.skip_damaged) : 0;

	if (err || !needs_kept(c))
		return err;
	return kept_check(&c->ctx, c->state == COMMIT_ENDED,
			  c->opt.skip_damaged);
}

/* From then on the commit has the file `inos`. */
static bool has_built(const struct mapfs_commit *c)
{
	const struct commit_position *at = &c->ctx.at;

	if (c->state == COMMIT_BEGUN)
		return at->phase > PHASE_BUILD;
	return c->state == COMMIT_ENDED || at->reached > PHASE_BUILD;
}

static int undo(struct mapfs_commit *c)
{
	int err = is_under_way(c) ? 0 : find_newest(c);

	if (!err)
		err = work_dir_read_plan(&c->ctx);
	if (!err && has_built(c))
		err = work_dir_check_inos(&c->ctx);
	if (!err && c->state == COMMIT_ENDED)
		err = check_undo(&c->ctx);
	if (!err)
		err = commit_delta_judge(&c->ctx);
	if (!err)
		err = check_saved(c);
	if (!err && c->opt.confirm)
		err = c->opt.confirm(c->opt.confirm_arg, c);
	if (!err)
		err = turn_back(c);
	return err ? err : run(c);
}

int mapfs_commit_undo(const struct mapfs_commit_options *opt,
		      struct reason *why)
{
	struct mapfs_commit *c;
	int err = commit_create(&c, opt, why);

	if (err)
		return err;
	err = commit_open_all(c);
	if (!err)
		err = undo(c);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: cannot undo its commit: %s",
			   opt->store, reason_of(err));
	if (err)
		say_way_out(c, err);
	mapfs_commit_close(c);
	return err;
}
