/* SPDX-License-Identifier: MIT */
/*
 * mapfs mount, and mount.fuse.mapfs, which mount(8) calls: two command lines
 * with the same options.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "fs/mount/options.h"
#include "tools/lib/damage.h"
#include "tools/lib/mounting.h"
#include "tools/lib/remount.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"
#include "tools/lib/writers.h"

struct mount_args {
	struct fs_options opt;
	const char *base;
	const char *target;
	char *list; /* all of -o, or NULL */
	bool foreground;
	bool sloppy;
	bool is_helper;	 /* called by mount(8) */
	bool has_others; /* an option other than -o was given */
	struct reason why;
};

/* Option nofail of fstab: a missing base is not an error. */
static bool is_excused(const struct mount_args *a)
{
	return a->opt.may_be_missing &&
	       a->opt.base_kind == MAPFS_BASE_AT_PATH &&
	       access(a->base, F_OK) < 0 && errno == ENOENT;
}

static int remount_run(struct mount_args *a)
{
	const struct remount_ask ask = {
		.base = a->base,
		.target = a->target,
		.list = a->list,
		.sloppy = a->sloppy,
		.is_complete = a->is_helper,
	};
	int err;

	if (a->has_others) {
		say("option remount: other options must be in -o, too; write "
		    "them there");
		return COMMAND_USAGE;
	}
	err = remount(&ask);
	if (err == -EINVAL)
		return COMMAND_USAGE;
	return err ? COMMAND_FAILED : COMMAND_OK;
}

/* A sentence about programs that write to the base, in the making. */
struct warning {
	pid_t pid; /* of the process that looks for them; 0: none */
	int fd;	   /* from which its sentence comes */
};

static void write_warning(const struct mount_args *a, int fd)
{
	struct writers w = { 0 };
	const struct writer *one;
	char others[64] = "";

	writers_find(&w, a->opt.base, 0);
	if (w.count == 0)
		return;
	one = w.writers;
	if (w.count > 1)
		(void)snprintf(others, sizeof(others),
			       ", and `mapfs status` lists %zu more",
			       w.count - 1);
	dprintf(fd,
		"%s%s%s: %s by %s (process %d)%s; where the view changes such "
		"a file, too, reading it can fail: end the program, or mount a "
		"copy",
		a->opt.base, *one->path ? "/" : "", one->path, writer_text(one),
		one->program, (int)one->pid, others);
	writers_fini(&w);
}

/*
 * Looking takes longer than mounting, so a process of its own does it.  It
 * begins before there is a view, because programs that use that do not count.
 */
static void warning_begin(struct warning *w, const struct mount_args *a)
{
	int fds[2];

	*w = (struct warning){ 0 };
	if (a->opt.mode != MAPFS_COPY ||
	    a->opt.base_kind != MAPFS_BASE_AT_PATH || a->opt.snapshot ||
	    pipe2(fds, O_CLOEXEC) < 0)
		return;
	w->pid = fork();
	if (w->pid == 0) {
		write_warning(a, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	w->fd = fds[0];
	if (w->pid < 0) {
		close(w->fd);
		w->pid = 0;
	}
}

static void warning_end(struct warning *w, bool is_wanted)
{
	char text[2 * PATH_MAX];
	size_t len = 0;
	ssize_t n = 0;

	if (w->pid == 0)
		return;
	while (is_wanted && len < sizeof(text) - 1 &&
	       (n = read(w->fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(w->fd);
	waitpid(w->pid, NULL, 0);
	w->pid = 0;
	if (len > 0)
		say("%s", text);
}

static int mount_run(struct mount_args *a)
{
	struct warning warning;
	int err;

	if (a->opt.remount)
		return remount_run(a);
	if (options_set_base(&a->opt, a->base))
		return COMMAND_FAILED;
	if (is_excused(a))
		return COMMAND_OK;
	err = options_complete(&a->opt, &a->why);
	if (err) {
		say("%s", a->why.text);
		return COMMAND_USAGE;
	}
	if (a->opt.salvage)
		damage_say(a->opt.store, a->opt.is_trusted);
	warning_begin(&warning, a);
	if (a->foreground)
		warning_end(&warning, true);
	err = mounting_start(&a->opt, a->target, a->foreground);
	warning_end(&warning, !err);
	return err ? COMMAND_FAILED : COMMAND_OK;
}

/* Appends a list of options; takes `lists`, which may be NULL. */
static char *joined(char *lists, const char *list)
{
	char *all;

	if (asprintf(&all, "%s%s%s", lists ? lists : "", lists ? "," : "",
		     list) < 0) {
		say("out of memory; try again later");
		exit(COMMAND_FAILED);
	}
	free(lists);
	return all;
}

static void add_option(struct mount_args *a, const char *list)
{
	if (options_add(&a->opt, list, a->sloppy, &a->why)) {
		say("%s", a->why.text);
		exit(COMMAND_USAGE);
	}
	a->list = joined(a->list, list);
}

static void add_argument(struct mount_args *a, struct argp_state *state,
			 const char *arg)
{
	if (!a->base)
		a->base = arg;
	else if (!a->target)
		a->target = arg;
	else
		argp_error(state, "too many arguments");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct mount_args *a = state->input;
	int err = 0;

	a->has_others |= key == 'm' || key == 's' || key == 'w' || key == 'L' ||
			 key == 'f';
	switch (key) {
	case 'm':
		err = options_set_mode(&a->opt, arg, &a->why);
		break;
	case 's':
		err = options_set_store(&a->opt, arg, &a->why);
		break;
	case 'w':
		err = options_add_window(&a->opt, arg, &a->why);
		break;
	case 'o':
		add_option(a, arg);
		break;
	case 'L':
		err = options_set_logfile(&a->opt, arg);
		break;
	case 'f':
		a->foreground = true;
		break;
	case TRUST_KEY:
		a->opt.is_trusted = true;
		break;
	case ARGP_KEY_ARG:
		add_argument(a, state, arg);
		break;
	case ARGP_KEY_END:
		if (!a->target)
			argp_error(state, "BASE and MOUNTPOINT are needed");
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

static const struct argp_option mount_options[] = {
	{ "mode", 'm', "MODE", 0, "read, write, or copy (the default)", 0 },
	{ "store", 's', "STORE", 0,
	  "Keep the changes of copy mode in the directory STORE, which is "
	  "made if it is missing; `memory' keeps them in memory until the "
	  "view is unmounted",
	  0 },
	{ "window", 'w', "NAME=PATH:OFFSET[:LENGTH]", 0,
	  "Show a part of the file PATH of BASE as the file NAME; may be given "
	  "more than once",
	  0 },
	{ "options", 'o', "OPTIONS", 0, "Options, separated by commas", 0 },
	{ "foreground", 'f', NULL, 0,
	  "Serve the view in this process, and log to stderr", 0 },
	{ "log", 'L', "FILE", 0, "Log to FILE instead of syslog", 0 },
	TRUST_OPTION,
	{ 0 }
};

static const struct argp mount_argp = {
	.options = mount_options,
	.parser = parse_option,
	.args_doc = "BASE MOUNTPOINT",
	.doc = "Mounts a view of the directory or file BASE at MOUNTPOINT, "
	       "which may be BASE itself. The view of a file is a directory "
	       "with that file; if MOUNTPOINT is a file, it is the file "
	       "itself. With `none' as BASE the view begins "
	       "empty: it is in memory, or with --store kept. Returns as "
	       "soon as the view can be used; `mapfs umount` ends it.\v"
	       "Modes:\n"
	       "  read   nothing can be changed; changes made in BASE show\n"
	       "  write  changes go to BASE\n"
	       "  copy   changes go to a store, and BASE never changes;\n"
	       "         without --store they are lost at unmounting\n\n"
	       "A window is a part of a file. A view of windows shows them as "
	       "files, and nothing else. PATH is below BASE, or empty if BASE "
	       "is a file. OFFSET and LENGTH are bytes, with K, M, G, T (of "
	       "1024; k, m, g, t mean the same), with s (sectors of 512 "
	       "bytes), or hexadecimal (0x...). "
	       "Without LENGTH the window ends with the file.\n\n"
	       "OPTIONS of mapfs are: mode=, store=, window=, logfile=, "
	       "trust: as the options above; size=: the most that the changes "
	       "may take, as 512M, 8G, or 25% of memory (default: no limit, "
	       "but half of memory where they are kept in memory), which "
	       "implies nowriteback; ro, rw; allow_other: other users may "
	       "use the view (default for root); noacl, noxattr: the view "
	       "has no ACLs, no extended attributes; nowriteback: each "
	       "write is sent to the daemon at once; uring: use io_uring "
	       "where the system has it (holes then count as data for "
	       "SEEK_DATA); uring_depth=N; max_threads=N; debug; nosandbox, "
	       "or sandbox= and some of caps+seccomp+landlock: what the "
	       "daemon drops once it has mounted (default: all). The "
	       "options of mount(8) may be given, too. A view is mounted "
	       "nosuid and nodev unless suid and dev are given; by root "
	       "through mount(8) or fstab, only if nosuid and nodev are "
	       "given. With "
	       "salvage, what is sound of a damaged store is shown, "
	       "read-only, and nothing is written to it. With "
	       "noatime, reading leaves the access times of BASE as they "
	       "are in write mode, too. remount changes ro, rw and the "
	       "options of the kernel of an existing mount.\n\n"
	       "In fstab: BASE MOUNTPOINT fuse.mapfs mode=copy,store=STORE "
	       "0 0\n\n"
	       "Exit status: 0 mounted, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs mount -s changes project view",
};

static struct mount_args *mount_args_create(void)
{
	struct mount_args *a = calloc(1, sizeof(*a));

	if (!a) {
		say("out of memory; try again later");
		exit(COMMAND_FAILED);
	}
	options_init(&a->opt);
	return a;
}

static void mount_args_destroy(struct mount_args *a)
{
	options_fini(&a->opt);
	free(a->list);
	free(a);
}

int cmd_mount(int argc, char **argv)
{
	struct mount_args *a = mount_args_create();
	int status = COMMAND_USAGE;

	if (argp_parse(&mount_argp, argc, argv, 0, NULL, a) == 0)
		status = mount_run(a);
	mount_args_destroy(a);
	return status;
}

/* For root, a mount(8) without nosuid and nodev in its list means both off. */
static void set_roots_defaults(struct fs_options *opt)
{
	if (getuid() == 0)
		opt->flags_named |= MS_NOSUID | MS_NODEV;
}

int cmd_mount_helper(int argc, char **argv)
{
	struct mount_args *a = mount_args_create();
	char *lists = NULL;
	bool is_fake = false;
	bool read_only = false;
	int status;
	int c;

	while ((c = getopt(argc, argv, "sfnvrwo:t:N:")) != -1) {
		if (c == 's')
			a->sloppy = true;
		else if (c == 'f')
			is_fake = true;
		else if (c == 'r')
			read_only = true;
		else if (c == 'o')
			lists = joined(lists, optarg);
		else if (c == 'N')
			say("option -N: not known; enter the namespace first "
			    "(nsenter --mount=%s)",
			    optarg);
		if (c == '?' || c == 'N')
			exit(COMMAND_USAGE);
	}
	if (argc - optind != 2) {
		say("usage: mount.fuse.mapfs BASE MOUNTPOINT [-sfnvrw] "
		    "[-o OPTIONS]");
		exit(COMMAND_USAGE);
	}
	a->base = argv[optind];
	a->target = argv[optind + 1];
	a->is_helper = true;
	set_roots_defaults(&a->opt);
	if (lists)
		add_option(a, lists);
	free(lists);
	if (read_only)
		add_option(a, "ro");
	status = is_fake ? COMMAND_OK : mount_run(a);
	mount_args_destroy(a);
	return status;
}
