/* SPDX-License-Identifier: MIT */
/*
 * What the kernel may cache, and which messages it saves, by mode:
 *
 *            copy                   read                write
 *   data     writeback cache (*)    checked by mtime    checked by mtime
 *   open     no message             no message          OPEN, RELEASE
 *   listing  without limit          not at all          not at all
 *   symlink  without limit          not at all          not at all
 *
 *   (*) not with a window of fixed length, and not if the root is a file
 *
 * default_permissions is always on: without it the kernel would not check the
 * permissions of cached path walks.  The daemon implements no locks, so fcntl
 * and flock locks stay in the kernel.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/control/ioctl.h"
#include "fs/ops/attr.h"
#include "fs/ops/dir.h"
#include "fs/ops/file.h"
#include "fs/ops/namei.h"
#include "fs/ops/xattr.h"
#include "fs/request/barrier.h"
#include "fs/request/loop.h"
#include "mount_error.h"

#define BACKGROUND 64 /* max_background, where no barrier is needed */

static const struct fuse_lowlevel_ops session_ops;

/* Switches a feature; returns whether it is on. */
static bool want(struct fuse_conn_info *conn, uint64_t flag, bool is_wanted)
{
	if (is_wanted)
		return fuse_set_feature_flag(conn, flag);
	fuse_unset_feature_flag(conn, flag);
	return false;
}

/*
 * With its writeback cache the kernel lets each write extend the file, and sends
 * the bytes later.  A write behind the end of a fixed window, which must fail
 * with ENOSPC, would succeed, and only a sync would tell that its bytes are lost.
 * File systems and virtual machines never write there, so who needs the speed
 * may ask for the cache.
 *
 * With the cache the kernel also asks for the size of a file only when it looks
 * it up; it looks the root up itself, and takes its size for 0.
 */
static bool may_write_back(const struct fs_options *opt)
{
	for (size_t i = 0; i < opt->windows.count && !opt->wants_writeback;
	     i++) {
		if (opt->windows.windows[i].len_bytes != MAPFS_WINDOW_OPEN)
			return false;
	}
	return opt->mode == MAPFS_COPY && opt->writeback && !opt->root_is_file;
}

static void session_init(void *arg, struct fuse_conn_info *conn)
{
	struct mount *m = arg;
	bool is_copy = m->opt->mode == MAPFS_COPY;

	conn->max_write = MOUNT_IO_BYTES;
	/* A barrier does not see the requests that wait outside the queue. */
	conn->max_background = is_copy ? BARRIER_BACKGROUND : BACKGROUND;
	conn->congestion_threshold = conn->max_background / 4 * 3;
	conn->time_gran = 1;
	/* With the writeback cache the kernel sets the times of files. */
	m->has_writeback =
		want(conn, FUSE_CAP_WRITEBACK_CACHE, may_write_back(m->opt));
	mapfs_set_kernel_times(m->view, m->has_writeback);
	want(conn, FUSE_CAP_CACHE_SYMLINKS, is_copy);
	want(conn, FUSE_CAP_NO_OPENDIR_SUPPORT, is_copy);
	want(conn, FUSE_CAP_AUTO_INVAL_DATA, !is_copy);
	want(conn, FUSE_CAP_NO_OPEN_SUPPORT, m->is_stateless);
	/* open(2) with O_TRUNC sends SETATTR first: there may be no OPEN. */
	want(conn, FUSE_CAP_ATOMIC_O_TRUNC, false);
	want(conn, FUSE_CAP_POSIX_ACL, m->opt->acl);
	/* The core applies the umask, which a default ACL replaces. */
	want(conn, FUSE_CAP_DONT_MASK, true);
#ifdef MAPFS_HAVE_KILL_SUIDGID
	want(conn, FUSE_CAP_HANDLE_KILLPRIV_V2, true);
#endif
	want(conn, FUSE_CAP_PARALLEL_DIROPS, true);
	want(conn, FUSE_CAP_READDIRPLUS, true);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO, true);
	/*
	 * After an asynchronous direct write the kernel does not invalidate
	 * the pages that other programs have read meanwhile.  See
	 * core/DESIGN.md.
	 */
	want(conn, FUSE_CAP_ASYNC_DIO, m->opt->mode == MAPFS_READ);
	/* LOOKUP of "." and "..", for file handles of forgotten inodes. */
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

/* The options of libfuse and the kernel, as one list; NULL: no memory. */
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

/* What is mounted where. */
struct session_place {
	const struct fs_options *opt;
	const char *base;  /* as the mount table shows it */
	const char *place; /* the mount point, or "/dev/fd/N": a connection */
};

static int add_args(struct fuse_args *args, const char *options)
{
	return !options || fuse_opt_add_arg(args, "mapfs") ||
			       fuse_opt_add_arg(args, "-o") ||
			       fuse_opt_add_arg(args, options) ?
		       -ENOMEM :
		       0;
}

static int session_create(struct fuse_session **out, struct mount *m,
			  const struct session_place *p, struct reason *why)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *options = mount_options(p->opt, p->base);
	struct mount_error error;
	int err = add_args(&args, options);

	free(options);
	if (err) {
		reason_set(why, "out of memory; try again later");
	} else {
		mount_error_capture(&error);
		*out = session_start(m, p->place, &args);
		mount_error_end(&error);
		if (!*out) {
			mount_error_explain(&error, p->opt->mountpoint, why);
			err = -EIO;
		}
	}
	fuse_opt_free_args(&args);
	return err;
}

int session_mount(struct mount *m, struct reason *why)
{
	const struct fs_options *opt = m->opt;
	struct session_place p = {
		.opt = opt,
		.place = opt->mountpoint,
	};
	struct mapfs_info info;
	char connection[32];
	int err;

	mapfs_view_info(m->view, &info);
	p.base = info.base;
	if (opt->fuse_fd >= 0) {
		snprintf(connection, sizeof(connection), "/dev/fd/%d",
			 opt->fuse_fd);
		p.place = connection;
	}
	err = session_create(&m->se, m, &p, why);
	return err ? err : session_make_loop(m, why);
}

int session_mount_only(const struct fs_options *opt, int *out,
		       struct reason *why)
{
	const struct session_place p = {
		.opt = opt,
		.base = opt->base,
		.place = opt->mountpoint,
	};
	struct fuse_session *se;
	int err = session_create(&se, NULL, &p, why);
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
		reason_set(why, "%s: cannot be mounted: %s; try again later",
			   opt->mountpoint, strerror(-err));
	return err;
}

/* With io_uring the threads belong to libfuse, so its own loop must run. */
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
	/* A positive value is a signal, if libfuse handles any: here it does not. */
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
