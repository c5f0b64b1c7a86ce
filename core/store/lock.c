/* SPDX-License-Identifier: MIT */
/*
 * umount(8) returns while the daemon still flushes and closes the store.  So
 * the state of a holder is found out: a holder that is about to end is waited
 * for, and if its mount is in use the store is refused at once.
 *
 * The text in the lock says which process holds it and which file system that
 * process shows:
 *
 *    mounted on /mnt by process 42
 *    device 0:51
 *
 * "closing" replaces "mounted" when the mount is gone for good.  A daemon needs
 * some time to write that.  So a mount that is in no mount table counts as
 * gone, but only for some seconds: files may be open after a lazy unmount, and
 * not every mount namespace can be read.
 */
#include "lock.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/timespec.h"
#include "core/mapfs.h"
#include "layout.h"

#define MOUNTED STORE_HOLDER_MOUNTED
#define CLOSING STORE_HOLDER_CLOSING
#define NOTHING "nothing"

#define TICK_FIRST_MS 1
#define TICK_MOST_MS 100
#define LOOK_AGAIN_MS 20   /* a mount counts when it was seen twice */
#define TELL_AFTER_MS 1000 /* of waiting */
/* How long a holder is waited for; STALL: a close that makes no progress. */
#define BRIEF_MS 5000
#define STALL_MS 60000
#define CLOSE_MS 600000

#define PROCESS_IS_EXITING 0x4U /* PF_EXITING, in /proc/PID/stat */

static void (*tell)(void *arg, const char *line);
static void *tell_arg;

void mapfs_tell_of_waits(void (*fn)(void *arg, const char *line), void *arg)
{
	tell = fn;
	tell_arg = arg;
}

enum holder_kind {
	HOLDER_READS,	/* one or several commands that read the store */
	HOLDER_COMMAND, /* a command, or a process that did not write the lock
			   yet */
	HOLDER_MOUNTED, /* its mount is in a mount table */
	HOLDER_UNSEEN,	/* its mount is in no mount table that can be read */
	HOLDER_CLOSING, /* about to end */
	HOLDER_STOPPED, /* about to end, but stopped by a signal */
};

/* The holder as /proc has it; zeroed: not known, or no daemon of mapfs. */
struct process {
	bool is_ending;
	bool is_stopped;
	uint64_t cpu_ticks;
};

struct wait {
	const char *path;
	int lockfd;
	struct store_holder holder;
	enum holder_kind kind;
	char seen_on[PATH_MAX + 1]; /* HOLDER_MOUNTED */
	pid_t seen_by;		    /* with whose mount table; 0: our own */
	int64_t begin_ms;
	int64_t since_ms; /* since when it is this holder, of this kind */
	int64_t moved_ms; /* when it last made progress */
	uint64_t cpu_ticks;
	bool is_told;
};

static void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

/* --- the text in the lock ------------------------------------------------ */

/* MOUNTPOINT " by process " PID; a mount point may contain these words. */
static void parse_first_line(const char *line, struct store_holder *out)
{
	static const char by[] = " by process ";
	const char *end = NULL;

	for (const char *p = strstr(line, by); p; p = strstr(p + 1, by))
		end = p;
	if (!end || (size_t)(end - line) >= sizeof(out->where))
		return;
	memcpy(out->where, line, (size_t)(end - line));
	out->where[end - line] = '\0';
	out->pid = (pid_t)strtol(end + strlen(by), NULL, 10);
}

static void parse(char *text, struct store_holder *out)
{
	char *second = strchr(text, '\n');
	unsigned int major_no;
	unsigned int minor_no;

	static_assert(sizeof(MOUNTED) == sizeof(CLOSING),
		      "one is written over the other");
	if (second)
		*second++ = '\0';
	out->is_closing = strncmp(text, CLOSING, 7) == 0;
	if (strncmp(text, MOUNTED, strlen(MOUNTED)) != 0 &&
	    strncmp(text, CLOSING, strlen(CLOSING)) != 0)
		return;
	parse_first_line(text + strlen(MOUNTED), out);
	if (second && sscanf(second, "device %u:%u", &major_no, &minor_no) == 2)
		out->dev = makedev(major_no, minor_no);
}

int store_holder_read(int lockfd, struct store_holder *out, bool *is_held)
{
	char text[PATH_MAX + 128];
	ssize_t n;

	*out = (struct store_holder){ 0 };
	*is_held = flock(lockfd, LOCK_SH | LOCK_NB) < 0;
	if (!*is_held) {
		(void)flock(lockfd, LOCK_UN);
		return 0;
	}
	n = io_pread_some(lockfd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	parse(text, out);
	return 0;
}

int store_holder_write(int lockfd, const char *mountpoint)
{
	char text[PATH_MAX + 64];
	int n = snprintf(text, sizeof(text), MOUNTED "%s by process %d\n",
			 mountpoint ? mountpoint : NOTHING, (int)getpid());
	int err;

	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	/*
	 * Over the old text, whose space it needs on a full disk; the NUL hides
	 * the rest of that until it is cut.  The lock is held in any case:
	 * without a text nobody is told by whom.
	 */
	err = io_pwrite_all("store.lock", lockfd, text, (size_t)n + 1, 0);
	if (err == -ENOSPC || err == -EDQUOT) {
		n = 0;
		err = 0;
	}
	if (!err && ftruncate(lockfd, n) < 0)
		err = -errno;
	return err;
}

int store_holder_write_mount(int lockfd, dev_t dev)
{
	char text[64];
	struct stat st;
	int n = snprintf(text, sizeof(text), "device %u:%u\n", major(dev),
			 minor(dev));

	if (fstat(lockfd, &st) < 0)
		return -errno;
	return io_pwrite_all("store.lock", lockfd, text, (size_t)n,
			     (uint64_t)st.st_size);
}

int store_holder_write_closing(int lockfd)
{
	return io_pwrite_all("store.lock", lockfd, CLOSING, 7, 0);
}

/* --- the holder, as the system sees it ----------------------------------- */

/* The text of a file in /proc; false: there is none. */
static bool read_proc(pid_t pid, const char *name, char *out, size_t out_bytes)
{
	char path[64];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(out, 1, out_bytes - 1, f);
	fclose(f);
	out[n] = '\0';
	return n > 0;
}

/* Is SIGKILL pending?  Fields of /proc/PID/status are 64 bits, hexadecimal. */
static bool is_killed(const char *status, const char *field)
{
	const char *at = strstr(status, field);

	return at &&
	       (strtoull(at + strlen(field), NULL, 16) >> (SIGKILL - 1) & 1);
}

/*
 * A daemon that was killed keeps its mount and the lock until the kernel has
 * freed its memory.  In another pid namespace the number may belong to another
 * process, so it counts only if that process has the name of a daemon.
 */
static struct process look_at_process(pid_t pid)
{
	struct process p = { 0 };
	unsigned long long user = 0;
	unsigned long long sys = 0;
	char text[4096];
	unsigned int flags = 0;
	char state = 0;

	if (pid <= 0 || !read_proc(pid, "stat", text, sizeof(text)) ||
	    !strstr(text, "(mapfs) ") ||
	    sscanf(strrchr(text, ')') + 1,
		   " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu",
		   &state, &flags, &user, &sys) != 4)
		return p;
	p.cpu_ticks = user + sys;
	p.is_stopped = state == 'T' || state == 't';
	p.is_ending = state == 'Z' || state == 'X' ||
		      (flags & PROCESS_IS_EXITING);
	if (!p.is_ending && read_proc(pid, "status", text, sizeof(text)))
		p.is_ending = is_killed(text, "SigPnd:") ||
			      is_killed(text, "ShdPnd:");
	return p;
}

/* Decodes "\040" and the like in a mount table. */
static void unescape(const char *from, char *out, size_t out_bytes)
{
	size_t n = 0;

	while (*from && n + 1 < out_bytes) {
		if (from[0] == '\\' && isdigit((unsigned char)from[1]) &&
		    isdigit((unsigned char)from[2]) &&
		    isdigit((unsigned char)from[3])) {
			out[n++] =
				(char)((from[1] - '0') << 6 |
				       (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			out[n++] = *from++;
		}
	}
	out[n] = '\0';
}

/* Is the file system in the mount table of this process, and where? */
static bool is_in_table(const char *pid, dev_t dev, char *where,
			size_t where_bytes)
{
	char path[64];
	char *line = NULL;
	char *target = NULL;
	size_t room = 0;
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		unsigned int a;
		unsigned int b;

		free(target);
		target = NULL;
		found = sscanf(line, "%*d %*d %u:%u %*s %ms", &a, &b,
			       &target) == 3 &&
			makedev(a, b) == dev;
	}
	if (found)
		unescape(target, where, where_bytes);
	free(target);
	free(line);
	fclose(f);
	return found;
}

/* The mount namespace of a process; 0: not readable for us. */
static ino_t namespace_of(const char *pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static bool is_in_any_table(struct wait *w)
{
	const ino_t ours = namespace_of("self");
	const struct dirent *e;
	ino_t last = ours;
	bool found = false;
	DIR *proc = opendir("/proc");

	while (!found && proc && (e = readdir(proc))) {
		ino_t ns;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		ns = namespace_of(e->d_name);
		/* Neighbouring processes are often in the same one. */
		if (ns == 0 || ns == ours || ns == last)
			continue;
		last = ns;
		found = is_in_table(e->d_name, w->holder.dev, w->seen_on,
				    sizeof(w->seen_on));
		if (found)
			w->seen_by = (pid_t)strtol(e->d_name, NULL, 10);
	}
	if (proc)
		closedir(proc);
	return found;
}

static bool mount_is_seen(struct wait *w)
{
	if (w->holder.dev == 0)
		return false;
	w->seen_by = 0;
	if (is_in_table("self", w->holder.dev, w->seen_on, sizeof(w->seen_on)))
		return true;
	return is_in_any_table(w);
}

/* --- waiting or refusing -------------------------------------------------- */

static enum holder_kind kind_of(struct wait *w, const struct process *p)
{
	if (p->is_ending)
		return HOLDER_CLOSING;
	if (w->holder.is_closing)
		return p->is_stopped ? HOLDER_STOPPED : HOLDER_CLOSING;
	if (w->holder.where[0] != '/')
		return HOLDER_COMMAND;
	if (mount_is_seen(w))
		return HOLDER_MOUNTED;
	return p->is_stopped ? HOLDER_STOPPED : HOLDER_UNSEEN;
}

static int look_at_holder(struct wait *w)
{
	const enum holder_kind was = w->kind;
	const pid_t was_pid = w->holder.pid;
	const int64_t now = timespec_monotonic_ms();
	struct process p;
	bool is_held;
	int err = store_holder_read(w->lockfd, &w->holder, &is_held);

	if (err)
		return err;
	p = look_at_process(w->holder.pid);
	w->kind = is_held ? kind_of(w, &p) : HOLDER_READS;
	if (w->kind != was || w->holder.pid != was_pid)
		w->since_ms = now;
	if (w->since_ms == now || p.cpu_ticks != w->cpu_ticks)
		w->moved_ms = now;
	w->cpu_ticks = p.cpu_ticks;
	return 0;
}

static bool is_overdue(const struct wait *w)
{
	const int64_t now = timespec_monotonic_ms();

	if (now - w->begin_ms >= CLOSE_MS)
		return true;
	switch (w->kind) {
	case HOLDER_MOUNTED:
		return now - w->since_ms >= LOOK_AGAIN_MS;
	case HOLDER_READS:
	case HOLDER_COMMAND:
	case HOLDER_UNSEEN:
	case HOLDER_STOPPED:
		return now - w->since_ms >= BRIEF_MS;
	case HOLDER_CLOSING:
		return now - w->moved_ms >= STALL_MS;
	}
	abort();
}

static void say_mounted(const struct wait *w, struct reason *why)
{
	const struct store_holder *h = &w->holder;

	if (w->seen_by)
		reason_set(
			why,
			"store %s is in use by process %d, mounted on %s in the mount namespace of process %d; end that first, or choose another store",
			w->path, (int)h->pid, w->seen_on, (int)w->seen_by);
	else
		reason_set(
			why,
			"store %s is in use, mounted on %s by process %d; unmount that first, or choose another store",
			w->path, w->seen_on, (int)h->pid);
}

static void say_in_use(const struct wait *w, struct reason *why)
{
	const struct store_holder *h = &w->holder;

	switch (w->kind) {
	case HOLDER_READS:
		reason_set(
			why,
			"store %s is in use by a command that reads it; try again when that has ended",
			w->path);
		return;
	case HOLDER_COMMAND:
		reason_set(
			why,
			"store %s is in use by another command; try again when that has ended",
			w->path);
		return;
	case HOLDER_MOUNTED:
		say_mounted(w, why);
		return;
	case HOLDER_UNSEEN:
		reason_set(
			why,
			"store %s is in use by process %d, whose mount on %s is in no mount table that can be read: files in it are open after a lazy unmount, or a mount namespace hides it; end its users or that process, or choose another store",
			w->path, (int)h->pid, h->where);
		return;
	case HOLDER_STOPPED:
		reason_set(
			why,
			"store %s is in use by process %d, which unmounts %s but is stopped; continue it (kill -CONT %d)",
			w->path, (int)h->pid, h->where, (int)h->pid);
		return;
	case HOLDER_CLOSING:
		reason_set(
			why,
			"store %s is still being closed by process %d, which makes no progress; try again later, or end that process",
			w->path, (int)h->pid);
		return;
	}
	abort();
}

static void tell_once(struct wait *w)
{
	char line[PATH_MAX + 128];

	if (w->is_told || !tell ||
	    timespec_monotonic_ms() - w->begin_ms < TELL_AFTER_MS)
		return;
	w->is_told = true;
	if (w->kind == HOLDER_READS || w->kind == HOLDER_COMMAND)
		(void)snprintf(line, sizeof(line),
			       "store %s: waiting for another command to end",
			       w->path);
	else
		(void)snprintf(line, sizeof(line),
			       "store %s: waiting for process %d to close it",
			       w->path, (int)w->holder.pid);
	tell(tell_arg, line);
}

int store_holder_take(const char *path, int lockfd, bool shared,
		      struct reason *why)
{
	struct wait w = {
		.path = path,
		.lockfd = lockfd,
		.begin_ms = timespec_monotonic_ms(),
		.since_ms = timespec_monotonic_ms(),
	};
	int tick = TICK_FIRST_MS;
	int err;

	while (flock(lockfd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		err = -errno;
		if (err == -EINTR)
			continue;
		if (err == -EWOULDBLOCK)
			err = look_at_holder(&w);
		if (err) {
			reason_set(why, "store %s: cannot lock it: %s", path,
				   strerror(-err));
			return err;
		}
		if (is_overdue(&w)) {
			say_in_use(&w, why);
			return -EBUSY;
		}
		tell_once(&w);
		sleep_ms(tick);
		tick = tick * 2 < TICK_MOST_MS ? tick * 2 : TICK_MOST_MS;
	}
	return 0;
}

int mapfs_store_await(const char *path, struct reason *why)
{
	int dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int lockfd = -1;
	int err = 0;

	if (dirfd >= 0)
		lockfd = openat(dirfd, STORE_LOCK,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	/* Other failures are reported when the store is opened. */
	if (lockfd >= 0) {
		err = store_holder_take(path, lockfd, false, why);
		close(lockfd);
	}
	if (dirfd >= 0)
		close(dirfd);
	return err;
}
