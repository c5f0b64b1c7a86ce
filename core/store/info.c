/* SPDX-License-Identifier: MIT */
/*
 * The description of a store, from its journal, its lock and its directory.
 * Reads only, so any process that may read the store can have it.
 */
#include "core/mapfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/reason.h"
#include "branches.h"
#include "layout.h"
#include "lock.h"
#include "peek.h"
#include "reasons.h"
#include "snapshot.h"

/* The process that holds the store, and where it is mounted. */
static int describe_holder(int dirfd, struct mapfs_store_info *out)
{
	struct store_holder holder;
	bool is_held;
	int err;
	int fd = openat(dirfd, STORE_LOCK,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = store_holder_read(fd, &holder, &is_held);
	close(fd);
	/* A holder that is closing the store shows it no longer. */
	if (err || !is_held || holder.is_closing)
		return err;
	out->pid = holder.pid;
	if (holder.where[0] == '/')
		out->mountpoint = strdup(holder.where);
	return holder.where[0] == '/' && !out->mountpoint ? -ENOMEM : 0;
}

/* Two arrays of *out side by side, each ended by NULL. */
struct branch_list {
	struct mapfs_store_info *out;
	const struct store_facts *facts;
	size_t count;
	size_t path_cap;
	size_t name_cap;
};

static int add_branch(void *arg, const struct branch_entry *e)
{
	struct branch_list *l = arg;
	struct mapfs_store_info *out = l->out;
	const struct snapshot *of =
		snapshots_find_id(&l->facts->snapshots, e->snapshot);
	int err = array_reserve(&out->branches, &l->path_cap, l->count + 2);

	if (err)
		return err;
	out->branches[l->count] = NULL;
	err = array_reserve(&out->branches_of, &l->name_cap, l->count + 2);
	if (err)
		return err;
	out->branches[l->count] = strdup(e->path);
	out->branches_of[l->count] = strdup(of ? of->rec.name : "");
	out->branches[l->count + 1] = NULL;
	out->branches_of[l->count + 1] = NULL;
	if (!out->branches[l->count] || !out->branches_of[l->count])
		return -ENOMEM;
	l->count++;
	return 0;
}

/* A commit that can be undone has a file STORE/commit/N/after. */
static unsigned int count_commits(int dirfd)
{
	char name[48];
	unsigned int n = 0;
	struct stat st;

	do {
		(void)snprintf(name, sizeof(name), STORE_COMMIT "/%u/after",
			       ++n);
	} while (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return n - 1;
}

/* The parent's snapshot has a name only if the parent can be read. */
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
	if (store_peek(&above, fd, out->parent, &why) == 0) {
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
	out->is_damaged = facts->is_damaged;
	out->commit_is_open = faccessat(fd, STORE_COMMIT_OPEN, F_OK,
					AT_SYMLINK_NOFOLLOW) == 0;
	out->commit_is_undo = out->commit_is_open &&
			      commit_open_is_undo(out->path);
	out->commits = count_commits(fd);
	err = describe_holder(fd, out);
	if (!err && facts->has_parent)
		err = describe_parent(facts, out);
	if (!err)
		err = branches_iterate(fd, add_branch, &list);
	if (err == -EUCLEAN)
		reason_bad_branch(why, out->path);
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
	err = store_peek(&facts, fd, path, why);
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
		err = store_peek(&facts, fd, path, why);
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
