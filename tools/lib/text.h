/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_TEXT_H
#define MAPFS_TOOLS_LIB_TEXT_H

/*
 * Text for people and for JSON.  Names are bytes, so they are encoded before
 * they are printed.
 *
 * Lifetime: the caller frees a string that a function returns.
 * Errors:   none; out of memory ends the program.
 * Locking:  none.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * For a terminal: a backslash, a control character and a byte that is not UTF-8
 * become \\, \n, \t, \r or \ooo.
 */
char *text_escape(const char *s);
/*
 * A JSON string with its quotes.  A byte that is not UTF-8 becomes the lone
 * surrogate U+DC80 plus its low bits, which Python calls surrogateescape.
 */
char *text_json(const char *s);
#define TEXT_SIZE 32
/* "48.0 KiB". */
void text_size(char out[TEXT_SIZE], uint64_t bytes);
#define TEXT_USER 64
/* The name of a user; the number if there is no name. */
void text_user(char out[TEXT_USER], uid_t uid);
/* "2026-11-21 09:30:00", in local time. */
void text_time(char *out, size_t bytes, time_t when);
/*
 * Prints "mapfs: SENTENCE", escaped, to stderr.  The sentence has the form
 * "OBJECT: reason; next step".
 */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
