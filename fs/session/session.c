/* SPDX-License-Identifier: MIT */
/*
 * Capabilities by mode:
 *
 *            copy                   read              write
 *   data     writeback cache        checked by mtime  checked by mtime
 *   open     no message             no message        OPEN, RELEASE
 *   listing  kept for good          not kept          not kept
 *   symlink  kept for good          asked             asked
 *
 * default_permissions is always on: it is what checks cached path walks.
 * Locks stay with the kernel, so fcntl and flock need nothing from us.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/control/ioctl.h"
#include "fs/ops/ops.h"
#include "fs/request/barrier.h"
#include "fs/request/loop.h"

#define BACKGROUND 64

static const struct fuse_lowlevel_ops session_ops;

/* Whether it is on now. */
static bool want(struct fuse_conn_info *conn, uint64_t flag, bool is_wanted)
{
	if (is_wanted)
		return fuse_set_feature_flag(conn, flag);
	fuse_unset_feature_flag(conn, flag);
	return false;
}

static void session_init(void *arg, struct fuse_conn_info *conn)
{
	struct mount *m = arg;
	bool is_copy = m->opt->mode == MAPFS_COPY;

	conn->max_write = MOUNT_IO_BYTES;
	/* What waits outside the queue is what a barrier cannot see. */
	conn->max_background = is_copy ? BARRIER_BACKGROUND : BACKGROUND;
	conn->congestion_threshold = conn->max_background / 4 * 3;
	conn->time_gran = 1;
	/* With its writeback cache the kernel sets the times of files. */
	m->has_writeback = want(conn, FUSE_CAP_WRITEBACK_CACHE,
				is_copy && m->opt->writeback);
	mapfs_set_kernel_times(m->view, m->has_writeback);
	want(conn, FUSE_CAP_CACHE_SYMLINKS, is_copy);
	want(conn, FUSE_CAP_NO_OPENDIR_SUPPORT, is_copy);
	want(conn, FUSE_CAP_AUTO_INVAL_DATA, !is_copy);
	want(conn, FUSE_CAP_NO_OPEN_SUPPORT, m->is_stateless);
	/* An O_TRUNC open sets the size first; there may be no OPEN. */
	want(conn, FUSE_CAP_ATOMIC_O_TRUNC, false);
	want(conn, FUSE_CAP_POSIX_ACL, m->opt->acl);
	/* The core masks, because a default ACL replaces the umask. */
	want(conn, FUSE_CAP_DONT_MASK, true);
#ifdef MAPFS_HAVE_KILL_SUIDGID
	want(conn, FUSE_CAP_HANDLE_KILLPRIV_V2, true);
#endif
	want(conn, FUSE_CAP_PARALLEL_DIROPS, true);
	want(conn, FUSE_CAP_READDIRPLUS, true);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO, true);
	/*
	 * After an asynchronous direct write the kernel does not invalidate
	 * the pages that others have read meanwhile.  See core/DESIGN.md.
	 */
	want(conn, FUSE_CAP_ASYNC_DIO, m->opt->mode == MAPFS_READ);
	/* LOOKUP of "." and "..": file handles outlive the kernel's caches. */
	want(conn, FUSE_CAP_EXPORT_SUPPORT, true);
	want(conn, FUSE_CAP_IOCTL_DIR, true);
	want(conn, FUSE_CAP_SPLICE_READ, false);
#ifdef FUSE_CAP_OVER_IO_URING
	if (m->opt->uring &&
	    !fuse_get_feature_flag(conn, FUSE_CAP_OVER_IO_URING))
		fuse_log(FUSE_LOG_INFO, "the kernel offers no io_uring, "
					"using /dev/fuse\n");
#endif
}

static const struct fuse_lowlevel_ops session_ops = {
	.init = session_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
	.ioctl = op_ioctl,
	.fallocate = op_fallocate,
	.readdirplus = op_readdirplus,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
	.tmpfile = op_tmpfile,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	.statx = op_statx,
#endif
};

/* The comma-separated options of libfuse and the kernel. */
static char *mount_options(const struct fs_options *opt, const char *base)
{
	char depth[48];
	char *fsname = NULL;
	char *all = NULL;
	int err = 0;

	snprintf(depth, sizeof(depth), "io_uring_q_depth=%u", opt->uring_depth);
	if (asprintf(&fsname, "fsname=%s", base) < 0)
		return NULL;
	err |= fuse_opt_add_opt_escaped(&all, fsname);
	err |= fuse_opt_add_opt(&all, "subtype=mapfs");
	err |= fuse_opt_add_opt(&all, "default_permissions");
	if (opt->allow_other)
		err |= fuse_opt_add_opt(&all, "allow_other");
	if (opt->read_only)
		err |= fuse_opt_add_opt(&all, "ro");
	if (opt->debug)
		err |= fuse_opt_add_opt(&all, "debug");
	if (opt->passed_on)
		err |= fuse_opt_add_opt(&all, opt->passed_on);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	if (opt->uring) {
		err |= fuse_opt_add_opt(&all, "io_uring");
		err |= fuse_opt_add_opt(&all, depth);
	}
#endif
	free(fsname);
	if (!err)
		return all;
	free(all);
	return NULL;
}

/*
 * What libfuse and fusermount3 say, and what to do about it.  They tell in
 * words only, so words are what is compared.
 */
static const struct refusal {
	const char *words;
	const char *sentence; /* %s at its start: the mount point */
} refusals[] = {
	{ "user_allow_other",
	  "option allow_other: users may not use it; ask for "
	  "user_allow_other in /etc/fuse.conf, or drop the option" },
	{ "/dev/fuse not found",
	  "/dev/fuse: not found; load the kernel module (modprobe fuse)" },
	{ "fuse device not found",
	  "/dev/fuse: not found; load the kernel module (modprobe fuse)" },
	{ "open /dev/fuse: Permission denied",
	  "/dev/fuse: permission denied; ask for mode 0666 on it, or mount "
	  "as root" },
	{ "open /dev/fuse: Operation not permitted",
	  "/dev/fuse: not permitted; allow the device to this container" },
	{ "posix_spawn",
	  "fusermount3: not found; install the package fuse3, or mount as "
	  "root" },
	{ "Failed to call",
	  "fusermount3: not found; install the package fuse3, or mount as "
	  "root" },
	{ "could not determine username",
	  "fusermount3: your user number has no name; add it to /etc/passwd, "
	  "or mount as root" },
	{ "too many FUSE filesystems",
	  "fusermount3: too many FUSE mounts; unmount some, or raise "
	  "mount_max in /etc/fuse.conf" },
	{ "user has no write access",
	  "%s: you may not write to this directory; mount on one of your "
	  "own" },
	{ "mount failed: Operation not permitted",
	  "fusermount3: may not mount; it needs its set-uid bit (reinstall "
	  "the package fuse3), and works in no container without it" },
	{ "mount failed: Permission denied",
	  "%s: the system's security policy refused fusermount3 (Ubuntu "
	  "allows $HOME, /tmp, /mnt, /media and $XDG_RUNTIME_DIR); mount "
	  "there" },
};

static bool explain_option(const char *said, struct reason *why)
{
	static const char words[] = "unknown option '";
	const char *at = strstr(said, words);

	if (!at)
		return false;
	at += strlen(words);
	reason_set(why,
		   "option %.*s: not known to the fusermount3 of this system; "
		   "mount as root, or drop the option",
		   (int)strcspn(at, "'"), at);
	return true;
}

static void explain(const char *said, const char *mountpoint,
		    struct reason *why)
{
	size_t line = strcspn(said, "\n");

	if (explain_option(said, why))
		return;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		const char *s = refusals[i].sentence;

		if (!strstr(said, refusals[i].words))
			continue;
		if (strncmp(s, "%s", 2) == 0)
			reason_set(why, "%s%s", mountpoint, s + 2);
		else
			reason_set(why, "%s", s);
		return;
	}
	reason_set(why, "%s: mounting failed; libfuse says: %.*s", mountpoint,
		   line ? (int)line : 7, line ? said : "nothing");
}

/* Sends stderr to a file in memory; -1 in `*kept` when that cannot be. */
static int stderr_capture(int *kept)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	*kept = -1;
	if (fd < 0)
		return -1;
	*kept = dup(STDERR_FILENO);
	if (*kept >= 0) {
		/* As it will be again: a copy alone does not know this. */
		fcntl(*kept, F_SETFD, fcntl(STDERR_FILENO, F_GETFD));
		dup2(fd, STDERR_FILENO);
	}
	return fd;
}

static void stderr_restore(int fd, int kept, char *said, size_t said_bytes)
{
	ssize_t n = -1;

	if (kept >= 0) {
		dup3(kept, STDERR_FILENO,
		     fcntl(kept, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0);
		close(kept);
	}
	if (fd >= 0) {
		n = pread(fd, said, said_bytes - 1, 0);
		close(fd);
	}
	said[n < 0 ? 0 : n] = '\0';
}

static struct fuse_session *session_start(struct mount *m, const char *place,
					  struct fuse_args *args)
{
	struct fuse_session *se =
		fuse_session_new(args, &session_ops, sizeof(session_ops), m);

	if (se && fuse_session_mount(se, place) < 0) {
		fuse_session_destroy(se);
		se = NULL;
	}
	return se;
}

static int session_make_loop(struct mount *m, struct reason *why)
{
	int err;

	if (m->opt->uring)
		return 0;
	err = loop_create(&m->loop, m->se, m->opt->max_threads);
	if (err) {
		reason_set(why, "out of memory; try again later");
		session_destroy(m);
	}
	return err;
}

/* `place` is the mount point, or "/dev/fd/N" for one mounted already. */
static int session_create(struct fuse_session **out, struct mount *m,
			  const struct fs_options *opt, const char *place,
			  char *options, struct reason *why)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char said[1024];
	int kept;
	int fd;

	if (!options || fuse_opt_add_arg(&args, "mapfs") ||
	    fuse_opt_add_arg(&args, "-o") || fuse_opt_add_arg(&args, options)) {
		reason_set(why, "out of memory; try again later");
		free(options);
		fuse_opt_free_args(&args);
		return -ENOMEM;
	}
	fd = stderr_capture(&kept);
	*out = session_start(m, place, &args);
	stderr_restore(fd, kept, said, sizeof(said));
	if (!*out)
		explain(said, opt->mountpoint, why);
	fuse_opt_free_args(&args);
	free(options);
	return *out ? 0 : -EIO;
}

int session_mount(struct mount *m, struct reason *why)
{
	const struct fs_options *opt = m->opt;
	struct mapfs_info info;
	char place[32];
	int err;

	mapfs_view_info(m->view, &info);
	snprintf(place, sizeof(place), "/dev/fd/%d", opt->fuse_fd);
	err = session_create(&m->se, m, opt,
			     opt->fuse_fd < 0 ? opt->mountpoint : place,
			     mount_options(opt, info.base), why);
	return err ? err : session_make_loop(m, why);
}

int session_mount_only(const struct fs_options *opt, int *out,
		       struct reason *why)
{
	struct fuse_session *se;
	int err = session_create(&se, NULL, opt, opt->mountpoint,
				 mount_options(opt, opt->base), why);
	int fd;

	if (err)
		return err;
	fd = fcntl(fuse_session_fd(se), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		err = -errno;
	else
		*out = fd;
	fuse_session_destroy(se);
	if (err)
		reason_set(why, "%s: %s; try again later", opt->mountpoint,
			   strerror(-err));
	return err;
}

/* The threads of a ring are libfuse's, and end with its own loop only. */
static int run_with_ring(struct mount *m)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int err;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, m->opt->max_threads);
	err = fuse_session_loop_mt(m->se, config);
	fuse_loop_cfg_destroy(config);
	/* A positive value is the signal libfuse saw; we set no handlers. */
	return err < 0 ? err : 0;
}

int session_run(struct mount *m)
{
	return m->loop ? loop_run(m->loop) : run_with_ring(m);
}

void session_stop(struct mount *m)
{
	if (m->loop)
		loop_stop(m->loop);
	else
		fuse_session_exit(m->se);
}

void session_destroy(struct mount *m)
{
	loop_destroy(m->loop);
	m->loop = NULL;
	if (m->se)
		fuse_session_destroy(m->se);
	m->se = NULL;
}
