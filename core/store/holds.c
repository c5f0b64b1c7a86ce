/* SPDX-License-Identifier: MIT */
/*
 * Who needs a snapshot.
 *
 * A process that reads one holds byte <id> of STORE/readers with a lock of
 * its open file description (fcntl(2), F_OFD_SETLK), which ends with the
 * process whatever happens to it.  A branch is there for longer: it has a
 * file of its own in STORE/branches, named by its uuid, that says which
 * snapshot and where the branch is.
 */
#include "store_priv.h"

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
#include <time.h>
#include <unistd.h>

#include "core/lib/io.h"
#include "core/lib/owner.h"

#define WAIT_TICKS 200
#define WAIT_TICK_NS 10000000

#define UUID_TEXT_BYTES (2 * JOURNAL_UUID_BYTES + 1)

int store_readers_open(int dirfd, bool create, int *fd)
{
	return owner_open_file(dirfd, "readers",
			       create ? O_RDWR | O_CREAT : O_RDWR, fd);
}

/* `len` 0: to the end, that is all from there on. */
static int set_lock(int fd, uint64_t snapshot, off_t len, short type)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(snapshot & INT64_MAX),
		.l_len = len,
	};

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

int store_readers_hold(int fd, uint64_t snapshot)
{
	return set_lock(fd, snapshot, 1, F_RDLCK);
}

int store_readers_exclude(int fd, uint64_t snapshot)
{
	int err = set_lock(fd, snapshot, 1, F_WRLCK);

	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

int store_readers_exclude_all(int fd)
{
	int err = set_lock(fd, 0, 0, F_WRLCK);

	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

/* A lock that could be had is not taken: F_OFD_GETLK only asks. */
static int is_read(int fd, uint64_t snapshot, off_t len, bool *out)
{
	struct flock l = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(snapshot & INT64_MAX),
		.l_len = len,
	};

	if (fcntl(fd, F_OFD_GETLK, &l) < 0)
		return -errno;
	*out = l.l_type != F_UNLCK;
	return 0;
}

/*
 * umount(8) of a snapshot's mount does not wait for its daemon, which has
 * nothing to do any more but to end.
 */
int store_readers_wait(int fd, uint64_t snapshot, off_t len)
{
	bool held = false;
	int err = 0;

	for (int i = 0; !err && i < WAIT_TICKS; i++) {
		err = is_read(fd, snapshot, len, &held);
		if (err || !held)
			return err;
		nanosleep(&(struct timespec){ .tv_nsec = WAIT_TICK_NS }, NULL);
	}
	return err ? err : -EBUSY;
}

void store_readers_allow(int fd, uint64_t snapshot)
{
	(void)!set_lock(fd, snapshot, 1, F_UNLCK);
}

static void uuid_text(const uint8_t *uuid, char *out)
{
	for (unsigned int i = 0; i < JOURNAL_UUID_BYTES; i++)
		(void)snprintf(out + (size_t)i * 2, 3, "%02x", uuid[i]);
}

static int branches_open(int dirfd, bool create, int *fd)
{
	int got;

	int err = create ? owner_create_dir(dirfd, "branches") : 0;

	if (err && err != -EEXIST)
		return err;
	got = openat(dirfd, "branches",
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

int store_branch_register(int dirfd, const uint8_t *uuid, uint64_t snapshot,
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
	/* Before the branch is there: none without its registration. */
	if (!err)
		err = io_fsync("store.branch.dir", dir);
	if (!err)
		err = io_fsync("store.branch.dir", dirfd);
	close(dir);
	return err;
}

int store_branch_unregister(int dirfd, const uint8_t *uuid)
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

/* What the file says; -EUCLEAN when it says nothing of use. */
static int read_branch(int dir, const char *name, uint64_t *snapshot,
		       char *path, size_t path_bytes)
{
	char text[PATH_MAX + 32];
	struct stat st;
	char *rest;
	ssize_t n;
	/* O_NONBLOCK: a fifo in its place must not stop us. */
	int fd = openat(dir, name,
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
	*snapshot = strtoull(text, &rest, 10);
	if (rest == text || *rest != '\n')
		return -EUCLEAN;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	(void)snprintf(path, path_bytes, "%s", rest + 1);
	return 0;
}

int store_branch_iterate(int dirfd,
			 int (*fn)(void *arg, uint64_t snapshot,
				   const char *uuid, const char *path),
			 void *arg)
{
	char path[PATH_MAX];
	const struct dirent *e;
	uint64_t snapshot = 0;
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
		err = read_branch(fd, e->d_name, &snapshot, path, sizeof(path));
		if (!err)
			err = fn(arg, snapshot, e->d_name, path);
	}
	closedir(dir);
	return err;
}

/* False: something else is there by now, or nothing. */
static bool branch_is_there(const char *uuid, const char *path)
{
	char is[UUID_TEXT_BYTES];
	struct store_facts facts;
	bool there;
	struct reason why;
	int err;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR;
	err = store_facts_read(&facts, fd, path, &why);
	close(fd);
	if (err)
		return err != -ENOENT;
	uuid_text(facts.uuid, is);
	there = strcmp(is, uuid) == 0;
	store_facts_fini(&facts);
	return there;
}

void store_say_branch(const char *what, const char *store, const char *uuid,
		      const char *path, struct reason *why)
{
	if (branch_is_there(uuid, path))
		reason_set(why, "%s has a branch, %s; discard that first", what,
			   path);
	else
		reason_set(
			why,
			"%s has a branch that is not at %s any more; discard it where it is, or remove %s/branches/%s if it is gone",
			what, path, store, uuid);
}
