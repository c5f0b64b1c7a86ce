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
	{ "mount", cmd_mount, "show a directory at a mount point" },
	{ "run", cmd_run, "try a command on a view of a directory" },
	{ "umount", cmd_umount, "end a mount" },
	{ "export", cmd_export, "write changes as an image layer" },
	{ "import", cmd_import, "make a store from an image layer" },
	{ "list", cmd_list, "show what is mounted" },
	{ "status", cmd_status, "show a view or store, and what changed" },
	{ "diff", cmd_diff, "show what a view changed" },
	{ "snapshot", cmd_snapshot, "name this moment of a view" },
	{ "log", cmd_log, "list the snapshots of a store" },
	{ "rollback", cmd_rollback, "go back to a snapshot" },
	{ "branch", cmd_branch, "start a second store from a snapshot" },
	{ "revert", cmd_revert, "put files back to what the base has" },
	{ "discard", cmd_discard, "remove a store" },
	{ "commit", cmd_commit, "write what a store holds to its base" },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void help_print(FILE *to)
{
	fprintf(to, "Usage: mapfs COMMAND [ARGUMENT...]\n"
		    "Mounts a directory in read, write or copy mode; in copy "
		    "mode changes go to a\nstore and the directory stays as it "
		    "is.\n\nCommands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name,
			commands[i].summary);
	fprintf(to, "\n`mapfs help COMMAND' tells more about one of them.\n"
		    "`mapfs --version' prints the version.\n");
}

/* What was printed may have been a list that somebody relies on. */
static int output_end(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (status != COMMAND_OK)
		return status;
	say("standard output: %s; not all was written", strerror(errno));
	return COMMAND_FAILED;
}

static int command_run(const struct command *c, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof(name), "mapfs %s", c->name);
	argv[0] = name;
	/* getopt and argp name the program in what they print. */
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
	say("%s: unknown command; see mapfs --help", name);
	return NULL;
}

static int help_run(int argc, char **argv)
{
	const struct command *c;
	char help[] = "--help";
	char *args[] = { NULL, help, NULL };

	if (argc < 2) {
		help_print(stdout);
		return COMMAND_OK;
	}
	c = command_find(argv[1]);
	return c ? command_run(c, 2, args) : COMMAND_USAGE;
}

/*
 * A file of ours must not get the number of an output that the caller closed:
 * what is said would go into it, and a daemon puts /dev/null there.  O_PATH
 * can be neither read nor written, as if it were closed; a command of ours
 * finds it closed.
 */
static void take_standard_numbers(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/", O_PATH | O_CLOEXEC) != fd)
			exit(COMMAND_FAILED);
	}
}

/* Elsewhere than on a terminal only what goes wrong is said. */
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
	/* A caller that ignores its children leaves us without their status. */
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
