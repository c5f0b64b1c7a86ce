/* SPDX-License-Identifier: MIT */
/*
 * mapfs revert: resets files and trees to what the base has.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "tools/lib/control.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct revert_args {
	char **args;
	int count;
	bool is_trusted;
};

/* One of the paths. */
struct item {
	struct target *own; /* the view that it is in; NULL: the one named */
	char *path;	    /* from the view's root */
};

struct revert {
	struct target t;      /* the view that was named, */
	bool has_target;      /* if there is one */
	struct mapfs_view *v; /* of a store that is not mounted */
	struct item *items;
	int count;
	struct reason why;
};

static int refuse(struct revert *r, int err, const char *arg, const char *words)
{
	reason_set(&r->why, "%s: %s", arg, words);
	return err;
}

/*
 * The nearest directory above `arg` that exists, because the view may have
 * deleted the others; `*rest` is the path from there.  Symbolic links are
 * followed, but the last component is meant itself.
 */
static int split_at_directory(const char *arg, char dir[PATH_MAX],
			      const char **rest)
{
	char above[PATH_MAX];
	size_t end = strlen(arg);

	while (end > 1 && arg[end - 1] == '/')
		end--;
	do {
		while (end > 0 && arg[end - 1] != '/')
			end--;
		if (end >= sizeof(above))
			return -ENAMETOOLONG;
		snprintf(above, sizeof(above), "%.*s", (int)end, arg);
		*rest = arg + end;
		while (end > 0 && arg[end - 1] == '/')
			end--;
		if (realpath(*above ? above : ".", dir))
			return 0;
	} while (end > 0 && (errno == ENOENT || errno == ENOTDIR));
	return -errno;
}

/* A path with the meaning that it has for every program. */
static int item_by_place(struct revert *r, struct item *it, const char *arg)
{
	char dir[PATH_MAX];
	const char *rest;
	int err;

	/* ".", ".." and "/" are directories, not names in one. */
	if (arg[strspn(arg, "./")] == '\0') {
		rest = "";
		err = realpath(arg, dir) ? 0 : -errno;
	} else {
		err = split_at_directory(arg, dir, &rest);
	}
	if (err)
		return refuse(r, err, arg, strerror(-err));
	it->own = calloc(1, sizeof(*it->own));
	if (!it->own)
		return refuse(r, -ENOMEM, arg, strerror(ENOMEM));
	err = target_find(it->own, dir, &r->why);
	if (err || it->own->kind != TARGET_LIVE)
		return refuse(r, err ? err : -EINVAL, arg,
			      "not in a mounted view; name a path in one, or "
			      "MOUNTPOINT or STORE before the paths");
	return target_path(it->own, *rest ? rest : ".", &it->path, &r->why);
}

static int revert_one(struct revert *r, const struct item *it)
{
	const struct target *t = it->own ? it->own : &r->t;
	const struct control_call call = {
		.command = MAPFS_COMMAND_REVERT,
		.path = it->path,
	};
	struct control_result none;

	if (r->v)
		return mapfs_revert(r->v, it->path, NULL, NULL, &r->why);
	return control_run(t->fd, t->shown, &call, &none, &r->why);
}

/* All paths are checked before the first one is reverted. */
static int find_items(struct revert *r, char **args, int count)
{
	int err = 0;

	r->items = calloc((size_t)count, sizeof(*r->items));
	if (!r->items)
		return -ENOMEM;
	r->count = count;
	for (int i = 0; !err && i < count; i++) {
		if (r->has_target || args[i][0] == '\0')
			err = target_path(&r->t, args[i], &r->items[i].path,
					  &r->why);
		else
			err = item_by_place(r, &r->items[i], args[i]);
	}
	return err;
}

/* Does the first argument name a view, or is it the first path? */
static int find_target(struct revert *r, const char *arg)
{
	int err = target_find(&r->t, arg, &r->why);

	/* A path that the view has deleted may exist in the base. */
	if (*arg && (err == -ENOENT || err == -ENOTDIR))
		return 0;
	if (err || (r->t.kind == TARGET_LIVE && *r->t.inside))
		return err;
	r->has_target = true;
	return target_refuse_snapshot(&r->t, &r->why);
}

static int revert_all(struct revert *r, const struct revert_args *args)
{
	int err = find_target(r, args->args[0]);

	r->t.is_trusted = args->is_trusted;
	if (!err && r->has_target && args->count == 1)
		err = refuse(r, -EINVAL, args->args[0],
			     "a PATH is missing; say . for everything");
	if (!err)
		err = find_items(r, args->args + r->has_target,
				 args->count - r->has_target);
	if (!err && r->has_target && r->t.kind == TARGET_STORE)
		err = target_open_view(&r->t, false, &r->v, &r->why);
	for (int i = 0; !err && i < r->count; i++)
		err = revert_one(r, &r->items[i]);
	return err;
}

static void items_free(struct revert *r)
{
	for (int i = 0; i < r->count; i++) {
		if (r->items[i].own)
			target_fini(r->items[i].own);
		free(r->items[i].own);
		free(r->items[i].path);
	}
	free(r->items);
}

static int revert_run(const struct revert_args *args)
{
	struct revert r = { .why = { "out of memory; try again later" } };
	int err = revert_all(&r, args);
	int close_err = mapfs_view_close(r.v);

	if (!err && close_err) {
		reason_set(&r.why,
			   "%s: not everything reached the disk; run it again",
			   r.t.shown);
		err = close_err;
	}
	if (err)
		say("%s", r.why.text);
	items_free(&r);
	target_fini(&r.t);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct revert_args *args = state->input;

	switch (key) {
	case TRUST_KEY:
		args->is_trusted = true;
		return 0;
	case ARGP_KEY_ARGS:
		args->args = state->argv + state->next;
		args->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a PATH is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option revert_options[] = { TRUST_OPTION, { 0 } };

static const struct argp revert_argp = {
	.options = revert_options,
	.parser = parse_option,
	.args_doc = "PATH...\nMOUNTPOINT|STORE PATH...",
	.doc = "Resets files or whole trees of a view to what the base has "
	       "at their paths.\v"
	       "PATH is a path in a mounted view. "
	       "After MOUNTPOINT or STORE it is a path from the root of "
	       "the view, and . is everything. It may name an object that "
	       "exists only in the base. A program that has a file open "
	       "sees the bytes of the base at once.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs revert view/src",
};

int cmd_revert(int argc, char **argv)
{
	struct revert_args args = { 0 };

	if (argp_parse(&revert_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return revert_run(&args);
}
