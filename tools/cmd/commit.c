/* SPDX-License-Identifier: MIT */
/*
 * mapfs commit: writes the changes of a store to its base, or undoes that.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/lib/array.h"
#include "core/mapfs.h"
#include "tools/diff/print.h"
#include "tools/diff/rights.h"
#include "tools/lib/confirm.h"
#include "tools/lib/json.h"
#include "tools/lib/mounts.h"
#include "tools/lib/progress.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"
#include "tools/lib/viewpath.h"

/* Beside those of command.h: done, but for what others had changed. */
#define COMMIT_LEFT_OUT 3

enum key {
	KEY_OURS = 0x100,
	KEY_THEIRS,
	KEY_UNDO,
	KEY_ABANDON,
	KEY_SKIP_DAMAGED,
};

struct commit_args {
	const char *store;
	char **paths;
	size_t path_count;
	size_t path_cap;
	enum mapfs_resolution resolution;
	bool only_plan;
	bool is_sure;
	bool undo;
	bool abandon;
	bool skip_damaged;
	bool json;
	bool is_trusted;
};

struct commit_run {
	const struct commit_args *args;
	struct mapfs_commit *commit;
	struct mapfs_commit_totals totals;
	struct diff_printer printer;
	struct rights rights;
	cJSON *conflicts; /* with --json */
	cJSON *left_out;  /* the same */
	uint64_t left_count;
	int conflict_count;
	bool is_quiet; /* the plan is not printed */
	bool is_at_work;
	struct reason why;
};

static int go_on(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	(void)arg;
	progress_set_total(all_bytes);
	progress_update(done_bytes);
	return progress_interrupted() ? -EINTR : 0;
}

static void log_to_stderr(void *arg, int level, const char *line)
{
	(void)arg;
	(void)level;
	say("%s", line);
}

static void take_left_out(void *arg, const char *line)
{
	struct commit_run *r = arg;
	char *text;

	r->left_count++;
	if (r->left_out) {
		text = text_json(line);
		cJSON_AddItemToArray(r->left_out, cJSON_CreateRaw(text));
	} else {
		text = text_escape(line);
		fprintf(stderr, "    %s\n", text);
	}
	free(text);
}

static struct mapfs_commit_options core_options(struct commit_run *r)
{
	const struct commit_args *a = r->args;

	return (struct mapfs_commit_options){
		.store = a->store,
		.paths = a->path_count ? (const char *const *)a->paths : NULL,
		.path_count = a->path_count,
		.resolution = a->resolution,
		.is_trusted = a->is_trusted,
		.skip_damaged = a->skip_damaged,
		.log = log_to_stderr,
		.progress = go_on,
		.left_out = take_left_out,
		.left_out_arg = r,
	};
}

static const char *kind_text(enum mapfs_conflict_kind kind)
{
	switch (kind) {
	case MAPFS_CONFLICT_CONTENT:
		return "changed in the view and in the base";
	case MAPFS_CONFLICT_DELETED:
		return "deleted in the view, changed in the base";
	case MAPFS_CONFLICT_MISSING:
		return "changed in the view, gone from the base";
	case MAPFS_CONFLICT_ADDED:
		return "added in the view and in the base";
	case MAPFS_CONFLICT_TYPE:
		return "changed in the view, of another type in the base";
	case MAPFS_CONFLICT_NOT_EMPTY:
		return "removed in the view, but not empty in the base";
	case MAPFS_CONFLICT_IN_USE:
		return "changed in the view, open for writing or mapped by another program in the base";
	}
	return "in conflict";
}

static const char *kind_name(enum mapfs_conflict_kind kind)
{
	switch (kind) {
	case MAPFS_CONFLICT_CONTENT:
		return "content";
	case MAPFS_CONFLICT_DELETED:
		return "deleted";
	case MAPFS_CONFLICT_MISSING:
		return "missing";
	case MAPFS_CONFLICT_ADDED:
		return "added";
	case MAPFS_CONFLICT_TYPE:
		return "type";
	case MAPFS_CONFLICT_NOT_EMPTY:
		return "not empty";
	case MAPFS_CONFLICT_IN_USE:
		return "in use";
	}
	return "unknown";
}

static void side_print(const char *who, const struct mapfs_diff_side *s)
{
	char time[32];
	struct tm tm;

	if (s->mode == 0) {
		fprintf(stderr, "    %-6s not there\n", who);
		return;
	}
	if (!localtime_r(&s->mtime.tv_sec, &tm) ||
	    !strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &tm))
		*time = '\0';
	fprintf(stderr, "    %-6s mode %06o, %u:%u, %llu bytes, of %s\n", who,
		(unsigned int)s->mode, (unsigned int)s->uid,
		(unsigned int)s->gid, (unsigned long long)s->size_bytes, time);
}

static cJSON *side_json(const struct mapfs_diff_side *s)
{
	cJSON *o = s->mode ? cJSON_CreateObject() : cJSON_CreateNull();

	if (s->mode == 0)
		return o;
	cJSON_AddNumberToObject(o, "mode", s->mode);
	cJSON_AddNumberToObject(o, "uid", s->uid);
	cJSON_AddNumberToObject(o, "gid", s->gid);
	cJSON_AddNumberToObject(o, "size_bytes", (double)s->size_bytes);
	cJSON_AddNumberToObject(o, "mtime", (double)s->mtime.tv_sec);
	return o;
}

static int show_conflict(void *arg, const struct mapfs_conflict *x)
{
	struct commit_run *r = arg;
	cJSON *o;

	if (!r->args->json) {
		/* The root has the name "." here, as in the plan. */
		say("%s: %s", *x->path ? x->path : ".", kind_text(x->kind));
		side_print("view", &x->ours);
		side_print("base", &x->theirs);
		return 0;
	}
	o = cJSON_CreateObject();
	json_add_string(o, "kind", kind_name(x->kind));
	json_add_string(o, "path", x->path);
	cJSON_AddItemToObject(o, "view", side_json(&x->ours));
	cJSON_AddItemToObject(o, "base", side_json(&x->theirs));
	cJSON_AddItemToArray(r->conflicts, o);
	return 0;
}

static int print_entry(void *arg, const struct mapfs_diff_entry *e)
{
	struct commit_run *r = arg;

	rights_add(&r->rights, e);
	if (!r->args->json && !r->is_quiet)
		diff_print(&r->printer, e);
	return 0;
}

static int add_rights(void *arg, const struct mapfs_diff_entry *e)
{
	struct commit_run *r = arg;

	rights_add(&r->rights, e);
	return 0;
}

static void totals_print(const struct commit_run *r, const char *verb)
{
	const struct mapfs_commit_totals *t = &r->totals;
	char size[TEXT_SIZE];

	text_size(size, t->bytes);
	printf("%s %llu added, %llu modified, %llu deleted, %llu renamed; "
	       "%s to write\n",
	       verb, (unsigned long long)t->added,
	       (unsigned long long)t->modified, (unsigned long long)t->deleted,
	       (unsigned long long)t->renamed, size);
}

static int json_result(struct commit_run *r, bool is_committed)
{
	const struct mapfs_commit_totals *t = &r->totals;
	cJSON *o = cJSON_CreateObject();

	json_add_string(o, "store", r->args->store);
	cJSON_AddBoolToObject(o, "committed", is_committed);
	cJSON_AddNumberToObject(o, "added", (double)t->added);
	cJSON_AddNumberToObject(o, "modified", (double)t->modified);
	cJSON_AddNumberToObject(o, "deleted", (double)t->deleted);
	cJSON_AddNumberToObject(o, "renamed", (double)t->renamed);
	cJSON_AddNumberToObject(o, "bytes", (double)t->bytes);
	rights_json(&r->rights, cJSON_AddArrayToObject(o, "rights"));
	cJSON_AddItemToObject(o, "conflicts", r->conflicts);
	r->conflicts = NULL;
	cJSON_AddItemToObject(o, "left_out", r->left_out);
	r->left_out = NULL;
	return json_print(o) ? COMMAND_FAILED : COMMAND_OK;
}

static bool may_go_on(const struct commit_args *a, const char *question)
{
	if (a->is_sure)
		return true;
	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && !a->json) {
		if (confirm_ask(question))
			return true;
		say("store %s: nothing was changed; run it again to go ahead",
		    a->store);
		return false;
	}
	say("store %s: this changes its base, and there is no terminal to ask "
	    "on; say -y to go ahead, or -n to see the plan",
	    a->store);
	return false;
}

/* Prints the conflicts, and then what would be written. */
static int show_plan(struct commit_run *r)
{
	int n = mapfs_commit_conflicts(r->commit, show_conflict, r);
	int err;

	r->is_quiet = !r->args->only_plan && r->args->is_sure;

	if (n < 0)
		return n;
	r->conflict_count = n;
	if (n > 0 && r->args->resolution == MAPFS_STOP)
		return 0;
	r->printer.format = DIFF_LETTERS;
	r->printer.owner = r->rights.owner;
	err = mapfs_commit_plan(r->commit, print_entry, r, &r->totals);
	if (err || r->args->json)
		return err;
	if (!r->is_quiet)
		totals_print(r, "in all:");
	/* On stderr it is seen even if stdout is a file. */
	rights_print(&r->rights, r->args->only_plan ? stdout : stderr);
	return 0;
}

/*
 * A store of another user is used because of --trust: prints whose it is, and
 * its base, which that user chose.
 */
static int rights_begin(struct commit_run *r)
{
	const struct commit_args *a = r->args;
	char who[TEXT_USER];
	struct mapfs_store_info info;
	struct stat st;

	if (stat(a->store, &st) < 0)
		return 0;
	r->rights.owner = st.st_uid;
	r->rights.is_foreign =
		a->is_trusted &&
		mapfs_store_trust_check(a->store, false, &r->why) == -EPERM;
	reason_clear(&r->why);
	if (!r->rights.is_foreign || a->json)
		return 0;
	if (mapfs_store_describe(a->store, &info, &r->why))
		return -EIO;
	text_user(who, st.st_uid);
	say("store %s: belongs to user %s, and is trusted; its base is %s",
	    a->store, who, info.base);
	mapfs_store_info_fini(&info);
	return 0;
}

/*
 * Prints the other views of this base: a file that changed in one of them uses
 * pages of the base that the commit may replace.  A view that is mounted over
 * the base is itself what the commit writes to (a run in a run), and is not
 * affected.
 */
static void warn_mounted(const char *store)
{
	struct mapfs_control_info info;
	struct mapfs_store_info s;
	struct mounts *table = NULL;
	struct mount_row row;
	struct reason why;

	if (mapfs_store_describe(store, &s, &why))
		return;
	if (s.base && mounts_read(&table) == 0)
		while (mounts_next(table, &row))
			if (mounts_is_mapfs(&row) &&
			    mounts_ask(&row, &info) == 0 &&
			    info.mode == MAPFS_COPY &&
			    strcmp(info.base, s.base) == 0 &&
			    strcmp(row.target, s.base) != 0 &&
			    strcmp(info.store, s.path) != 0)
				say("%s: another view of %s; it sees the base "
				    "change, and files changed both there and "
				    "here will fail with EIO",
				    row.target, s.base);
	mounts_free(table);
	mapfs_store_info_fini(&s);
}

/* The paths were printed as the core named them. */
static int say_left_out(const struct commit_run *r, const char *what)
{
	const char *store = r->args->store;

	if (r->args->undo)
		say("store %s: the %s left these paths out, for the reasons "
		    "above; the view has its changes of them again, see `mapfs "
		    "diff %s`",
		    store, what, store);
	else
		say("store %s: the %s left these paths out, because others had "
		    "changed the base since it began; `mapfs commit --undo %s` "
		    "brings the changes of all paths back into the view",
		    store, what, store);
	return COMMIT_LEFT_OUT;
}

static int run_commit(struct commit_run *r)
{
	const struct commit_args *a = r->args;
	int err;

	warn_mounted(a->store);
	if (!may_go_on(a, mapfs_commit_is_begun(r->commit) ?
				  "Finish the commit that was interrupted?" :
				  "Write this to the base?"))
		return COMMAND_FAILED;
	progress_begin("committing", r->totals.bytes);
	err = mapfs_commit_run(r->commit, &r->why);
	progress_end();
	if (err) {
		say("%s", reason_text(&r->why, err));
		return COMMAND_FAILED;
	}
	if (a->json && json_result(r, true))
		return COMMAND_FAILED;
	if (r->left_count > 0)
		return say_left_out(r, "commit");
	if (!a->json && isatty(STDOUT_FILENO))
		printf("committed; `mapfs commit --undo %s` undoes that\n",
		       a->store);
	return COMMAND_OK;
}

static int say_no_work(struct commit_run *r)
{
	const struct commit_args *a = r->args;

	if (a->json)
		return json_result(r, false);
	if (a->path_count > 0)
		say("store %s: holds no changes of these paths; see `mapfs diff "
		    "%s'",
		    a->store, a->store);
	else
		say("store %s: holds no changes; nothing was written",
		    a->store);
	return COMMAND_OK;
}

/* A plan that was not written completely must be a failure. */
static int plan_is_out(const struct commit_args *a)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return COMMAND_OK;
	say("store %s: the plan could not be printed: %s; print it again",
	    a->store, strerror(errno));
	return COMMAND_FAILED;
}

/*
 * Finishes a commit.  Its plan was printed when it began; what gives rights is
 * printed again.
 */
static int review_and_run(struct commit_run *r)
{
	int err = mapfs_commit_review(r->commit, false, add_rights, r);

	if (err) {
		say("store %s: its plan cannot be read: %s; see mapfs status",
		    r->args->store, strerror(-err));
		return COMMAND_FAILED;
	}
	if (!r->args->json)
		rights_print(&r->rights, stderr);
	return run_commit(r);
}

static int finish_begun(struct commit_run *r)
{
	const struct commit_args *a = r->args;

	if (mapfs_commit_is_undo(r->commit))
		say("store %s: the undo of a commit was interrupted; finish it "
		    "with `mapfs commit --undo %s`, or end it as it is with "
		    "`mapfs commit --abandon %s`, first",
		    a->store, a->store, a->store);
	else if (a->only_plan || a->path_count || a->resolution != MAPFS_STOP)
		say("store %s: a commit was interrupted; finish it with `mapfs "
		    "commit %s`, undo it with `mapfs commit --undo %s`, or end "
		    "it as it is with `mapfs commit --abandon %s`, first",
		    a->store, a->store, a->store, a->store);
	else
		return review_and_run(r);
	return COMMAND_FAILED;
}

static int plan_and_run(struct commit_run *r)
{
	const struct commit_args *a = r->args;
	int err;

	if (mapfs_commit_is_begun(r->commit))
		return finish_begun(r);
	err = show_plan(r);
	if (err) {
		say("store %s: cannot be compared with its base: %s; see mapfs "
		    "status",
		    a->store, strerror(-err));
		return COMMAND_FAILED;
	}
	if (r->conflict_count > 0 && a->resolution == MAPFS_STOP) {
		if (a->json)
			(void)json_result(r, false);
		say("store %s: %d conflict%s, nothing was written; choose "
		    "--ours (the view wins) or --theirs (the base stays)",
		    a->store, r->conflict_count,
		    r->conflict_count == 1 ? "" : "s");
		return COMMAND_FAILED;
	}
	if (a->only_plan && a->json)
		return json_result(r, false);
	if (a->only_plan)
		return plan_is_out(a);
	/* A change that --theirs drops must be removed from the delta. */
	if (r->conflict_count == 0 && mapfs_commit_is_empty(r->commit))
		return say_no_work(r);
	return run_commit(r);
}

static int do_commit(const struct commit_args *a)
{
	struct commit_run r = { .args = a };
	const struct mapfs_commit_options opt = core_options(&r);
	int status;
	int err;

	err = mapfs_commit_open(&r.commit, &opt, &r.why);
	if (err) {
		say("%s", reason_text(&r.why, err));
		return COMMAND_FAILED;
	}
	if (a->json) {
		r.conflicts = cJSON_CreateArray();
		r.left_out = cJSON_CreateArray();
	}
	if (rights_begin(&r)) {
		say("%s", r.why.text);
		status = COMMAND_FAILED;
	} else {
		status = plan_and_run(&r);
	}
	mapfs_commit_close(r.commit);
	rights_fini(&r.rights);
	cJSON_Delete(r.conflicts);
	cJSON_Delete(r.left_out);
	return status;
}

static int confirm_undo(void *arg, struct mapfs_commit *c)
{
	struct commit_run *r = arg;
	int err = mapfs_commit_review(c, true, add_rights, r);

	if (err)
		return err;
	rights_print(&r->rights, stderr);
	if (!may_go_on(r->args, "Undo the newest commit?"))
		return -ECANCELED;
	progress_begin("undoing", 0);
	r->is_at_work = true;
	return 0;
}

static int do_undo(const struct commit_args *a)
{
	struct commit_run r = { .args = a };
	struct mapfs_commit_options opt = core_options(&r);
	int err = mapfs_store_trust_check(a->store, a->is_trusted, &r.why);

	if (!err)
		err = rights_begin(&r);
	if (!err) {
		warn_mounted(a->store);
		opt.confirm = confirm_undo;
		opt.confirm_arg = &r;
		err = mapfs_commit_undo(&opt, &r.why);
	}
	if (r.is_at_work)
		progress_end();
	/* After -ECANCELED a sentence was printed already. */
	if (err && err != -ECANCELED)
		say("%s", reason_text(&r.why, err));
	rights_fini(&r.rights);
	if (err)
		return COMMAND_FAILED;
	return r.left_count > 0 ? say_left_out(&r, "undo") : COMMAND_OK;
}

static int confirm_abandon(void *arg, struct mapfs_commit *c)
{
	struct commit_run *r = arg;

	(void)c;
	return may_go_on(
		       r->args,
		       "Leave the base between before and after the commit?") ?
		       0 :
		       -ECANCELED;
}

static void print_line(void *arg, const char *line)
{
	char *text = text_escape(line);

	(void)arg;
	printf("%s\n", text);
	free(text);
}

static int do_abandon(const struct commit_args *a)
{
	struct commit_run r = { .args = a };
	struct mapfs_commit_options opt = core_options(&r);
	int err;

	opt.confirm = confirm_abandon;
	opt.confirm_arg = &r;
	opt.left_out = print_line;
	err = mapfs_commit_abandon(&opt, &r.why);
	if (err && err != -ECANCELED)
		say("%s", reason_text(&r.why, err));
	if (err)
		return COMMAND_FAILED;
	say("store %s: its commit was abandoned; the view has the changes of "
	    "before it again, over the base as it is now",
	    a->store);
	return plan_is_out(a);
}

static void take_path(struct commit_args *a, const char *arg,
		      struct argp_state *state)
{
	if (*arg == '\0')
		argp_error(state, "'': an empty path; say . for everything");
	if (array_reserve(&a->paths, &a->path_cap, a->path_count + 1)) {
		argp_failure(state, COMMAND_FAILED, ENOMEM, "%s", arg);
		exit(COMMAND_FAILED);
	}
	if (viewpath_normalize(arg, &a->paths[a->path_count]))
		argp_error(
			state,
			"%s: leads out of the base; give paths from its root",
			arg);
	a->path_count++;
}

static void take_resolution(struct commit_args *a, enum mapfs_resolution r,
			    struct argp_state *state)
{
	if (a->resolution != MAPFS_STOP && a->resolution != r)
		argp_error(state, "only one of --ours and --theirs");
	a->resolution = r;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct commit_args *a = state->input;

	switch (key) {
	case 'n':
		a->only_plan = true;
		return 0;
	case 'y':
		a->is_sure = true;
		return 0;
	case KEY_OURS:
		take_resolution(a, MAPFS_OURS, state);
		return 0;
	case KEY_THEIRS:
		take_resolution(a, MAPFS_THEIRS, state);
		return 0;
	case KEY_UNDO:
		a->undo = true;
		return 0;
	case KEY_SKIP_DAMAGED:
		a->skip_damaged = true;
		return 0;
	case KEY_ABANDON:
		a->abandon = true;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case TRUST_KEY:
		a->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->store)
			a->store = arg;
		else
			take_path(a, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (!a->store)
			argp_error(state, "STORE is missing");
		if (a->undo && a->abandon)
			argp_error(state, "only one of --undo and --abandon");
		if (a->skip_damaged && !a->undo)
			argp_error(state,
				   "--skip-damaged is used with --undo only");
		if ((a->undo || a->abandon) && (a->only_plan || a->path_count ||
						a->resolution != MAPFS_STOP))
			argp_error(state,
				   "%s can be used with -y and --trust only",
				   a->undo ? "--undo" : "--abandon");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option commit_options[] = {
	{ "dry-run", 'n', NULL, 0, "Only print what would be written", 0 },
	{ "yes", 'y', NULL, 0, "Do not ask", 0 },
	{ "ours", KEY_OURS, NULL, 0,
	  "Resolve conflicts with the state of the view", 0 },
	{ "theirs", KEY_THEIRS, NULL, 0,
	  "Resolve conflicts with the state of the base", 0 },
	{ "undo", KEY_UNDO, NULL, 0, "Undo the newest commit", 0 },
	{ "skip-damaged", KEY_SKIP_DAMAGED, NULL, 0,
	  "Let --undo leave out files whose former bytes are damaged", 0 },
	{ "abandon", KEY_ABANDON, NULL, 0,
	  "End an interrupted commit, or its undo, as it stands", 0 },
	{ "json", 'j', NULL, 0, "Print a JSON object", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp commit_argp = {
	.options = commit_options,
	.parser = parse_option,
	.args_doc = "STORE [PATH...]",
	.doc = "Writes the changes of a store to its base. The store must "
	       "not be mounted; afterwards it holds no changes, and can be "
	       "mounted again.\v"
	       "If somebody else changed an object in the "
	       "base after the view had changed it, there is a conflict, "
	       "and nothing is written unless --ours or --theirs decides. "
	       "It is a conflict, too, if another program has a file open for "
	       "writing, or mapped, whose bytes would be written.\n\n"
	       "With PATHs, which count from the root of the base, only "
	       "the objects there and below are committed, and the store "
	       "keeps the other changes. A new directory is committed as a "
	       "whole.\n\n"
	       "Every change that gives somebody rights is listed, with -y "
	       "too: set-id bits, capabilities, devices, and, in a store "
	       "of another user, an owner other than that user.\n\n"
	       "The store keeps what a commit overwrites or removes, for "
	       "--undo, until the store is discarded. The next commit "
	       "finishes one that was interrupted. If neither that nor "
	       "--undo is possible, --abandon leaves the base as it is, "
	       "prints for each path what was done and where its former "
	       "bytes are, and the view has its changes again; what "
	       "was written is then a change of the base by others.\n\n"
	       "Exit status: 0 done, 1 failed or in conflict, 2 the "
	       "command line is wrong, 3 done but for paths that others had "
	       "removed or replaced since the commit began; these are "
	       "printed, and stay as the others left them.\n\n"
	       "Example: mapfs commit -n changes",
};

int cmd_commit(int argc, char **argv)
{
	struct commit_args a = { .resolution = MAPFS_STOP };
	int status;

	if (argp_parse(&commit_argp, argc, argv, 0, NULL, &a))
		return COMMAND_USAGE;
	if (a.abandon)
		status = do_abandon(&a);
	else
		status = a.undo ? do_undo(&a) : do_commit(&a);
	for (size_t n = 0; n < a.path_count; n++)
		free(a.paths[n]);
	free(a.paths);
	return status;
}
