/* SPDX-License-Identifier: MIT */
/*
 * mapfs list: the mounts in the table of the kernel, and what the daemon of
 * each answers.  A mount whose daemon does not answer, or not this user, is
 * listed, too.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/lib/array.h"
#include "list_stores.h"
#include "tools/lib/json.h"
#include "tools/lib/mounts.h"
#include "tools/lib/text.h"

enum column {
	COLUMN_TARGET,
	COLUMN_MODE,
	COLUMN_STATE,
	COLUMN_PID,
	COLUMN_BASE,
	COLUMN_STORE,
	COLUMNS
};

struct line {
	char *cells[COLUMNS];
};

struct listing {
	struct line *lines;
	size_t count;
	size_t cap;
	int widths[COLUMNS];
};

static const char *state_name(int err)
{
	switch (err) {
	case 0:
		return "alive";
	case -ENOTCONN:
	case -ECONNABORTED:
		return "dead";
	case -ETIMEDOUT:
		return "hung";
	case -EXDEV:
		return "covered";
	case -EACCES:
	case -EPERM:
		return "foreign";
	default:
		return "unknown";
	}
}

static void listing_add(struct listing *l, const char *const cells[COLUMNS])
{
	if (array_reserve(&l->lines, &l->cap, l->count + 1)) {
		say("out of memory; try again later");
		exit(COMMAND_FAILED);
	}
	for (int i = 0; i < COLUMNS; i++) {
		char *cell = text_escape(cells[i]);
		int width = (int)strlen(cell);

		l->lines[l->count].cells[i] = cell;
		if (width > l->widths[i])
			l->widths[i] = width;
	}
	l->count++;
}

static void listing_add_row(struct listing *l, const struct mount_row *row,
			    int err, const struct mapfs_control_info *info)
{
	char pid[16];
	const char *const cells[COLUMNS] = {
		[COLUMN_TARGET] = row->target,
		[COLUMN_MODE] = err ? "-" : info_mode_name(info),
		[COLUMN_STATE] = state_name(err),
		[COLUMN_PID] = err ? "-" : pid,
		[COLUMN_BASE] = err ? row->source : info->base,
		[COLUMN_STORE] = !err && *info->store ? info->store : "-",
	};

	snprintf(pid, sizeof(pid), "%d", info->pid);
	listing_add(l, cells);
}

static void listing_print(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		for (int c = 0; c < COLUMNS - 1; c++)
			printf("%-*s  ", l->widths[c], l->lines[i].cells[c]);
		printf("%s\n", l->lines[i].cells[COLUMNS - 1]);
	}
}

static void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		for (int c = 0; c < COLUMNS; c++)
			free(l->lines[i].cells[c]);
	}
	free(l->lines);
}

static void json_add_row(cJSON *array, const struct mount_row *row, int err,
			 const struct mapfs_control_info *info)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	json_add_string(o, "mountpoint", row->target);
	json_add_string(o, "state", state_name(err));
	json_add_string(o, "base", err ? row->source : info->base);
	if (!err)
		json_add_info(o, info);
}

static int list_json(struct mounts *table)
{
	struct mapfs_control_info info;
	cJSON *array = cJSON_CreateArray();
	struct mount_row row;

	while (mounts_next(table, &row)) {
		if (mounts_is_mapfs(&row))
			json_add_row(array, &row, mounts_ask(&row, &info),
				     &info);
	}
	return json_print(array) ? COMMAND_FAILED : COMMAND_OK;
}

static int list_people(struct mounts *table)
{
	static const char *const head[COLUMNS] = {
		[COLUMN_TARGET] = "MOUNTPOINT", [COLUMN_MODE] = "MODE",
		[COLUMN_STATE] = "STATE",	[COLUMN_PID] = "PID",
		[COLUMN_BASE] = "BASE",		[COLUMN_STORE] = "STORE",
	};
	struct mapfs_control_info info = { 0 };
	struct listing l = { 0 };
	struct mount_row row;

	listing_add(&l, head);
	while (mounts_next(table, &row)) {
		if (mounts_is_mapfs(&row))
			listing_add_row(&l, &row, mounts_ask(&row, &info),
					&info);
	}
	if (l.count > 1)
		listing_print(&l);
	listing_free(&l);
	return COMMAND_OK;
}

#define STORES_KEY 0x1001

struct list_args {
	bool json;
	bool stores;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct list_args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case STORES_KEY:
		args->stores = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option list_options[] = {
	{ "json", 'j', NULL, 0, "Print a JSON array", 0 },
	{ "stores", STORES_KEY, NULL, 0,
	  "List the kept stores of this user instead", 0 },
	{ 0 }
};

static const struct argp list_argp = {
	.options = list_options,
	.parser = parse_option,
	.doc = "Lists the mounts of mapfs, or the kept stores.\v"
	       "The state of a mount is "
	       "alive; dead: its daemon has ended, and `mapfs umount` "
	       "removes the mount; hung: its daemon does not answer; "
	       "covered: another mount lies over it; foreign: it belongs "
	       "to another user, and only that user may ask it.\n\n"
	       "With --json each mount is an object with mountpoint, state "
	       "and base. An alive mount also has mode, store (or null), "
	       "pid, uid, version, private_pages, journal_bytes, "
	       "inodes_known, inodes_changed, and requests: the number "
	       "that the kernel has sent, by operation.\n\n"
	       "With --stores the list has the kept stores that this user has "
	       "made or changed, wherever they are; one that was moved is "
	       "listed again once it was mounted. SIZE is what it takes on "
	       "disk, AGE the time since it was last written; mounting "
	       "writes, too. STATE is kept; mounted; busy: in use by a "
	       "command; commit: a commit was interrupted; or, if the store "
	       "is stale, base-gone, base-replaced, leftover (a command was "
	       "killed while it made or removed it) or damaged; or foreign: "
	       "another user could have written it; or unreadable. A line "
	       "on stderr says what to do. With --json each store is an "
	       "object with store, state, is_stale, base, mountpoint, parent "
	       "(or null), branches (their number), size_bytes, changed (in "
	       "seconds since 1970) and note.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs list --json",
};

int cmd_list(int argc, char **argv)
{
	struct mounts *table;
	struct list_args args = { 0 };
	int status;
	int err;

	if (argp_parse(&list_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	if (args.stores)
		return list_stores(args.json);
	err = mounts_read(&table);
	if (err) {
		say("/proc/self/mountinfo: %s; mount proc", strerror(-err));
		return COMMAND_FAILED;
	}
	status = args.json ? list_json(table) : list_people(table);
	mounts_free(table);
	return status;
}
