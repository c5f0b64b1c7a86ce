/* SPDX-License-Identifier: MIT */
/*
 * A short command should end as soon as a call does, and a long one should not
 * keep a processor busy; so the pause between two polls grows.
 */
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "progress.h"

#define PAUSE_FIRST_NS 100000
#define PAUSE_MOST_NS 50000000
#define PAUSE_PART_NS 2000000

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

static int ask_poll(const struct run *r, struct mapfs_control_poll *p)
{
	*p = (struct mapfs_control_poll){
		.bytes = sizeof(*p),
		.job = r->job,
	};
	return ioctl(r->fd, MAPFS_IOC_POLL, p) < 0 ? refuse(r, -errno) : 0;
}

static int job_failed(const struct run *r, struct mapfs_control_poll *p)
{
	p->why[sizeof(p->why) - 1] = '\0';
	if (p->why[0] == '\0')
		return refuse(r, p->err);
	reason_set(r->why, "%s", p->why);
	return p->err;
}

static int wait_for_end(const struct run *r, struct mapfs_control_poll *p)
{
	struct timespec pause = { .tv_nsec = PAUSE_FIRST_NS };

	for (;;) {
		int err = ask_poll(r, p);

		if (err)
			return err;
		if (p->state == MAPFS_JOB_DONE)
			return 0;
		if (p->state == MAPFS_JOB_FAILED)
			return job_failed(r, p);
		progress_note(PROGRESS_COMPACTION, p->done, p->all);
		if (r->call->progress && p->all == 0)
			r->call->progress(r->call->progress_arg, p->done);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MOST_NS)
			pause.tv_nsec += pause.tv_nsec / 2;
	}
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

int control_list(const struct control_place *place, enum mapfs_command command,
		 int (*take)(void *arg, struct wire_in *in), void *arg,
		 struct reason *why)
{
	const struct control_call call = { .command = command };
	struct control_result result;
	struct wire_in in;
	int err = control_run(place->fd, place->shown, &call, &result, why);

	if (err == -EOPNOTSUPP) {
		reason_clear(why);
		return 0;
	}
	if (err)
		return err;
	in = control_result_wire(&result);
	while (!err && !wire_is_over(&in))
		err = take(arg, &in);
	control_result_fini(&result);
	if (err)
		reason_set(why,
			   "%s: the answer of its daemon cannot be read: %s; "
			   "unmount and mount again",
			   place->shown, reason_of(err));
	return err;
}

void control_result_fini(struct control_result *r)
{
	free(r->bytes);
	*r = (struct control_result){ 0 };
}

/*
 * The result of a command that is read while it runs.  A thread of its own reads,
 * so that the daemon gets rid of its part of the result also if the caller waits,
 * for a terminal say.
 */
struct stream {
	struct run r;
	pthread_mutex_t lock;
	pthread_cond_t more;
	char *bytes; /* by lock: read, but not taken */
	size_t len;
	size_t cap;
	uint64_t done; /* by lock; as in struct mapfs_control_poll */
	uint64_t all;
	int err; /* by lock */
	struct reason why;
	bool is_over;	  /* by lock: nothing follows, or an error */
	bool is_unwanted; /* by lock: the caller has ended */
};

static int stream_add(struct stream *s, const struct mapfs_control_read *chunk)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = array_reserve(&s->bytes, &s->cap, s->len + chunk->len);
	if (!err) {
		memcpy(s->bytes + s->len, chunk->chunk, chunk->len);
		s->len += chunk->len;
		pthread_cond_signal(&s->more);
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* Reads what is there from *have on. */
static int stream_read(struct stream *s, struct mapfs_control_read *chunk,
		       uint64_t *have)
{
	int err = 0;

	while (!err) {
		chunk->bytes = sizeof(*chunk);
		chunk->job = s->r.job;
		chunk->off = *have;
		if (ioctl(s->r.fd, MAPFS_IOC_READ, chunk) < 0)
			err = -errno;
		else if (chunk->len == 0 || chunk->len > sizeof(chunk->chunk))
			err = -EIO;
		else
			err = stream_add(s, chunk);
		if (!err)
			*have += chunk->len;
	}
	return err;
}

static bool stream_is_unwanted(struct stream *s,
			       const struct mapfs_control_poll *p)
{
	bool is_unwanted;

	pthread_mutex_lock(&s->lock);
	s->done = p->done;
	s->all = p->all;
	is_unwanted = s->is_unwanted;
	pthread_mutex_unlock(&s->lock);
	return is_unwanted;
}

/* Until all was read, or the command failed. */
static int stream_drain(struct stream *s, struct mapfs_control_read *chunk)
{
	struct timespec pause = { .tv_nsec = PAUSE_FIRST_NS };
	struct mapfs_control_poll p;
	uint64_t have = 0;
	uint64_t before;
	int err;

	for (;;) {
		err = ask_poll(&s->r, &p);
		if (err || p.state == MAPFS_JOB_FAILED)
			return err ? err : job_failed(&s->r, &p);
		if (p.state == MAPFS_JOB_DONE && have >= p.result_bytes)
			return 0;
		before = have;
		err = stream_read(s, chunk, &have);
		if (p.state == MAPFS_JOB_DONE)
			return have == p.result_bytes ? 0 : refuse(&s->r, err);
		/* -EINVAL: it is done since. */
		if (err != -EAGAIN && err != -EINVAL)
			return refuse(&s->r, err);
		if (stream_is_unwanted(s, &p))
			return 0;
		/* Parts of a result come more often than its end. */
		if (have > before && pause.tv_nsec > PAUSE_PART_NS)
			pause.tv_nsec = PAUSE_PART_NS;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MOST_NS)
			pause.tv_nsec += pause.tv_nsec / 2;
	}
}

static void *stream_run(void *arg)
{
	struct stream *s = arg;
	struct mapfs_control_read *chunk = calloc(1, sizeof(*chunk));
	int err = chunk ? stream_drain(s, chunk) : refuse(&s->r, -ENOMEM);

	free(chunk);
	pthread_mutex_lock(&s->lock);
	s->err = err;
	s->is_over = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Bytes that the caller has, of which the last record may be incomplete. */
struct taken {
	char *bytes;
	size_t len;
	size_t cap;
};

/*
 * Waits for more bytes and adds them to `to`.  1: there are more; 0: that was
 * all.
 */
static int stream_take(struct stream *s, struct taken *to)
{
	struct timespec until;
	uint64_t done;
	uint64_t all;
	int ret = 1;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PAUSE_MOST_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	if (s->len == 0 && !s->is_over)
		pthread_cond_timedwait(&s->more, &s->lock, &until);
	if (s->err)
		ret = s->err;
	else if (s->len == 0 && s->is_over)
		ret = 0;
	else if (array_reserve(&to->bytes, &to->cap, to->len + s->len + 1))
		ret = refuse(&s->r, -ENOMEM);
	if (ret > 0 && s->len > 0 && to->bytes) {
		memcpy(to->bytes + to->len, s->bytes, s->len);
		to->len += s->len;
		s->len = 0;
	}
	done = s->done;
	all = s->all;
	pthread_mutex_unlock(&s->lock);
	progress_note(PROGRESS_COMPACTION, done, all);
	if (ret > 0 && s->r.call->progress && all == 0)
		s->r.call->progress(s->r.call->progress_arg, done);
	return ret;
}

static int stream_deliver(struct stream *s, control_take_fn take, void *arg)
{
	struct taken t = { 0 };
	bool is_over = false;
	int err = 0;

	while (!err && !is_over) {
		struct wire_in in;

		err = stream_take(s, &t);
		if (err < 0)
			break;
		is_over = err == 0;
		in = (struct wire_in){ .at = t.bytes, .left = t.len };
		err = take(arg, &in, is_over);
		if (!err && in.left > 0 && t.bytes)
			memmove(t.bytes, in.at, in.left);
		t.len = in.left;
	}
	free(t.bytes);
	return err;
}

static int stream_start(struct stream *s, pthread_t *thread)
{
	sigset_t all;
	sigset_t before;
	int err;

	/* Signals are for the thread that shows the progress. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, NULL, stream_run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err ? refuse(&s->r, -err) : 0;
}

int control_stream(const struct control_place *place,
		   const struct control_call *call, control_take_fn take,
		   void *arg, struct reason *why)
{
	struct stream s = {
		.r = { .fd = place->fd, .shown = place->shown, .call = call },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.more = PTHREAD_COND_INITIALIZER,
	};
	pthread_t thread;
	int err;

	s.r.why = &s.why;
	err = start(&s.r);
	if (!err)
		err = stream_start(&s, &thread);
	if (err) {
		*why = s.why;
		return err;
	}
	err = stream_deliver(&s, take, arg);
	pthread_mutex_lock(&s.lock);
	s.is_unwanted = true;
	pthread_mutex_unlock(&s.lock);
	pthread_join(thread, NULL);
	progress_note(PROGRESS_COMPACTION, 0, 0);
	if (s.why.text[0])
		*why = s.why;
	free(s.bytes);
	return err;
}
