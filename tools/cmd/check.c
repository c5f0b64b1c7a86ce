/* SPDX-License-Identifier: MIT */
/*
 * mapfs check: what of a store is damaged.  It reads as much as the store has,
 * so it runs at the lowest priority of the disk and the processor, and stops
 * when the user wants that.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "command.h"
#include "tools/lib/checkpoint.h"
#include "tools/lib/damage.h"
#include "tools/lib/json.h"
#include "tools/lib/progress.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

#define REPAIR_KEY 0x1001
#define RESTART_KEY 0x1002

/* ioprio_set(2) has no declaration in the C library. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)
#define NICEST 19

enum check_status {
	CHECK_SOUND = 0,
	CHECK_DAMAGED = 1,
	CHECK_FAILED = 2,
};

struct check_args {
	const char *store;
	const char *repair; /* the new store, or NULL */
	bool is_trusted;
	bool json;
	bool quiet;
	bool restart;
};

struct check_run {
	const struct check_args *args;
	char *store;  /* absolute */
	cJSON *array; /* --json */
	bool resumed;
	bool pages_only; /* all damage so far, so the store can be mounted */
	struct mapfs_check_position from;
};

static void add_states(cJSON *to, const struct mapfs_check_damage *d)
{
	cJSON *array = cJSON_AddArrayToObject(to, "snapshots");

	for (size_t n = 0; n < d->snapshot_count; n++)
		cJSON_AddItemToArray(array,
				     cJSON_CreateString(d->snapshots[n]));
	cJSON_AddBoolToObject(to, "present", d->is_present);
}

static void add_damage(cJSON *array, const struct mapfs_check_damage *d)
{
	static const char *const kinds[] = {
		[MAPFS_DAMAGE_JOURNAL] = "journal",
		[MAPFS_DAMAGE_SNAPSHOT] = "snapshot",
		[MAPFS_DAMAGE_PAGES] = "pages",
		[MAPFS_DAMAGE_COMMIT] = "commit",
		[MAPFS_DAMAGE_BRANCH] = "branch",
	};
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	json_add_string(o, "kind", kinds[d->kind]);
	json_add_string(o, "text", d->text);
	json_add_string(o, "file", d->file);
	cJSON_AddNumberToObject(o, "file_offset", (double)d->file_off);
	cJSON_AddNumberToObject(o, "file_length", (double)d->file_len);
	if (d->kind == MAPFS_DAMAGE_PAGES) {
		json_add_string(o, "path", d->path);
		cJSON_AddNumberToObject(o, "offset", (double)d->off_bytes);
		cJSON_AddNumberToObject(o, "length", (double)d->len_bytes);
	}
	add_states(o, d);
}

static int tell_damage(void *arg, const struct mapfs_check_damage *d)
{
	struct check_run *run = arg;
	char *text;
	char *line;

	if (d->kind != MAPFS_DAMAGE_PAGES)
		run->pages_only = false;
	if (run->array) {
		add_damage(run->array, d);
	} else if (!run->args->quiet) {
		text = damage_text(d);
		line = text_escape(text);
		progress_hide();
		printf("%s\n", line);
		free(line);
		free(text);
	}
	return 0;
}

static int tell_progress(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	(void)arg;
	progress_set_total(all_bytes);
	progress_update(done_bytes);
	return progress_interrupted();
}

static const struct mapfs_check_position *
resume(void *arg, const struct mapfs_check_result *so_far)
{
	struct check_run *run = arg;

	/* For a repair all damage must be known. */
	if (run->args->repair || run->args->restart ||
	    checkpoint_read(so_far, &run->from))
		return NULL;
	run->resumed = true;
	if (!run->args->quiet && !run->array) {
		progress_hide();
		say("%s: the check continues where it was interrupted; check "
		    "all of it with --restart",
		    run->store);
	}
	return &run->from;
}

/* What can be done about it. */
static void print_next(const struct check_run *run)
{
	const char *to = run->args->repair;

	if (to) {
		printf("%s: the new store, without what is lost; when it is "
		       "what you want, move %s away and it there, and only "
		       "then discard the old one\n",
		       to, run->store);
		return;
	}
	if (run->pages_only) {
		printf("all else is sound: write these bytes once more in a "
		       "view, or reset the file with `mapfs revert %s PATH`; "
		       "a snapshot keeps the damage until it is deleted\n",
		       run->store);
		return;
	}
	printf("look at what is sound with `mapfs mount -o salvage -s %s BASE "
	       "MOUNTPOINT`, or make a sound store of it with `mapfs check "
	       "--repair NEWSTORE %s`\n",
	       run->store, run->store);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void print_people(const struct check_run *run,
			 const struct mapfs_check_result *r)
{
	char *store = text_escape(run->store);

	if (r->damages == 0)
		printf("%s: sound; %" PRIu64 " page%s, %u snapshot%s\n", store,
		       r->pages, plural(r->pages), r->snapshots,
		       plural(r->snapshots));
	else
		printf("%s: damaged in %" PRIu64 " place%s; %" PRIu64
		       " of %" PRIu64 " page%s damaged, %u of %u snapshot%s "
		       "cannot be shown\n",
		       store, r->damages, plural(r->damages), r->pages_damaged,
		       r->pages, plural(r->pages), r->snapshots_damaged,
		       r->snapshots, plural(r->snapshots));
	free(store);
	if (r->damages || run->args->repair)
		print_next(run);
}

static int print_json(struct check_run *run, const struct mapfs_check_result *r)
{
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "store", run->store);
	cJSON_AddBoolToObject(o, "sound", r->damages == 0);
	cJSON_AddBoolToObject(o, "resumed", run->resumed);
	json_add_string(o, "repaired", run->args->repair);
	cJSON_AddNumberToObject(o, "pages", (double)r->pages);
	cJSON_AddNumberToObject(o, "pages_damaged", (double)r->pages_damaged);
	cJSON_AddNumberToObject(o, "operations_skipped",
				(double)r->operations_skipped);
	cJSON_AddNumberToObject(o, "snapshots", r->snapshots);
	cJSON_AddNumberToObject(o, "snapshots_damaged", r->snapshots_damaged);
	cJSON_AddItemToObject(o, "damage", run->array);
	run->array = NULL;
	return json_print(o);
}

/* The user stopped it: the next check continues. */
static void keep_position(const struct check_run *run,
			  const struct mapfs_check_result *r)
{
	if (r->position.snapshot && checkpoint_write(r) == 0)
		say("%s: interrupted; `mapfs check %s` continues the check",
		    run->store, run->store);
	else
		say("%s: interrupted; check it again later", run->store);
}

static enum check_status check_store(struct check_run *run)
{
	const struct mapfs_check_options opt = {
		.store = run->store,
		.is_trusted = run->args->is_trusted,
		.progress = tell_progress,
		.fn = tell_damage,
		.resume = resume,
		.arg = run,
	};
	struct mapfs_check_result result;
	enum check_status status = CHECK_FAILED;
	struct reason why;
	int err;

	if (run->args->json)
		run->array = cJSON_CreateArray();
	progress_begin(run->args->repair ? "repairing" : "checking", 0);
	err = run->args->repair ?
		      mapfs_repair(&opt, run->args->repair, &result, &why) :
		      mapfs_check(&opt, &result, &why);
	progress_end();
	if (err == -EINTR) {
		keep_position(run, &result);
	} else if (err) {
		say("%s", why.text);
	} else {
		status = result.damages && !run->args->repair ? CHECK_DAMAGED :
								CHECK_SOUND;
		checkpoint_drop(&result);
		if (run->array && print_json(run, &result))
			status = CHECK_FAILED;
		else if (!run->args->json && !run->args->quiet)
			print_people(run, &result);
	}
	cJSON_Delete(run->array);
	free(run->from.bad);
	mapfs_check_result_fini(&result);
	return status;
}

static void lower_priority(void)
{
	errno = 0;
	(void)!nice(NICEST);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

static int store_of(const struct target *t, char **out, struct reason *why)
{
	int err = target_refuse_snapshot(t, why);

	if (err)
		return err;
	if (!t->store) {
		reason_set(why,
			   "%s: this view has no kept store, so nothing of it "
			   "stays; mount it with -s STORE",
			   t->shown);
		return -EINVAL;
	}
	*out = strdup(t->store);
	return *out ? 0 : -ENOMEM;
}

/* A store that is too damaged to say where it is mounted is checked, too. */
static int find_store(const char *arg, char **out, struct reason *why)
{
	char journal[PATH_MAX + sizeof("/journal")];
	char path[PATH_MAX];
	struct target t;
	struct stat st;
	int err = target_find(&t, arg, why);

	if (!err) {
		err = store_of(&t, out, why);
		target_fini(&t);
		return err;
	}
	if (!realpath(arg, path))
		return err;
	(void)snprintf(journal, sizeof(journal), "%s/journal", path);
	if (stat(journal, &st) < 0 || !S_ISDIR(st.st_mode))
		return err;
	*out = strdup(path);
	return *out ? 0 : -ENOMEM;
}

static enum check_status check_run(const struct check_args *args)
{
	struct check_run run = { .args = args, .pages_only = true };
	enum check_status status = CHECK_FAILED;
	struct reason why;

	if (find_store(args->store, &run.store, &why)) {
		say("%s", why.text);
		return CHECK_FAILED;
	}
	lower_priority();
	status = check_store(&run);
	free(run.store);
	return status;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct check_args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case 'q':
		args->quiet = true;
		return 0;
	case REPAIR_KEY:
		args->repair = arg;
		return 0;
	case RESTART_KEY:
		args->restart = true;
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

static const struct argp_option check_options[] = {
	{ "json", 'j', NULL, 0, "Print a JSON object", 0 },
	{ "quiet", 'q', NULL, 0, "Print nothing; the exit status tells", 0 },
	{ "repair", REPAIR_KEY, "NEWSTORE", 0,
	  "Make the new store NEWSTORE of what is sound", 0 },
	{ "restart", RESTART_KEY, NULL, 0,
	  "Do not continue an interrupted check", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp check_argp = {
	.options = check_options,
	.parser = parse_option,
	.args_doc = "STORE|MOUNTPOINT",
	.doc = "Reads all of a store and compares it with its checksums.\v"
	       "Each damage is one line: which bytes of which file of the view "
	       "are lost, where that is in the store, and which snapshots show "
	       "it. The store may be mounted, and is not changed. The check "
	       "runs at low priority; when it is interrupted, the next one "
	       "continues.\n\n"
	       "With --repair, NEWSTORE gets the newest state that is sound and "
	       "the snapshots that can be shown; what is listed as damaged is "
	       "lost there, and reading a damaged page is still EIO. Commits "
	       "can no longer be undone there. STORE is not changed, and must "
	       "not be mounted.\n\n"
	       "With --json: store, sound, resumed, repaired (the new store), pages, pages_damaged, "
	       "operations_skipped (sound ones that cannot be applied, "
	       "because one before them is lost), snapshots, snapshots_damaged (that cannot be shown), and an "
	       "array damage, each with kind (journal, snapshot, pages, "
	       "commit, branch), text, file (in the store), file_offset, "
	       "file_length, snapshots, present (the present state, too), and "
	       "of pages the path, offset and length in the view.\n\n"
	       "Exit status: 0 sound, or with --repair, the new store was "
	       "made; 1 damaged; 2 it could not be checked, or repaired.\n\n"
	       "Example: mapfs check changes",
};

int cmd_check(int argc, char **argv)
{
	struct check_args args = { 0 };

	if (argp_parse(&check_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return (int)check_run(&args);
}
