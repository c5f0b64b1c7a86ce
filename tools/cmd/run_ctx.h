/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_RUN_CTX_H
#define MAPFS_TOOLS_CMD_RUN_CTX_H

/*
 * The state of one `mapfs run`, and the words that its parts share.  run.c has
 * the picture of the processes and the order of the steps.
 *
 * Lifetime: cmd_run() makes the only one, and frees it.
 * Locking:  one thread.  A child process works on a copy.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "core/mapfs.h"
#include "fs/mount/options.h"

/* Exit statuses of a run, where they are not those of the command. */
enum run_status {
	RUN_FAILED = 125, /* the command was not started */
	RUN_NOT_EXECUTABLE = 126,
	RUN_NOT_FOUND = 127,
	RUN_SIGNAL = 128, /* plus the number of the signal */
};

/* What becomes of the changes. */
enum run_answer {
	RUN_ASK, /* not known yet: the user is asked */
	RUN_COMMIT,
	RUN_KEEP,
	RUN_DISCARD,
};

struct run_ctx {
	struct fs_options opt;
	char **command;	 /* ends in NULL */
	const char *dir; /* of option -C, or NULL; may be a file */
	char *cwd;	 /* of the command, absolute */
	char *cwd_below; /* the same, as a path below the base: "" or "/...";
			    not for a base that is a file */
	enum run_answer answer;
	bool has_own_store; /* this run made the store */
	bool store_is_old;  /* the store held changes before this run */
	pid_t daemon;	    /* 0: it has ended, */
	int daemon_status;  /* ... with this status of wait(2) */
	pid_t child;	    /* becomes the command */
	int go_fd;	    /* socket of the child, which waits for a byte */
	ino_t outer_ns;	    /* mount namespace of the first process */
	bool has_namespace; /* false: the view is at a directory of its own */
};

#endif
