/* SPDX-License-Identifier: MIT */
/*
 * The kernel changes the flags of a mount without asking its daemon.  All other
 * options belong to the daemon and cannot be changed.  mount(8) adds the
 * options of fstab or of the mount table to those of the user, so an option is
 * refused only if it would change something.
 */
#include "remount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/control/protocol.h"
#include "fs/mount/options.h"
#include "fs/mount/root.h"
#include "mounts.h"
#include "text.h"
#include "windows.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256 /* Linux 5.10 */
#endif
#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000
#endif

struct remount {
	const char *target; /* as given */
	struct mapfs_control_info info;
	struct mapfs_control_options options;
	struct statvfs vfs;
	struct window_list windows;
	struct reason why;
};

static int ask_daemon(struct remount *r, const struct mount_row *row)
{
	int err = mounts_ask(row, &r->info);
	int fd;

	if (!err)
		err = root_open(row->target, row->dev, &fd);
	if (err)
		return err;
	if (ioctl(fd, MAPFS_IOC_OPTIONS, &r->options) < 0 ||
	    fstatvfs(fd, &r->vfs) < 0)
		err = -errno;
	else
		err = windows_read(&r->windows, fd, r->target, &r->why);
	close(fd);
	return err;
}

static void say_no_answer(const char *target, int err)
{
	switch (err) {
	case -ENOTCONN:
	case -ECONNABORTED:
		say("%s: its daemon is dead; unmount, and mount again", target);
		break;
	case -ETIMEDOUT:
		say("%s: its daemon does not answer; try again later", target);
		break;
	case -EACCES:
	case -EPERM:
		say("%s: another user's mount; ask its owner or root", target);
		break;
	case -ENOTTY:
		say("%s: its daemon is of an older version; unmount, and mount "
		    "again",
		    target);
		break;
	default:
		say("%s: %s; see mapfs list", target, strerror(-err));
		break;
	}
}

static int find_mount(struct remount *r)
{
	char path[PATH_MAX];
	struct mounts *table;
	struct mount_row row;
	int err = 0;

	if (!realpath(r->target, path)) {
		err = -errno;
		say_no_answer(r->target, err);
		return err;
	}
	if (mounts_read(&table)) {
		say("/proc/self/mountinfo: cannot be read; mount proc");
		return -EIO;
	}
	if (!mounts_find(table, path, &row) || !mounts_is_mapfs(&row)) {
		say("%s: not a mapfs mount; mount it first", r->target);
		err = -EINVAL;
	} else {
		err = ask_daemon(r, &row);
		if (err)
			say_no_answer(r->target, err);
	}
	mounts_free(table);
	return err;
}

static int check_base(const struct remount *r, const char *base)
{
	char path[PATH_MAX];

	if (strcmp(base, r->info.base) == 0 ||
	    (realpath(base, path) && strcmp(path, r->info.base) == 0))
		return 0;
	say("%s: shows %s, not %s; unmount, and mount again", r->target,
	    r->info.base, base);
	return -EINVAL;
}

static char *text_or_null(const char *s)
{
	return *s ? strdup(s) : NULL;
}

static unsigned long flags_of(const struct remount *r)
{
	static const struct {
		unsigned long has; /* of statvfs(3) */
		unsigned long flag;
	} seen[] = {
		{ ST_NOSUID, MS_NOSUID },
		{ ST_NODEV, MS_NODEV },
		{ ST_NOEXEC, MS_NOEXEC },
		{ ST_NOATIME, MS_NOATIME },
		{ ST_NODIRATIME, MS_NODIRATIME },
		{ ST_NOSYMFOLLOW, MS_NOSYMFOLLOW },
	};
	unsigned long flags = (unsigned long)r->options.mount_flags &
			      (MS_SYNCHRONOUS | MS_DIRSYNC);

	for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++) {
		if (r->vfs.f_flag & seen[i].has)
			flags |= seen[i].flag;
	}
	return flags;
}

/* The options that are in effect now. */
static void options_now(const struct remount *r, struct fs_options *out)
{
	const struct mapfs_control_options *o = &r->options;

	options_init(out);
	out->mode = (enum mapfs_mode)r->info.mode;
	out->store_kind = o->flags & MAPFS_CONTROL_KEPT ? MAPFS_STORE_DIR :
			  o->flags & MAPFS_CONTROL_MEMORY ?
							  MAPFS_STORE_MEMORY :
							  MAPFS_STORE_UNLINKED;
	out->store = text_or_null(o->store);
	out->snapshot = text_or_null(o->snapshot);
	out->logfile = text_or_null(o->logfile);
	out->size_bytes = o->size_bytes;
	out->max_threads = o->max_threads;
	out->uring_depth = o->uring_depth;
	out->read_only = r->vfs.f_flag & ST_RDONLY;
	out->allow_other = o->flags & MAPFS_CONTROL_ALLOW_OTHER;
	out->acl = o->flags & MAPFS_CONTROL_ACL;
	out->xattr = o->flags & MAPFS_CONTROL_XATTR;
	out->writeback = o->flags & MAPFS_CONTROL_WRITEBACK;
	out->uring = o->flags & MAPFS_CONTROL_URING;
	out->debug = o->flags & MAPFS_CONTROL_DEBUG;
	out->sandbox = (o->flags & MAPFS_CONTROL_SANDBOX_ASKED) >>
		       CONTROL_SANDBOX_ASKED_SHIFT;
	out->flags = flags_of(r);
}

static int change(const struct remount *r, const struct fs_options *opt)
{
	unsigned long flags = MS_REMOUNT | opt->flags;
	int err;

	if (opt->read_only)
		flags |= MS_RDONLY;
	/* Without relatime the kernel would keep noatime. */
	if (!(opt->flags & MS_NOATIME))
		flags |= MS_RELATIME;
	if (mount(NULL, r->target, NULL, flags, NULL) == 0)
		return 0;
	err = -errno;
	if (err == -EBUSY)
		say("%s: files are open for writing; close them, or end the "
		    "programs that have them open (fuser -vm names them)",
		    r->target);
	else if (err == -EPERM)
		say("%s: only root may change a mount; unmount, and mount "
		    "again",
		    r->target);
	else
		say("%s: cannot be changed: %s; unmount, and mount again",
		    r->target, strerror(-err));
	return err;
}

static int complete(struct remount *r, const struct remount_ask *ask)
{
	struct fs_options was;
	struct fs_options opt;
	int err;

	options_now(r, &was);
	options_now(r, &opt);
	/* Those of `opt` are added by its list. */
	was.windows = r->windows;
	r->windows = (struct window_list){ 0 };
	/* As mount(2) does it; options for access times keep their value. */
	if (ask->is_complete)
		opt.flags &= ~(unsigned long)(MS_NOSUID | MS_NODEV | MS_NOEXEC |
					      MS_NOSYMFOLLOW);
	err = options_add(&opt, ask->list, ask->sloppy, &r->why);
	if (!err)
		err = options_check_remount(&was, &opt, &r->why);
	if (!err && !opt.read_only &&
	    (r->options.flags & MAPFS_CONTROL_NO_WRITE)) {
		reason_set(&r->why,
			   "option rw: %s shows %s; unmount, and mount it in "
			   "mode copy or write",
			   r->target,
			   was.snapshot ? "a snapshot" :
					  "its base in mode read");
		err = -EINVAL;
	}
	if (err)
		say("%s", r->why.text);
	else
		err = change(r, &opt);
	options_fini(&opt);
	options_fini(&was);
	return err;
}

int remount(const struct remount_ask *ask)
{
	struct remount *r = calloc(1, sizeof(*r));
	int err;

	if (!r) {
		say("out of memory; try again later");
		return -ENOMEM;
	}
	r->target = ask->target;
	err = find_mount(r);
	if (!err)
		err = check_base(r, ask->base);
	if (!err)
		err = complete(r, ask);
	window_list_fini(&r->windows);
	free(r);
	return err;
}
