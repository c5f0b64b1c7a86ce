/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_PROGRESS_H
#define MAPFS_TOOLS_LIB_PROGRESS_H

/*
 * The progress of long work: one line on the terminal (stderr), which is drawn
 * over and disappears at the end; nothing if stderr is not a terminal.  And
 * whether the user wants the work to stop.
 *
 * Calling: progress_begin(), progress_update() any number of times,
 *          progress_end(); one work at a time.  In between the first SIGINT or
 *          SIGTERM only sets a flag, the second one ends the program.
 *
 * Lifetime: `what` is borrowed until progress_end().
 * Errors:   none.
 * Locking:  one thread.
 */
#include <stdbool.h>
#include <stdint.h>

/* The `what` of progress_note() for mapfs_options.progress. */
#define PROGRESS_COMPACTION ((void *)"rewriting the journal")

/* `what` is a word such as "committing"; all_bytes 0: not known. */
void progress_begin(const char *what, uint64_t all_bytes);
/* For a total that becomes known later. */
void progress_set_total(uint64_t all_bytes);
void progress_update(uint64_t done_bytes);
/* Called before other output to the terminal. */
void progress_hide(void);
/* The user wants the work to stop. */
bool progress_interrupted(void);
/*
 * The progress of work that signals do not stop; it is shown outside of begin
 * and end only.  A mapfs_progress_fn: `what` is a string; 0 of 0 bytes: the
 * work has ended.
 */
void progress_note(void *what, uint64_t done_bytes, uint64_t all_bytes);
void progress_end(void);

#endif
