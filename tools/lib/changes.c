/* SPDX-License-Identifier: MIT */
/*
 * A live view is compared by its daemon, which sends the entries; a resting
 * store is opened in this process.
 */
#include "changes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

struct iteration {
	const struct target *t;
	const struct mapfs_diff_options *opt;
	mapfs_diff_fn fn;
	void *arg;
	struct reason *why;
};

static void on_progress(void *arg, uint64_t done)
{
	const struct mapfs_diff_options *opt = arg;

	/* A live view's job ends by itself when nobody asks any more. */
	if (opt->progress)
		(void)opt->progress(opt->progress_arg, done);
}

/* As MAPFS_COMMAND_DIFF wants them; none when the root is one of them. */
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

static int take_entries(const struct iteration *it,
			const struct control_result *result)
{
	struct wire_in in = control_result_wire(result);
	struct mapfs_range *ranges = NULL;
	struct mapfs_diff_entry e;
	int err = 0;

	while (!err && !wire_is_over(&in)) {
		wire_take_entry(&in, &e, &ranges);
		if (in.is_bad)
			break;
		err = it->fn(it->arg, &e);
	}
	free(ranges);
	if (!in.is_bad)
		return err;
	reason_set(it->why,
		   "%s: its answer makes no sense; its daemon is of another "
		   "version, unmount and mount again",
		   it->t->shown);
	return -EBADMSG;
}

static int iterate_live(const struct iteration *it, const char *from)
{
	char paths[sizeof(((struct mapfs_control_start *)NULL)->path)];
	const struct control_call call = {
		.command = MAPFS_COMMAND_DIFF,
		.name = from,
		.paths = paths,
		.paths_bytes = sizeof(paths),
		.flags = (it->opt->want_ranges ? MAPFS_CONTROL_RANGES : 0) |
			 (it->opt->want_tree ? MAPFS_CONTROL_TREE : 0),
		.progress = on_progress,
		.progress_arg = (void *)it->opt,
	};
	struct control_result result;
	int err = join_paths(it->opt, paths, sizeof(paths));

	if (err) {
		reason_set(
			it->why,
			"%s: too many paths; name fewer, or unmount it first",
			it->t->shown);
		return err;
	}
	err = control_run(it->t->fd, it->t->shown, &call, &result, it->why);
	if (err)
		return err;
	err = take_entries(it, &result);
	control_result_fini(&result);
	return err;
}

static int iterate_resting(const struct iteration *it, const char *from)
{
	struct mapfs_view *past = NULL;
	struct mapfs_view *v;
	int err = target_open_view(it->t, true, &v, it->why);

	if (err)
		return err;
	if (from)
		err = target_look(it->t, from, &past, it->why);
	if (!err) {
		reason_clear(it->why);
		err = mapfs_diff(past, v, it->opt, it->fn, it->arg);
		if (err)
			reason_set(
				it->why,
				"%s: cannot be compared: %s; see mapfs status",
				it->t->shown, strerror(-err));
	}
	/* Opened for looking: nothing to sync. */
	(void)!mapfs_view_close(past);
	(void)!mapfs_view_close(v);
	return err;
}

int changes_iterate(const struct target *t, const char *from,
		    const struct mapfs_diff_options *opt, mapfs_diff_fn fn,
		    void *arg, struct reason *why)
{
	const struct iteration it = {
		.t = t,
		.opt = opt,
		.fn = fn,
		.arg = arg,
		.why = why,
	};

	if (t->kind == TARGET_LIVE && !t->snapshot)
		return iterate_live(&it, from);
	return iterate_resting(&it, from);
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

	*out = (struct changes){ 0 };
	return changes_iterate(t, from, &opt, count, out, why);
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
