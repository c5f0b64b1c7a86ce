/* SPDX-License-Identifier: MIT */
/*
 * mapfs prune: discards the kept stores of this user that were not changed for
 * some time and that nothing needs.
 */
#include <argp.h>
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "tools/lib/confirm.h"
#include "tools/lib/registry.h"
#include "tools/lib/stores.h"
#include "tools/lib/text.h"

struct prune_args {
	time_t age; /* -1: not given */
	bool dry;
	bool yes;
};

/* "30d": hours, days or weeks.  -1: it is none of these. */
static time_t parse_age(const char *text)
{
	static const struct {
		char unit;
		long seconds;
	} units[] = { { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char *end;
	long n;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	n = strtol(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (end[0] == units[i].unit && end[1] == '\0' && n <= INT_MAX)
			return n * units[i].seconds;
	return -1;
}

/*
 * Is nothing lost that something needs?  mapfs_discard() decides again, under
 * the store's lock.
 */
static bool is_prunable(const struct store_row *row,
			const struct prune_args *args)
{
	struct reason why;

	switch (row->state) {
	case STORE_KEPT:
	case STORE_BASE_GONE:
	case STORE_BASE_REPLACED:
	case STORE_LEFTOVER:
		break;
	case STORE_MOUNTED:
	case STORE_BUSY:
	case STORE_COMMIT:
	case STORE_DAMAGED:
	case STORE_FOREIGN:
	case STORE_UNREADABLE:
		return false;
	}
	if (row->info.commit_is_open ||
	    (row->info.branches && row->info.branches[0]))
		return false;
	return time(NULL) - row->changed >= args->age &&
	       mapfs_may_discard(row->path, &why) == 0;
}

static void print_row(const struct store_row *row)
{
	char *path = text_escape(row->path);
	char age[STORE_AGE_TEXT];
	char size[TEXT_SIZE];

	store_age(age, row);
	text_size(size, row->bytes);
	printf("%s: %s, %s, not changed for %s\n", path,
	       store_state_name(row->state), size, age);
	free(path);
}

/* It may have been used since it was listed. */
static int prune_one(const struct store_row *listed,
		     const struct prune_args *args)
{
	struct store_row row;
	struct reason why;
	int err = store_look(&row, listed->path);

	if (err)
		return err > 0 ? 0 : err;
	if (!is_prunable(&row, args)) {
		say("store %s: is in use by now, and was left alone; see mapfs "
		    "list --stores",
		    row.path);
	} else {
		err = mapfs_discard(row.path, &why);
		if (err)
			say("%s", why.text);
		else
			registry_drop(row.path);
	}
	store_row_fini(&row);
	return err;
}

static int prune_list(struct stores *s, const struct prune_args *args)
{
	char size[TEXT_SIZE];
	uint64_t bytes = 0;
	size_t count = 0;
	int status = COMMAND_OK;

	for (size_t i = 0; i < s->count; i++) {
		if (!is_prunable(&s->rows[i], args)) {
			s->rows[i].state = STORE_BUSY;
			continue;
		}
		print_row(&s->rows[i]);
		bytes += s->rows[i].bytes;
		count++;
	}
	text_size(size, bytes);
	printf("%zu %s, %s\n", count, count == 1 ? "store" : "stores", size);
	fflush(stdout);
	if (args->dry || count == 0)
		return COMMAND_OK;
	if (!args->yes &&
	    !confirm("stores", "This cannot be undone. Discard them?"))
		return COMMAND_FAILED;
	for (size_t i = 0; i < s->count; i++)
		if (s->rows[i].state != STORE_BUSY &&
		    prune_one(&s->rows[i], args))
			status = COMMAND_FAILED;
	return status;
}

static int prune_run(const struct prune_args *args)
{
	struct stores s;
	int status;
	int err = stores_read(&s);

	if (err) {
		say("the list of stores: %s; name the stores instead (mapfs "
		    "discard STORE)",
		    strerror(-err));
		return COMMAND_FAILED;
	}
	status = prune_list(&s, args);
	stores_free(&s);
	return status;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct prune_args *args = state->input;

	switch (key) {
	case 'o':
		args->age = parse_age(arg);
		if (args->age < 0)
			argp_error(state,
				   "age %s: not a number of hours, days or "
				   "weeks; write 12h, 30d or 8w",
				   arg);
		return 0;
	case 'n':
		args->dry = true;
		return 0;
	case 'y':
		args->yes = true;
		return 0;
	case ARGP_KEY_END:
		if (args->age < 0)
			argp_error(state, "--older-than AGE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option prune_options[] = {
	{ "older-than", 'o', "AGE", 0,
	  "Of stores that were last changed this long ago: 12h, 30d, 8w", 0 },
	{ "dry-run", 'n', NULL, 0, "Only list the stores", 0 },
	{ "yes", 'y', NULL, 0, "Do not ask", 0 },
	{ 0 },
};

static const struct argp prune_argp = {
	.options = prune_options,
	.parser = parse_option,
	.doc = "Removes the kept stores of this user that were not changed for "
	       "some time.\v"
	       "The stores are those of mapfs list --stores. One that is "
	       "mounted or in use, has branches or an interrupted commit, is "
	       "damaged, or could have been written by another user is not "
	       "removed. Mounting a store counts as a change. The command "
	       "shows the stores, and asks on a terminal; elsewhere -y is "
	       "needed. What a removed store has saved for mapfs commit --undo "
	       "is removed, too.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs prune --older-than 30d -n",
};

int cmd_prune(int argc, char **argv)
{
	struct prune_args args = { .age = -1 };

	if (argp_parse(&prune_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return prune_run(&args);
}
