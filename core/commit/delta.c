/* SPDX-License-Identifier: MIT */
/*
 * Before a commit the delta is kept in a snapshot, under a name that people do
 * not see; after it the delta is empty, over a new version of the base.
 *
 * Undoing brings the delta back.  The base then has the same bytes again, but
 * not the same ctimes, and an object that was copied to another file system and
 * back has another number.  So the records are rewritten: numbers, and
 * signatures of objects that had been as the view knew them.
 *
 * After a commit of a part the same is done with the records that remain.
 */
#include "delta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/delta/dump.h"
#include "core/delta/record_decode.h"
#include "core/lib/checksum.h"
#include "core/lib/timespec.h"
#include "core/overlay/rollback.h"
#include "core/store/compact.h"
#include "core/store/recover.h"
#include "core/store/snapshot.h"
#include "locate.h"

#define SNAPSHOT_BYTES 40

struct rewrite_ctx {
	struct commit_ctx *ctx;
	struct plan *plan;
	struct delta_set *into; /* the delta that is rewritten */
	bool only_rest;		/* leaves out what was committed */
	char *path;		/* allocated; of the present record */
};

static void snapshot_name(const struct commit_ctx *ctx,
			  char name[SNAPSHOT_BYTES])
{
	(void)snprintf(name, SNAPSHOT_BYTES, ".commit-%llu",
		       (unsigned long long)ctx->at.number);
}

static const struct snapshot *find_snapshot(const struct commit_ctx *ctx)
{
	char name[SNAPSHOT_BYTES];

	snapshot_name(ctx, name);
	return snapshots_find(&ctx->overlay->set.snapshots, name);
}

static int drop_snapshot(struct commit_ctx *ctx)
{
	char name[SNAPSHOT_BYTES];

	snapshot_name(ctx, name);
	return store_snapshot_delete(ctx->overlay->store, name, ctx->why);
}

bool commit_delta_is_kept(const struct commit_ctx *ctx)
{
	return find_snapshot(ctx) != NULL;
}

int commit_delta_drop(struct commit_ctx *ctx)
{
	return find_snapshot(ctx) ? drop_snapshot(ctx) : 0;
}

int commit_delta_keep(struct commit_ctx *ctx)
{
	char name[SNAPSHOT_BYTES];
	/* A commit that was planned and never begun may have left one. */
	int err = commit_delta_drop(ctx);

	if (err)
		return err;
	snapshot_name(ctx, name);
	return store_snapshot_create(ctx->overlay->store, name, "", ctx->why);
}

static struct plan_object *find_old(struct rewrite_ctx *r, mapfs_ino ino)
{
	return plan_find_object(r->plan, ino);
}

static mapfs_ino new_number(struct rewrite_ctx *r, mapfs_ino ino)
{
	const struct plan_object *o = find_old(r, ino);

	/* A new object keeps the number that only the view knows. */
	return o && o->side[PLAN_BEFORE].exists ? o->ino : ino;
}

/*
 * Did somebody else change it while the commit was interrupted?  Without the
 * right to set its times the commit could not have left the times of the plan,
 * so then nothing can be said.
 */
static bool was_changed_by_others(const struct rewrite_ctx *r,
				  const struct plan_object *o,
				  const struct statx *now)
{
	const struct timespec mtime = timespec_of_statx(now->stx_mtime);

	/* Not every file system keeps a time exactly as it was set. */
	if (r->ctx->at.to == PLAN_AFTER && o->is_touched)
		return false;
	if (S_ISDIR(now->stx_mode) ||
	    (geteuid() != 0 && now->stx_uid != geteuid()))
		return false;
	return !plan_object_is_as(o, r->ctx->at.to, now->stx_size, mtime);
}

/* As the base has it now.  -ENOENT: not as the commit left it, or hidden. */
static int look(struct rewrite_ctx *r, const struct plan_object *o,
		struct statx *out)
{
	int fd;
	int err = locate_object(r->ctx, o->id, &fd);

	if (err)
		return err == -EACCES ? -ENOENT : err;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, out) <
	    0)
		err = -errno;
	close(fd);
	return !err && was_changed_by_others(r, o, out) ? -ENOENT : err;
}

/* A directory above it may have been renamed. */
static int new_path(struct rewrite_ctx *r, const struct plan_object *o,
		    struct record_inode *i)
{
	int err = plan_path(r->plan, o->id, PLAN_AFTER, &r->path);

	if (err)
		return err == -ENOENT ? 0 : err;
	i->text = r->path;
	i->text_bytes = strlen(r->path);
	return 0;
}

static int rewrite_inode(struct rewrite_ctx *r, struct record_inode *i)
{
	struct plan_object *o = find_old(r, i->attr.ino);
	struct statx stx;
	uint64_t was;
	int err;

	i->attr.ino = new_number(r, i->attr.ino);
	i->attr.parent = new_number(r, i->attr.parent);
	if (!i->has_base || !o || !o->side[PLAN_BEFORE].exists)
		return 0;
	err = r->only_rest ? new_path(r, o, i) : 0;
	if (err)
		return err;
	err = o->has_drifted ? -ENOENT : look(r, o, &stx);
	/* The view knew another version; that must show again. */
	if (err)
		return err == -ENOENT ? 0 : err;
	was = sig_sum(&i->sig);
	i->sig = overlay_sig_of(&stx);
	/* Older snapshots have the old one, and must know the object again. */
	if (!r->only_rest)
		err = snapshots_renew_signature(&r->ctx->overlay->set.snapshots,
						was, &i->sig);
	i->generation = base_generation(&stx);
	i->base_blocks_512 = base_blocks(&stx);
	return err;
}

static int rewrite_hidden(struct rewrite_ctx *r, struct record_hidden *h)
{
	const struct plan_object *dir = find_old(r, h->dir);
	const struct plan_object *o;
	const struct plan_name *n;
	struct record_sig sig;
	struct statx stx;
	char name[NAME_MAX + 1];
	int err;

	h->dir = new_number(r, h->dir);
	if (!dir || h->name_bytes > NAME_MAX)
		return 0;
	memcpy(name, h->name, h->name_bytes);
	name[h->name_bytes] = '\0';
	n = plan_find_name(r->plan, dir->id, name);
	if (!n || n->object[PLAN_BEFORE] == PLAN_NONE)
		return 0;
	o = r->plan->objects[n->object[PLAN_BEFORE]];
	err = o->has_drifted ? -ENOENT : look(r, o, &stx);
	if (err)
		return err == -ENOENT ? 0 : err;
	sig = overlay_sig_of(&stx);
	h->sum = sig_sum(&sig);
	return 0;
}

static int rewrite(struct rewrite_ctx *r, struct record *rec)
{
	switch (rec->type) {
	case RECORD_INODE:
		return rewrite_inode(r, &rec->inode);
	case RECORD_ATTR:
		rec->attr.ino = new_number(r, rec->attr.ino);
		rec->attr.parent = new_number(r, rec->attr.parent);
		break;
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
		rec->dentry.dir = new_number(r, rec->dentry.dir);
		rec->dentry.ino = new_number(r, rec->dentry.ino);
		break;
	case RECORD_PAGES:
		rec->pages.ino = new_number(r, rec->pages.ino);
		break;
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		rec->xattr.ino = new_number(r, rec->xattr.ino);
		break;
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
		rec->ino = new_number(r, rec->ino);
		break;
	case RECORD_HIDDEN:
		return rewrite_hidden(r, &rec->hidden);
	case RECORD_STORE:
	case RECORD_COUNTERS:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_GONE:
	case RECORD_PINNED:
	case RECORD_PARENT:
	case RECORD_NEW_SIGNATURE:
	case RECORD_BASE:
	case RECORD_SUMS:
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		break;
	}
	return 0;
}

static bool object_remains(struct rewrite_ctx *r, mapfs_ino ino)
{
	const struct plan_object *o = find_old(r, ino);

	return o && o->remains;
}

static bool name_remains(struct rewrite_ctx *r, mapfs_ino dir, const char *name,
			 size_t name_bytes)
{
	const struct plan_object *o = find_old(r, dir);
	char text[NAME_MAX + 1];
	const struct plan_name *n;

	if (!o || name_bytes > NAME_MAX)
		return false;
	memcpy(text, name, name_bytes);
	text[name_bytes] = '\0';
	n = plan_find_name(r->plan, o->id, text);
	return n && n->remains;
}

/* Is the record about something that was not committed? */
static bool record_remains(struct rewrite_ctx *r, const struct record *rec)
{
	switch (rec->type) {
	case RECORD_INODE:
		return object_remains(r, rec->inode.attr.ino);
	case RECORD_ATTR:
		return object_remains(r, rec->attr.ino);
	case RECORD_PAGES:
		return object_remains(r, rec->pages.ino);
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		return object_remains(r, rec->xattr.ino);
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
		return object_remains(r, rec->ino);
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
		return name_remains(r, rec->dentry.dir, rec->dentry.name,
				    rec->dentry.name_bytes);
	case RECORD_HIDDEN:
		return name_remains(r, rec->hidden.dir, rec->hidden.name,
				    rec->hidden.name_bytes);
	case RECORD_STORE:
	case RECORD_COUNTERS:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_GONE:
	case RECORD_PINNED:
	case RECORD_PARENT:
	case RECORD_NEW_SIGNATURE:
	case RECORD_BASE:
	case RECORD_SUMS:
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		break;
	}
	return true;
}

static int rewrite_group(void *arg, const struct group *g)
{
	struct rewrite_ctx *r = arg;
	struct record rec;
	struct group out;
	size_t pos = 0;
	int ret;

	group_init(&out);
	while ((ret = record_next(g->buf, g->len_bytes, &pos, &rec)) > 0) {
		if (r->only_rest && !record_remains(r, &rec))
			continue;
		ret = rewrite(r, &rec);
		if (ret)
			break;
		group_add(&out, &rec);
		free(r->path);
		r->path = NULL;
	}
	if (!ret)
		ret = group_error(&out);
	if (!ret)
		ret = delta_set_apply(r->into, out.buf, out.len_bytes, NULL);
	group_fini(&out);
	return ret;
}

/* What is done with the delta that was kept, once it is rewritten. */
typedef int (*rewritten_fn)(struct commit_ctx *ctx, struct delta_set *state,
			    uint64_t arg);

static int replace(struct commit_ctx *ctx, struct delta_set *state,
		   uint64_t base_version)
{
	return overlay_replace(ctx->overlay, state, base_version, NULL, NULL);
}

static int with_rewritten(struct commit_ctx *ctx, struct delta_set *kept,
			  bool only_rest, rewritten_fn fn, uint64_t arg)
{
	struct rewrite_ctx r = {
		.ctx = ctx,
		.plan = ctx->plan,
		.only_rest = only_rest,
	};
	struct delta_set state;
	struct itable *table;
	int err = itable_create(&table, ctx->overlay->view.root_ino);

	if (err)
		return err;
	delta_set_init(&state, table, NULL);
	r.into = &state;
	state.replaying = true;
	err = delta_set_dump(kept, rewrite_group, &r);
	state.replaying = false;
	free(r.path);
	if (!err)
		err = fn(ctx, &state, arg);
	delta_set_fini(&state);
	itable_destroy(table);
	return err;
}

/* Without `fn` it is only loaded. */
static int with_kept(struct commit_ctx *ctx, const struct snapshot *one,
		     bool only_rest, rewritten_fn fn, uint64_t arg)
{
	struct delta_set kept;
	struct itable *table;
	int err = itable_create(&table, ctx->overlay->view.root_ino);

	if (err)
		return err;
	delta_set_init(&kept, table, NULL);
	err = store_snapshot_load(ctx->overlay->store, one,
				  &ctx->overlay->set.snapshots, &kept,
				  ctx->why);
	if (!err && fn)
		err = with_rewritten(ctx, &kept, only_rest, fn, arg);
	delta_set_fini(&kept);
	itable_destroy(table);
	return err;
}

int commit_delta_empty(struct commit_ctx *ctx)
{
	const struct snapshot *one = find_snapshot(ctx);
	const struct record_counters *line =
		&ctx->overlay->set.snapshots.counters;
	uint64_t version = store_new_base_version(ctx->overlay->store);

	if (!one)
		return -EUCLEAN;
	/* The last run did this before it was killed. */
	if (one->rec.base_version != line->base_version)
		return 0;
	if (ctx->plan->is_partial)
		return with_kept(ctx, one, true, replace, version);
	return overlay_replace(ctx->overlay, NULL, version, NULL, NULL);
}

int commit_delta_judge(struct commit_ctx *ctx)
{
	const struct snapshot *one = find_snapshot(ctx);

	return one ? with_kept(ctx, one, false, NULL, 0) : 0;
}

int commit_delta_restore(struct commit_ctx *ctx)
{
	const struct snapshot *one = find_snapshot(ctx);
	int err;

	/* The last run did this before it was killed. */
	if (!one)
		return 0;
	err = with_kept(ctx, one, false, replace, one->rec.base_version);
	return err ? err : drop_snapshot(ctx);
}

/* A checksum of a delta that does not depend on the order of its records. */
struct sum_ctx {
	uint64_t count;
	uint64_t sum;
};

static int sum_record(struct sum_ctx *s, struct record *rec)
{
	struct group one;
	int err;

	switch (rec->type) {
	case RECORD_INODE:
		/* result.c judges whether the base was changed. */
		rec->inode.sig = (struct record_sig){ 0 };
		rec->inode.generation = 0;
		rec->inode.base_blocks_512 = 0;
		rec->inode.attr.atime = (struct timespec){ 0 };
		break;
	case RECORD_HIDDEN:
	case RECORD_STORE:
	case RECORD_COUNTERS:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_GONE:
	case RECORD_PINNED:
	case RECORD_PARENT:
	case RECORD_NEW_SIGNATURE:
	case RECORD_BASE:
	case RECORD_SUMS:
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		return 0;
	case RECORD_ATTR:
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
	case RECORD_PAGES:
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
		break;
	}
	group_init(&one);
	group_add(&one, rec);
	err = group_error(&one);
	if (!err) {
		s->count++;
		s->sum += checksum64(one.buf, one.len_bytes, 0);
	}
	group_fini(&one);
	return err;
}

static int sum_group(void *arg, const struct group *g)
{
	struct record rec;
	size_t pos = 0;
	int ret;

	while ((ret = record_next(g->buf, g->len_bytes, &pos, &rec)) > 0) {
		ret = sum_record(arg, &rec);
		if (ret)
			break;
	}
	return ret;
}

/* -ENOTEMPTY: the delta of the store differs from `state`. */
static int compare_with_live(struct commit_ctx *ctx, struct delta_set *state,
			     uint64_t live_sum)
{
	struct sum_ctx s = { 0 };
	int err = delta_set_dump(state, sum_group, &s);

	(void)ctx;
	return err ? err : s.sum == live_sum ? 0 : -ENOTEMPTY;
}

int commit_delta_check(struct commit_ctx *ctx)
{
	const struct snapshots *all = &ctx->overlay->set.snapshots;
	const struct snapshot *kept = find_snapshot(ctx);
	struct sum_ctx live = { 0 };
	int err;

	for (const struct snapshot *one = all->list; one; one = one->next)
		if (snapshots_is_reachable(all, one)) {
			reason_set(
				ctx->why,
				"store %s: its snapshot %s was taken after the commit, and undoing would lose it; delete it first with `mapfs snapshot -d %s %s`",
				ctx->store, one->rec.name, ctx->store,
				one->rec.name);
			return -EBUSY;
		}
	if (!kept)
		return -EUCLEAN;
	store_lock(ctx->overlay->store);
	err = delta_set_dump(&ctx->overlay->set, sum_group, &live);
	store_unlock(ctx->overlay->store);
	if (!err && live.count > 0)
		err = ctx->plan->is_partial ?
			      with_kept(ctx, kept, true, compare_with_live,
					live.sum) :
			      -ENOTEMPTY;
	if (err == -ENOTEMPTY)
		reason_set(
			ctx->why,
			"store %s: it was changed after the commit, and undoing would lose that; first commit these changes, or drop them with `mapfs revert %s .`",
			ctx->store, ctx->store);
	return err;
}
