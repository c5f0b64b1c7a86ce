/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_LOOKARGS_H
#define MAPFS_TOOLS_LIB_LOOKARGS_H

/*
 * The command line of those who only look: MOUNTPOINT|STORE [--json] [--trust].
 *
 * Lifetime: what is pointed to is argv's.
 * Errors:   a command line that makes no sense ends the program.
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
