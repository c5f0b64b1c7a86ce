/* SPDX-License-Identifier: MIT */
/*
 * Question and answer are packets of one socket, so a packet is never in parts.
 * A line for the log has no answer, and is sent without waiting: while the
 * broker unmounts, the kernel waits for the daemon, whose threads must not wait
 * for the broker then.
 */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/lib/lock.h"

#define LINE_BYTES 1024
#define SOCKET_FD 3

enum service {
	SERVICE_UNMOUNT, /* number: lazy */
	SERVICE_REMOVE_PLACE,
	SERVICE_HAS_FSETID, /* number: the process */
	SERVICE_HAS_GROUP,  /* likewise; gid */
	SERVICE_LOG,	    /* number: the level; line */
};

struct question {
	uint32_t service; /* enum service */
	int32_t number;
	uint32_t gid;
	char line[LINE_BYTES];
};

struct answer {
	int32_t result;
	struct reason words;
};

struct broker {
	int sock;	    /* fixed at birth */
	pid_t pid;	    /* fixed at birth */
	struct rmutex lock; /* from a question to its answer */
};

/* --- the broker ------------------------------------------------------------ */

/* False: the question has no answer. */
static bool serve_one(const struct broker_services *s, struct question *q,
		      struct answer *a)
{
	*a = (struct answer){ .result = -EINVAL };
	q->line[sizeof(q->line) - 1] = '\0';
	switch ((enum service)q->service) {
	case SERVICE_UNMOUNT:
		a->result = s->unmount(s->arg, q->number != 0, &a->words);
		return true;
	case SERVICE_REMOVE_PLACE:
		a->result = s->remove_place(s->arg);
		return true;
	case SERVICE_HAS_FSETID:
		a->result = s->has_fsetid(s->arg, q->number);
		return true;
	case SERVICE_HAS_GROUP:
		a->result = s->has_group(s->arg, q->number, q->gid);
		return true;
	case SERVICE_LOG:
		s->log(s->arg, q->number, q->line);
		return false;
	}
	return true;
}

/*
 * The process has nothing of its parent's but the socket: no pipe whose reader
 * would wait for its end, no lock, no log.  Signals that end the daemon, or the
 * whole group, must reach the daemon first, which then needs the broker.
 */
static void leave_parent(int sock)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
				       SIGPIPE };
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd < SOCKET_FD && null >= 0; fd++)
		dup2(null, fd);
	if (sock != SOCKET_FD)
		dup3(sock, SOCKET_FD, O_CLOEXEC);
	close_range(SOCKET_FD + 1, ~0U, 0);
	prctl(PR_SET_NAME, "mapfs-broker");
	if (chdir("/") < 0)
		return;
}

_Noreturn static void broker_run(const struct broker_services *s, int sock)
{
	struct question q;
	struct answer a;
	ssize_t n;

	leave_parent(sock);
	for (;;) {
		n = recv(SOCKET_FD, &q, sizeof(q), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(q))
			_exit(n == 0 ? 0 : 1);
		if (serve_one(s, &q, &a) &&
		    send(SOCKET_FD, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

/* --- the daemon ------------------------------------------------------------ */

int broker_start(struct broker **out, const struct broker_services *services)
{
	struct broker *b = calloc(1, sizeof(*b));
	int socks[2];
	int err;

	if (!b)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) {
		err = -errno;
		free(b);
		return err;
	}
	b->pid = fork();
	if (b->pid == 0) {
		close(socks[0]);
		broker_run(services, socks[1]);
	}
	err = b->pid < 0 ? -errno : 0;
	close(socks[1]);
	if (err) {
		close(socks[0]);
		free(b);
		return err;
	}
	b->sock = socks[0];
	rmutex_init(&b->lock, RANK_FS);
	*out = b;
	return 0;
}

void broker_end(struct broker *b)
{
	if (!b)
		return;
	close(b->sock);
	while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
		;
	rmutex_fini(&b->lock);
	free(b);
}

static int ask_locked(struct broker *b, const struct question *q,
		      struct answer *a)
{
	ssize_t n;

	if (send(b->sock, q, sizeof(*q), MSG_NOSIGNAL) < 0)
		return -errno;
	do {
		n = recv(b->sock, a, sizeof(*a), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != (ssize_t)sizeof(*a))
		return -EPIPE;
	a->words.text[sizeof(a->words.text) - 1] = '\0';
	return a->result;
}

static int ask(struct broker *b, const struct question *q, struct answer *a)
{
	int ret;

	rmutex_lock(&b->lock);
	ret = ask_locked(b, q, a);
	rmutex_unlock(&b->lock);
	return ret;
}

int broker_unmount(struct broker *b, bool lazy, struct reason *words)
{
	const struct question q = {
		.service = SERVICE_UNMOUNT,
		.number = lazy,
	};
	struct answer a = { 0 };
	int err = ask(b, &q, &a);

	*words = a.words;
	return err;
}

int broker_remove_place(struct broker *b)
{
	const struct question q = { .service = SERVICE_REMOVE_PLACE };
	struct answer a;

	return ask(b, &q, &a);
}

bool broker_has_fsetid(struct broker *b, pid_t pid)
{
	const struct question q = {
		.service = SERVICE_HAS_FSETID,
		.number = pid,
	};
	struct answer a;

	return ask(b, &q, &a) == 1;
}

bool broker_has_group(struct broker *b, pid_t pid, gid_t gid)
{
	const struct question q = {
		.service = SERVICE_HAS_GROUP,
		.number = pid,
		.gid = gid,
	};
	struct answer a;

	return ask(b, &q, &a) == 1;
}

void broker_log(struct broker *b, int level, const char *line)
{
	struct question q = {
		.service = SERVICE_LOG,
		.number = level,
	};

	(void)snprintf(q.line, sizeof(q.line), "%s", line);
	if (send(b->sock, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* nowhere to report that */
}
