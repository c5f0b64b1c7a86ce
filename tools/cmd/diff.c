/* SPDX-License-Identifier: MIT */
/*
 * mapfs diff: what a view changed, or what differs between two snapshots.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/lib/array.h"
#include "core/mapfs.h"
#include "tools/diff/patch.h"
#include "tools/diff/print.h"
#include "tools/diff/source.h"
#include "tools/lib/progress.h"
#include "tools/lib/range.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

/* The exit status of diff(1). */
enum diff_status {
	DIFF_SAME = 0,
	DIFF_DIFFERENT = 1,
	DIFF_FAILED = 2,
};

enum key {
	KEY_STAT = 0x100,
	KEY_NAME_ONLY,
	KEY_PAGES,
};

struct diff_args {
	const char *target;
	char *from; /* of A..B; NULL: the base */
	char *to;   /* NULL: the current state */
	bool has_range;
	bool want_pages;
	enum diff_format format; /* DIFF_LETTERS: none was asked for */
	bool is_raw;
	bool is_trusted;
	char **paths; /* as given */
	size_t path_count;
	size_t path_cap;
};

struct diff_run {
	struct diff_printer printer;
	struct diff_patch *patch; /* or NULL */
};

/* A comparison changes nothing, so the signal may end the program. */
static int go_on(void *arg, uint64_t done_bytes)
{
	(void)arg;
	progress_update(done_bytes);
	if (!progress_interrupted())
		return 0;
	progress_end();
	(void)raise(SIGINT);
	return -EINTR; /* the caller blocks SIGINT */
}

static int take_entry(void *arg, const struct mapfs_diff_entry *e)
{
	struct diff_run *run = arg;

	if (run->patch)
		return diff_patch_add(run->patch, e);
	progress_hide();
	diff_print(&run->printer, e);
	return ferror(stdout) ? -EPIPE : 0;
}

static int write_patch(struct diff_source *s, struct diff_run *run,
		       struct reason *why)
{
	const struct diff_tree *old_tree;
	const struct diff_tree *new_tree;
	int err = diff_source_trees(s, &old_tree, &new_tree, why);

	if (err)
		return err;
	run->printer.count = diff_patch_count(run->patch);
	return diff_patch_write(run->patch, old_tree, new_tree, why);
}

static void paths_free(char **paths, size_t count)
{
	for (size_t n = 0; n < count; n++)
		free(paths[n]);
	free(paths);
}

/* The paths from the root of the view; paths_free() frees them. */
static int find_paths(const struct diff_source *s, const struct diff_args *a,
		      char ***out, struct reason *why)
{
	char **paths = calloc(a->path_count, sizeof(*paths));
	int err = paths ? 0 : -ENOMEM;

	for (size_t n = 0; n < a->path_count && !err; n++)
		err = diff_source_path(s, a->paths[n], &paths[n], why);
	if (err && paths)
		paths_free(paths, a->path_count);
	else
		*out = paths;
	return err;
}

static int run_source(struct diff_source *s, const struct diff_args *a,
		      char **paths, struct diff_run *run, struct reason *why)
{
	const struct mapfs_diff_options opt = {
		.want_ranges = a->format == DIFF_PAGES || a->want_pages,
		.want_tree = a->format == DIFF_PATCH,
		.paths = (const char *const *)paths,
		.path_count = a->path_count,
		.progress = go_on,
	};
	int err;

	if (a->format == DIFF_PATCH) {
		run->patch = diff_patch_create();
		diff_patch_limit(run->patch, opt.paths, opt.path_count);
	} else {
		diff_print_begin(&run->printer);
	}
	progress_begin("comparing", 0);
	err = diff_source_run(s, &opt, take_entry, run, why);
	progress_end();
	if (run->patch)
		return err ? err : write_patch(s, run, why);
	diff_print_end(&run->printer);
	return err;
}

static int end_output(struct reason *why)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	reason_set(why, "standard output: %s; the list is not complete",
		   errno ? strerror(errno) : "cannot be written");
	return -EIO;
}

static int run_diff(const struct diff_args *a)
{
	struct diff_run run = {
		.printer = {
			.format = a->format,
			.is_raw = a->is_raw,
			.want_pages = a->want_pages,
		},
	};
	const struct diff_source_options opt = {
		.target = a->target,
		.from = a->from,
		.to = a->to,
		.is_trusted = a->is_trusted,
	};
	struct diff_source *s = NULL;
	char **paths = NULL;
	struct reason why = { 0 };
	int err = diff_source_open(&s, &opt, &why);

	if (!err) {
		run.printer.owner = diff_source_owner(s);
		err = find_paths(s, a, &paths, &why);
	}
	if (!err)
		err = run_source(s, a, paths, &run, &why);
	/* If both failed, the output has ended the comparison. */
	if (!err || ferror(stdout)) {
		const int out_err = end_output(&why);

		err = out_err ? out_err : err;
	}
	diff_patch_destroy(run.patch);
	if (paths)
		paths_free(paths, a->path_count);
	diff_source_close(s);
	if (err) {
		say("%s", reason_text(&why, err));
		return DIFF_FAILED;
	}
	return run.printer.count > 0 ? DIFF_DIFFERENT : DIFF_SAME;
}

static void take_path(struct diff_args *a, char *arg, struct argp_state *state)
{
	if (array_reserve(&a->paths, &a->path_cap, a->path_count + 1)) {
		argp_failure(state, DIFF_FAILED, ENOMEM, "%s", arg);
		exit(DIFF_FAILED);
	}
	a->paths[a->path_count++] = arg;
}

static error_t take_argument(struct diff_args *a, char *arg,
			     struct argp_state *state)
{
	bool is_quoted = state->quoted && state->next > state->quoted;

	if (!a->target)
		a->target = arg;
	else if (is_quoted || a->has_range || a->path_count ||
		 !range_parse(arg, &a->from, &a->to))
		take_path(a, arg, state);
	else
		a->has_range = true;
	return 0;
}

static void take_format(struct diff_args *a, enum diff_format format,
			struct argp_state *state)
{
	/* JSON can have pages, too. */
	if ((a->format == DIFF_JSON && format == DIFF_PAGES) ||
	    (a->format == DIFF_PAGES && format == DIFF_JSON)) {
		a->want_pages = true;
		format = DIFF_JSON;
	} else if (a->format != DIFF_LETTERS && a->format != format) {
		argp_error(state, "only one of -p, --stat, --name-only, "
				  "--pages and --json");
	}
	a->format = format;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	static char here[] = "."; /* the path that the target names */
	struct diff_args *a = state->input;

	switch (key) {
	case 'p':
		take_format(a, DIFF_PATCH, state);
		return 0;
	case KEY_STAT:
		take_format(a, DIFF_STAT, state);
		return 0;
	case KEY_NAME_ONLY:
		take_format(a, DIFF_NAME_ONLY, state);
		return 0;
	case KEY_PAGES:
		take_format(a, DIFF_PAGES, state);
		return 0;
	case 'j':
		take_format(a, DIFF_JSON, state);
		return 0;
	case 'z':
		a->is_raw = true;
		return 0;
	case TRUST_KEY:
		a->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(a, arg, state);
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "MOUNTPOINT or STORE is missing");
		return 0;
	case ARGP_KEY_END:
		if (a->path_count == 0)
			take_path(a, here, state);
		if (a->is_raw && a->format != DIFF_LETTERS &&
		    a->format != DIFF_NAME_ONLY)
			argp_error(state, "-z can be used with letters and "
					  "--name-only only");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option diff_options[] = {
	{ "patch", 'p', NULL, 0, "Print a patch for git apply and patch -p1",
	  0 },
	{ "stat", KEY_STAT, NULL, 0,
	  "Print the numbers of pages and bytes that differ, and totals", 0 },
	{ "name-only", KEY_NAME_ONLY, NULL, 0, "Print paths only", 0 },
	{ "pages", KEY_PAGES, NULL, 0,
	  "Print the pages that differ, as OFFSET+LENGTH in bytes", 0 },
	{ "json", 'j', NULL, 0,
	  "Print a JSON array; with --pages it has ranges, too", 0 },
	{ "null", 'z', NULL, 0,
	  "Print names without escapes, each field ended by NUL", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp diff_argp = {
	.options = diff_options,
	.parser = parse_option,
	.args_doc = "MOUNTPOINT|STORE[@NAME] [A..B] [--] [PATH...]",
	.doc = "Shows the differences between a view and its base, or "
	       "between the snapshots A and B. Without A the base is "
	       "compared, without B the current state of the view.\v"
	       "A "
	       "line begins with a letter: A added, M modified, D deleted, "
	       "R renamed, T of another type now; then the type: f file, d "
	       "directory, l symbolic link, p fifo, s socket, c and b "
	       "devices; then what changed, unless it is the content only: "
	       "content, mode, owner, time, xattr. After a tab follow mode "
	       "and owner before and after; for an added object its set-id "
	       "bits, capabilities, device number, and an owner other than "
	       "that of the store. An added or deleted directory of the "
	       "base stands for all that is in it. With -z: \"LETTER TYPE "
	       "WHAT\", the old path of an R, and the path, each ended by "
	       "NUL.\n\n"
	       "A patch has what git can express: files, symbolic links, "
	       "and whether a file may be executed. git apply accepts all "
	       "of it; patch(1) cannot put a file where a directory was.\n\n"
	       "Exit status: 0 no difference, 1 a difference, 2 the "
	       "command failed.\n\n"
	       "Example: mapfs diff --stat view v1..",
};

int cmd_diff(int argc, char **argv)
{
	struct diff_args a = { .format = DIFF_LETTERS };
	int status;

	if (argp_parse(&diff_argp, argc, argv, 0, NULL, &a))
		return DIFF_FAILED;
	status = run_diff(&a);
	free(a.paths);
	free(a.from);
	free(a.to);
	return status;
}
