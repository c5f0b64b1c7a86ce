/* SPDX-License-Identifier: MIT */
/*
 * A short command should end as soon as a call does, and a long one should not
 * keep a processor busy; so the pause between two polls grows.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define PAUSE_FIRST_NS 100000
#define PAUSE_MOST_NS 50000000

struct run {
	int fd;
	const char *shown;
	const struct control_call *call;
	uint64_t job;
	struct reason *why;
};

static int refuse(const struct run *r, int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		reason_set(r->why,
			   "%s: another user's mount; ask its owner or root",
			   r->shown);
		break;
	case -ENOTTY:
	case -EINVAL:
	case -EOPNOTSUPP:
		reason_set(r->why,
			   "%s: its daemon is of another version and does not "
			   "know this command; unmount and mount again",
			   r->shown);
		break;
	case -EBUSY:
		reason_set(r->why,
			   "%s: too many commands wait for it; try again later",
			   r->shown);
		break;
	case -ENOTCONN:
	case -ESHUTDOWN:
	case -ECONNABORTED:
		reason_set(r->why,
			   "%s: unmounted in the meantime; mount it again",
			   r->shown);
		break;
	case -ENOENT: /* the result was not read in time */
	case -ECANCELED:
		reason_set(r->why,
			   "%s: the command was ended, because the mount has "
			   "ended or nobody read the result; try again",
			   r->shown);
		break;
	default:
		reason_set(r->why, "%s: %s; look into its log", r->shown,
			   strerror(-err));
		break;
	}
	return err;
}

static int fill(char *to, size_t room, const char *from)
{
	if (!from)
		return 0;
	if (strlen(from) >= room)
		return -ENAMETOOLONG;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

static int ask_start(const struct run *r, uint32_t command,
		     struct mapfs_control_start *s)
{
	s->bytes = sizeof(*s);
	s->command = command;
	return ioctl(r->fd, MAPFS_IOC_START, s) < 0 ? -errno : 0;
}

static int start(struct run *r)
{
	struct mapfs_control_start s = { 0 };
	int err = ask_start(r, MAPFS_COMMAND_MARK, &s);

	if (err)
		return refuse(r, err);
	/* The kernel sends its dirty pages, and START after them. */
	if (syncfs(r->fd) < 0 && r->call->command == MAPFS_COMMAND_SNAPSHOT &&
	    errno != ESTALE) {
		err = -errno;
		reason_set(
			r->why,
			"%s: not all that programs wrote could be stored: %s; "
			"nothing was done, correct that and try again",
			r->shown, strerror(-err));
		return err;
	}
	s.flags = r->call->flags;
	/* The path is a list with one element: two NULs end it. */
	if (fill(s.name, sizeof(s.name), r->call->name) ||
	    fill(s.message, sizeof(s.message), r->call->message) ||
	    fill(s.path, sizeof(s.path) - 1, r->call->path)) {
		reason_set(r->why,
			   "%s: the name, message or path is too long; use a "
			   "shorter one",
			   r->shown);
		return -ENAMETOOLONG;
	}
	if (r->call->paths)
		memcpy(s.path, r->call->paths, r->call->paths_bytes);
	err = ask_start(r, r->call->command, &s);
	if (err)
		return refuse(r, err);
	r->job = s.job;
	return 0;
}

static int wait_for_end(const struct run *r, struct mapfs_control_poll *p)
{
	struct timespec pause = { .tv_nsec = PAUSE_FIRST_NS };

	for (;;) {
		*p = (struct mapfs_control_poll){
			.bytes = sizeof(*p),
			.job = r->job,
		};
		if (ioctl(r->fd, MAPFS_IOC_POLL, p) < 0)
			return refuse(r, -errno);
		if (p->state == MAPFS_JOB_DONE || p->state == MAPFS_JOB_FAILED)
			break;
		progress_note(PROGRESS_COMPACTION, p->done, p->all);
		if (r->call->progress && p->all == 0)
			r->call->progress(r->call->progress_arg, p->done);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MOST_NS)
			pause.tv_nsec += pause.tv_nsec / 2;
	}
	if (p->state == MAPFS_JOB_DONE)
		return 0;
	p->why[sizeof(p->why) - 1] = '\0';
	if (p->why[0] == '\0')
		return refuse(r, p->err);
	reason_set(r->why, "%s", p->why);
	return p->err;
}

static int read_result(const struct run *r, struct control_result *out)
{
	struct mapfs_control_read *chunk = calloc(1, sizeof(*chunk));
	size_t have = 0;
	int err = chunk ? 0 : -ENOMEM;

	while (!err && have < out->len) {
		chunk->bytes = sizeof(*chunk);
		chunk->job = r->job;
		chunk->off = have;
		if (ioctl(r->fd, MAPFS_IOC_READ, chunk) < 0)
			err = -errno;
		else if (chunk->len == 0 || chunk->len > out->len - have ||
			 chunk->len > sizeof(chunk->chunk))
			err = -EIO;
		if (err)
			break;
		memcpy(out->bytes + have, chunk->chunk, chunk->len);
		have += chunk->len;
	}
	free(chunk);
	return err ? refuse(r, err) : 0;
}

int control_run(int fd, const char *shown, const struct control_call *call,
		struct control_result *out, struct reason *why)
{
	struct run r = {
		.fd = fd,
		.shown = shown,
		.call = call,
		.why = why,
	};
	struct mapfs_control_poll poll;
	int err = start(&r);

	*out = (struct control_result){ 0 };
	if (!err)
		err = wait_for_end(&r, &poll);
	progress_note(PROGRESS_COMPACTION, 0, 0);
	if (err || poll.result_bytes == 0)
		return err;
	out->len = (size_t)poll.result_bytes;
	out->bytes = malloc(out->len);
	if (!out->bytes)
		return refuse(&r, -ENOMEM);
	err = read_result(&r, out);
	if (err)
		control_result_fini(out);
	return err;
}

struct wire_in control_result_wire(const struct control_result *r)
{
	return (struct wire_in){ .at = r->bytes, .left = r->len };
}

void control_result_fini(struct control_result *r)
{
	free(r->bytes);
	*r = (struct control_result){ 0 };
}
