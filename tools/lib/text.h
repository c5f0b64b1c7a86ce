/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_TEXT_H
#define MAPFS_TOOLS_LIB_TEXT_H

/*
 * Names are bytes; these make them fit for a terminal and for JSON.
 *
 * Lifetime: results are the caller's to free.
 * Errors:   none; out of memory ends the program.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * For people: a backslash, control characters and bytes that are no UTF-8 as
 * \\, \n, \t, \r or \ooo.
 */
char *text_escape(const char *s);
/*
 * A JSON string with its quotes.  A byte that is no UTF-8 becomes the lone
 * surrogate U+DC80 plus its low bits, which Python calls surrogateescape.
 */
char *text_json(const char *s);
#define TEXT_SIZE 32
/* "48.0 KiB", for people. */
void text_size(char out[TEXT_SIZE], uint64_t bytes);
#define TEXT_USER 64
/* The name of a user, or the number. */
void text_user(char out[TEXT_USER], uid_t uid);
/* "2026-11-21 09:30:00", in local time. */
void text_time(char *out, size_t bytes, time_t when);
/* "mapfs: ...", escaped, on stderr; give sentences "OBJECT: reason; advice". */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
