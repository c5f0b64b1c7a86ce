/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_LOOKARGS_H
#define MAPFS_TOOLS_LIB_LOOKARGS_H

/*
 * The command line of the subcommands that only read a view or store:
 * MOUNTPOINT|STORE [--json] [--trust].
 *
 * Lifetime: `target` points into argv.
 * Errors:   a wrong command line ends the program with a message.
 * Locking:  none.
 */
#include <argp.h>
#include <stdbool.h>

struct look_args {
	const char *target;
	bool json;
	bool is_trusted;
};

/* An argp parser whose input is a struct look_args. */
error_t look_args_parse(int key, char *arg, struct argp_state *state);

#endif
