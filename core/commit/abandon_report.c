/* SPDX-License-Identifier: MIT */
/*
 * What was done is told by the base, not by the phase, wherever the base can
 * tell: a phase that was interrupted did a part of its work.
 */
#include "abandon_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gone.h"
#include "left.h"
#include "locate.h"
#include "stage.h"

static const char *phase_text(enum commit_phase phase)
{
	switch (phase) {
	case PHASE_BUILD:
		return "while new objects were made";
	case PHASE_TAKE:
		return "before any file was written";
	case PHASE_DATA:
		return "while files were written";
	case PHASE_PLACE:
		return "while objects got their names";
	case PHASE_ATTR:
		return "while attributes were set";
	case PHASE_CLEAN:
		return "while removed objects were moved to the store";
	case PHASE_DELTA:
	case PHASE_COUNT:
		break;
	}
	return "after all of the base was written";
}

int abandon_report_head(struct commit_ctx *ctx)
{
	char line[REASON_BYTES];
	const bool is_undo = ctx->at.to == PLAN_BEFORE;

	(void)snprintf(
		line, sizeof(line),
		"%s %llu was abandoned %s; \"done\" means as %s the commit; this list stays as %s/commit/%llu/%s",
		is_undo ? "the undo of commit" : "commit",
		(unsigned long long)ctx->at.number, phase_text(ctx->at.phase),
		is_undo ? "before" : "after", ctx->store,
		(unsigned long long)ctx->at.number, LEFT_FILE);
	return left_add_line(ctx, line);
}

static const char *name_outcome(struct commit_ctx *ctx,
				const struct plan_name *n)
{
	const uint32_t to = n->object[ctx->at.to];
	const uint32_t from = n->object[plan_other(ctx->at.to)];
	struct stat st;
	int dirfd = -1;

	if (locate_dir(ctx, n->dir, &dirfd))
		return "its directory was not found";
	if (fstatat(dirfd, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return to == PLAN_NONE ? "done, it is removed" :
					 "not done, nothing has this name";
	if (to != PLAN_NONE && plan_object_is(ctx->plan->objects[to], &st))
		return "done";
	if (from != PLAN_NONE && plan_object_is(ctx->plan->objects[from], &st))
		return "not done";
	return "something else has this name";
}

static int report_name(struct commit_ctx *ctx, const struct plan_name *n)
{
	const enum plan_side to = ctx->at.to;

	if (!plan_name_changes(n))
		return 0;
	return left_add_name(ctx, n,
			     n->object[to] != PLAN_NONE ? to : plan_other(to),
			     name_outcome(ctx, n));
}

static bool is_overwritten(const struct plan_object *o)
{
	return o->has_data && o->side[PLAN_BEFORE].exists &&
	       o->side[PLAN_AFTER].exists;
}

static const char *data_outcome(const struct commit_ctx *ctx,
				const struct plan_object *o,
				const struct stat *st)
{
	if (position_left_files(&ctx->at) || ctx->at.phase < PHASE_DATA)
		return "its bytes are not written";
	if (ctx->at.phase > PHASE_DATA)
		return "its bytes are written";
	if (plan_object_is_as(o, plan_other(ctx->at.to), (uint64_t)st->st_size,
			      st->st_mtim))
		return "its bytes are not written";
	return "its bytes may be written in part";
}

static int report_saved(struct commit_ctx *ctx, const struct plan_object *o)
{
	const struct plan_state *s = &o->side[PLAN_BEFORE];
	char line[REASON_BYTES];
	int err = 0;

	for (size_t i = 0; !err && i < s->run_count; i++) {
		const struct plan_run *r = &s->runs[i];

		if (r->source != PLAN_SAVED)
			continue;
		(void)snprintf(
			line, sizeof(line),
			"its %llu bytes from offset %llu on, of before the commit, are in %s/commit/%llu/saved from offset %llu on",
			(unsigned long long)r->len_bytes,
			(unsigned long long)r->off_bytes, ctx->store,
			(unsigned long long)ctx->at.number,
			(unsigned long long)r->from_bytes);
		err = left_add(ctx, o->id, line);
	}
	return err;
}

/* The object itself is in the staging directory, or in the store. */
static int report_place(struct commit_ctx *ctx, const struct plan_object *o)
{
	char line[REASON_BYTES];
	char slot[STAGE_SLOT_BYTES];

	if (stage_find(ctx, o->id, slot))
		(void)snprintf(line, sizeof(line), "it is in the base as %s/%s",
			       ctx->stage, slot);
	else if (o->side[PLAN_BEFORE].exists && gone_has(ctx, o))
		(void)snprintf(line, sizeof(line),
			       "it is kept as %s/commit/%llu/gone/%u",
			       ctx->store, (unsigned long long)ctx->at.number,
			       o->id);
	else
		return 0;
	return left_add(ctx, o->id, line);
}

static int report_object(struct commit_ctx *ctx, const struct plan_object *o)
{
	struct stat st = { 0 };
	int err = o->id == PLAN_ROOT ? 0 : report_place(ctx, o);
	int fd;

	if (err || !is_overwritten(o))
		return err;
	if (locate_object(ctx, o->id, &fd))
		err = left_add(ctx, o->id, "it was not found");
	else {
		if (fstat(fd, &st) < 0)
			err = -errno;
		close(fd);
		if (!err)
			err = left_add(ctx, o->id, data_outcome(ctx, o, &st));
	}
	return err ? err : report_saved(ctx, o);
}

int abandon_report_base(struct commit_ctx *ctx)
{
	const struct plan *p = ctx->plan;
	int err = 0;

	for (uint32_t i = 0; !err && i < p->name_count; i++)
		err = report_name(ctx, p->names[i]);
	for (uint32_t i = 0; !err && i < p->object_count; i++)
		err = report_object(ctx, p->objects[i]);
	return err;
}

int abandon_report_plan(struct commit_ctx *ctx)
{
	const struct plan *p = ctx->plan;
	const enum plan_side to = ctx->at.to;
	int err = 0;

	for (uint32_t i = 0; !err && i < p->name_count; i++)
		if (plan_name_changes(p->names[i]))
			err = left_add_name(
				ctx, p->names[i],
				p->names[i]->object[to] != PLAN_NONE ?
					to :
					plan_other(to),
				"not looked at, because the base cannot be opened");
	for (uint32_t i = 0; !err && i < p->object_count; i++) {
		if (!is_overwritten(p->objects[i]))
			continue;
		err = left_add(
			ctx, i,
			"not looked at, because the base cannot be opened");
		if (!err)
			err = report_saved(ctx, p->objects[i]);
	}
	return err;
}
