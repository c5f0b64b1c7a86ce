/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_COMMAND_H
#define MAPFS_TOOLS_CMD_COMMAND_H

/*
 * The subcommands of `mapfs`, one file each.
 *
 * Calling: main() finds the command and calls it with its own arguments;
 *          argv[0] is "mapfs NAME".
 * Errors:  the exit status: 0, COMMAND_FAILED, or COMMAND_USAGE for a command
 *          line that makes no sense; each failure has said its sentence.
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
/* Exit status as diff(1): 0 same, 1 different, 2 trouble. */
int cmd_diff(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_branch(int argc, char **argv);
int cmd_revert(int argc, char **argv);
int cmd_discard(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_run(int argc, char **argv);
/* As mount(8) calls it: BASE MOUNTPOINT [-sfnv] [-o OPTIONS]. */
int cmd_mount_helper(int argc, char **argv);

#endif
