/* SPDX-License-Identifier: MIT */
/*
 * mapfs snapshot: makes a snapshot of a view, or deletes one.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "tools/lib/control.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct snapshot_args {
	const char *target;
	const char *name;
	const char *message;
	bool is_delete;
	bool is_trusted;
};

static int run_live(const struct target *t, const struct snapshot_args *args,
		    struct reason *why)
{
	const struct control_call call = {
		.command = args->is_delete ? MAPFS_COMMAND_SNAPSHOT_DELETE :
					     MAPFS_COMMAND_SNAPSHOT,
		.name = args->name,
		.message = args->message,
	};
	struct control_result none;

	if (args->is_delete && t->store)
		mapfs_snapshot_forget_leftovers(t->store, args->name);
	return control_run(t->fd, t->shown, &call, &none, why);
}

static int run_resting(const struct target *t, const struct snapshot_args *args,
		       struct reason *why)
{
	struct mapfs_view *v;
	int err = target_open_view(t, false, &v, why);
	int close_err;

	if (err)
		return err;
	if (args->is_delete)
		err = mapfs_snapshot_delete(v, args->name, why);
	else
		err = mapfs_snapshot_create(
			v, args->name, args->message ? args->message : "", why);
	close_err = mapfs_view_close(v);
	if (!err && close_err) {
		reason_set(why,
			   "%s: not everything reached the disk; run it again",
			   t->shown);
		err = close_err;
	}
	return err;
}

static int snapshot_run(const struct snapshot_args *args)
{
	struct reason why;
	struct target t;
	int err = target_find(&t, args->target, &why);

	t.is_trusted = args->is_trusted;
	if (!err && t.snapshot) {
		reason_set(
			&why,
			"%s: a snapshot has no snapshots; name the store alone",
			args->target);
		err = -1;
	} else if (!err && t.kind == TARGET_LIVE) {
		err = run_live(&t, args, &why);
	} else if (!err) {
		err = run_resting(&t, args, &why);
	}
	if (err)
		say("%s", why.text);
	target_fini(&t);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct snapshot_args *args = state->input;

	switch (key) {
	case 'm':
		args->message = arg;
		return 0;
	case 'd':
		args->is_delete = true;
		return 0;
	case TRUST_KEY:
		args->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->target)
			args->target = arg;
		else if (!args->name)
			args->name = arg;
		else
			argp_error(state, "too many arguments");
		return 0;
	case ARGP_KEY_END:
		if (!args->name)
			argp_error(state, "MOUNTPOINT or STORE, and NAME, are "
					  "needed");
		if (args->is_delete && args->message)
			argp_error(state, "-d and -m exclude each other");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option snapshot_options[] = {
	{ "message", 'm', "TEXT", 0, "A note that mapfs log shows", 0 },
	{ "delete", 'd', NULL, 0, "Delete the snapshot and free its pages", 0 },
	TRUST_OPTION,
	{ 0 }
};

static const struct argp snapshot_argp = {
	.options = snapshot_options,
	.parser = parse_option,
	.args_doc = "MOUNTPOINT|STORE NAME",
	.doc = "Makes a snapshot: it gives the current state of a view, "
	       "mounted or not, a name.\v"
	       "A snapshot contains all that "
	       "programs have written before, synced or not. It does not "
	       "change until it is deleted: mapfs log lists it, mapfs "
	       "rollback returns to it, mapfs branch makes another store "
	       "from it. The view needs a kept store (mapfs mount -s "
	       "STORE).\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs snapshot -m 'before the upgrade' view v1",
};

int cmd_snapshot(int argc, char **argv)
{
	struct snapshot_args args = { 0 };

	if (argp_parse(&snapshot_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return snapshot_run(&args);
}
