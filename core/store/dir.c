/* SPDX-License-Identifier: MIT */
/*
 * The parts of a store are created in an order that shows, after a crash at
 * any point, how far it came:
 *
 *   lock | pages, README, anchor | journal
 *
 * The journal directory is made last: a directory that has one is a store, and
 * one that lacks it was never finished and holds nothing.  A branch and an
 * import make `journal.part` first and rename it when they are durable; what
 * they leave if they are killed is a leftover (leftover.h).
 */
#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "core/lib/path.h"
#include "core/lib/reason.h"
#include "anchor_file.h"
#include "holds.h"
#include "layout.h"
#include "leftover.h"
#include "location.h"
#include "lost_commit.h"
#include "lock.h"
#include "reasons.h"
#include "remove.h"
#include "trust.h"

static const struct store_dir store_dir_none = {
	.dirfd = -1,
	.lockfd = -1,
	.journalfd = -1,
	.pagesfd = -1,
	.readersfd = -1,
};

static bool is_empty(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool empty = dir;

	while (empty && (e = readdir(dir)))
		empty = path_is_dot(e->d_name);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return empty;
}

static int lock_store(struct store_dir *d, const struct store_options *opt,
		      struct reason *why)
{
	const bool shared = opt->use == STORE_LOOK;
	int err = store_holder_take(d->path, d->lockfd, shared, why);

	if (err) {
		/* Without the lock nothing in the directory may be touched. */
		close(d->lockfd);
		d->lockfd = -1;
		return err;
	}
	if (shared)
		return 0;
	return store_holder_write(d->lockfd, opt->mountpoint);
}

/* Overwriting in place must not ask btrfs for new space [D5]. */
static void set_nocow(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL)) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static int write_readme(int dirfd)
{
	int fd = -1;
	int err = owner_create_file(dirfd, STORE_README, O_WRONLY, &fd);

	if (err)
		return err;
	err = io_pwrite_all("store.readme", fd, STORE_README_TEXT,
			    sizeof(STORE_README_TEXT) - 1, 0);
	close(fd);
	return err;
}

bool store_dir_has_pages(const struct store_dir *d)
{
	struct stat st;

	return d->dirfd >= 0 &&
	       fstatat(d->dirfd, STORE_PAGES, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_size > 0;
}

static int open_pages(struct store_dir *d, const struct store_options *opt,
		      bool is_store)
{
	const enum store_use use = opt->use;

	if (!is_store)
		return owner_create_file(d->dirfd, STORE_PAGES, O_RDWR,
					 &d->pagesfd);
	d->pagesfd = openat(d->dirfd, STORE_PAGES,
			    (use == STORE_CHANGE ? O_RDWR : O_RDONLY) |
				    O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	/* All pages are lost, but not the names. */
	if (d->pagesfd < 0 && errno == ENOENT && opt->salvage)
		return io_tmpfile(-1, &d->pagesfd);
	if (d->pagesfd < 0)
		return -errno;
	return use == STORE_CHANGE ? owner_check_target(d->dirfd, d->pagesfd) :
				     0;
}

/* A store without a journal but with pages has lost its journal: -EUCLEAN. */
static int open_parts(struct store_dir *d, const struct store_options *opt,
		      bool is_store)
{
	const char *journal = opt->is_part && !is_store ? STORE_JOURNAL_PART :
							  STORE_JOURNAL;
	const enum store_use use = opt->use;
	int err = open_pages(d, opt, is_store);

	if (!err && !is_store) {
		set_nocow(d->pagesfd);
		err = write_readme(d->dirfd);
		if (!err)
			err = anchor_file_make(d->dirfd);
		/* There is a journal.part already. */
		if (!err && !opt->is_part)
			err = owner_create_dir(d->dirfd, journal);
	}
	if (err)
		return err;
	d->journalfd = openat(d->dirfd, journal,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (d->journalfd < 0)
		return is_store && errno == ENOENT ? -EUCLEAN : -errno;
	if (!is_store) {
		set_nocow(d->journalfd);
		err = io_fsync("store.dir", d->dirfd);
	}
	d->created = !is_store;
	if (!err)
		err = holds_open(d->dirfd, use == STORE_CHANGE, &d->readersfd);
	/*
	 * A reader who may not write there cannot hold the snapshot; if it is
	 * deleted, its reads fail with EIO.
	 */
	if (use != STORE_CHANGE &&
	    (err == -ENOENT || err == -EROFS || err == -EACCES))
		err = 0;
	return err;
}

/*
 * The name of the store, too: the parent of a branch must not know one that a
 * power cut removes.  A directory that may not be read cannot be synced.
 */
int store_dir_sync_name(const struct store_dir *d)
{
	int up = openat(d->dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (up < 0)
		return errno == EACCES ? 0 : -errno;
	err = io_fsync("store.name", up);
	close(up);
	return err;
}

int store_dir_finish(const struct store_dir *d)
{
	int err = fault_point("store.finish");

	if (err)
		return err;
	if (renameat(d->dirfd, STORE_JOURNAL_PART, d->dirfd, STORE_JOURNAL) < 0)
		return -errno;
	return io_fsync("store.dir", d->dirfd);
}

/* Makes the directory, if it is outside the base. */
static int make_directory(const struct store_options *opt, struct reason *why)
{
	char *copy = strdup(opt->path);
	int fd;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && opt->base_fd >= 0)
		err = location_check_outside(fd, opt, why);
	if (fd >= 0)
		close(fd);
	free(copy);
	if (err)
		return err;
	err = fault_point("store.make");
	if (!err && mkdir(opt->path, 0700) < 0 && errno != EEXIST)
		err = -errno;
	if (!err)
		return 0;
	reason_set(why, "store %s: cannot create it: %s", opt->path,
		   reason_of(err));
	return err;
}

static int open_directory(struct store_dir *d, const struct store_options *opt,
			  struct reason *why)
{
	int err = 0;

	if (opt->use == STORE_CHANGE && access(opt->path, F_OK) < 0 &&
	    errno == ENOENT)
		err = make_directory(opt, why);
	if (err)
		return err;
	d->path = realpath(opt->path, NULL);
	d->dirfd = open(opt->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dirfd >= 0 && d->path)
		return 0;
	err = -errno;
	reason_set(why, "store %s: %s", opt->path,
		   err == -ENOTDIR ?
			   "not a directory; name a directory for it" :
			   reason_of(err));
	return err;
}

static bool has_journal(const struct store_dir *d)
{
	return faccessat(d->dirfd, STORE_JOURNAL, F_OK, 0) == 0 ||
	       (store_dir_has_pages(d) &&
		faccessat(d->dirfd, STORE_JOURNAL_PART, F_OK, 0) < 0);
}

/*
 * A directory without a journal must be empty, or have only files of a store
 * that was never finished: others are somebody's data.
 */
static int check_contents(const struct store_dir *d, bool *is_store,
			  struct reason *why)
{
	enum mapfs_leftover left;
	int err = leftover_find(d->dirfd, &left);

	if (err) {
		reason_set(why, "store %s: %s", d->path, reason_of(err));
		return err;
	}
	if (left == MAPFS_LEFTOVER_PART || left == MAPFS_LEFTOVER_REMOVED) {
		leftover_explain(d->dirfd, d->path, left, why);
		return -ENOTEMPTY;
	}
	*is_store = has_journal(d);
	if (*is_store || left == MAPFS_LEFTOVER_NEW || is_empty(d->dirfd))
		return 0;
	reason_set(
		why,
		"%s is not a store and not empty; name an empty or new directory",
		d->path);
	return -ENOTEMPTY;
}

/* A store that lost its pages looks like one that is being removed. */
static int find_contents(const struct store_dir *d,
			 const struct store_options *opt, bool *is_store,
			 struct reason *why)
{
	if (!opt->salvage)
		return check_contents(d, is_store, why);
	*is_store = has_journal(d);
	return 0;
}

static int open_lock(struct store_dir *d, const struct store_options *opt,
		     struct reason *why)
{
	int err = owner_open_file(d->dirfd, STORE_LOCK,
				  opt->use == STORE_CHANGE ? O_RDWR | O_CREAT :
							     O_RDONLY,
				  &d->lockfd);

	if (err == -ENOENT && opt->salvage)
		return 0; /* nobody can hold it */
	if (err) {
		reason_set(why, "store %s: cannot open its lock: %s", d->path,
			   reason_of(err));
		return err;
	}
	return lock_store(d, opt, why);
}

/* A base to which half a commit was applied must not be shown. */
static int check_no_commit(const struct store_dir *d, int basefd,
			   struct reason *why)
{
	if (lost_commit_exists(d->dirfd, basefd)) {
		lost_commit_explain(why, d->path);
		return -EBUSY;
	}
	if (faccessat(d->dirfd, STORE_COMMIT_OPEN, F_OK, AT_SYMLINK_NOFOLLOW) <
	    0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	reason_commit_open(why, d->path);
	return -EBUSY;
}

/*
 * Files that an ordinary user makes belong to that user: in a store of another
 * user they would lock the owner out.
 */
static int check_may_add(const struct store_dir *d, struct reason *why)
{
	char who[OWNER_NAME_BYTES];
	struct stat st;

	if (geteuid() == 0 ||
	    fstatat(d->dirfd, STORE_PAGES, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_uid == geteuid())
		return 0;
	owner_name(st.st_uid, who);
	reason_set(
		why,
		"store %s belongs to user %s, and only that user and root may change it; branch from it, or mount a snapshot of it",
		d->path, who);
	return -EPERM;
}

static int look_again(const struct store_dir *d, bool is_begun, bool *is_store,
		      struct reason *why)
{
	if (!is_begun)
		return check_contents(d, is_store, why);
	*is_store = has_journal(d);
	return 0;
}

static int open_kept(struct store_dir *d, const struct store_options *opt,
		     struct reason *why)
{
	bool is_store = false;
	bool is_begun = false;
	const bool has_base = opt->base_fd >= 0;
	int err = open_directory(d, opt, why);

	if (!err && has_base)
		err = location_check_outside(d->dirfd, opt, why);
	if (!err && has_base)
		err = location_check_base(d->dirfd, opt, why);
	if (!err)
		err = store_trust_check(d->dirfd, d->path, opt->is_trusted,
					why);
	if (!err)
		err = find_contents(d, opt, &is_store, why);
	if (!err && !is_store && opt->use != STORE_CHANGE) {
		reason_not_a_store(why, opt->path);
		err = -ENOENT;
	}
	if (!err && is_store && opt->use == STORE_CHANGE)
		err = check_may_add(d, why);
	/* First of all: nothing of an unfinished one must look like a store. */
	if (!err && opt->is_part && !is_store) {
		err = owner_create_dir(d->dirfd, STORE_JOURNAL_PART);
		is_begun = err == 0;
	}
	if (!err && opt->use != STORE_PAST && !opt->for_check) {
		err = open_lock(d, opt, why);
		/* The process that held it may have made a store meanwhile. */
		if (!err && !is_store)
			err = look_again(d, is_begun, &is_store, why);
		if (is_begun && (d->lockfd < 0 || is_store)) {
			(void)unlinkat(d->dirfd, STORE_JOURNAL_PART,
				       AT_REMOVEDIR);
			is_begun = false;
		}
	}
	if (!err && opt->is_part && is_store) {
		reason_set(why, "%s is a store already; name a new directory",
			   opt->path);
		err = -EEXIST;
	}
	if (!err && !opt->for_commit && !opt->salvage)
		err = check_no_commit(d, opt->base_fd, why);
	if (!err)
		err = open_parts(d, opt, is_store);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: cannot open its files: %s", d->path,
			   reason_of(err));
	if (err && is_begun)
		(void)!store_remove(d->dirfd, d->path);
	return err;
}

int store_dir_lock_only(struct store_dir *d, const struct store_options *opt,
			struct reason *why)
{
	bool is_store = false;
	int err;

	*d = store_dir_none;
	err = open_directory(d, opt, why);
	if (!err)
		err = check_contents(d, &is_store, why);
	if (!err && !is_store) {
		reason_not_a_store(why, opt->path);
		err = -ENOENT;
	}
	if (!err)
		err = open_lock(d, opt, why);
	if (err)
		store_dir_close(d);
	return err;
}

int store_dir_lock_leftover(struct store_dir *d,
			    const struct store_options *opt,
			    enum mapfs_leftover *out, struct reason *why)
{
	int err;

	*d = store_dir_none;
	err = open_directory(d, opt, why);
	if (!err)
		err = leftover_find(d->dirfd, out);
	if (!err && *out != MAPFS_LEFTOVER_NONE) {
		err = open_lock(d, opt, why);
		if (err == -ENOENT && opt->use == STORE_LOOK) {
			reason_clear(why);
			err = 0;
		}
		/* The process that held it may have finished. */
		if (!err)
			err = leftover_find(d->dirfd, out);
	}
	if (!err && *out == MAPFS_LEFTOVER_NONE) {
		leftover_explain(d->dirfd, d->path, *out, why);
		err = -ENOENT;
	}
	if (err && reason_is_empty(why))
		reason_set(why, "%s: %s", opt->path, reason_of(err));
	if (err)
		store_dir_close(d);
	return err;
}

int mapfs_store_finish(const char *path, struct reason *why)
{
	const struct store_options opt = {
		.use = STORE_CHANGE,
		.kind = MAPFS_STORE_DIR,
		.path = path,
	};
	enum mapfs_leftover left;
	struct store_dir d;
	int err = store_dir_lock_leftover(&d, &opt, &left, why);

	if (err)
		return err;
	err = left == MAPFS_LEFTOVER_PART ? store_dir_finish(&d) : -ENOENT;
	if (!err)
		err = store_dir_sync_name(&d);
	if (err)
		reason_set(why, "store %s: cannot finish it: %s", path,
			   reason_of(err));
	store_dir_close(&d);
	return err;
}

static int open_ephemeral(struct store_dir *d, const struct store_options *opt,
			  struct reason *why)
{
	const char *dir = opt->path ? opt->path : getenv("TMPDIR");
	int err;

	if (opt->kind == MAPFS_STORE_UNLINKED) {
		d->dirfd = open(dir ? dir : "/var/tmp",
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->dirfd < 0 && !opt->path) {
			dir = "/tmp";
			d->dirfd =
				open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		if (d->dirfd < 0) {
			err = -errno;
			reason_set(
				why,
				"%s: no place for a temporary store: %s; set TMPDIR or use -s",
				dir, strerror(-err));
			return err;
		}
	}
	err = io_tmpfile(d->dirfd, &d->pagesfd);
	if (err)
		reason_set(
			why,
			"%s: cannot create a temporary store: %s; set TMPDIR or use -s",
			dir ? dir : "memory", strerror(-err));
	d->created = true;
	return err;
}

int store_dir_open(struct store_dir *d, const struct store_options *opt,
		   struct reason *why)
{
	int err;

	*d = store_dir_none;
	err = opt->kind == MAPFS_STORE_DIR ? open_kept(d, opt, why) :
					     open_ephemeral(d, opt, why);
	if (err)
		store_dir_close(d);
	return err;
}

void store_dir_close(struct store_dir *d)
{
	if (d->pagesfd >= 0)
		close(d->pagesfd);
	if (d->readersfd >= 0)
		close(d->readersfd);
	if (d->journalfd >= 0)
		close(d->journalfd);
	if (d->lockfd >= 0)
		close(d->lockfd);
	if (d->dirfd >= 0)
		close(d->dirfd);
	free(d->path);
	*d = store_dir_none;
}
