/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_RUN_H
#define MAPFS_TOOLS_CMD_RUN_H

/*
 * The parts of `mapfs run`, one file each:
 *
 *    cmd_run         the command line, and what happens in which order
 *    cmd_run_place   a namespace with the view in it, the command in that
 *    cmd_run_wait    signals and the terminal until the command has ended
 *    cmd_run_store   the store of a run that was given none
 *    cmd_run_ask     what to do with the changes
 *
 * Processes, all of them children of the first:
 *
 *    mapfs run    outside; sees the base
 *    the daemon   outside; its mount is inside; SIGTERM when the first dies
 *    COMMAND      inside a mount (and user) namespace that goes with it;
 *                 SIGKILL when the first dies
 *
 * What the command leaves behind becomes a child of the first, too, and is
 * ended before the view is: it would find the bare base under its feet.
 *
 * Errors:  0 or a negative errno, after a sentence has been said.
 */
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "core/mapfs.h"
#include "fs/mount/options.h"

enum run_status {
	RUN_FAILED = 125, /* the command was not started */
	RUN_NOT_EXECUTABLE = 126,
	RUN_NOT_FOUND = 127,
	RUN_SIGNAL = 128, /* plus its number */
};

enum run_answer {
	RUN_ASK, /* on a terminal; else as the store has it */
	RUN_COMMIT,
	RUN_KEEP,
	RUN_DISCARD,
};

struct run {
	struct fs_options opt;
	char **command;	 /* ends in NULL */
	const char *dir; /* as given, or NULL */
	char *cwd;	 /* of the command, absolute */
	char *cwd_below; /* the same from the base, "" or "/..." */
	enum run_answer answer;
	bool has_own_store; /* made here, in a directory of its own */
	bool store_is_old;  /* it was there before */
	pid_t daemon;	    /* 0: has ended */
	int daemon_status;  /* of wait(2), then */
	pid_t child;	    /* becomes the command */
	int go_fd;	    /* to the child, which waits for a byte */
	ino_t outer_ns;	    /* mount namespace of the first process */
	bool has_namespace; /* else the view is at a place of its own */
};

/* Mounts, starts the daemon and a child that waits for run_place_go(). */
int must_check run_place_begin(struct run *r);
/* The child becomes the command. */
int must_check run_place_go(struct run *r);
/* Ends a daemon whose mount has no users; its answer: 0, all is stored. */
int must_check run_place_end(struct run *r);

/* Before the first child: signals from now on wait for run_wait(). */
void run_wait_begin(void);
/* In a child, before it becomes the command. */
void run_wait_restore(void);
/* The exit status of the command; nothing of it is left running. */
int run_wait(struct run *r);
/* Signals do again what they did. */
void run_wait_end(void);
/* Waits at most `ms`; false: it goes on. */
bool run_wait_for(pid_t pid, int ms, int *status);

/* In between, what would end us keeps the changes, and that can be told. */
void run_note_begin(void);
void run_note_end(void);
/* Are there changes?  Shows what they are, if wanted. */
int must_check run_changes(const struct run *r, bool shows, bool *any);
/* What the user wants, who sees them; RUN_COMMIT: it has been done. */
enum run_answer run_ask(const struct run *r, const struct termios *modes);
/* Applies them to the base. */
int must_check run_commit(const struct run *r);

/* A fresh directory outside the base, as the store of the run. */
int must_check run_store_create(struct run *r);

#endif
