/* SPDX-License-Identifier: MIT */
/*
 * A store seen from outside: what it says of itself, and its end.
 */
#include "store_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/reason.h"
#include "core/mapfs.h"
#include "lock.h"

/* Is it held, and does the holder say where it is mounted? */
static int describe_holder(int dirfd, struct mapfs_store_info *out)
{
	struct store_holder holder;
	bool is_held;
	int err;
	int fd = openat(dirfd, "lock",
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = store_holder_read(fd, &holder, &is_held);
	close(fd);
	/* One that closes it shows it no more. */
	if (err || !is_held || holder.is_closing)
		return err;
	out->pid = holder.pid;
	if (holder.where[0] == '/')
		out->mountpoint = strdup(holder.where);
	return holder.where[0] == '/' && !out->mountpoint ? -ENOMEM : 0;
}

struct branch_list {
	struct mapfs_store_info *out;
	const struct store_facts *facts;
	size_t count;
};

static int add_branch(void *arg, uint64_t snapshot, const char *uuid,
		      const char *path)
{
	struct branch_list *l = arg;
	const struct snapshot *of =
		snapshots_find_id(&l->facts->snapshots, snapshot);
	const size_t bytes = (l->count + 2) * sizeof(char *);
	char **paths = realloc(l->out->branches, bytes);
	char **names;

	(void)uuid;
	if (!paths)
		return -ENOMEM;
	l->out->branches = paths;
	names = realloc(l->out->branches_of, bytes);
	if (!names)
		return -ENOMEM;
	l->out->branches_of = names;
	paths[l->count] = strdup(path);
	names[l->count] = strdup(of ? of->rec.name : "");
	paths[l->count + 1] = NULL;
	names[l->count + 1] = NULL;
	if (!paths[l->count] || !names[l->count])
		return -ENOMEM;
	l->count++;
	return 0;
}

/* Files STORE/commit/N/after are of commits that can be undone. */
static unsigned int count_commits(int dirfd)
{
	char name[48];
	unsigned int n = 0;
	struct stat st;

	do {
		(void)snprintf(name, sizeof(name), "commit/%u/after", ++n);
	} while (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return n - 1;
}

/* The name the parent's snapshot has, as far as it can be asked. */
static int describe_parent(const struct store_facts *facts,
			   struct mapfs_store_info *out)
{
	struct store_facts above;
	const struct snapshot *of;
	struct reason why;
	int fd;

	out->parent = strdup(facts->parent.path);
	if (!out->parent)
		return -ENOMEM;
	fd = open(out->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (store_facts_read(&above, fd, out->parent, &why) == 0) {
		of = snapshots_find_id(&above.snapshots,
				       facts->parent.snapshot);
		if (of)
			out->parent_snapshot = strdup(of->rec.name);
		store_facts_fini(&above);
	}
	close(fd);
	return 0;
}

static int describe(int fd, struct store_facts *facts,
		    struct mapfs_store_info *out, struct reason *why)
{
	struct branch_list list = { .out = out, .facts = facts };
	int err;

	out->base = facts->base;
	facts->base = NULL;
	out->created = facts->created;
	out->commit_is_open = faccessat(fd, STORE_COMMIT_OPEN, F_OK,
					AT_SYMLINK_NOFOLLOW) == 0;
	out->commits = count_commits(fd);
	err = describe_holder(fd, out);
	if (!err && facts->has_parent)
		err = describe_parent(facts, out);
	if (!err)
		err = store_branch_iterate(fd, add_branch, &list);
	if (err == -EUCLEAN)
		reason_set(
			why,
			"store %s: a file in its directory branches is damaged; remove it if its branch is gone",
			out->path);
	return err;
}

int mapfs_store_describe(const char *path, struct mapfs_store_info *out,
			 struct reason *why)
{
	struct store_facts facts;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	reason_clear(why);
	*out = (struct mapfs_store_info){ 0 };
	if (fd < 0) {
		err = -errno;
		reason_set(why, "store %s: %s", path, reason_of(err));
		return err;
	}
	err = store_facts_read(&facts, fd, path, why);
	if (!err) {
		out->path = realpath(path, NULL);
		err = out->path ? describe(fd, &facts, out, why) : -errno;
		store_facts_fini(&facts);
	}
	close(fd);
	if (err)
		mapfs_store_info_fini(out);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: %s", path, reason_of(err));
	return err;
}

int mapfs_store_snapshots(const char *path, mapfs_snapshot_fn fn, void *arg,
			  struct reason *why)
{
	struct store_facts facts;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	reason_clear(why);
	if (!err) {
		err = store_facts_read(&facts, fd, path, why);
		close(fd);
	}
	if (!err) {
		err = store_snapshots_iterate(&facts.snapshots, fn, arg);
		store_facts_fini(&facts);
	}
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: %s", path, reason_of(err));
	return err;
}

static void free_list(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

void mapfs_store_info_fini(struct mapfs_store_info *info)
{
	free(info->path);
	free(info->base);
	free(info->mountpoint);
	free(info->parent);
	free(info->parent_snapshot);
	free_list(info->branches);
	free_list(info->branches_of);
	*info = (struct mapfs_store_info){ 0 };
}

/* Removes the directory `name` with all that is in it; no links followed. */
static int remove_tree(int dirfd, const char *name)
{
	const struct dirent *e;
	int err = 0;
	DIR *dir;
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		err = errno == EISDIR || errno == EPERM ?
			      remove_tree(fd, e->d_name) :
			      -errno;
	}
	closedir(dir);
	if (!err && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

/* From where it is now: its path may lead elsewhere, if others made it so. */
static int remove_directory(const struct store_dir *d)
{
	const char *name = strrchr(d->path, '/');
	struct stat there;
	struct stat st;
	int up = openat(d->dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (up < 0 || fstat(d->dirfd, &st) < 0 || !name ||
	    fstatat(up, name + 1, &there, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	else if (st.st_dev != there.st_dev || st.st_ino != there.st_ino)
		err = -ESTALE;
	else if (unlinkat(up, name + 1, AT_REMOVEDIR) < 0)
		err = -errno;
	if (up >= 0)
		close(up);
	return err;
}

/*
 * The journal goes last: as long as it is there, it is a store, and somebody
 * may want to hold a snapshot of it, which is a lock of `readers`.
 */
int store_dir_remove(const struct store_dir *d)
{
	static const char *const files[] = { "pages", "README" };
	static const char *const dirs[] = { "commit", "branches",
					    STORE_JOURNAL_PART, "journal" };
	int err = 0;

	for (size_t n = 0; !err && n < sizeof(files) / sizeof(*files); n++)
		if (unlinkat(d->dirfd, files[n], 0) < 0 && errno != ENOENT)
			err = -errno;
	for (size_t n = 0; !err && n < sizeof(dirs) / sizeof(*dirs); n++)
		err = remove_tree(d->dirfd, dirs[n]);
	if (!err && unlinkat(d->dirfd, "readers", 0) < 0 && errno != ENOENT)
		err = -errno;
	if (!err && unlinkat(d->dirfd, "lock", 0) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : remove_directory(d);
}

struct first_branch {
	const char *store;
	struct reason *why;
};

static int say_first_branch(void *arg, uint64_t snapshot, const char *uuid,
			    const char *path)
{
	const struct first_branch *f = arg;
	char what[PATH_MAX + 16];

	(void)snapshot;
	(void)snprintf(what, sizeof(what), "store %s", f->store);
	store_say_branch(what, f->store, uuid, path, f->why);
	return -EBUSY;
}

static int check_discard(const struct mapfs_store_info *info,
			 struct reason *why)
{
	struct first_branch first = {
		.store = info->path,
		.why = why,
	};
	int err = 0;
	int fd;

	if (info->branches && info->branches[0]) {
		fd = open(info->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		err = store_branch_iterate(fd, say_first_branch, &first);
		close(fd);
	}
	if (err)
		return err;
	if (info->commit_is_open) {
		reason_set(
			why,
			"store %s has a commit that was interrupted; finish it with `mapfs commit %s` first",
			info->path, info->path);
		return -EBUSY;
	}
	return 0;
}

/* Who shows a snapshot of it, or is making a branch, needs it as well. */
static int check_no_readers(struct store_dir *d, struct reason *why)
{
	int err = store_readers_open(d->dirfd, false, &d->readersfd);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = store_readers_wait(d->readersfd, 0, 0);
	if (!err)
		err = store_readers_exclude_all(d->readersfd);
	if (err == -EBUSY)
		reason_set(
			why,
			"a snapshot of store %s is mounted or being read; unmount it first",
			d->path);
	return err;
}

/* A store of somebody else must not have a name removed elsewhere. */
static bool may_tell(const struct store_dir *d, int parentfd)
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
	if (may_tell(d, fd))
		(void)!store_branch_unregister(fd, facts->uuid);
	close(fd);
}

int mapfs_may_discard(const char *path, struct reason *why)
{
	const struct store_options opt = {
		.use = STORE_LOOK,
		.kind = MAPFS_STORE_DIR,
		.path = path,
	};
	struct mapfs_store_info info;
	struct store_dir d;
	int err = mapfs_store_describe(path, &info, why);

	if (err)
		return err;
	err = check_discard(&info, why);
	mapfs_store_info_fini(&info);
	if (err)
		return err;
	/* Held for no longer than it takes to know that it can be had. */
	err = store_dir_lock_only(&d, &opt, why);
	store_dir_close(&d);
	return err;
}

/*
 * Without its pages it cannot be opened any more, so the parent may forget it;
 * with its journal it still says whose branch it is, so whoever is killed here
 * can begin again.
 */
static int leave_parent(const struct store_dir *d,
			const struct store_facts *facts)
{
	int err = 0;

	if (!facts->has_parent)
		return 0;
	if (unlinkat(d->dirfd, "pages", 0) < 0 && errno != ENOENT)
		return -errno;
	err = io_fsync("store.discard", d->dirfd);
	if (!err)
		unregister(d, facts);
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
	struct mapfs_store_info info;
	struct store_facts facts = { 0 };
	struct store_dir d;
	int err = mapfs_store_describe(path, &info, why);

	if (err)
		return err;
	err = store_dir_lock_only(&d, &opt, why);
	if (err)
		goto fini_info;
	err = check_discard(&info, why);
	if (!err)
		err = check_no_readers(&d, why);
	/* Again: a branch may have been made until now, but none from now. */
	if (!err) {
		mapfs_store_info_fini(&info);
		err = mapfs_store_describe(path, &info, why);
	}
	if (!err)
		err = check_discard(&info, why);
	if (!err)
		err = store_facts_read(&facts, d.dirfd, path, why);
	if (!err)
		err = leave_parent(&d, &facts);
	if (!err)
		err = store_dir_remove(&d);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: cannot remove it: %s", path,
			   err == -ENOTEMPTY ?
				   "files that are not mapfs's lie in it" :
				   reason_of(err));
	store_facts_fini(&facts);
	store_dir_close(&d);
fini_info:
	mapfs_store_info_fini(&info);
	return err;
}
