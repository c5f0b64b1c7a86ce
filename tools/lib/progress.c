/* SPDX-License-Identifier: MIT */
/*
 * The first line is drawn after FIRST_MS, so that short work shows nothing, and
 * the next ones at intervals of DRAW_MS, as fast as an eye can follow.
 */
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/lib/timespec.h"
#include "text.h"

#define DRAW_MS 100
#define FIRST_MS 300
#define WIDTH_DEFAULT 80
#define WIDTH_LEAST 20
#define LINE_BYTES 256

static struct {
	const char *what;
	uint64_t all_bytes;
	int64_t begin_ms;
	int64_t draw_ms; /* when the next line may be drawn */
	bool is_drawn;
	bool is_terminal;
	bool is_begun;
	bool is_noted;
	struct sigaction old_int;
	struct sigaction old_term;
} work;

static volatile sig_atomic_t interrupted;

static void note_signal(int sig)
{
	interrupted = 1;
}

/* Columns of the terminal but one: a character in the last would wrap. */
static int width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	long n = 0;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	if (n == 0 && columns)
		n = strtol(columns, NULL, 10);
	if (n < WIDTH_LEAST || n > LINE_BYTES)
		n = WIDTH_DEFAULT;
	return (int)n - 1;
}

static void line_make(char *line, size_t line_bytes, uint64_t done_bytes,
		      int64_t spent_ms)
{
	double seconds = (double)spent_ms / 1000;
	double rate = (double)done_bytes / seconds;
	uint64_t all = work.all_bytes;
	char done_text[TEXT_SIZE];
	char rate_text[TEXT_SIZE];
	double left;

	text_size(done_text, done_bytes);
	text_size(rate_text, (uint64_t)rate);
	if (all == 0 || done_bytes == 0) {
		snprintf(line, line_bytes, "%s: %s, %s/s", work.what, done_text,
			 rate_text);
		return;
	}
	if (done_bytes > all)
		done_bytes = all;
	left = (double)(all - done_bytes) / rate;
	snprintf(line, line_bytes, "%s: %d %%, %s, %s/s, %d:%02d left",
		 work.what, (int)(100.0 * (double)done_bytes / (double)all),
		 done_text, rate_text, (int)left / 60, (int)left % 60);
}

static void line_begin(const char *what, uint64_t all_bytes)
{
	work.what = what;
	work.all_bytes = all_bytes;
	work.begin_ms = timespec_monotonic_ms();
	work.draw_ms = work.begin_ms + FIRST_MS;
	work.is_drawn = false;
	work.is_terminal = isatty(STDERR_FILENO);
}

void progress_begin(const char *what, uint64_t all_bytes)
{
	struct sigaction sa = {
		.sa_handler = note_signal,
		.sa_flags = (int)SA_RESETHAND,
	};

	line_begin(what, all_bytes);
	work.is_begun = true;
	interrupted = 0;
	sigaction(SIGINT, &sa, &work.old_int);
	sigaction(SIGTERM, &sa, &work.old_term);
	/* A job in the background that ignores them still does. */
	if (work.old_int.sa_handler == SIG_IGN)
		sigaction(SIGINT, &work.old_int, NULL);
	if (work.old_term.sa_handler == SIG_IGN)
		sigaction(SIGTERM, &work.old_term, NULL);
}

void progress_set_total(uint64_t all_bytes)
{
	work.all_bytes = all_bytes;
}

void progress_update(uint64_t done_bytes)
{
	char line[LINE_BYTES];
	int64_t now;

	if (!work.is_terminal)
		return;
	now = timespec_monotonic_ms();
	if (now < work.draw_ms)
		return;
	work.draw_ms = now + DRAW_MS;
	work.is_drawn = true;
	line_make(line, sizeof(line), done_bytes, now - work.begin_ms);
	/* From the first column, and the rest of an older line is erased. */
	fprintf(stderr, "\r%.*s\033[K", width(), line);
	fflush(stderr);
}

bool progress_interrupted(void)
{
	return interrupted;
}

void progress_note(void *what, uint64_t done_bytes, uint64_t all_bytes)
{
	if (work.is_begun)
		return; /* that work has the line */
	if (all_bytes == 0) {
		progress_hide();
		work.is_noted = false;
		return;
	}
	if (!work.is_noted)
		line_begin(what, all_bytes);
	work.is_noted = true;
	work.all_bytes = all_bytes;
	progress_update(done_bytes);
}

void progress_hide(void)
{
	if (work.is_drawn)
		fputs("\r\033[K", stderr);
	work.is_drawn = false;
}

void progress_end(void)
{
	progress_hide();
	work.is_begun = false;
	sigaction(SIGINT, &work.old_int, NULL);
	sigaction(SIGTERM, &work.old_term, NULL);
}
