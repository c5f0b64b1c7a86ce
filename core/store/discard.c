/* SPDX-License-Identifier: MIT */
/*
 * Removing a store that nobody needs: not mounted, no branch of it, no snapshot
 * being read, no commit unfinished.
 *
 *   lock | exclude holds | check | pages gone | parent forgets it | the rest
 *
 * A leftover is removed in the same order, as far as there is something.
 */
#include "core/mapfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/reason.h"
#include "branches.h"
#include "dir.h"
#include "holds.h"
#include "layout.h"
#include "leftover.h"
#include "peek.h"
#include "reasons.h"
#include "remove.h"
#include "trust.h"

struct first_branch {
	const char *store;
	struct reason *why;
};

static int refuse_branch(void *arg, const struct branch_entry *e)
{
	const struct first_branch *f = arg;
	char what[PATH_MAX + 16];

	if (branches_is_leftover(e))
		return 0;
	(void)snprintf(what, sizeof(what), "store %s", f->store);
	branches_refuse(what, f->store, e, f->why);
	return -EBUSY;
}

static int check_no_branch(int dirfd, const char *path, struct reason *why)
{
	struct first_branch first = { .store = path, .why = why };

	return branches_iterate(dirfd, refuse_branch, &first);
}

static int check_discard(const struct store_dir *d, struct reason *why)
{
	int err = check_no_branch(d->dirfd, d->path, why);

	if (err == -EUCLEAN)
		reason_bad_branch(why, d->path);
	if (err)
		return err;
	if (faccessat(d->dirfd, STORE_COMMIT_OPEN, F_OK, AT_SYMLINK_NOFOLLOW) <
	    0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	reason_commit_open(why, d->path);
	return -EBUSY;
}

/*
 * What the journal states; nothing where it is so damaged that it states
 * nothing: such a store can be removed, too.
 */
static int look_at_facts(struct store_facts *out, const struct store_dir *d,
			 struct reason *why)
{
	int err = store_peek(out, d->dirfd, d->path, why);

	if ((err != -EUCLEAN && err != -EBADMSG) ||
	    !leftover_is_damaged_store(d->dirfd))
		return err;
	*out = (struct store_facts){ 0 };
	reason_clear(why);
	return 0;
}

/* A mounted snapshot and a branch that is being made need the store, too. */
static int check_no_readers(struct store_dir *d, struct reason *why)
{
	int err = holds_open(d->dirfd, false, &d->readersfd);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = holds_wait(d->readersfd, 0, 0);
	if (!err)
		err = holds_exclude_all(d->readersfd);
	if (err == -EBUSY)
		reason_set(
			why,
			"a snapshot of store %s is mounted or being read; unmount it first",
			d->path);
	return err;
}

/*
 * May the file of this branch in the parent be removed?  A crafted store could
 * name any parent, so only if the store is trusted or both have one owner.
 */
static bool may_unregister(const struct store_dir *d, int parentfd)
{
	struct stat parent;
	struct stat st;
	struct reason why;

	if (store_trust_check(d->dirfd, d->path, false, &why) == 0)
		return true;
	return fstat(d->dirfd, &st) == 0 && fstat(parentfd, &parent) == 0 &&
	       st.st_uid == parent.st_uid;
}

static void unregister(const struct store_dir *d,
		       const struct store_facts *facts)
{
	int fd;

	if (!facts->has_parent)
		return;
	fd = open(facts->parent.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (may_unregister(d, fd) &&
	    !branches_is_elsewhere(fd, facts->uuid, d->dirfd))
		(void)!branches_unregister(fd, facts->uuid);
	close(fd);
}

static int may_discard_leftover(const char *path, struct reason *why)
{
	const struct store_options opt = {
		.use = STORE_LOOK,
		.kind = MAPFS_STORE_DIR,
		.path = path,
	};
	enum mapfs_leftover left;
	struct store_dir d;
	int err = store_dir_lock_leftover(&d, &opt, &left, why);

	store_dir_close(&d);
	return err;
}

int mapfs_may_discard(const char *path, struct reason *why)
{
	const struct store_options opt = {
		.use = STORE_LOOK,
		.kind = MAPFS_STORE_DIR,
		.path = path,
	};
	struct store_facts facts;
	enum mapfs_leftover left;
	struct store_dir d;
	int err = mapfs_leftover(path, &left, why);

	if (!err && left)
		return may_discard_leftover(path, why);
	if (err)
		return err;
	/* Taken only to find out whether it can be taken. */
	err = store_dir_lock_only(&d, &opt, why);
	if (err)
		return err;
	err = check_discard(&d, why);
	if (!err)
		err = look_at_facts(&facts, &d, why);
	if (!err)
		store_facts_fini(&facts);
	store_dir_close(&d);
	return err;
}

/*
 * Without its pages the store cannot be opened any more, so the parent may
 * forget it.  Its journal, which is removed later, still names the parent, so
 * a discard that was interrupted here can be repeated.  The part of a branch
 * never could be opened.
 */
static int leave_parent(const struct store_dir *d,
			const struct store_facts *facts)
{
	int err = 0;

	if (!facts->has_parent)
		return 0;
	/* The anchor first: with it the store only lost its pages. */
	if ((unlinkat(d->dirfd, STORE_ANCHOR, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(d->dirfd, STORE_PAGES, 0) < 0 && errno != ENOENT))
		return -errno;
	err = io_fsync("store.discard", d->dirfd);
	if (!err)
		unregister(d, facts);
	return err;
}

static void explain_removal(int err, const char *path, struct reason *why)
{
	if (err && reason_is_empty(why))
		reason_set(
			why, "store %s: cannot remove it: %s", path,
			err == -ENOTEMPTY ?
				"it has files that are not mapfs's; move them elsewhere and try again" :
				reason_of(err));
}

/*
 * If the command that left it came so far that the parent knows it, the first
 * segment is sound and names the parent.
 */
static int discard_leftover(const char *path, struct reason *why)
{
	const struct store_options opt = {
		.use = STORE_CHANGE,
		.kind = MAPFS_STORE_DIR,
		.path = path,
	};
	enum mapfs_leftover left;
	struct store_facts facts;
	struct store_dir d;
	int err = store_dir_lock_leftover(&d, &opt, &left, why);

	if (err)
		return err;
	err = check_no_readers(&d, why);
	if (!err)
		err = check_no_branch(d.dirfd, d.path, why);
	if (!err && store_peek_leftover(&facts, d.dirfd, left) == 0) {
		err = leave_parent(&d, &facts);
		store_facts_fini(&facts);
	}
	if (!err)
		err = store_remove(d.dirfd, d.path);
	explain_removal(err, path, why);
	store_dir_close(&d);
	return err;
}

int mapfs_discard(const char *path, struct reason *why)
{
	struct store_options opt = {
		.use = STORE_CHANGE,
		.for_commit = true,
		.kind = MAPFS_STORE_DIR,
		.path = path,
		.base = "/",
	};
	struct store_facts facts = { 0 };
	enum mapfs_leftover left;
	struct store_dir d;
	int err = mapfs_leftover(path, &left, why);

	if (!err && left)
		return discard_leftover(path, why);
	/* Nothing is made in a directory that is no store, not even a lock. */
	if (!err)
		err = mapfs_may_discard(path, why);
	if (!err)
		err = store_dir_lock_only(&d, &opt, why);
	if (err)
		goto explain;
	err = check_discard(&d, why);
	if (!err)
		err = check_no_readers(&d, why);
	/* Again: a branch may have been made until now; from now on none can be. */
	if (!err)
		err = check_discard(&d, why);
	if (!err)
		err = look_at_facts(&facts, &d, why);
	if (!err)
		err = leave_parent(&d, &facts);
	if (!err)
		err = store_remove(d.dirfd, d.path);
	store_facts_fini(&facts);
	store_dir_close(&d);
explain:
	explain_removal(err, path, why);
	return err;
}
