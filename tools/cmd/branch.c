/* SPDX-License-Identifier: MIT */
/*
 * mapfs branch: makes a new store that begins as a snapshot of another.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "tools/lib/control.h"
#include "tools/lib/registry.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

#define NAME_TRIES 100

struct branch_args {
	const char *from;
	const char *to;
	bool is_trusted;
};

static int snapshot_live(const struct target *t, const char *name,
			 struct reason *why)
{
	const struct control_call call = {
		.command = MAPFS_COMMAND_SNAPSHOT,
		.name = name,
		.message = "taken by mapfs branch",
	};
	struct control_result none;

	return control_run(t->fd, t->shown, &call, &none, why);
}

static int snapshot_resting(const struct target *t, const char *name,
			    struct reason *why)
{
	struct mapfs_view *v;
	int err = target_open_view(t, false, &v, why);

	if (err)
		return err;
	err = mapfs_snapshot_create(v, name, "taken by mapfs branch", why);
	/* The snapshot is durable already; a later error changes nothing. */
	(void)!mapfs_view_close(v);
	return err;
}

/*
 * A snapshot of the current state, with a name that no other has: two branches
 * may be made in the same second.
 */
static int snapshot_now(const struct target *t, char *name, size_t name_bytes,
			struct reason *why)
{
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;
	int err = -EEXIST;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "branch-%Y%m%d-%H%M%S", &tm);
	for (int i = 1; i < NAME_TRIES && err == -EEXIST; i++) {
		snprintf(name, name_bytes, i > 1 ? "%s-%d" : "%s", stamp, i);
		if (t->kind == TARGET_LIVE)
			err = snapshot_live(t, name, why);
		else
			err = snapshot_resting(t, name, why);
	}
	return err;
}

/* The branch could not be made, so its snapshot is of no use. */
static void snapshot_delete(const struct target *t, const char *name)
{
	const struct control_call call = {
		.command = MAPFS_COMMAND_SNAPSHOT_DELETE,
		.name = name,
	};
	struct control_result none;
	struct mapfs_view *v;
	struct reason why;
	int err;

	if (t->kind == TARGET_LIVE) {
		err = control_run(t->fd, t->shown, &call, &none, &why);
	} else {
		err = target_open_view(t, false, &v, &why);
		if (!err) {
			err = mapfs_snapshot_delete(v, name, &why);
			(void)!mapfs_view_close(v);
		}
	}
	if (err)
		say("snapshot %s: was made for the branch and cannot be deleted: "
		    "%s",
		    name, why.text);
}

/* Before it is made, so that what a killed command leaves is found. */
static void note_branch(const char *parent, const char *to)
{
	struct mapfs_store_info info;
	struct reason why;

	if (mapfs_store_describe(parent, &info, &why))
		return;
	registry_add(to, info.base);
	mapfs_store_info_fini(&info);
}

static int branch(const struct target *t, const struct branch_args *args,
		  struct reason *why)
{
	struct mapfs_branch_options opt = {
		.from = t->store,
		.snapshot = t->snapshot,
		.to = args->to,
		.is_trusted = t->is_trusted,
	};
	char name[64];
	int err;

	if (!t->store) {
		reason_set(why,
			   "%s: this view has no kept store; mount it with -s "
			   "STORE",
			   t->shown);
		return -EINVAL;
	}
	if (t->snapshot) {
		note_branch(t->store, args->to);
		return mapfs_branch(&opt, why);
	}
	/* Before a snapshot is made for it. */
	err = mapfs_store_trust_check(t->store, t->is_trusted, why);
	if (!err)
		err = snapshot_now(t, name, sizeof(name), why);
	if (err)
		return err;
	opt.snapshot = name;
	note_branch(t->store, args->to);
	err = mapfs_branch(&opt, why);
	if (err)
		snapshot_delete(t, name);
	return err;
}

static int branch_run(const struct branch_args *args)
{
	struct reason why;
	struct target t;
	int err = target_find(&t, args->from, &why);

	t.is_trusted = args->is_trusted;
	if (!err)
		err = branch(&t, args, &why);
	if (err)
		say("%s", why.text);
	target_fini(&t);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct branch_args *args = state->input;

	switch (key) {
	case TRUST_KEY:
		args->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->from)
			args->from = arg;
		else if (!args->to)
			args->to = arg;
		else
			argp_error(state, "too many arguments");
		return 0;
	case ARGP_KEY_END:
		if (!args->to)
			argp_error(state, "STORE and NEWSTORE are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option branch_options[] = { TRUST_OPTION, { 0 } };

static const struct argp branch_argp = {
	.options = branch_options,
	.parser = parse_option,
	.args_doc = "STORE[@NAME] NEWSTORE",
	.doc = "Makes a branch: a new store that begins as a snapshot of "
	       "another store.\v"
	       "Both stores can be mounted and changed at "
	       "the same time. Neither shows the changes of the other, and "
	       "they share the pages of the snapshot. Without NAME a "
	       "snapshot of the current state is made first, named "
	       "branch-DATE-TIME. The snapshot cannot be deleted as long "
	       "as the branch exists; mapfs discard removes a branch.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs branch changes@v1 experiment",
};

int cmd_branch(int argc, char **argv)
{
	struct branch_args args = { 0 };

	if (argp_parse(&branch_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return branch_run(&args);
}
