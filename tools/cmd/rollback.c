/* SPDX-License-Identifier: MIT */
/*
 * mapfs rollback: returns a view to a snapshot, while programs use it.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "tools/lib/changes.h"
#include "tools/lib/confirm.h"
#include "tools/lib/control.h"
#include "tools/lib/history.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct rollback_args {
	const char *target;
	const char *name;
	bool yes;
	bool is_trusted;
};

static int run_live(const struct target *t, const char *name,
		    struct reason *why)
{
	const struct control_call call = {
		.command = MAPFS_COMMAND_ROLLBACK,
		.name = name,
	};
	struct control_result none;

	return control_run(t->fd, t->shown, &call, &none, why);
}

static int run_resting(const struct target *t, const char *name,
		       struct reason *why)
{
	struct mapfs_view *v;
	int err = target_open_view(t, false, &v, why);
	int close_err;

	if (err)
		return err;
	err = mapfs_rollback(v, name, NULL, NULL, why);
	close_err = mapfs_view_close(v);
	if (!err && close_err) {
		reason_set(why,
			   "%s: not everything reached the disk; run it again",
			   t->shown);
		err = close_err;
	}
	return err;
}

/* True: the user wants it. */
static bool ask(const struct target *t, const struct mapfs_snapshot *s)
{
	char lost[CHANGES_TEXT];
	struct changes changes;
	char *question;
	char when[32];
	struct reason why;
	bool yes;

	/* The question is asked even if the changes cannot be counted. */
	if (changes_count(&changes, t, s->name, &why))
		snprintf(lost, sizeof(lost), "unknown");
	else
		changes_text(&changes, lost);
	text_time(when, sizeof(when), s->time.tv_sec);
	if (asprintf(&question,
		     "%s is rolled back to snapshot %s of %s. Changes "
		     "since: %s; "
		     "they are lost unless another snapshot holds them. "
		     "Roll back?",
		     t->shown, s->name, when, lost) < 0)
		return false;
	yes = confirm(t->shown, question);
	free(question);
	return yes;
}

static int rollback_run(const struct rollback_args *args)
{
	struct history h = { 0 };
	const struct mapfs_snapshot *s = NULL;
	struct reason why;
	struct target t;
	int err = target_find(&t, args->target, &why);

	t.is_trusted = args->is_trusted;
	if (!err)
		err = target_refuse_snapshot(&t, &why);
	if (!err && !args->yes) {
		err = history_read(&h, &t, &why);
		if (!err)
			s = history_find(&h, args->name);
	}
	/* The core refuses a snapshot that does not exist, below. */
	if (!err && s && !ask(&t, s)) {
		reason_clear(&why);
		err = -ECANCELED;
	}
	if (!err && t.kind == TARGET_LIVE)
		err = run_live(&t, args->name, &why);
	else if (!err)
		err = run_resting(&t, args->name, &why);
	if (err && !reason_is_empty(&why))
		say("%s", why.text);
	history_fini(&h);
	target_fini(&t);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct rollback_args *args = state->input;

	switch (key) {
	case 'y':
		args->yes = true;
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
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option rollback_options[] = {
	{ "yes", 'y', NULL, 0, "Do not ask", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp rollback_argp = {
	.options = rollback_options,
	.parser = parse_option,
	.args_doc = "MOUNTPOINT|STORE NAME",
	.doc = "Returns a view to a snapshot.\v"
	       "A mounted view changes at "
	       "once for all programs that use it: an open file has the "
	       "bytes and the size of the snapshot, and a file that did "
	       "not exist then is gone (ESTALE). All snapshots are kept, "
	       "later ones too. On a terminal the command asks first; "
	       "elsewhere -y is needed.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs rollback -y view v1",
};

int cmd_rollback(int argc, char **argv)
{
	struct rollback_args args = { 0 };

	if (argp_parse(&rollback_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return rollback_run(&args);
}
