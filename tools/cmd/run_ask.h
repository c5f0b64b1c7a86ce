/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_RUN_ASK_H
#define MAPFS_TOOLS_CMD_RUN_ASK_H

/*
 * The changes of a run that has ended: what they are, the question what to do
 * with them, and the commit.
 *
 * Calling: run_note_begin(), then the other calls, then run_note_end().  In
 *          between SIGINT, SIGQUIT, SIGTERM and SIGHUP do not end the program:
 *          they interrupt the question, and the changes are kept.
 * Errors:  0 or a negative errno, after a sentence was printed.
 * Locking: one thread; the state is that of the process.
 */
#include <termios.h>

#include "run_ctx.h"

void run_note_begin(void);
void run_note_end(void);
/* Sets *any: are there changes?  With `shows` also prints them. */
int must_check run_changes(const struct run_ctx *r, bool shows, bool *any);
/*
 * Asks the user on the terminal, whose `modes` before the run are restored
 * first.  RUN_COMMIT: the commit has been made.  Never RUN_ASK.
 */
enum run_answer run_ask(const struct run_ctx *r, const struct termios *modes);
/* Commits the store of the run to its base. */
int must_check run_commit(const struct run_ctx *r);

#endif
