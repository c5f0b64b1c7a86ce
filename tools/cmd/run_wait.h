/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_RUN_WAIT_H
#define MAPFS_TOOLS_CMD_RUN_WAIT_H

/*
 * Signals and the terminal, until the command has ended.
 *
 * Calling: run_wait_begin() before the first child is started; in a child
 *          run_wait_restore(), before it executes the command; run_wait();
 *          run_wait_end().
 * Errors:  none; failures with other processes are printed.
 * Locking: one thread; the state is that of the process.
 */
#include "run_ctx.h"

/* From now on signals stay pending until run_wait(). */
void run_wait_begin(void);
/* Gives a child the signal mask that the run was started with. */
void run_wait_restore(void);
/*
 * Waits for the command, and ends the processes that it left behind.  Returns
 * the exit status of the run.
 */
int run_wait(struct run_ctx *r);
/* Signals have the effect again that they had before run_wait_begin(). */
void run_wait_end(void);
/* Waits at most `ms` milliseconds for one child; false: it still runs. */
bool run_wait_for(pid_t pid, int ms, int *status);

#endif
