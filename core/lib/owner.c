/* SPDX-License-Identifier: MIT */
/*
 * A store is data that becomes names, modes and owners in a base when root
 * commits it, so a user who can write to root's store can become root.  As in
 * git's safe.directory, a store of another user is trusted only if the user of
 * the command says so.
 *
 * Descriptors are checked, not paths: a directory that is ours, and that no
 * other user may write to, keeps the names that it had when it was checked.
 *
 * When root writes to the store of another user, no file may be left that
 * locks the owner out, and the owner must not be able to lead root to a file
 * outside the store:
 *
 *   new file    made under a free name (O_EXCL) and given to the owner by its
 *               descriptor, before it gets its final name
 *   old file    refused if it has another name somewhere (a hard link), or
 *               belongs to a third user
 */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fault.h"
#include "path.h"

/* The user that the kernel reports for one that the namespace lacks. */
#define OVERFLOW_ID 65534U
#define PW_BYTES 4096

/* A namespace without all users reports each missing one as OVERFLOW_ID. */
static bool has_all_users(const char *map)
{
	unsigned int inside = 0;
	unsigned int outside = 0;
	unsigned int count = 0;
	FILE *f = fopen(map, "re");
	int n;

	if (!f)
		return true;
	n = fscanf(f, "%u %u %u", &inside, &outside, &count);
	fclose(f);
	return n == 3 && inside == 0 && count == UINT32_MAX;
}

static bool is_ours(uid_t uid)
{
	if (uid != 0 && uid != geteuid())
		return false;
	return uid != OVERFLOW_ID || has_all_users("/proc/self/uid_map");
}

/* A group with the number of its user is that user's own. */
static bool is_own_group(const struct stat *st)
{
	if (st->st_gid != st->st_uid && st->st_gid != geteuid())
		return false;
	return st->st_gid != OVERFLOW_ID || has_all_users("/proc/self/gid_map");
}

/* With an ACL the group bits of the mode hold for all of its entries. */
static bool has_acl(int fd)
{
	char path[PATH_OF_FD_BYTES];

	path_of_fd(fd, path);
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

static bool others_may_write(int fd, const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return false;
	/* In a sticky directory others can add names, not replace ours. */
	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX))
		return false;
	if (st->st_mode & S_IWOTH)
		return true;
	if (!(st->st_mode & S_IWGRP))
		return false;
	return !is_own_group(st) || has_acl(fd);
}

static int read_mount_id(int fd, int *id)
{
	char path[40];
	char *line = NULL;
	size_t room = 0;
	int err = -EIO;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (err && getline(&line, &room, f) > 0)
		if (sscanf(line, "mnt_id: %d", id) == 1)
			err = 0;
	free(line);
	fclose(f);
	return err;
}

/*
 * Behind " - " are type, source and options, separated by spaces.  The source
 * is any text of the user's, and may look like an option.
 */
static uid_t mounter_of(const char *line)
{
	static const char name[] = ",user_id=";
	const char *at = strstr(line, " - ");

	at = at ? strchr(at + 3, ' ') : NULL;
	at = at ? strchr(at + 1, ' ') : NULL;
	at = at ? strstr(at, name) : NULL;
	/* No user: the host of a virtual machine serves it (virtiofs). */
	return at ? (uid_t)strtoul(at + sizeof(name) - 1, NULL, 10) : 0;
}

/* The user whose process serves this mount. */
static int read_mounter(int id, uid_t *uid)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	int err = -EIO;

	if (!f)
		return -errno;
	while (err && getline(&line, &room, f) > 0) {
		char *rest;

		if (strtol(line, &rest, 10) != id || *rest != ' ')
			continue;
		*uid = mounter_of(line);
		err = 0;
	}
	free(line);
	fclose(f);
	return err;
}

/* The process that serves a FUSE mount can show any owner: ask for its own. */
static int check_mounter(int fd, struct owner_finding *why)
{
	uid_t uid = 0;
	struct statfs s;
	int id = 0;
	int err = fstatfs(fd, &s) < 0 ? -errno : 0;

	if (err || s.f_type != FUSE_SUPER_MAGIC)
		return err;
	err = read_mount_id(fd, &id);
	if (!err)
		err = read_mounter(id, &uid);
	if (err || is_ours(uid))
		return err;
	*why = (struct owner_finding){ .uid = uid };
	return -EPERM;
}

int owner_check(int fd, struct owner_finding *why)
{
	struct stat st;
	int err = check_mounter(fd, why);

	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (is_ours(st.st_uid) && !others_may_write(fd, &st))
		return 0;
	*why = (struct owner_finding){
		.uid = st.st_uid,
		.is_shared = is_ours(st.st_uid),
	};
	return -EPERM;
}

/*
 * The owner of the files in a directory.  A store belongs to the owner of its
 * journal, also where another user provided the directory.
 */
static int find_owner(int dirfd, struct stat *st)
{
	if (fstatat(dirfd, "journal", st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st->st_mode))
		return 0;
	return fstat(dirfd, st) < 0 ? -errno : 0;
}

int owner_check_target(int dirfd, int fd)
{
	struct stat dir;
	struct stat st;
	int err = find_owner(dirfd, &dir);

	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Any user but root can only be led to files of its own. */
	if (geteuid() != 0 || dir.st_uid == 0)
		return 0;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EPERM;
	return st.st_uid == dir.st_uid || st.st_uid == 0 ? 0 : -EPERM;
}

/* To the owner of `dir`; only root can do it, for a store of another user. */
static int give_away(int fd, const struct stat *dir)
{
	struct stat st;
	int err;

	if (geteuid() != 0 || dir->st_uid == 0)
		return 0;
	err = fault_point("owner.give");
	if (err)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Another file has the name by now, which is not ours to give. */
	if (st.st_uid != 0)
		return st.st_uid == dir->st_uid ? 0 : -EPERM;
	return fchown(fd, dir->st_uid, dir->st_gid) < 0 ? -errno : 0;
}

static int open_old(int dirfd, const char *name, int flags, int *fd)
{
	/* O_NONBLOCK: opening a fifo in its place must not block. */
	int got = openat(dirfd, name,
			 (flags & ~O_CREAT) | O_NOFOLLOW | O_NONBLOCK |
				 O_CLOEXEC);
	int err = 0;

	if (got < 0)
		return -errno;
	if ((flags & O_ACCMODE) != O_RDONLY)
		err = owner_check_target(dirfd, got);
	if (err)
		close(got);
	else
		*fd = got;
	return err;
}

static int open_new(int dirfd, const char *name, int flags, int *fd)
{
	struct stat dir;
	int err = fault_point("owner.file");
	int got;

	if (!err)
		err = find_owner(dirfd, &dir);
	if (err)
		return err;
	got = openat(dirfd, name,
		     flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (got < 0)
		return -errno;
	err = give_away(got, &dir);
	if (err) {
		(void)unlinkat(dirfd, name, 0);
		close(got);
	} else {
		*fd = got;
	}
	return err;
}

int owner_create_file(int dirfd, const char *name, int flags, int *fd)
{
	struct stat st;

	/* The store itself makes no symbolic links. */
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	/* Truncating instead could truncate a file that the name leads to. */
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return open_new(dirfd, name, flags, fd);
}

int owner_open_file(int dirfd, const char *name, int flags, int *fd)
{
	int err = open_old(dirfd, name, flags, fd);

	if (err != -ENOENT || !(flags & O_CREAT))
		return err;
	err = open_new(dirfd, name, flags & ~O_CREAT, fd);
	/* Another process has created it meanwhile. */
	return err == -EEXIST ? open_old(dirfd, name, flags, fd) : err;
}

int owner_create_dir(int dirfd, const char *name)
{
	struct stat dir;
	int err = fault_point("owner.dir");
	int fd;

	if (!err)
		err = find_owner(dirfd, &dir);
	if (err)
		return err;
	if (mkdirat(dirfd, name, 0700) < 0)
		return -errno;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = give_away(fd, &dir);
	close(fd);
	if (err)
		(void)unlinkat(dirfd, name, AT_REMOVEDIR);
	return err;
}

void owner_name(uid_t uid, char out[OWNER_NAME_BYTES])
{
	struct passwd *found = NULL;
	struct passwd pw;
	char text[PW_BYTES];

	if (getpwuid_r(uid, &pw, text, sizeof(text), &found) == 0 && found &&
	    strlen(found->pw_name) < OWNER_NAME_BYTES)
		(void)snprintf(out, OWNER_NAME_BYTES, "%s", found->pw_name);
	else
		(void)snprintf(out, OWNER_NAME_BYTES, "%u", (unsigned int)uid);
}
