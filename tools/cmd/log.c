/* SPDX-License-Identifier: MIT */
/*
 * mapfs log: the snapshots of a store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "tools/lib/history.h"
#include "tools/lib/json.h"
#include "tools/lib/lookargs.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

static void print_people(const struct history *h)
{
	int width = (int)strlen("NAME");

	if (h->count == 0)
		return;
	for (size_t i = 0; i < h->count; i++) {
		char *name = text_escape(h->list[i].name);

		if ((int)strlen(name) > width)
			width = (int)strlen(name);
		free(name);
	}
	printf("%4s  %-*s  %-19s  %10s  %s\n", "ID", width, "NAME", "TIME",
	       "PAGES", "MESSAGE");
	for (size_t i = 0; i < h->count; i++) {
		const struct mapfs_snapshot *s = &h->list[i];
		char *name = text_escape(s->name);
		char *message = text_escape(s->message);
		char when[32];

		text_time(when, sizeof(when), s->time.tv_sec);
		printf("%4" PRIu64 "  %-*s  %-19s  %10" PRIu64 "  %s%s\n",
		       s->id, width, name, when, s->private_pages, message,
		       s->is_reachable ? "" : " (of the base before a commit)");
		free(name);
		free(message);
	}
}

static int print_json(const struct history *h)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < h->count; i++) {
		const struct mapfs_snapshot *s = &h->list[i];
		cJSON *o = cJSON_CreateObject();

		cJSON_AddItemToArray(array, o);
		cJSON_AddNumberToObject(o, "id", (double)s->id);
		json_add_string(o, "name", s->name);
		cJSON_AddNumberToObject(o, "time",
					(double)s->time.tv_sec +
						(double)s->time.tv_nsec / 1e9);
		cJSON_AddNumberToObject(o, "private_pages",
					(double)s->private_pages);
		json_add_string(o, "message", s->message);
		cJSON_AddBoolToObject(o, "reachable", s->is_reachable);
	}
	return json_print(array) ? COMMAND_FAILED : COMMAND_OK;
}

static int log_run(const struct look_args *args)
{
	struct history h = { 0 };
	int status = COMMAND_OK;
	struct reason why;
	struct target t;
	int err = target_find(&t, args->target, &why);

	t.is_trusted = args->is_trusted;
	if (!err)
		err = target_refuse_snapshot(&t, &why);
	if (!err)
		err = history_read(&h, &t, &why);
	if (err) {
		say("%s", why.text);
		status = COMMAND_FAILED;
	} else if (args->json) {
		status = print_json(&h);
	} else {
		print_people(&h);
	}
	history_fini(&h);
	target_fini(&t);
	return status;
}

static const struct argp_option log_options[] = {
	{ "json", 'j', NULL, 0, "Print a JSON array", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp log_argp = {
	.options = log_options,
	.parser = look_args_parse,
	.args_doc = "MOUNTPOINT|STORE",
	.doc = "Lists the snapshots of a store, the oldest first.\v"
	       "PAGES "
	       "is the number of private pages of 4096 bytes that a "
	       "snapshot holds; several snapshots may share pages.\n\n"
	       "With --json each snapshot is an object with id, name, time "
	       "(seconds since 1970), private_pages, message, and "
	       "reachable: false if a commit has changed the base since, "
	       "so that the snapshot cannot be shown.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs log view",
};

int cmd_log(int argc, char **argv)
{
	struct look_args args = { 0 };

	if (argp_parse(&log_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return log_run(&args);
}
