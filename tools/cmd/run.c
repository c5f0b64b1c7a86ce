/* SPDX-License-Identifier: MIT */
/*
 * mapfs run: a command on a view of a directory, and then what to do with
 * what it changed.
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
#include "run.h"
#include "tools/lib/remove.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct run_args {
	struct run run;
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

/* Where the command runs: here if that is in the view, else at its top. */
static int settle_cwd(struct run *r)
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

static int settle_base(struct run *r)
{
	const char *dir = r->dir ? r->dir : ".";
	char path[PATH_MAX];
	struct stat st;

	if (!realpath(dir, path) || stat(path, &st) < 0) {
		say("%s: %s; choose another directory with -C", dir,
		    strerror(errno));
		return -errno;
	}
	if (!S_ISDIR(st.st_mode)) {
		say("%s: not a directory; choose one with -C", path);
		return -ENOTDIR;
	}
	if (strcmp(path, "/") == 0) {
		say("/: cannot be covered by a view of itself; choose a "
		    "directory below with -C");
		return -EINVAL;
	}
	r->opt.base = strdup(path);
	r->opt.mountpoint = strdup(path);
	if (!r->opt.base || !r->opt.mountpoint) {
		say("out of memory; try again later");
		return -ENOMEM;
	}
	return settle_cwd(r);
}

/* As root the view is as good as what it covers: neither more nor less. */
static void settle_flags(struct fs_options *opt)
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

	if (geteuid() != 0 || statvfs(opt->base, &vfs) < 0)
		return;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		/* What the user said counts. */
		if (opt->flags_named & flags[i].flag)
			continue;
		opt->flags_named |= flags[i].flag;
		if (vfs.f_flag & flags[i].has)
			opt->flags |= flags[i].flag;
	}
}

/* Nothing is changed there, and the store's newest state is not to do with. */
static int settle_snapshot(struct run *r)
{
	if (r->answer == RUN_COMMIT || r->answer == RUN_DISCARD) {
		say("%s@%s: a snapshot stays as it is; run without %s",
		    r->opt.store, r->opt.snapshot,
		    r->answer == RUN_COMMIT ? "--commit" : "--discard");
		return -EINVAL;
	}
	r->answer = RUN_KEEP;
	return 0;
}

/* Who is neither asked nor told keeps what was to be kept. */
static int settle_store(struct run *r)
{
	const struct fs_options *opt = &r->opt;
	bool keeps = r->answer == RUN_KEEP || r->answer == RUN_COMMIT;
	char *journal;

	if (opt->snapshot)
		return settle_snapshot(r);
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
	if (opt->store_kind == MAPFS_STORE_MEMORY && keeps) {
		say("option --store: memory keeps nothing; name a directory");
		return -EINVAL;
	}
	if (keeps || (r->answer == RUN_ASK && is_on_terminal() &&
		      opt->store_kind == MAPFS_STORE_UNLINKED))
		return run_store_create(r);
	r->answer = RUN_DISCARD;
	return 0;
}

static void say_kept(const struct run *r)
{
	char *store = text_escape(r->opt.store);
	char *base = text_escape(r->opt.base);

	fprintf(stderr,
		"mapfs: the changes of %s are kept in %s\n"
		"  see them:    mapfs diff %s\n"
		"  apply them:  mapfs commit %s\n"
		"  go on:       mapfs run -s %s -C %s\n"
		"  mount them:  mapfs mount -s %s %s MOUNTPOINT\n"
		"  drop them:   mapfs discard %s\n",
		base, store, store, store, store, base, store, base, store);
	free(store);
	free(base);
}

static void say_committed(const struct run *r)
{
	char *store = text_escape(r->opt.store);

	fprintf(stderr,
		"mapfs: committed; what that replaced is kept in %s\n"
		"  take it back:  mapfs commit --undo %s\n"
		"  forget it:     mapfs discard %s\n",
		store, store, store);
	free(store);
}

/* Nothing to do with the changes but to keep or to forget them. */
static void put_away(const struct run *r, enum run_answer answer)
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

static int finish(struct run *r, const struct termios *modes)
{
	bool asks = r->answer == RUN_ASK;
	bool any = true;

	if (r->answer == RUN_DISCARD ||
	    (r->answer == RUN_KEEP && !r->has_own_store)) {
		put_away(r, r->answer);
		return 0;
	}
	/* What cannot be looked at is kept. */
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

/* A store of an earlier run, whose daemon may still be closing it. */
static int await_store(const struct run *r)
{
	struct reason why;
	int err = 0;

	if (r->opt.store_kind == MAPFS_STORE_DIR && !r->opt.snapshot)
		err = mapfs_store_await(r->opt.store, &why);
	if (err)
		say("%s", why.text);
	return err;
}

static int run_all(struct run *r)
{
	struct termios modes = { 0 };
	int status = RUN_FAILED;

	if (r->answer == RUN_ASK && tcgetattr(STDIN_FILENO, &modes) < 0)
		r->answer = RUN_KEEP;

	if (await_store(r))
		return RUN_FAILED;
	run_wait_begin();
	if (run_place_begin(r)) {
		if (r->has_own_store)
			remove_store(r->opt.store);
		return RUN_FAILED;
	}
	if (run_place_go(r) == 0)
		status = run_wait(r);
	if (run_place_end(r)) {
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
	struct run *r = &a->run;
	int err;

	if (r->opt.mode != MAPFS_COPY) {
		say("option mode: only copy mode leaves the directory as it "
		    "is; drop the option");
		return COMMAND_USAGE;
	}
	if (!r->command) {
		a->shell[0] = user_shell();
		r->command = a->shell;
	}
	if (settle_base(r))
		return RUN_FAILED;
	if (r->opt.remount) {
		say("option remount: a run has a mount of its own; drop it");
		return COMMAND_USAGE;
	}
	settle_flags(&r->opt);
	err = options_settle(&r->opt, &a->why);
	if (err) {
		say("%s", a->why.text);
		return COMMAND_USAGE;
	}
	err = settle_store(r);
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
		/* The rest is the command's, whatever it looks like. */
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
	  "Keep the changes in this directory, made when missing", 0 },
	{ "directory", 'C', "DIR", 0,
	  "Show a view of DIR instead of the current directory", 0 },
	{ "commit", 'c', NULL, 0, "Apply the changes to the directory", 0 },
	{ "keep", 'k', NULL, 0, "Keep the changes, and say where", 0 },
	{ "discard", 'd', NULL, 0, "Forget the changes", 0 },
	{ "options", 'o', "OPTIONS", 0, "Options as of mapfs mount", 0 },
	TRUST_OPTION,
	{ 0 }
};

static const struct argp run_argp = {
	.options = run_options,
	.parser = parse_option,
	.args_doc = "[--] [COMMAND [ARGUMENT...]]",
	.doc = "Runs COMMAND, or a shell, with a copy view in place of a "
	       "directory: what it changes there stays in the view. Nobody "
	       "else sees the view.\v"
	       "Afterwards it shows what was changed and asks what to do with "
	       "it, if it runs on a terminal and no option tells. Else the "
	       "changes are kept with --store, and forgotten without.\n\n"
	       "What COMMAND leaves running is ended with it. For an ordinary "
	       "user it runs in a user namespace, where the files of other "
	       "users and groups are nobody's and cannot be written, and "
	       "sudo does not work. Where the system allows no namespaces, the "
	       "view is at a directory of its own and COMMAND runs there.\n\n"
	       "Exit status: that of COMMAND; 128 plus the signal that ended "
	       "it; 127 it was not found, 126 it cannot be executed, 125 the "
	       "view cannot be made, 2 the command line is wrong, 1 what was "
	       "to be done with the changes failed.",
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
