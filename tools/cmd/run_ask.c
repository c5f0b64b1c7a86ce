/* SPDX-License-Identifier: MIT */
/*
 * Lists the changes, asks the user, and runs the subcommand that the answer
 * needs.  A subcommand runs in a process of its own, because it was written to
 * end with its work.
 *
 * Anything but an answer keeps the changes: neither a terminal that
 * disappears nor Ctrl-C loses them.
 */
#include "run_ask.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tools/diff/print.h"
#include "tools/diff/rights.h"
#include "tools/lib/text.h"

#define SHOWN_MOST 10
#define SELF "/proc/self/exe"
#define PAGER                                                    \
	"exec ${PAGER:-$(command -v less || command -v more || " \
	"echo cat)}"

extern char **environ;

static const int endings[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

#define ENDINGS (sizeof(endings) / sizeof(*endings))

static struct sigaction endings_before[ENDINGS];
static volatile sig_atomic_t interrupted; /* the signal, or 0 */

static void note_signal(int sig)
{
	interrupted = sig;
}

void run_note_begin(void)
{
	const struct sigaction note = { .sa_handler = note_signal };

	for (size_t i = 0; i < ENDINGS; i++) {
		sigaction(endings[i], NULL, &endings_before[i]);
		/* nohup(1), for example, ignores one. */
		if (endings_before[i].sa_handler != SIG_IGN)
			sigaction(endings[i], &note, NULL);
	}
}

void run_note_end(void)
{
	for (size_t i = 0; i < ENDINGS; i++)
		sigaction(endings[i], &endings_before[i], NULL);
}

struct summary {
	struct diff_printer printer;
	struct rights rights;
	uint64_t by_change[256]; /* by letter */
	uint64_t count;
	uint64_t shown_most;
	uint64_t private_pages;
};

static int summary_take(void *arg, const struct mapfs_diff_entry *e)
{
	struct summary *s = arg;

	if (s->count < s->shown_most)
		diff_print(&s->printer, e);
	if (s->shown_most)
		rights_add(&s->rights, e);
	s->count++;
	s->by_change[(unsigned char)e->change]++;
	return interrupted ? -EINTR : 0;
}

/* The list is for people here, so it is printed to stderr. */
static int summary_read(const struct run_ctx *r, struct summary *s)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base_kind = r->opt.base_kind,
		.base = r->opt.base,
		.store = r->opt.store,
		.look_only = true,
		.is_trusted = r->opt.is_trusted,
	};
	const struct mapfs_diff_options diff = { 0 };
	struct mapfs_info info;
	struct mapfs_view *view;
	struct reason why;
	int out = dup(STDOUT_FILENO);
	int err = mapfs_view_open(&view, &opt, &why);

	if (err) {
		say("%s", why.text);
		close(out);
		return err;
	}
	dup2(STDERR_FILENO, STDOUT_FILENO);
	err = mapfs_diff(NULL, view, &diff, summary_take, s);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	if (err && err != -EINTR)
		say("%s: the changes cannot be listed: %s; see mapfs status",
		    r->opt.store, strerror(-err));
	mapfs_view_info(view, &info);
	s->private_pages = info.private_pages;
	if (mapfs_view_close(view) && !err)
		err = -EIO;
	return err;
}

static void summary_print(const struct summary *s)
{
	static const struct {
		enum mapfs_change change;
		const char *name;
	} kinds[] = {
		{ MAPFS_ADDED, "added" },     { MAPFS_MODIFIED, "modified" },
		{ MAPFS_DELETED, "deleted" }, { MAPFS_RENAMED, "renamed" },
		{ MAPFS_RETYPED, "retyped" },
	};
	char size[TEXT_SIZE];

	if (s->count > s->shown_most)
		fprintf(stderr, "... and %" PRIu64 " more\n",
			s->count - s->shown_most);
	fputs("mapfs: ", stderr);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint64_t n = s->by_change[kinds[i].change];

		if (n > 0)
			fprintf(stderr, "%" PRIu64 " %s, ", n, kinds[i].name);
	}
	text_size(size, s->private_pages * MAPFS_PAGE_SIZE);
	fprintf(stderr, "%s of pages\n", size);
	rights_print(&s->rights, stderr);
}

int run_changes(const struct run_ctx *r, bool shows, bool *any)
{
	struct summary s = { .shown_most = shows ? SHOWN_MOST : 0 };
	struct stat st;
	int err;

	if (stat(r->opt.store, &st) == 0)
		s.rights.owner = s.printer.owner = st.st_uid;
	err = summary_read(r, &s);
	if (!err)
		*any = s.count > 0;
	if (!err && *any && shows)
		summary_print(&s);
	rights_fini(&s.rights);
	return err;
}

/* Runs a subcommand of mapfs; its exit status, or a negative errno. */
static int self_run(char *const argv[], int out)
{
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;
	int err;

	posix_spawn_file_actions_init(&actions);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = posix_spawn(&pid, SELF, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int run_commit(const struct run_ctx *r)
{
	/* Without --trust, -y is given twice, which changes nothing. */
	char *argv[] = {
		(char *)"mapfs",
		(char *)"commit",
		(char *)"-y",
		(char *)(r->opt.is_trusted ? "--trust" : "-y"),
		(char *)"--",
		r->opt.store,
		NULL,
	};
	int status = interrupted ? -EINTR : self_run(argv, -1);

	if (status == 0)
		return 0;
	if (status < 0 && status != -EINTR)
		say("%s: cannot be committed: %s; run mapfs commit",
		    r->opt.store, strerror(-status));
	return -EIO;
}

static int show_diff(const struct run_ctx *r)
{
	char *argv[] = {
		(char *)"mapfs",
		(char *)"diff",
		(char *)"-p",
		(char *)(r->opt.is_trusted ? "--trust" : "-p"),
		(char *)"--",
		r->opt.store,
		NULL,
	};
	FILE *pager = popen(PAGER, "w");

	if (!pager) {
		say("pager: %s; set PAGER", strerror(errno));
		return -EIO;
	}
	if (self_run(argv, fileno(pager)) < 0)
		say("%s: the diff is not complete; run mapfs diff",
		    r->opt.store);
	pclose(pager);
	return 0;
}

/* One line, without its end; false: there is no answer. */
static bool line_read(char *line, size_t line_bytes, const sigset_t *mask)
{
	struct pollfd in = {
		.fd = STDIN_FILENO,
		.events = POLLIN,
	};
	size_t n = 0;
	char c = 0;

	/* Signals are delivered in ppoll(2) only, so none comes unnoticed
	   just before it. */
	if (interrupted || ppoll(&in, 1, NULL, mask) != 1 || interrupted)
		return false;
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
		if (n + 1 < line_bytes)
			line[n++] = c;
	}
	line[n] = '\0';
	return c == '\n';
}

static bool is_answer(const char *line, const char *letter, const char *word)
{
	return strcasecmp(line, letter) == 0 || strcasecmp(line, word) == 0;
}

/* During the work Ctrl-C interrupts the work, not the question. */
static int work_on(const struct run_ctx *r,
		   int (*work)(const struct run_ctx *r), const sigset_t *mask)
{
	sigset_t blocked;
	int err;

	sigprocmask(SIG_SETMASK, mask, &blocked);
	err = work(r);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (interrupted == SIGINT || interrupted == SIGQUIT)
		interrupted = 0;
	return err;
}

static enum run_answer ask(const struct run_ctx *r, const sigset_t *mask)
{
	char line[32];

	for (;;) {
		fputs(r->store_is_old ? "[c]ommit, [k]eep, di[f]f? " :
					"[c]ommit, [k]eep, [d]iscard, di[f]f? ",
		      stderr);
		if (!line_read(line, sizeof(line), mask)) {
			fputc('\n', stderr);
			return RUN_KEEP;
		}
		if (is_answer(line, "f", "diff"))
			(void)work_on(r, show_diff, mask);
		else if (is_answer(line, "k", "keep"))
			return RUN_KEEP;
		else if (is_answer(line, "d", "discard") && !r->store_is_old)
			return RUN_DISCARD;
		else if (!is_answer(line, "c", "commit"))
			say("type one of the letters in brackets");
		else if (work_on(r, run_commit, mask) == 0)
			return RUN_COMMIT;
	}
}

enum run_answer run_ask(const struct run_ctx *r, const struct termios *modes)
{
	enum run_answer answer;
	sigset_t old_mask;
	sigset_t mask;

	/*
	 * A command that was killed may leave the terminal in any state, and
	 * what was typed before the question is no answer to it.
	 */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, modes);
	sigemptyset(&mask);
	for (size_t i = 0; i < ENDINGS; i++)
		sigaddset(&mask, endings[i]);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	answer = ask(r, &old_mask);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	return answer;
}
