/* SPDX-License-Identifier: MIT */
/*
 * mapfs discard: shows what a store holds, and removes it.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "tools/lib/changes.h"
#include "tools/lib/confirm.h"
#include "tools/lib/history.h"
#include "tools/lib/registry.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct discard_args {
	const char *store;
	bool yes;
	bool is_trusted;
};

/* The sentences of damage also say that nothing was changed: that is to come. */
static void say_damage(struct reason *why)
{
	static const char words[] = "; nothing was changed";
	char *at = strstr(why->text, words);

	if (at)
		memmove(at, at + sizeof(words) - 1,
			strlen(at + sizeof(words) - 1) + 1);
	say("%s", why->text);
}

/*
 * Prints what the user would lose.  A store that cannot be read can be removed
 * all the same.
 */
static void say_contents(const struct target *t)
{
	struct mapfs_info info = { 0 };
	struct history h = { 0 };
	struct changes changes;
	char text[CHANGES_TEXT];
	char size[TEXT_SIZE];
	struct mapfs_view *v = NULL;
	char *store;
	struct reason lost;
	struct reason why;
	int err = history_read(&h, t, &why);

	if (!err)
		err = target_open_store(t, &v, &lost, &why);
	if (!err && reason_is_empty(&lost))
		err = changes_count(&changes, t, NULL, &why);
	if (err) {
		say_damage(&why);
		/* A view that is only read has nothing to sync. */
		(void)!mapfs_view_close(v);
		history_fini(&h);
		return;
	}
	if (!reason_is_empty(&lost))
		say("%s", lost.text);
	mapfs_view_info(v, &info);
	/* A view that is only read has nothing to sync. */
	(void)!mapfs_view_close(v);
	text_size(size, info.private_pages * MAPFS_PAGE_SIZE);
	snprintf(text, sizeof(text), "unknown without the base");
	if (reason_is_empty(&lost))
		changes_text(&changes, text);
	store = text_escape(t->store);
	printf("%s: changes: %s; private pages: %s; snapshots: %zu\n", store,
	       text, size, h.count);
	free(store);
	history_fini(&h);
}

static int check(const struct target *t, struct reason *why)
{
	if (t->kind == TARGET_LIVE) {
		reason_set(why,
			   "%s: mounted on %s; unmount it first (mapfs umount)",
			   t->store ? t->store : "temporary store", t->shown);
		return -EBUSY;
	}
	if (t->snapshot) {
		reason_set(
			why,
			"%s@%s: is a snapshot of a store; delete it with mapfs "
			"snapshot -d",
			t->store, t->snapshot);
		return -EINVAL;
	}
	/* A refusal must come before the question. */
	return mapfs_may_discard(t->store, why);
}

static bool is_confirmed(const struct discard_args *args, const char *store)
{
	fflush(stdout);
	return args->yes || confirm(store, "This cannot be undone. Discard?");
}

/*
 * What a killed command left holds nothing that was kept.  What a damaged store
 * held cannot be told.
 */
static int leftover_run(const struct discard_args *args, const char *path)
{
	static const char *const texts[] = {
		[MAPFS_LEFTOVER_EMPTY] = "an empty directory",
		[MAPFS_LEFTOVER_NEW] =
			"a store without changes, never finished",
		[MAPFS_LEFTOVER_PART] = "the rest of a branch or an import",
		[MAPFS_LEFTOVER_REMOVED] = "the rest of a removed store",
	};
	enum mapfs_leftover left;
	struct reason why;
	char *store;
	int err = mapfs_may_discard(path, &why);

	if (!err)
		err = mapfs_leftover(path, &left, &why);
	if (!err && left) {
		store = text_escape(path);
		printf("%s: %s\n", store, texts[left]);
		free(store);
	}
	if (!err && !is_confirmed(args, path))
		return COMMAND_FAILED;
	if (!err)
		err = mapfs_discard(path, &why);
	if (!err)
		registry_drop(path);
	else
		say("%s", why.text);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

/* A store whose journal states nothing; `why` says what is damaged. */
static int damaged_run(const struct discard_args *args, struct reason *why)
{
	char path[PATH_MAX];

	if (!realpath(args->store, path)) {
		say("%s", why->text);
		return COMMAND_FAILED;
	}
	say_damage(why);
	return leftover_run(args, path);
}

static bool is_leftover(const char *arg, char path[PATH_MAX])
{
	enum mapfs_leftover left;
	struct reason why;

	return realpath(arg, path) && mapfs_leftover(path, &left, &why) == 0 &&
	       left;
}

static int discard_run(const struct discard_args *args)
{
	char path[PATH_MAX];
	struct reason why;
	struct target t;
	int err = target_find(&t, args->store, &why);

	/* Neither in a mount, which could hang, nor a store. */
	if (err == -EINVAL && is_leftover(args->store, path))
		return leftover_run(args, path);
	if (err == -EUCLEAN || err == -EBADMSG)
		return damaged_run(args, &why);
	t.is_trusted = args->is_trusted;
	if (!err)
		err = check(&t, &why);
	if (!err) {
		say_contents(&t);
		if (!is_confirmed(args, t.store)) {
			reason_clear(&why);
			err = -ECANCELED;
		}
	}
	if (!err)
		err = mapfs_discard(t.store, &why);
	if (!err)
		registry_drop(t.store);
	if (err && !reason_is_empty(&why))
		say("%s", why.text);
	target_fini(&t);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct discard_args *args = state->input;

	switch (key) {
	case 'y':
		args->yes = true;
		return 0;
	case TRUST_KEY:
		args->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->store)
			argp_error(state, "too many arguments");
		args->store = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->store)
			argp_error(state, "STORE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option discard_options[] = {
	{ "yes", 'y', NULL, 0, "Do not ask", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp discard_argp = {
	.options = discard_options,
	.parser = parse_option,
	.args_doc = "STORE",
	.doc = "Removes a store with all its changes and snapshots.\v"
	       "The "
	       "command shows what the store holds, and asks on a "
	       "terminal; elsewhere -y is needed. A store that is mounted "
	       "or has branches is not removed. What a killed branch, import "
	       "or discard left is removed, too. Other files in the "
	       "directory are kept, and then the directory is, too. A "
	       "store of another user can be removed without --trust, but "
	       "its content is not shown then.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs discard -y changes",
};

int cmd_discard(int argc, char **argv)
{
	struct discard_args args = { 0 };

	if (argp_parse(&discard_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return discard_run(&args);
}
