/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_COMMAND_H
#define MAPFS_TOOLS_CMD_COMMAND_H

/*
 * The subcommands of `mapfs`, one file each.
 *
 * Calling:  main() finds the subcommand and calls it with the arguments that
 *           follow; argv[0] is "mapfs NAME".
 * Lifetime: `argv` is borrowed until the end of the program.
 * Errors:   the exit status: COMMAND_OK; COMMAND_FAILED; COMMAND_USAGE for a
 *           wrong command line.  Each failure has printed a sentence.
 * Locking:  the process has one thread.
 */

enum command_status {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2,
};

int cmd_mount(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_commit(int argc, char **argv);
/* The exit status is that of diff(1): 0 same, 1 different, 2 failed. */
int cmd_diff(int argc, char **argv);
int cmd_pages(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_branch(int argc, char **argv);
int cmd_revert(int argc, char **argv);
int cmd_discard(int argc, char **argv);
int cmd_prune(int argc, char **argv);
/* 0 sound, 1 damaged, 2 could not be checked. */
int cmd_check(int argc, char **argv);
int cmd_partitions(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
/* The exit status is that of the command that is run, or enum run_status. */
int cmd_run(int argc, char **argv);
/* mount(8) calls it with BASE MOUNTPOINT [-sfnvrw] [-o OPTIONS]. */
int cmd_mount_helper(int argc, char **argv);

#endif
