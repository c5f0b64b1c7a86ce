/* SPDX-License-Identifier: MIT */
#include "branches.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal/journal.h"
#include "core/lib/io.h"
#include "core/lib/owner.h"
#include "holds.h"
#include "layout.h"
#include "leftover.h"
#include "peek.h"
#include "trust.h"

#define UUID_TEXT_BYTES (2 * JOURNAL_UUID_BYTES + 1)

static void uuid_text(const uint8_t *uuid, char *out)
{
	for (unsigned int i = 0; i < JOURNAL_UUID_BYTES; i++)
		(void)snprintf(out + (size_t)i * 2, 3, "%02x", uuid[i]);
}

static int branches_open(int dirfd, bool create, int *fd)
{
	int got;

	int err = create ? owner_create_dir(dirfd, STORE_BRANCHES) : 0;

	if (err && err != -EEXIST)
		return err;
	got = openat(dirfd, STORE_BRANCHES,
		     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (got < 0)
		return -errno;
	*fd = got;
	return 0;
}

static int write_branch(int dir, const char *name, uint64_t snapshot,
			const char *path)
{
	char text[PATH_MAX + 32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n%s\n", snapshot,
			 path);
	int fd = -1;
	int err;

	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	err = owner_create_file(dir, name, O_WRONLY, &fd);
	if (err)
		return err;
	err = io_pwrite_all("store.branch", fd, text, (size_t)n, 0);
	if (!err)
		err = io_fsync("store.branch", fd);
	close(fd);
	return err;
}

int branches_register(int dirfd, const uint8_t *uuid, uint64_t snapshot,
		      const char *path)
{
	char name[UUID_TEXT_BYTES];
	char tmp[UUID_TEXT_BYTES + 4];
	int dir = -1;
	int err = branches_open(dirfd, true, &dir);

	if (err)
		return err;
	uuid_text(uuid, name);
	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	err = write_branch(dir, tmp, snapshot, path);
	if (!err && renameat(dir, tmp, dir, name) < 0)
		err = -errno;
	/* Durable before the branch is: no branch is unknown to its parent. */
	if (!err)
		err = io_fsync("store.branch.dir", dir);
	if (!err)
		err = io_fsync("store.branch.dir", dirfd);
	close(dir);
	return err;
}

int branches_unregister(int dirfd, const uint8_t *uuid)
{
	char name[UUID_TEXT_BYTES];
	int dir = -1;
	int err = branches_open(dirfd, false, &dir);

	if (err)
		return err == -ENOENT ? 0 : err;
	uuid_text(uuid, name);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		err = -errno;
	close(dir);
	return err;
}

static bool is_uuid(const char *name)
{
	size_t n = 0;

	while (isxdigit((unsigned char)name[n]))
		n++;
	return name[n] == '\0' && n == UUID_TEXT_BYTES - 1;
}

/* Reads the file into *e and `path`; -EUCLEAN: it makes no sense. */
static int read_branch(int dir, struct branch_entry *e, char path[PATH_MAX])
{
	char text[PATH_MAX + 32];
	struct stat st;
	char *rest;
	ssize_t n;
	/* O_NONBLOCK: opening a fifo in its place must not wait for a writer. */
	int fd = openat(dir, e->uuid,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EUCLEAN;
	}
	n = io_pread_some(fd, text, sizeof(text) - 1, 0);
	close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	e->snapshot = strtoull(text, &rest, 10);
	if (rest == text || *rest != '\n')
		return -EUCLEAN;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	(void)snprintf(path, PATH_MAX, "%s", rest + 1);
	return 0;
}

int branches_iterate(int dirfd, branches_fn fn, void *arg)
{
	char path[PATH_MAX];
	struct branch_entry entry = { .path = path };
	const struct dirent *e;
	DIR *dir;
	int fd = -1;
	int err = branches_open(dirfd, false, &fd);

	if (err)
		return err == -ENOENT ? 0 : err;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (e = readdir(dir))) {
		if (!is_uuid(e->d_name))
			continue;
		entry.uuid = e->d_name;
		err = read_branch(fd, &entry, path);
		if (!err)
			err = fn(arg, &entry);
	}
	closedir(dir);
	return err;
}

/* What others could have written could be made to look like any leftover. */
bool branches_is_leftover(const struct branch_entry *e)
{
	char uuid[UUID_TEXT_BYTES] = "";
	enum mapfs_leftover kind = MAPFS_LEFTOVER_NONE;
	struct store_facts facts;
	struct reason why;
	int fd = open(e->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int err;

	if (fd < 0)
		return false;
	err = leftover_find(fd, &kind);
	if (!err && kind == MAPFS_LEFTOVER_PART)
		err = store_trust_check(fd, e->path, false, &why);
	if (!err && kind == MAPFS_LEFTOVER_PART)
		err = store_peek_leftover(&facts, fd, kind);
	close(fd);
	if (err || kind != MAPFS_LEFTOVER_PART)
		return false;
	uuid_text(facts.uuid, uuid);
	store_facts_fini(&facts);
	return strcmp(uuid, e->uuid) == 0;
}

struct forgetting {
	int dirfd;
	uint64_t snapshot;
};

static int forget_leftover(void *arg, const struct branch_entry *e)
{
	const struct forgetting *f = arg;
	int dir = -1;

	if (e->snapshot != f->snapshot || !branches_is_leftover(e) ||
	    branches_open(f->dirfd, false, &dir))
		return 0;
	(void)unlinkat(dir, e->uuid, 0);
	close(dir);
	return 0;
}

void branches_forget_leftovers(int dirfd, uint64_t snapshot)
{
	struct forgetting f = { .dirfd = dirfd, .snapshot = snapshot };

	(void)!branches_iterate(dirfd, forget_leftover, &f);
}

static uint64_t snapshot_id(int dirfd, const char *store, const char *name)
{
	struct store_facts facts;
	const struct snapshot *one;
	struct reason why;
	uint64_t id = 0;

	if (store_peek(&facts, dirfd, store, &why))
		return 0;
	one = snapshots_find(&facts.snapshots, name);
	if (one)
		id = one->rec.id;
	store_facts_fini(&facts);
	return id;
}

/* While a branch is in the making, its maker holds the snapshot. */
void mapfs_snapshot_forget_leftovers(const char *store, const char *name)
{
	struct reason why;
	uint64_t id = 0;
	int holds = -1;
	int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (store_trust_check(fd, store, false, &why) == 0)
		id = snapshot_id(fd, store, name);
	if (id && holds_open(fd, false, &holds) == 0) {
		if (holds_exclude(holds, id) == 0)
			branches_forget_leftovers(fd, id);
		close(holds);
	}
	close(fd);
}

/* False: another store is there by now, or none. */
static bool is_there(const struct branch_entry *e)
{
	char uuid[UUID_TEXT_BYTES];
	struct store_facts facts;
	struct reason why;
	bool there;
	int err;
	int fd = open(e->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR;
	err = store_peek(&facts, fd, e->path, &why);
	close(fd);
	if (err)
		return err != -ENOENT;
	uuid_text(facts.uuid, uuid);
	there = strcmp(uuid, e->uuid) == 0;
	store_facts_fini(&facts);
	return there;
}

static bool is_same_directory(const char *path, int fd)
{
	struct stat there;
	struct stat here;

	return stat(path, &there) == 0 && fstat(fd, &here) == 0 &&
	       there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

bool branches_is_elsewhere(int dirfd, const uint8_t *uuid, int branchfd)
{
	char path[PATH_MAX];
	char name[UUID_TEXT_BYTES];
	struct branch_entry e = { .uuid = name, .path = path };
	int dir = -1;
	int err = branches_open(dirfd, false, &dir);

	if (err)
		return false;
	uuid_text(uuid, name);
	err = read_branch(dir, &e, path);
	close(dir);
	return !err && !is_same_directory(path, branchfd) && is_there(&e);
}

void branches_refuse(const char *what, const char *store,
		     const struct branch_entry *e, struct reason *why)
{
	if (is_there(e))
		reason_set(why, "%s has a branch, %s; discard that first", what,
			   e->path);
	else
		reason_set(
			why,
			"%s has a branch that is not at %s any more; discard it where it is, or remove %s/branches/%s if it is gone",
			what, e->path, store, e->uuid);
}
