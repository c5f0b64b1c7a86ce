/* SPDX-License-Identifier: MIT */
/*
 * The daemon of a mounted view compares it, and sends the entries; a store that
 * is not mounted is opened in this process.
 */
#include "changes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "damaged.h"

static void on_progress(void *arg, uint64_t done)
{
	const struct mapfs_diff_options *opt = arg;

	/* An interrupted caller stops asking; then the job in the daemon ends. */
	if (opt->progress)
		(void)opt->progress(opt->progress_arg, done);
}

/* The list as MAPFS_COMMAND_DIFF expects it; empty if the root is in it. */
static int join_paths(const struct mapfs_diff_options *opt, char *out,
		      size_t room)
{
	size_t len = 0;

	memset(out, 0, room);
	for (size_t i = 0; i < opt->path_count; i++) {
		size_t n = strlen(opt->paths[i]) + 1;

		if (n == 1) {
			memset(out, 0, room);
			return 0;
		}
		if (len + n + 1 > room)
			return -E2BIG;
		memcpy(out + len, opt->paths[i], n);
		len += n;
	}
	return 0;
}

struct live_query {
	const struct changes_query *q;
	struct mapfs_range *ranges;
	bool is_bad;
};

static int take_entries(void *arg, struct wire_in *in, bool is_over)
{
	struct live_query *l = arg;
	struct mapfs_diff_entry e;
	int err = 0;

	while (!err && !wire_is_over(in)) {
		const struct wire_in before = *in;

		wire_take_entry(in, &e, &l->ranges);
		if (!in->is_bad) {
			err = l->q->fn(l->q->arg, &e);
			continue;
		}
		*in = before;
		l->is_bad = is_over;
		return is_over ? -EBADMSG : 0;
	}
	return err;
}

/* "Input/output error" does not say of which file. */
static void name_damaged(const struct target *t, struct reason *why)
{
	struct damaged d = { .count = 0 };
	struct reason unheard;

	if (damaged_read(&d, t->fd, t->shown, &unheard) == 0 && d.count > 0)
		reason_set(why,
			   "%s: file %s cannot be compared: bytes %" PRIu64
			   " to %" PRIu64
			   " are damaged in the store; see mapfs status %s",
			   t->shown, d.page[0].path, d.page[0].off_bytes,
			   d.page[0].off_bytes + MAPFS_PAGE_SIZE - 1, t->shown);
	damaged_fini(&d);
}

static int iterate_live(const struct changes_query *q, struct reason *why)
{
	char paths[sizeof(((struct mapfs_control_start *)NULL)->path)];
	const struct control_call call = {
		.command = MAPFS_COMMAND_DIFF,
		.name = q->from,
		.paths = paths,
		.paths_bytes = sizeof(paths),
		.flags = (q->opt->want_ranges ? MAPFS_CONTROL_RANGES : 0) |
			 (q->opt->want_tree ? MAPFS_CONTROL_TREE : 0),
		.progress = on_progress,
		.progress_arg = (void *)q->opt,
	};
	const struct control_place place = {
		.fd = q->target->fd,
		.shown = q->target->shown,
	};
	struct live_query l = { .q = q };
	int err = join_paths(q->opt, paths, sizeof(paths));

	if (err) {
		reason_set(
			why,
			"%s: too many paths; name fewer, or unmount it first",
			q->target->shown);
		return err;
	}
	err = control_stream(&place, &call, take_entries, &l, why);
	free(l.ranges);
	if (l.is_bad)
		reason_set(why,
			   "%s: the answer of its daemon, which is of another "
			   "version, cannot be read; unmount and mount again",
			   q->target->shown);
	if (err == -EIO)
		name_damaged(q->target, why);
	return err;
}

static int iterate_resting(const struct changes_query *q, struct reason *why)
{
	struct mapfs_view *past = NULL;
	struct mapfs_view *v;
	int err = target_open_view(q->target, true, &v, why);

	if (err)
		return err;
	if (q->from)
		err = target_look(q->target, q->from, &past, why);
	if (!err) {
		reason_clear(why);
		err = mapfs_diff(past, v, q->opt, q->fn, q->arg);
		if (err)
			reason_set(
				why,
				"%s: cannot be compared: %s; see mapfs status",
				q->target->shown, strerror(-err));
	}
	/* A view that is only read has nothing to sync. */
	(void)!mapfs_view_close(past);
	(void)!mapfs_view_close(v);
	return err;
}

int changes_iterate(const struct changes_query *q, struct reason *why)
{
	if (q->target->kind == TARGET_LIVE && !q->target->snapshot)
		return iterate_live(q, why);
	return iterate_resting(q, why);
}

static int count(void *arg, const struct mapfs_diff_entry *e)
{
	struct changes *c = arg;

	c->bytes += e->bytes;
	switch (e->change) {
	case MAPFS_ADDED:
		c->added++;
		break;
	case MAPFS_MODIFIED:
		c->modified++;
		break;
	case MAPFS_DELETED:
		c->deleted++;
		break;
	case MAPFS_RENAMED:
		c->renamed++;
		break;
	case MAPFS_RETYPED:
		c->retyped++;
		break;
	}
	return 0;
}

int changes_count(struct changes *out, const struct target *t, const char *from,
		  struct reason *why)
{
	const struct mapfs_diff_options opt = { 0 };
	const struct changes_query query = {
		.target = t,
		.from = from,
		.opt = &opt,
		.fn = count,
		.arg = out,
	};

	*out = (struct changes){ 0 };
	return changes_iterate(&query, why);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* A renamed file has a delta, and leaves a hidden name behind. */
void changes_of_counts(struct changes *out, const struct mapfs_counts *c)
{
	*out = (struct changes){
		.added = c->names_added,
		.modified =
			less(c->base_files, c->names_moved) + c->names_replaced,
		.deleted = less(c->names_hidden, c->names_moved),
		.renamed = c->names_moved,
	};
}

void changes_text(const struct changes *c, char out[CHANGES_TEXT])
{
	const struct {
		uint64_t count;
		const char *word;
	} parts[] = {
		{ c->added, "added" },	   { c->modified, "modified" },
		{ c->deleted, "deleted" }, { c->renamed, "renamed" },
		{ c->retyped, "retyped" },
	};
	size_t len = 0;

	snprintf(out, CHANGES_TEXT, "none");
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (parts[i].count == 0)
			continue;
		snprintf(out + len, CHANGES_TEXT - len, "%s%" PRIu64 " %s",
			 len ? ", " : "", parts[i].count, parts[i].word);
		len = strlen(out);
	}
}
