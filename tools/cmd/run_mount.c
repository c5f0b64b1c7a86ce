/* SPDX-License-Identifier: MIT */
/*
 * The child makes the namespaces and mounts the view in them; it passes the
 * FUSE connection to the first process, which starts a daemon on it.  The
 * daemon stays outside: in a user namespace it would see the files of other
 * users as those of nobody, and record that.  The child waits until the daemon
 * answers, and becomes the command, so that only the command and its children
 * hold the namespace.
 *
 * Where the system allows no namespace, fusermount3 mounts the view at a
 * directory of its own.
 */
#include "run_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mount/place.h"
#include "fs/session/daemon.h"
#include "fs/session/session.h"
#include "fs/session/unmount.h"
#include "run_wait.h"
#include "tools/lib/mounts.h"
#include "tools/lib/text.h"

#define END_MS 30000  /* until the mount has ended and the store is closed */
#define TERM_MS 30000 /* the same, after SIGTERM */

/* What the child reports; the FUSE connection comes with it, unless err. */
struct report {
	int err;
	bool has_users; /* a user namespace, which knows the caller only */
	dev_t dev;	/* of the mount, or 0 */
	struct reason why;
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

/* The caller's user and group are the only ones of the namespace. */
static int map_ids(uid_t uid, gid_t gid)
{
	char line[64];
	int err;

	/* Linux 3.19 and later want this before gid_map. */
	err = write_file("/proc/self/setgroups", "deny");
	if (err && err != -ENOENT)
		return err;
	snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
	err = write_file("/proc/self/uid_map", line);
	if (err)
		return err;
	snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", line);
}

/*
 * In a plain chroot "/" is not a mount point, and mount(2) cannot name the
 * mount that it lies in.  setns(2) to the namespace of this process makes the
 * root of that namespace, which is a mount point, the root directory;
 * afterwards chroot(2) returns to the old one.
 */
static int make_private_from_chroot(void)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int err = 0;

	if (root < 0 || self < 0 || setns(self, CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    fchdir(root) < 0 || chroot(".") < 0)
		err = -errno;
	if (self >= 0)
		close(self);
	if (root >= 0)
		close(root);
	return err;
}

/* No mount made in this namespace may propagate to another one. */
static int make_mounts_private(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	return errno == EINVAL ? make_private_from_chroot() : -errno;
}

static int enter_namespaces(bool *has_users)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int err = 0;

	if (unshare(CLONE_NEWNS) < 0) {
		if (errno != EPERM)
			return -errno;
		if (access("/dev/fuse", R_OK | W_OK) < 0 ||
		    unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return -errno;
		err = map_ids(uid, gid);
		*has_users = true;
	}
	return err ? err : make_mounts_private();
}

static bool send_report(int sock, const struct report *rep, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)rep, sizeof(*rep) };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
	};

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*rep);
}

static bool receive_report(int sock, struct report *rep, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { rep, sizeof(*rep) };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	*fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	rep->why.text[sizeof(rep->why.text) - 1] = '\0';
	return n == (ssize_t)sizeof(*rep);
}

/* The parent may have died before prctl(2) took effect. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(RUN_FAILED);
}

_Noreturn static void command_exec(struct run_ctx *r, const char *cwd)
{
	int err;

	if (chdir(cwd) < 0) {
		say("%s: not in the view: %s; start in another directory", cwd,
		    strerror(errno));
		_exit(RUN_FAILED);
	}
	/* A shell trusts PWD if that names the current directory. */
	if (r->dir || !r->has_namespace)
		setenv("PWD", cwd, 1);
	run_wait_restore();
	execvp(r->command[0], r->command);
	err = errno;
	if (err == ENOENT)
		say("%s: no such command; see PATH", r->command[0]);
	else
		say("%s: %s; name another command", r->command[0],
		    strerror(err));
	_exit(err == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE);
}

static bool wait_for_go(int fd)
{
	char c;
	ssize_t n;

	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

/* From the mount table: no daemon answers stat(2) yet. */
static dev_t dev_of_mount(const char *target)
{
	struct mounts *table;
	struct mount_row row = { 0 };

	if (mounts_read(&table))
		return 0;
	if (!mounts_find(table, target, &row))
		row.dev = 0;
	mounts_free(table);
	return row.dev;
}

/*
 * Until the kernel has asked for the owner of the root, it takes user 0, whom a
 * user namespace may not know, and refuses to open a file for writing.  For a
 * directory it asks at each path walk.
 */
static void learn_owner(const struct fs_options *opt)
{
	struct stat st;

	if (opt->root_is_file && stat(opt->mountpoint, &st) < 0)
		say("%s: %s; look into the log", opt->mountpoint,
		    strerror(errno));
}

_Noreturn static void inner_child(struct run_ctx *r, pid_t parent, int sock)
{
	struct report rep = { 0 };
	int fd = -1;

	rep.err = enter_namespaces(&rep.has_users);
	/* After a change of credentials, which would clear it. */
	die_with(parent);
	if (rep.err)
		reason_set(&rep.why, "no namespace for the view: %s",
			   strerror(-rep.err));
	else
		rep.err = session_mount_only(&r->opt, &fd, &rep.why);
	if (!rep.err)
		rep.dev = dev_of_mount(r->opt.mountpoint);
	if (!send_report(sock, &rep, fd))
		_exit(RUN_FAILED);
	/* As long as it is open here, the kernel would not notice that the
	   daemon has died. */
	if (fd >= 0)
		close(fd);
	if (rep.err || !wait_for_go(sock))
		_exit(RUN_FAILED);
	learn_owner(&r->opt);
	command_exec(r, r->cwd);
}

_Noreturn static void outer_child(struct run_ctx *r, pid_t parent, int sock)
{
	const char *place = r->opt.mountpoint;
	size_t len = strlen(place);
	char *cwd;

	/* Beside a file. */
	if (r->opt.root_is_file)
		len = (size_t)(strrchr(place, '/') - place);
	die_with(parent);
	if (asprintf(&cwd, "%.*s%s", (int)len, place,
		     r->cwd_below ? r->cwd_below : "") < 0 ||
	    !wait_for_go(sock))
		_exit(RUN_FAILED);
	command_exec(r, cwd);
}

static int child_start(struct run_ctx *r, int *sock,
		       void (*child)(struct run_ctx *, pid_t, int))
{
	pid_t self = getpid();
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	r->child = fork();
	if (r->child == 0) {
		close(socks[0]);
		child(r, self, socks[1]);
	}
	close(socks[1]);
	if (r->child < 0) {
		int err = -errno;

		close(socks[0]);
		return err;
	}
	*sock = socks[0];
	return 0;
}

static void child_kill(struct run_ctx *r)
{
	if (r->child <= 0)
		return;
	kill(r->child, SIGKILL);
	waitpid(r->child, NULL, 0);
	r->child = 0;
	close(r->go_fd);
}

/* 0: there is a child in a namespace, and a daemon for it. */
static int begin_inside(struct run_ctx *r, struct report *rep)
{
	rep->err = child_start(r, &r->go_fd, inner_child);
	if (rep->err) {
		reason_set(&rep->why,
			   "cannot start a process: %s; try again later",
			   strerror(-rep->err));
		return rep->err;
	}
	if (!receive_report(r->go_fd, rep, &r->opt.fuse_fd)) {
		rep->err = -EIO;
		reason_set(&rep->why, "a process of the run has died");
	}
	if (rep->err) {
		child_kill(r);
		return rep->err;
	}
	/*
	 * In a user namespace the kernel refuses an ACL that names other
	 * users, and then the file, too.
	 */
	if (rep->has_users)
		r->opt.acl = false;
	r->opt.fuse_dev = rep->dev;
	r->has_namespace = true;
	return 0;
}

static int serve(struct run_ctx *r, struct reason *why)
{
	int err = daemon_start_bound(&r->opt, &r->daemon, why);

	if (r->opt.fuse_fd >= 0)
		close(r->opt.fuse_fd);
	r->opt.fuse_fd = -1;
	if (!err && !reason_is_empty(why))
		say("%s", why->text);
	return err;
}

/* The places where Ubuntu, too, allows fusermount3 to mount. */
static int choose_place(struct run_ctx *r)
{
	const char *const places[] = { getenv("XDG_RUNTIME_DIR"), "/tmp",
				       getenv("TMPDIR") };
	char *path;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (!places[i] || places[i][0] != '/')
			continue;
		if (place_create(&r->opt, places[i], &path))
			continue;
		free(r->opt.mountpoint);
		r->opt.mountpoint = path;
		r->opt.own_place = true;
		return 0;
	}
	say("view: no directory can be made to mount it at; set TMPDIR");
	return -ENOENT;
}

/*
 * A view at a directory of its own has to be unmounted at the end.  Where that
 * will not be possible nothing is mounted: a dead mount would be left.
 */
static int serve_outside(struct run_ctx *r, struct reason *why)
{
	int err = unmount_is_possible(r->opt.mountpoint, why);

	return err ? err : serve(r, why);
}

/* `no_namespace` says why the view is not in the place of the base. */
static int begin_outside(struct run_ctx *r, const char *no_namespace)
{
	struct reason why;
	int err = r->opt.own_place ? 0 : choose_place(r);

	if (err)
		return err;
	err = serve_outside(r, &why);
	if (!err) {
		if (r->opt.base_kind != MAPFS_BASE_NONE)
			say("%s; the view is at %s, so paths differ from %s",
			    no_namespace, r->opt.mountpoint, r->opt.base);
		err = child_start(r, &r->go_fd, outer_child);
		if (!err)
			return 0;
		reason_set(&why, "cannot start a process: %s; try again later",
			   strerror(-err));
		kill(r->daemon, SIGTERM);
		waitpid(r->daemon, NULL, 0);
	}
	say("%s", why.text);
	return err;
}

/* Without a base there is no directory that the view could cover. */
static int begin_none(struct run_ctx *r)
{
	int err = choose_place(r);

	if (err)
		return err;
	r->cwd = strdup(r->opt.mountpoint);
	return r->cwd ? 0 : -ENOMEM;
}

static void remove_own_place(const struct run_ctx *r)
{
	int err = r->opt.own_place ? place_remove(&r->opt) : 0;

	if (err && err != -ENOENT)
		say("%s: %s; remove it", r->opt.mountpoint, strerror(-err));
}

int run_mount_begin(struct run_ctx *r)
{
	struct report *rep = calloc(1, sizeof(*rep));
	struct stat st;
	int err = 0;

	if (!rep) {
		say("out of memory; try again later");
		return -ENOMEM;
	}
	if (r->opt.base_kind == MAPFS_BASE_NONE)
		err = begin_none(r);
	if (err) {
		free(rep);
		return err;
	}
	if (stat("/proc/self/ns/mnt", &st) == 0)
		r->outer_ns = st.st_ino;
	if (begin_inside(r, rep) < 0) {
		err = begin_outside(r, rep->why.text);
	} else {
		err = serve(r, &rep->why);
		if (err) {
			child_kill(r);
			say("%s", rep->why.text);
		}
	}
	if (err)
		remove_own_place(r);
	free(rep);
	return err;
}

int run_mount_go(struct run_ctx *r)
{
	ssize_t n = send(r->go_fd, "G", 1, MSG_NOSIGNAL);
	int err = n == 1 ? 0 : -errno;

	close(r->go_fd);
	return err;
}

int run_mount_end(struct run_ctx *r)
{
	struct reason words;
	int status = r->daemon_status;
	bool has_ended = r->daemon == 0;

	/* The mount ends with the namespace, that with its last process. */
	if (!has_ended && r->has_namespace)
		has_ended = run_wait_for(r->daemon, END_MS, &status);
	if (!has_ended) {
		kill(r->daemon, SIGTERM);
		has_ended = run_wait_for(r->daemon, TERM_MS, &status);
	}
	if (!has_ended) {
		kill(r->daemon, SIGKILL);
		waitpid(r->daemon, &status, 0);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!r->has_namespace &&
	    unmount_path(r->opt.mountpoint, true, &words) == 0)
		(void)place_remove(&r->opt);
	say("%s: the daemon of the view has failed; look into its log",
	    r->opt.base);
	return -EIO;
}
