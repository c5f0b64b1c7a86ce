/* SPDX-License-Identifier: MIT */
/*
 * The threads of the daemon:
 *
 *    main       runs the session, which starts the worker threads
 *    seeks      answers LSEEK, which needs the kernel to write pages back
 *    jobs       runs the commands of the control protocol
 *    lookups    answers LOOKUPs that need a walk over the base
 *    watcher    checks once that the mount answers, then waits for signals
 *
 * When a signal ends the daemon, dirty pages of the kernel must not be lost,
 * and only a session that serves requests can receive them.  So the watcher
 * unmounts while the workers run.  If the mount is in use, the watcher detaches
 * it and makes the kernel write everything back.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/cache/seek.h"
#include "fs/control/job_queue.h"
#include "fs/mount/broker.h"
#include "fs/mount/logfile.h"
#include "fs/mount/mount.h"
#include "fs/mount/place.h"
#include "fs/mount/root.h"
#include "fs/ops/caller.h"
#include "fs/ops/lookup_queue.h"
#include "fs/ops/setid.h"
#include "fs/request/barrier.h"
#include "fs/sandbox/sandbox.h"
#include "limits.h"
#include "probe.h"
#include "session.h"
#include "unmount.h"

#define TICK_NS 20000000
#define END_TICKS 100 /* how long to wait for the end of the session */

struct server {
	const struct fs_options *opt; /* fixed at birth */
	struct logfile *log;	      /* fixed at birth */
	struct broker *broker;	      /* fixed at birth; NULL: no sandbox */
	struct mapfs_view *view;      /* fixed at birth */
	struct mount mount;
	pthread_t watcher;    /* fixed at birth */
	sigset_t signals;     /* fixed at birth */
	int ready_fd;	      /* fixed at birth; or -1 */
	dev_t dev;	      /* of the mount; used by the watcher */
	atomic_bool is_over;  /* atomic: the session has ended */
	atomic_int probe_err; /* atomic: the mount never answered */
};

/* False: the parent that waits for the message has ended. */
static bool tell_parent(const struct server *s, char what)
{
	return s->ready_fd < 0 || write(s->ready_fd, &what, 1) == 1;
}

/* The core has logged it. */
static void tell_warning(const struct server *s)
{
	struct mapfs_info info = { .warning = NULL };

	mapfs_view_info(s->view, &info);
	/* In one piece, as pipes guarantee it. */
	if (info.warning && s->ready_fd >= 0 &&
	    dprintf(s->ready_fd, "W%.*s\n", PIPE_BUF - 2, info.warning) < 0)
		logfile_say(s->log, LOG_NOTICE,
			    "the process that asked for the mount has ended");
}

/* Releases the terminal or pipes of the caller; stderr becomes the log. */
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

static int server_probe(struct server *s)
{
	struct probe p;

	/* A mount in another namespace is probed by the process that made it. */
	if (s->opt->fuse_fd >= 0) {
		if (s->opt->fuse_dev)
			mapfs_announce_mount(s->view, s->opt->fuse_dev);
		return 0;
	}
	p = probe_mount(s->opt->mountpoint);
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

static int server_unmount(struct server *s, bool lazy, struct reason *words)
{
	return s->broker ? broker_unmount(s->broker, lazy, words) :
			   unmount_path(s->opt->mountpoint, lazy, words);
}

/* Detaches the mount, and makes the kernel write everything back. */
static void unmount_in_use(struct server *s)
{
	const char *mountpoint = s->opt->mountpoint;
	struct reason words;
	int fd = -1;
	int err;

	if (root_open(mountpoint, s->dev, &fd))
		fd = -1;
	logfile_say(s->log, LOG_WARNING,
		    "%s is in use; programs that use it lose it", mountpoint);
	err = server_unmount(s, true, &words);
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

/* Ends the session after the kernel has written back. */
static void stop_gently(struct server *s)
{
	struct reason words;

	if (s->opt->fuse_fd >= 0) {
		/*
		 * The mount ends with its namespace, that is with the last
		 * process in it.  Before that it must not be unmounted: the
		 * processes would continue in the directory that it covers.
		 */
		if (wait_for_end(s))
			return;
	} else if (is_on_top(s)) {
		if (server_unmount(s, false, &words))
			unmount_in_use(s);
		/* The kernel ends the session, unless a namespace has it. */
		else if (wait_for_end(s))
			return;
	}
	if (s->mount.lookups)
		lookup_queue_stop(s->mount.lookups);
	if (s->mount.seeks && seek_queue_stop(s->mount.seeks))
		logfile_say(s->log, LOG_ERR, "LSEEK does not end");
	if (job_queue_stop(s->mount.jobs))
		logfile_say(s->log, LOG_ERR, "a job does not end");
	session_stop(&s->mount);
}

static void *watcher_run(void *arg)
{
	struct server *s = arg;
	int err = server_probe(s);
	int sig;

	if (err) {
		atomic_store(&s->probe_err, err);
		session_stop(&s->mount);
		return NULL;
	}
	if (s->ready_fd >= 0)
		detach_stdio(s);
	if (!tell_parent(s, 'R'))
		logfile_say(s->log, LOG_NOTICE,
			    "the process that asked for the mount has ended");
	for (;;) {
		/* Woken by a signal from outside, or by server_run(). */
		sigwait(&s->signals, &sig);
		if (atomic_load(&s->is_over))
			return NULL;
		logfile_say(s->log, LOG_NOTICE, "got %s, unmounting %s",
			    strsignal(sig), s->opt->mountpoint);
		stop_gently(s);
	}
}

static void process_prepare(struct server *s)
{
	prctl(PR_SET_NAME, "mapfs"); /* even if run as mount.fuse.mapfs */
	umask(0);
	limits_raise();
	signal(SIGPIPE, SIG_IGN);
	/* A file that is too large is an EFBIG, not the end of the daemon. */
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
}

static void note_compaction(void *arg, uint64_t done_bytes, uint64_t all_bytes)
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
		.base_kind = opt->base_kind,
		.base = opt->base,
		.store = opt->mode == MAPFS_COPY ? opt->store : NULL,
		.windows = opt->windows.windows,
		.window_count = opt->windows.count,
		.root_is_file = opt->root_is_file,
		.size_bytes = opt->size_bytes,
		.snapshot = opt->snapshot,
		.is_trusted = opt->is_trusted,
		.salvage = opt->salvage,
		.noatime = opt->flags & MS_NOATIME,
		.nodiratime = opt->flags & MS_NODIRATIME,
		.relatime = opt->is_relatime && !(opt->flags & MS_NOATIME),
		.mountpoint = opt->mountpoint,
		.waits_to_start = true,
		.log = logfile_line,
		.log_arg = s->log,
		.progress = note_compaction,
		.progress_arg = s,
	};
	int err;

	reason_set(why, "%s: cannot be opened", opt->base);
	err = mapfs_view_open(&s->view, &vopt, why);
	if (err)
		return err;
	tell_warning(s);
	err = mount_init(&s->mount, s->view, opt);
	s->mount.log = s->log;
	s->mount.broker = s->broker;
	s->mount.base_drops_setid = setid_base_drops(&s->mount);
	if (!err)
		return 0;
	reason_set(why, "out of memory; try again later");
	if (mapfs_view_close(s->view))
		logfile_say(s->log, LOG_ERR, "cannot close the view");
	return err;
}

/* A session that failed leaves a mount that answers ENOTCONN. */
static void clear_dead_mount(struct server *s)
{
	struct reason words;
	struct stat st;

	if (stat(s->opt->mountpoint, &st) == 0 || errno != ENOTCONN)
		return;
	if (server_unmount(s, true, &words))
		logfile_say(s->log, LOG_ERR, "cannot unmount %s: %s",
			    s->opt->mountpoint, words.text);
}

static int start_threads(struct server *s)
{
	int err = mapfs_view_start(s->view);

	if (!err && s->opt->mode != MAPFS_READ)
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
				   "answer: %s; see the log",
				   s->opt->mountpoint, strerror(-err));
		}
	}
	if (s->mount.lookups)
		lookup_queue_stop(s->mount.lookups);
	if (s->mount.seeks && seek_queue_stop(s->mount.seeks)) {
		/* The thread still uses the view: exit as in a crash, safely. */
		logfile_say(s->log, LOG_ERR,
			    "LSEEK does not end; the daemon exits");
		_exit(1);
	}
	if (s->mount.jobs && job_queue_stop(s->mount.jobs)) {
		logfile_say(s->log, LOG_ERR,
			    "a job does not end; the daemon exits");
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
		logfile_say(s->log, LOG_WARNING,
			    "cannot change to the directory /");
	/* The process that asked for the mount may have been interrupted. */
	if (tell_parent(s, 'M')) {
		sandbox_enter(&s->mount);
		err = server_run(s, why);
	} else {
		err = -EINTR;
	}
	session_destroy(&s->mount);
	clear_dead_mount(s);
	logfile_say(s->log, LOG_INFO, "unmounted %s", s->opt->mountpoint);
	logfile_take_libfuse(NULL);
	return err;
}

/* --- what the broker does ------------------------------------------------- */

static int serve_unmount(void *arg, bool lazy, struct reason *words)
{
	const struct server *s = arg;

	return unmount_path(s->opt->mountpoint, lazy, words);
}

static int serve_remove_place(void *arg)
{
	const struct server *s = arg;

	return s->opt->own_place ? place_remove(s->opt) : -EPERM;
}

static bool serve_has_fsetid(void *arg, pid_t pid)
{
	(void)arg;
	return caller_has_fsetid(pid);
}

static bool serve_has_group(void *arg, pid_t pid, gid_t gid)
{
	(void)arg;
	return caller_has_group(pid, gid);
}

static void serve_log(void *arg, int level, const char *line)
{
	(void)arg;
	syslog(level, "%s", line);
}

/* Without a broker there is no sandbox: the view could not be unmounted. */
static void server_start_broker(struct server *s)
{
	const struct broker_services services = {
		.unmount = serve_unmount,
		.remove_place = serve_remove_place,
		.has_fsetid = serve_has_fsetid,
		.has_group = serve_has_group,
		.log = serve_log,
		.arg = s,
	};
	int err;

	if (!s->opt->sandbox)
		return;
	err = broker_start(&s->broker, &services);
	if (err)
		logfile_say(s->log, LOG_NOTICE,
			    "no sandbox: its broker cannot be started: %s",
			    strerror(-err));
	else
		logfile_use_broker(s->log, s->broker);
}

static void server_end_broker(struct server *s)
{
	logfile_use_broker(s->log, NULL);
	broker_end(s->broker);
	s->broker = NULL;
}

/* --- the whole life ------------------------------------------------------- */

static void server_remove_place(struct server *s)
{
	/* If that fails, an empty place is left behind. */
	if (!s->opt->own_place)
		return;
	(void)!(s->broker ? broker_remove_place(s->broker) :
			    place_remove(s->opt));
}

int server_serve(const struct fs_options *opt, int ready_fd, struct reason *why)
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
			   "%s: cannot open the log: %s; choose another file",
			   opt->logfile ? opt->logfile : "stderr",
			   strerror(-err));
		server_remove_place(&s);
		return err;
	}
	server_start_broker(&s);
	err = server_open_view(&s, why);
	if (err)
		goto end_broker;
	err = server_mount(&s, why);
	mount_fini(&s.mount);
	close_err = mapfs_view_close(s.view);
	if (close_err) {
		reason_set(why,
			   "%s: not everything reached the disk: %s; check the "
			   "disk, and what was written last",
			   opt->store ? opt->store : opt->base,
			   strerror(-close_err));
		logfile_line(s.log, LOG_ERR, why->text);
		err = close_err;
	}
end_broker:
	server_remove_place(&s);
	server_end_broker(&s);
	logfile_close(s.log);
	return err;
}
