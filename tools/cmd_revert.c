/* SPDX-License-Identifier: MIT */
/*
 * mapfs revert: files and trees as the base has them.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "control.h"
#include "target.h"
#include "text.h"

struct revert_args {
	const char *target;
	char **paths;
	int count;
};

struct revert {
	struct target t;
	struct mapfs_view *v; /* a resting store's */
	char why[1024];
};

/* Appends the components of `path` that mean something. */
static int append(char *to, size_t room, const char *path)
{
	size_t len = strlen(to);

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && strncmp(path, "..", 2) == 0)
			return -EINVAL;
		if (n && !(n == 1 && *path == '.')) {
			if (len + n + 2 > room)
				return -ENAMETOOLONG;
			if (len)
				to[len++] = '/';
			memcpy(to + len, path, n);
			len += n;
			to[len] = '\0';
		}
		path += n;
		path += *path == '/';
	}
	return 0;
}

/* An absolute path loses the mount point it must begin with. */
static const char *below(const struct target *t, const char *path)
{
	size_t n = strlen(t->shown);

	if (t->kind != TARGET_LIVE || strncmp(path, t->shown, n) != 0)
		return NULL;
	return path[n] == '\0' || path[n] == '/' ? path + n : NULL;
}

/* From the view's root. */
static int path_in_view(struct revert *r, const char *arg, char *out,
			size_t room)
{
	const char *path = arg;
	int err = 0;

	out[0] = '\0';
	/* A variable that was never set must not mean everything. */
	if (arg[0] == '\0') {
		snprintf(r->why, sizeof(r->why),
			 "'': an empty path; say . for everything");
		return -EINVAL;
	}
	if (arg[0] == '/')
		path = below(&r->t, arg);
	else
		err = append(out, room, r->t.inside);
	if (!path)
		err = -EINVAL;
	if (!err)
		err = append(out, room, path);
	if (err)
		snprintf(r->why, sizeof(r->why),
			 "%s: not a path in the view; name it from the root of "
			 "the view, without ..",
			 arg);
	return err;
}

static int revert_one(struct revert *r, const char *path)
{
	const struct control_call call = {
		.verb = MAPFS_VERB_REVERT,
		.path = path,
	};
	struct control_result none;

	if (r->v)
		return mapfs_revert(r->v, path, NULL, NULL, r->why,
				    sizeof(r->why));
	return control_run(r->t.fd, r->t.shown, &call, &none, r->why,
			   sizeof(r->why));
}

static int revert_all(struct revert *r, const struct revert_args *args)
{
	char path[PATH_MAX];
	int err = 0;

	/* All are looked at before the first is done. */
	for (int i = 0; !err && i < args->count; i++)
		err = path_in_view(r, args->paths[i], path, sizeof(path));
	for (int i = 0; !err && i < args->count; i++) {
		err = path_in_view(r, args->paths[i], path, sizeof(path));
		if (!err)
			err = revert_one(r, path);
	}
	return err;
}

static int revert_run(const struct revert_args *args)
{
	struct revert r = { 0 };
	int close_err;
	int err = target_find(&r.t, args->target, r.why, sizeof(r.why));

	if (!err)
		err = target_refuse_snapshot(&r.t, r.why, sizeof(r.why));
	if (!err && r.t.kind == TARGET_STORE)
		err = target_open_view(&r.t, false, &r.v, r.why, sizeof(r.why));
	if (!err)
		err = revert_all(&r, args);
	close_err = mapfs_view_close(r.v);
	if (!err && close_err) {
		snprintf(r.why, sizeof(r.why),
			 "%s: not everything reached the disk", r.t.shown);
		err = close_err;
	}
	if (err)
		say("%s", r.why);
	target_fini(&r.t);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct revert_args *args = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (args->target)
			return ARGP_ERR_UNKNOWN; /* all others at once */
		args->target = arg;
		return 0;
	case ARGP_KEY_ARGS:
		args->paths = state->argv + state->next;
		args->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (args->count == 0)
			argp_error(state,
				   "MOUNTPOINT or STORE, and a PATH, are "
				   "needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp revert_argp = {
	.parser = parse_option,
	.args_doc = "MOUNTPOINT|STORE PATH...",
	.doc = "Puts files or whole trees back to what the base has there.\v"
	       "A PATH counts from the root of the view (from the directory named, "
	       "when that lies inside the mount) and may name what is there only in "
	       "the base; . is everything. In a mounted view it may also be the "
	       "absolute path there. Open files have the base's bytes at once.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is wrong.",
};

int cmd_revert(int argc, char **argv)
{
	struct revert_args args = { 0 };

	if (argp_parse(&revert_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return revert_run(&args);
}
