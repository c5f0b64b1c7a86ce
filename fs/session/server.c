/* SPDX-License-Identifier: MIT */
/*
 * Threads of the daemon:
 *
 *    main      runs the session, which starts its workers
 *    notify    answers what needs the kernel to write back first
 *    jobs      does what commands ask of the mount
 *    watcher   looks through the mount once to see that it answers, then
 *              waits for signals
 *
 * Ending by a signal must not lose what the kernel has not written back, and
 * only a serving session can take that: so the watcher unmounts, or when the
 * mount is in use takes it out of sight and syncs it, while the workers run.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/cache/seek.h"
#include "fs/control/job_queue.h"
#include "fs/ops/lookup_queue.h"
#include "fs/ops/setid.h"
#include "fs/request/barrier.h"
#include "fs/mount/logfile.h"
#include "fs/mount/mount.h"
#include "session.h"
#include "unmount.h"

#define TICK_NS 20000000
#define END_TICKS 100 /* how long an unmounted session may last */

struct server {
	const struct fs_options *opt; /* fixed at birth */
	struct logfile *log;	      /* fixed at birth */
	struct mapfs_view *view;      /* fixed at birth */
	struct mount mount;
	pthread_t watcher;    /* fixed at birth */
	sigset_t signals;     /* fixed at birth */
	int ready_fd;	      /* watcher's */
	dev_t dev;	      /* of the mount; watcher's */
	atomic_bool is_over;  /* atomic: the session has ended */
	atomic_int probe_err; /* atomic: why it never answered */
};

/* False: there is a parent to tell, but it has gone. */
static bool tell_parent(const struct server *s, char what)
{
	return s->ready_fd < 0 || write(s->ready_fd, &what, 1) == 1;
}

/* Lets go of the caller's terminal or pipes; stderr stays with the log. */
static void detach_stdio(struct server *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int err_fd = logfile_fd(s->log);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(err_fd >= 0 ? err_fd : null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

struct probe {
	int err;
	dev_t dev;
};

/* It answers, and OPENDIR has had its ENOSYS. */
static struct probe look_through(const char *mountpoint)
{
	struct probe p = { 0 };
	struct stat st;
	int fd;

	if (stat(mountpoint, &st) < 0) {
		p.err = -errno;
		return p;
	}
	p.dev = st.st_dev;
	fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return p;
}

/* Between fork() and the end: system calls only. */
_Noreturn static void probe_child(const char *mountpoint, int out)
{
	struct probe p;

	close_range(0, (unsigned int)out - 1, 0);
	close_range((unsigned int)out + 1, ~0U, 0);
	p = look_through(mountpoint);
	_exit(write(out, &p, sizeof(p)) == (ssize_t)sizeof(p) ? 0 : 1);
}

/*
 * Looks through the mount, in a process of its own without the connection: a
 * thread of ours that waits for our own answer could not be killed, and would
 * keep open what nobody else can answer.
 */
static struct probe probe_apart(const char *mountpoint)
{
	struct probe p = { .err = -EIO };
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return (struct probe){ .err = -errno };
	pid = fork();
	if (pid == 0)
		probe_child(mountpoint, fds[1]);
	if (pid < 0)
		p.err = -errno;
	close(fds[1]);
	if (pid > 0) {
		if (read(fds[0], &p, sizeof(p)) != (ssize_t)sizeof(p))
			p = (struct probe){ .err = -EIO };
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	return p;
}

static int probe(struct server *s)
{
	struct probe p;

	/* Elsewhere it is out of our sight; who made it looks. */
	if (s->opt->fuse_fd >= 0) {
		if (s->opt->fuse_dev)
			mapfs_announce_mount(s->view, s->opt->fuse_dev);
		return 0;
	}
	p = probe_apart(s->opt->mountpoint);
	if (p.err)
		return p.err;
	s->dev = p.dev;
	atomic_store(&s->mount.dev, p.dev);
	mapfs_announce_mount(s->view, p.dev);
	return 0;
}

static bool is_on_top(const struct server *s)
{
	struct stat st;

	return stat(s->opt->mountpoint, &st) == 0 && st.st_dev == s->dev;
}

static const struct timespec tick = { .tv_nsec = TICK_NS };

static bool wait_for_end(struct server *s)
{
	for (int i = 0; i < END_TICKS && !atomic_load(&s->is_over); i++)
		nanosleep(&tick, NULL);
	return atomic_load(&s->is_over);
}

/* Out of sight, with everything written back that its users have done. */
static void unmount_in_use(struct server *s)
{
	const char *mountpoint = s->opt->mountpoint;
	struct reason words;
	int err;
	int fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	logfile_say(s->log, LOG_WARNING, "%s is in use, its users lose it",
		    mountpoint);
	err = unmount_path(mountpoint, true, &words);
	if (err)
		logfile_say(s->log, LOG_ERR, "cannot unmount %s: %s %s",
			    mountpoint, strerror(-err), words.text);
	if (fd < 0)
		return;
	err = barrier_flush(&s->mount);
	if (err)
		logfile_say(s->log, LOG_ERR, "cannot sync %s: %s", mountpoint,
			    strerror(-err));
	close(fd);
}

/* Ends the session. */
static void stop_gently(struct server *s)
{
	struct reason words;

	if (s->opt->fuse_fd >= 0) {
		/*
		 * Its namespace ends with the processes in it, and it must
		 * not be taken away before them: they would go on in what it
		 * covers.
		 */
		if (wait_for_end(s))
			return;
	} else if (is_on_top(s)) {
		if (unmount_path(s->opt->mountpoint, false, &words))
			unmount_in_use(s);
		/* The kernel ends it, but for one seen in other namespaces. */
		else if (wait_for_end(s))
			return;
	}
	if (s->mount.lookups)
		lookup_queue_stop(s->mount.lookups);
	if (s->mount.seeks && seek_queue_stop(s->mount.seeks))
		logfile_say(s->log, LOG_ERR, "a seek does not end");
	if (job_queue_stop(s->mount.jobs))
		logfile_say(s->log, LOG_ERR, "a job does not end");
	session_stop(&s->mount);
}

static void *watcher_run(void *arg)
{
	struct server *s = arg;
	int err = probe(s);
	int sig;

	if (err) {
		atomic_store(&s->probe_err, err);
		session_stop(&s->mount);
		return NULL;
	}
	if (s->ready_fd >= 0)
		detach_stdio(s);
	if (!tell_parent(s, 'R'))
		logfile_say(s->log, LOG_NOTICE, "nobody waits for the mount");
	for (;;) {
		/* Woken by a signal, or by server_run(). */
		sigwait(&s->signals, &sig);
		if (atomic_load(&s->is_over))
			return NULL;
		logfile_say(s->log, LOG_NOTICE, "got %s, unmounting %s",
			    strsignal(sig), s->opt->mountpoint);
		stop_gently(s);
	}
}

/* As root a limit is none but the kernel's own. */
static void raise_hard_limit(struct rlimit *lim)
{
	unsigned long long most = 0;
	FILE *f = fopen("/proc/sys/fs/nr_open", "re");
	struct rlimit more = *lim;

	if (!f)
		return;
	if (fscanf(f, "%llu", &most) == 1 && most > lim->rlim_max) {
		more.rlim_max = most;
		/* Then that is set, and only to be used. */
		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			*lim = more;
	}
	fclose(f);
}

/*
 * The caller's limits are for the programs it starts, whose writes the kernel
 * checks before it sends them; and each file that is open in a write view is
 * a descriptor.
 */
static void raise_limits(void)
{
	static const int limits[] = { RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU,
				      RLIMIT_AS };
	struct rlimit lim;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		if (getrlimit(limits[i], &lim) < 0)
			continue;
		if (limits[i] == RLIMIT_NOFILE)
			raise_hard_limit(&lim);
		lim.rlim_cur = lim.rlim_max;
		setrlimit(limits[i], &lim);
	}
}

static void process_prepare(struct server *s)
{
	prctl(PR_SET_NAME, "mapfs"); /* also when run as mount.fuse.mapfs */
	umask(0);
	raise_limits();
	signal(SIGPIPE, SIG_IGN);
	/* EFBIG is an error like others, and a signal the end of the mount. */
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
}

static void note_progress(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	struct server *s = arg;

	atomic_store(&s->mount.compaction_done_bytes, done_bytes);
	atomic_store(&s->mount.compaction_all_bytes, all_bytes);
}

static int server_open_view(struct server *s, struct reason *why)
{
	const struct fs_options *opt = s->opt;
	struct mapfs_options vopt = {
		.mode = opt->mode,
		.store_kind = opt->store_kind,
		.base = opt->base,
		.store = opt->mode == MAPFS_COPY ? opt->store : NULL,
		.snapshot = opt->snapshot,
		.is_trusted = opt->is_trusted,
		.noatime = opt->flags & MS_NOATIME,
		.nodiratime = opt->flags & MS_NODIRATIME,
		.relatime = opt->is_relatime && !(opt->flags & MS_NOATIME),
		.mountpoint = opt->mountpoint,
		.log = logfile_line,
		.log_arg = s->log,
		.progress = note_progress,
		.progress_arg = s,
	};
	int err;

	reason_set(why, "%s: cannot be opened", opt->base);
	err = mapfs_view_open(&s->view, &vopt, why);
	if (err)
		return err;
	err = mount_init(&s->mount, s->view, opt);
	s->mount.log = s->log;
	s->mount.base_drops_setid = setid_base_drops(&s->mount);
	if (!err)
		return 0;
	reason_set(why, "out of memory; try again later");
	if (mapfs_view_close(s->view))
		logfile_say(s->log, LOG_ERR, "cannot close the view");
	return err;
}

/* Ends what unmounting did not: a session that failed leaves a dead mount. */
static void clear_dead_mount(struct server *s)
{
	struct reason words;
	struct stat st;

	if (stat(s->opt->mountpoint, &st) == 0 || errno != ENOTCONN)
		return;
	if (unmount_path(s->opt->mountpoint, true, &words))
		logfile_say(s->log, LOG_ERR, "cannot unmount %s: %s",
			    s->opt->mountpoint, words.text);
}

static int start_threads(struct server *s)
{
	int err = 0;

	if (s->opt->mode != MAPFS_READ)
		err = seek_queue_create(&s->mount.seeks, &s->mount);
	if (!err)
		err = job_queue_create(&s->mount.jobs, &s->mount);
	if (!err)
		err = lookup_queue_create(&s->mount.lookups, &s->mount);
	if (!err)
		err = -pthread_create(&s->watcher, NULL, watcher_run, s);
	return err;
}

/* Runs the mounted session until it ends. */
static int server_run(struct server *s, struct reason *why)
{
	int err = start_threads(s);

	if (err) {
		reason_set(why, "cannot start a thread: %s", strerror(-err));
	} else {
		err = session_run(&s->mount);
		if (err) {
			reason_set(why, "%s: the session failed: %s",
				   s->opt->mountpoint, strerror(-err));
			logfile_line(s->log, LOG_ERR, why->text);
		}
		atomic_store(&s->is_over, true);
		mapfs_announce_close(s->view);
		pthread_kill(s->watcher, SIGHUP);
		pthread_join(s->watcher, NULL);
		if (atomic_load(&s->probe_err)) {
			err = atomic_load(&s->probe_err);
			reason_set(why,
				   "%s: mounted, but does not "
				   "answer: %s; look into the log",
				   s->opt->mountpoint, strerror(-err));
		}
	}
	if (s->mount.lookups)
		lookup_queue_stop(s->mount.lookups);
	if (s->mount.seeks && seek_queue_stop(s->mount.seeks)) {
		/* It still uses the view: leave like a crash, which is safe. */
		logfile_say(s->log, LOG_ERR, "a seek does not end, giving up");
		_exit(1);
	}
	if (s->mount.jobs && job_queue_stop(s->mount.jobs)) {
		logfile_say(s->log, LOG_ERR, "a job does not end, giving up");
		_exit(1);
	}
	seek_queue_destroy(s->mount.seeks);
	job_queue_destroy(s->mount.jobs);
	lookup_queue_destroy(s->mount.lookups);
	return err;
}

static int server_mount(struct server *s, struct reason *why)
{
	int err = session_mount(&s->mount, why);

	if (err)
		return err;
	logfile_take_libfuse(s->log);
	logfile_say(s->log, LOG_INFO, "mounted %s on %s, mode %s", s->opt->base,
		    s->opt->mountpoint, mapfs_mode_name(s->opt->mode));
	if (chdir("/") < 0)
		logfile_say(s->log, LOG_WARNING, "cannot leave the directory");
	/* Whoever wanted the mount may have been interrupted since. */
	if (tell_parent(s, 'M'))
		err = server_run(s, why);
	else
		err = -EINTR;
	session_destroy(&s->mount);
	clear_dead_mount(s);
	logfile_say(s->log, LOG_INFO, "unmounted %s", s->opt->mountpoint);
	logfile_take_libfuse(NULL);
	return err;
}

int fs_serve(const struct fs_options *opt, int ready_fd, struct reason *why)
{
	struct server s = {
		.opt = opt,
		.ready_fd = ready_fd,
	};
	int close_err;
	int err;

	process_prepare(&s);
	err = logfile_open(&s.log, opt->logfile, ready_fd < 0, opt->debug);
	if (err) {
		reason_set(why,
			   "%s: cannot write a log: %s; choose "
			   "another file",
			   opt->logfile ? opt->logfile : "stderr",
			   strerror(-err));
		return err;
	}
	err = server_open_view(&s, why);
	if (err)
		goto close_log;
	err = server_mount(&s, why);
	mount_fini(&s.mount);
	close_err = mapfs_view_close(s.view);
	if (close_err) {
		reason_set(why,
			   "%s: not everything reached the "
			   "disk: %s",
			   opt->store ? opt->store : opt->base,
			   strerror(-close_err));
		logfile_line(s.log, LOG_ERR, why->text);
		err = close_err;
	}
close_log:
	logfile_close(s.log);
	return err;
}
