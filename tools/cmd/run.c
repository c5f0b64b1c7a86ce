/* SPDX-License-Identifier: MIT */
/*
 * mapfs run: runs a command on a view of a directory, or of one file, and then
 * does with the changes what the user wants.
 *
 * Processes; the first is the parent of all others:
 *
 *    mapfs run    outside: it sees the base
 *    the daemon   outside; its mount is inside; SIGTERM when the first dies
 *    COMMAND      inside a mount (and user) namespace, which ends with it;
 *                 SIGKILL when the first dies
 *
 * A process that the command leaves behind becomes a child of the first, too,
 * and is ended before the view is: otherwise it would suddenly see the bare
 * base.
 *
 * A run is one line of states.  Each is left by the function on its right; a
 * failure leads to the exit status behind the arrow:
 *
 *    the command line is read
 *      |  run_start(): choose_*()   what to mount, where, which store
 *      |                            -> 2 or 125
 *    the store may be in use
 *      |  await_store()             an earlier daemon closes it  -> 125
 *    nothing runs                   signals stay pending: run_wait_begin()
 *      |  run_mount_begin()         mount, daemon, waiting child -> 125
 *      |  run_mount_go()            the child becomes COMMAND
 *    COMMAND runs
 *      |  run_wait()                COMMAND and what it left have ended
 *    the view is not used
 *      |  run_mount_end()           the daemon has stored all changes
 *      |                            -> 1, the store is kept
 *    the changes rest               a signal means keep: run_note_begin()
 *      |  finish()                  r->answer: see below
 *    the store is kept, committed or removed
 *
 * r->answer is RUN_ASK until an option or choose_store() decides; finish()
 * lets run_ask() decide what is still open.  Each failure after COMMAND has
 * started ends as RUN_KEEP: no change is lost.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "command.h"
#include "fs/mount/place.h"
#include "run_ask.h"
#include "run_ctx.h"
#include "run_mount.h"
#include "run_store.h"
#include "run_wait.h"
#include "tools/lib/registry.h"
#include "tools/lib/remove.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct run_args {
	struct run_ctx run;
	char *shell[2]; /* the command when none is given */
	struct reason why;
};

static bool is_on_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static char *user_shell(void)
{
	const char *shell = getenv("SHELL");
	const struct passwd *pw;

	if (shell && *shell)
		return strdup(shell);
	pw = getpwuid(geteuid());
	return strdup(pw && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
}

/* Beside a file. */
static int choose_cwd_of_file(struct run_ctx *r)
{
	const char *base = r->opt.base;
	const char *slash = strrchr(base, '/');
	size_t len = (size_t)(slash - base);

	r->cwd = strndup(base, len > 0 ? len : 1);
	if (r->cwd)
		return 0;
	say("out of memory; try again later");
	return -ENOMEM;
}

/* The command starts in the current directory, if the view shows that; else
   at the root of the view. */
static int choose_cwd(struct run_ctx *r)
{
	size_t n = strlen(r->opt.base);
	char *cwd = getcwd(NULL, 0);
	const char *below = "";

	if (cwd && strncmp(cwd, r->opt.base, n) == 0 &&
	    (cwd[n] == '/' || cwd[n] == '\0'))
		below = cwd + n;
	r->cwd_below = strdup(below);
	free(cwd);
	if (!r->cwd_below ||
	    asprintf(&r->cwd, "%s%s", r->opt.base, r->cwd_below) < 0) {
		say("out of memory; try again later");
		return -ENOMEM;
	}
	return 0;
}

/* run_mount_begin() makes a mount point, where the command starts. */
static int choose_none(struct run_ctx *r)
{
	r->cwd_below = strdup("");
	if (r->cwd_below && options_set_base(&r->opt, MAPFS_NO_BASE) == 0)
		return 0;
	say("out of memory; try again later");
	return -ENOMEM;
}

static int choose_base(struct run_ctx *r, struct reason *why)
{
	const char *dir = r->dir ? r->dir : ".";
	char path[PATH_MAX];

	if (strcmp(dir, MAPFS_NO_BASE) == 0)
		return choose_none(r);
	if (!realpath(dir, path)) {
		say("%s: %s; choose another directory with -C", dir,
		    strerror(errno));
		return -errno;
	}
	if (strcmp(path, "/") == 0) {
		say("/: a view cannot cover the root directory; choose a "
		    "directory below it with -C");
		return -EINVAL;
	}
	r->opt.base = strdup(path);
	r->opt.mountpoint = strdup(path);
	if (!r->opt.base || !r->opt.mountpoint) {
		say("out of memory; try again later");
		return -ENOMEM;
	}
	if (place_check(&r->opt, why)) {
		say("%s", why->text);
		return -EINVAL;
	}
	return r->opt.root_is_file ? choose_cwd_of_file(r) : choose_cwd(r);
}

/*
 * A view that root mounts gets nosuid, nodev and noexec from the mount that it
 * covers, so that the command may do neither more nor less than there.
 */
static void choose_flags(struct fs_options *opt)
{
	static const struct {
		unsigned long has; /* of statvfs(3) */
		unsigned long flag;
	} flags[] = {
		{ ST_NOSUID, MS_NOSUID },
		{ ST_NODEV, MS_NODEV },
		{ ST_NOEXEC, MS_NOEXEC },
	};
	struct statvfs vfs;

	if (geteuid() != 0 || opt->base_kind == MAPFS_BASE_NONE ||
	    statvfs(opt->base, &vfs) < 0)
		return;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		/* An option of the user decides. */
		if (opt->flags_named & flags[i].flag)
			continue;
		opt->flags_named |= flags[i].flag;
		if (vfs.f_flag & flags[i].has)
			opt->flags |= flags[i].flag;
	}
}

/*
 * A view of a snapshot is read-only, so there will be no changes; and a commit
 * or discard would mean the newest state of the store.
 */
static int choose_snapshot(struct run_ctx *r)
{
	if (r->answer == RUN_COMMIT || r->answer == RUN_DISCARD) {
		say("%s@%s: a snapshot cannot be changed; run without %s",
		    r->opt.store, r->opt.snapshot,
		    r->answer == RUN_COMMIT ? "--commit" : "--discard");
		return -EINVAL;
	}
	r->answer = RUN_KEEP;
	return 0;
}

/*
 * Decides between the answers that need no question, and makes a store where
 * the changes may have to be kept.
 */
static int choose_store(struct run_ctx *r)
{
	const struct fs_options *opt = &r->opt;
	bool keeps = r->answer == RUN_KEEP || r->answer == RUN_COMMIT;
	char *journal;

	if (opt->base_kind == MAPFS_BASE_NONE && r->answer == RUN_COMMIT) {
		say("option --commit: there is no base to commit to; use "
		    "--keep");
		return -EINVAL;
	}
	if (opt->snapshot)
		return choose_snapshot(r);
	if (opt->store_kind == MAPFS_STORE_DIR) {
		if (asprintf(&journal, "%s/journal", opt->store) < 0)
			return -ENOMEM;
		r->store_is_old = access(journal, F_OK) == 0;
		free(journal);
		if (r->answer == RUN_ASK && !is_on_terminal())
			r->answer = RUN_KEEP;
		if (r->answer != RUN_DISCARD || !r->store_is_old)
			return 0;
		say("option --discard: store %s holds earlier changes, too; "
		    "run without --store",
		    opt->store);
		return -EINVAL;
	}
	/* Without a base, memory is what nobody asked for. */
	if (opt->store_kind == MAPFS_STORE_MEMORY && keeps &&
	    opt->base_kind != MAPFS_BASE_NONE) {
		say("option --store: memory keeps no changes; name a "
		    "directory");
		return -EINVAL;
	}
	if (keeps || (r->answer == RUN_ASK && is_on_terminal() &&
		      opt->store_kind == MAPFS_STORE_UNLINKED))
		return run_store_create(r);
	r->answer = RUN_DISCARD;
	return 0;
}

static void say_kept(const struct run_ctx *r)
{
	char *store = text_escape(r->opt.store);
	char *base = text_escape(r->opt.base);

	fprintf(stderr,
		"mapfs: the changes of %s are kept in %s\n"
		"  see them:     mapfs diff %s\n",
		base, store, store);
	if (r->opt.base_kind != MAPFS_BASE_NONE)
		fprintf(stderr, "  apply them:   mapfs commit %s\n", store);
	fprintf(stderr,
		"  continue:     mapfs run -s %s -C %s\n"
		"  mount them:   mapfs mount -s %s %s MOUNTPOINT\n"
		"  remove them:  mapfs discard %s\n",
		store, base, store, base, store);
	free(store);
	free(base);
}

static void say_committed(const struct run_ctx *r)
{
	char *store = text_escape(r->opt.store);

	fprintf(stderr,
		"mapfs: committed; the files that this replaced are kept in %s\n"
		"  undo the commit:  mapfs commit --undo %s\n"
		"  remove them:      mapfs discard %s\n",
		store, store, store);
	free(store);
}

/* The store, once the answer is known. */
static void put_away(const struct run_ctx *r, enum run_answer answer)
{
	switch (answer) {
	case RUN_COMMIT:
		say_committed(r);
		return;
	case RUN_ASK:
	case RUN_KEEP:
		if (r->has_own_store || (is_on_terminal() && !r->opt.snapshot))
			say_kept(r);
		return;
	case RUN_DISCARD:
		if (r->opt.store_kind == MAPFS_STORE_DIR)
			remove_store(r->opt.store);
		return;
	}
	abort();
}

static int finish(struct run_ctx *r, const struct termios *modes)
{
	bool asks = r->answer == RUN_ASK;
	bool any = true;

	if (r->answer == RUN_DISCARD ||
	    (r->answer == RUN_KEEP && !r->has_own_store)) {
		put_away(r, r->answer);
		return 0;
	}
	/* Changes that cannot be listed are kept. */
	if (run_changes(r, asks, &any)) {
		put_away(r, RUN_KEEP);
		return -EIO;
	}
	if (!any) {
		if (asks)
			say("%s: nothing was changed", r->opt.base);
		if (r->has_own_store)
			put_away(r, RUN_DISCARD);
		return 0;
	}
	if (asks) {
		r->answer = run_ask(r, modes);
	} else if (r->answer == RUN_COMMIT && run_commit(r)) {
		put_away(r, RUN_KEEP);
		return -EIO;
	}
	put_away(r, r->answer);
	return 0;
}

/* The daemon of an earlier run may still be closing the store. */
static int await_store(const struct run_ctx *r)
{
	struct reason why;
	int err = 0;

	if (r->opt.store_kind == MAPFS_STORE_DIR && !r->opt.snapshot)
		err = mapfs_store_await(r->opt.store, &why);
	if (err)
		say("%s", why.text);
	return err;
}

static int run_all(struct run_ctx *r)
{
	struct termios modes = { 0 };
	int status = RUN_FAILED;

	if (r->answer == RUN_ASK && tcgetattr(STDIN_FILENO, &modes) < 0)
		r->answer = RUN_KEEP;

	if (await_store(r))
		return RUN_FAILED;
	if (r->opt.store_kind == MAPFS_STORE_DIR && !r->opt.snapshot)
		registry_add(r->opt.store, r->opt.base);
	run_wait_begin();
	if (run_mount_begin(r)) {
		if (r->has_own_store)
			remove_store(r->opt.store);
		return RUN_FAILED;
	}
	if (run_mount_go(r) == 0)
		status = run_wait(r);
	if (run_mount_end(r)) {
		if (r->opt.store_kind == MAPFS_STORE_DIR)
			say_kept(r);
		return COMMAND_FAILED;
	}
	run_note_begin();
	run_wait_end();
	if (finish(r, &modes))
		status = COMMAND_FAILED;
	run_note_end();
	return status;
}

static int run_start(struct run_args *a)
{
	struct run_ctx *r = &a->run;
	int err;

	if (r->opt.mode != MAPFS_COPY) {
		say("option mode: a run needs copy mode, which leaves the "
		    "directory as it is; remove the option");
		return COMMAND_USAGE;
	}
	if (!r->command) {
		a->shell[0] = user_shell();
		r->command = a->shell;
	}
	if (choose_base(r, &a->why))
		return RUN_FAILED;
	if (r->opt.remount) {
		say("option remount: a run makes a mount of its own; remove "
		    "the option");
		return COMMAND_USAGE;
	}
	choose_flags(&r->opt);
	err = options_complete(&r->opt, &a->why);
	if (err) {
		say("%s", a->why.text);
		return COMMAND_USAGE;
	}
	err = choose_store(r);
	if (err)
		return err == -EINVAL ? COMMAND_USAGE : RUN_FAILED;
	return run_all(r);
}

static void set_answer(struct run_args *a, struct argp_state *state,
		       enum run_answer answer)
{
	if (a->run.answer != RUN_ASK && a->run.answer != answer)
		argp_error(state, "only one of --commit, --keep, --discard");
	a->run.answer = answer;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run_args *a = state->input;
	int err = 0;

	switch (key) {
	case 's':
		err = options_set_store(&a->run.opt, arg, &a->why);
		break;
	case 'o':
		err = options_add(&a->run.opt, arg, false, &a->why);
		break;
	case 'C':
		a->run.dir = arg;
		break;
	case 'c':
		set_answer(a, state, RUN_COMMIT);
		break;
	case 'k':
		set_answer(a, state, RUN_KEEP);
		break;
	case 'd':
		set_answer(a, state, RUN_DISCARD);
		break;
	case TRUST_KEY:
		a->run.opt.is_trusted = true;
		break;
	case ARGP_KEY_ARG:
		/* All that follows belongs to the command. */
		a->run.command = &state->argv[state->next - 1];
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (err) {
		say("%s", a->why.text);
		exit(COMMAND_USAGE);
	}
	return 0;
}

static const struct argp_option run_options[] = {
	{ "store", 's', "STORE", 0,
	  "Keep the changes in the directory STORE, which is made if it is "
	  "missing",
	  0 },
	{ "directory", 'C', "DIR", 0,
	  "Show a view of DIR, or with `none' an empty directory, instead of "
	  "the current directory; DIR may be a "
	  "file, and COMMAND then runs in the directory of that file",
	  0 },
	{ "commit", 'c', NULL, 0, "Commit the changes to the directory", 0 },
	{ "keep", 'k', NULL, 0, "Keep the changes, and print where they are",
	  0 },
	{ "discard", 'd', NULL, 0, "Discard the changes", 0 },
	{ "options", 'o', "OPTIONS", 0, "Options of mapfs mount", 0 },
	TRUST_OPTION,
	{ 0 }
};

static const struct argp run_argp = {
	.options = run_options,
	.parser = parse_option,
	.args_doc = "[--] [COMMAND [ARGUMENT...]]",
	.doc = "Runs COMMAND, or a shell, with a copy view in place of a "
	       "directory: what it changes there goes to the view, and the "
	       "directory stays as it is until the changes are committed. No "
	       "other process sees the view.\v"
	       "Afterwards, on a terminal, the command lists the "
	       "changes and asks what to do with them, unless an option "
	       "says that. Elsewhere they are kept with --store, and "
	       "discarded without.\n\n"
	       "Processes that COMMAND leaves running are ended with it. "
	       "For an ordinary user COMMAND runs in a user namespace: "
	       "there files of other users and groups belong to nobody and "
	       "cannot be written, and sudo does not work. Where the "
	       "system allows no namespaces, the view is at a directory of "
	       "its own, and COMMAND runs there.\n\n"
	       "Exit status: that of COMMAND; 128 plus the number of the "
	       "signal that ended it; 127 COMMAND was not found, 126 it "
	       "cannot be executed, 125 the view cannot be made, 2 the "
	       "command line is wrong, 1 the changes could not be kept, "
	       "committed or discarded.\n\n"
	       "Example: mapfs run -C project -- make install",
};

int cmd_run(int argc, char **argv)
{
	struct run_args *a = calloc(1, sizeof(*a));
	int status = COMMAND_USAGE;

	if (!a) {
		say("out of memory; try again later");
		return RUN_FAILED;
	}
	options_init(&a->run.opt);
	if (argp_parse(&run_argp, argc, argv, ARGP_IN_ORDER, NULL, a) == 0)
		status = run_start(a);
	options_fini(&a->run.opt);
	free(a->run.cwd);
	free(a->run.cwd_below);
	free(a->shell[0]);
	free(a);
	return status;
}
