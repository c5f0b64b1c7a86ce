/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_PROGRESS_H
#define MAPFS_TOOLS_LIB_PROGRESS_H

/*
 * How far long work has come: one line on a terminal (stderr) that is drawn
 * over and goes away at the end; nothing anywhere else.  And whether the user
 * wants it to stop.
 *
 * Calling sequence: progress_begin(), progress_update() as often as one
 * likes, progress_end(); one work at a time.  In between SIGINT and SIGTERM
 * only raise a flag; the second of them ends the program as ever.
 *
 * Lifetime: `what` is borrowed until progress_end().
 * Errors:   none.
 * Locking:  one thread.
 */
#include <stdbool.h>
#include <stdint.h>

/* For progress_note(): what mapfs_options.progress tells of. */
#define PROGRESS_ANEW ((void *)"rewriting the journal")

/* "committing"; all_bytes 0: not known. */
void progress_begin(const char *what, uint64_t all_bytes);
/* As progress_begin() may know less. */
void progress_set_total(uint64_t all_bytes);
void progress_update(uint64_t done_bytes);
/* Before something else is written to the terminal. */
void progress_hide(void);
bool progress_interrupted(void);
/*
 * Outside of begin and end: work that others do and signals do not stop.  0
 * of 0: it is over.  Is a mapfs_progress_fn; `what` is a string.
 */
void progress_note(void *what, uint64_t done_bytes, uint64_t all_bytes);
void progress_end(void);

#endif
