/* SPDX-License-Identifier: MIT */
/*
 * The command `mapfs`: finds the subcommand.  Installed a second time as
 * mount.fuse.mapfs, it is what mount(8) and fstab call.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mapfs.h"
#include "tools/cmd/command.h"
#include "tools/lib/progress.h"
#include "tools/lib/text.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "run", cmd_run, "run a command on a view of a directory" },
	{ "mount", cmd_mount, "mount a view of a directory" },
	{ "umount", cmd_umount, "unmount a view" },
	{ "list", cmd_list, "list the mounts of mapfs, or the stores" },
	{ "status", cmd_status, "show the state of a view or a store" },
	{ "diff", cmd_diff, "show what a view changed" },
	{ "pages", cmd_pages, "show where each page of a file is" },
	{ "commit", cmd_commit, "write the changes of a store to its base" },
	{ "revert", cmd_revert, "reset files to what the base has" },
	{ "discard", cmd_discard, "remove a store and its changes" },
	{ "check", cmd_check, "check a store for damage, and repair it" },
	{ "prune", cmd_prune, "remove stores that were not used for long" },
	{ "snapshot", cmd_snapshot, "name the current state of a view" },
	{ "log", cmd_log, "list the snapshots of a store" },
	{ "rollback", cmd_rollback, "return a view to a snapshot" },
	{ "branch", cmd_branch, "make a new store from a snapshot" },
	{ "export", cmd_export, "write changes as a layer of an image" },
	{ "import", cmd_import, "make a store from a layer of an image" },
	{ "partitions", cmd_partitions,
	  "list or show the partitions of a disk image" },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void help_print(FILE *to)
{
	fputs("Usage: mapfs COMMAND [ARGUMENT...]\n"
	      "\n"
	      "mapfs mounts a directory, the base, at another directory or over "
	      "itself. What\n"
	      "the mount shows is a view of the base. In copy mode, the default, "
	      "changes of\n"
	      "the view go to a store, and the base stays as it is; a store can "
	      "be kept,\n"
	      "compared with the base, committed to it, or discarded. In write "
	      "mode changes go\n"
	      "to the base, in read mode nothing can be changed.\n"
	      "\n"
	      "Commands:\n",
	      to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name,
			commands[i].summary);
	fprintf(to,
		"\n"
		"`mapfs help COMMAND` describes a command and gives an "
		"example.\n"
		"`mapfs --version` prints the version.\n"
		"\n"
		"Example: `mapfs run -C project -- make install` lists what "
		"make changes in\n"
		"project, and asks whether to keep that.\n");
}

/* A list that could not be written completely is a failure. */
static int output_end(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (status != COMMAND_OK)
		return status;
	say("standard output: %s; the list is not complete", strerror(errno));
	return COMMAND_FAILED;
}

static int command_run(const struct command *c, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof(name), "mapfs %s", c->name);
	argv[0] = name;
	/* getopt and argp begin their messages with this name. */
	program_invocation_name = name;
	program_invocation_short_name = name;
	return output_end(c->run(argc, argv));
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	say("%s: no such command; see mapfs help", name);
	return NULL;
}

static int help_run(int argc, char **argv)
{
	const struct command *c;
	char help[] = "--help";
	char *args[] = { NULL, help, NULL };

	if (argc < 2 || strcmp(argv[1], "help") == 0) {
		help_print(stdout);
		return COMMAND_OK;
	}
	c = command_find(argv[1]);
	return c ? command_run(c, 2, args) : COMMAND_USAGE;
}

/*
 * The caller may have closed an output.  No file of a store may get its number:
 * messages would be written into that file, and a daemon would replace it by
 * /dev/null.  A descriptor with O_PATH takes the number: as if it were closed,
 * it can be neither read nor written, and a child finds it closed.
 */
static void take_standard_numbers(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/", O_PATH | O_CLOEXEC) != fd)
			exit(COMMAND_FAILED);
	}
}

/* A wait is only worth a message on a terminal. */
static void tell_of_wait(void *arg, const char *line)
{
	if (isatty(STDERR_FILENO)) {
		progress_hide();
		say("%s", line);
	}
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');
	const struct command *c;

	take_standard_numbers();
	mapfs_tell_of_waits(tell_of_wait, NULL);
	/* A caller may ignore SIGCHLD; then wait(2) would give no status. */
	signal(SIGCHLD, SIG_DFL);
	argp_err_exit_status = COMMAND_USAGE;
	if (strcmp(base ? base + 1 : argv[0], "mount.fuse.mapfs") == 0)
		return cmd_mount_helper(argc, argv);
	if (argc < 2) {
		help_print(stderr);
		return COMMAND_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return help_run(argc - 1, argv + 1);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("mapfs %s\n", MAPFS_VERSION);
		return COMMAND_OK;
	}
	c = command_find(argv[1]);
	return c ? command_run(c, argc - 1, argv + 1) : COMMAND_USAGE;
}
