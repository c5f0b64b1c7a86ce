/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_DIRECT_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_DIRECT_FIXTURE_H

/*
 * A base with a few objects and a read or write view of it, for the tests of
 * read and write mode through the core's door, without FUSE.
 *
 * Lifetime: setup_read() or setup_write() to teardown().
 * Errors:   fail the test.
 * Locking:  none; the functions may be called from any thread of a test.
 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#define USER 12345

struct fixture {
	char dir[64];
	struct mapfs_view *v;
	mapfs_ino root;
};

static inline struct mapfs_cred me(void)
{
	return (struct mapfs_cred){
		.uid = geteuid(),
		.gid = getegid(),
		.umask = 022,
	};
}

static inline char *in(const struct fixture *f, const char *name)
{
	static _Thread_local char path[2][512];
	static _Thread_local int n;

	n = !n;
	(void)snprintf(path[n], sizeof(path[n]), "%s/%s", f->dir, name);
	return path[n];
}

static inline void put_file(const struct fixture *f, const char *name,
			    const void *buf, size_t len)
{
	int fd = open(in(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), len);
	close(fd);
}

static inline void assert_file(const struct fixture *f, const char *name,
			       const char *want)
{
	char buf[256];
	int fd = open(in(f, name), O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, buf, sizeof(buf));
	close(fd);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(buf, want, strlen(want));
}

static inline struct stat stat_of(const struct fixture *f, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(in(f, name), &st), 0);
	return st;
}

static inline void open_view(struct fixture *f, enum mapfs_mode mode)
{
	struct mapfs_options opt = { .mode = mode, .base = f->dir };
	struct reason why;

	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
	f->root = mapfs_root_ino(f->v);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	umask(0);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/mapfs-direct-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	put_file(f, "file", "hello", 5);
	assert_int_equal(mkdir(in(f, "dir"), 0755), 0);
	put_file(f, "dir/inner", "inner", 5);
	*state = f;
	return 0;
}

static inline int setup_write(void **state)
{
	if (setup(state))
		return -1;
	open_view(*state, MAPFS_WRITE);
	return 0;
}

/* As an ordinary user, whom modes bind. */
static inline int setup_user(void **state)
{
	struct fixture *f;

	if (setup(state))
		return -1;
	f = *state;
	if (geteuid() == 0) {
		assert_int_equal(chown(f->dir, USER, USER), 0);
		assert_int_equal(chown(in(f, "file"), USER, USER), 0);
		assert_int_equal(chown(in(f, "dir"), USER, USER), 0);
		assert_int_equal(setegid(USER), 0);
		assert_int_equal(seteuid(USER), 0);
	}
	open_view(f, MAPFS_WRITE);
	return 0;
}

static inline int setup_read(void **state)
{
	if (setup(state))
		return -1;
	open_view(*state, MAPFS_READ);
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mapfs_view_close(f->v), 0);
	if (getuid() == 0) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setegid(0), 0);
		(void)umount2(in(f, "dir"), MNT_DETACH);
	}
	(void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static inline uint64_t inodes_known(struct fixture *f)
{
	struct mapfs_info info;

	mapfs_view_info(f->v, &info);
	return info.inodes_known;
}

static inline struct mapfs_entry entry(struct fixture *f, mapfs_ino dir,
				       const char *name)
{
	struct mapfs_entry e;

	assert_int_equal(mapfs_lookup(f->v, dir, name, &e), 0);
	return e;
}

static inline mapfs_ino ino(struct fixture *f, mapfs_ino dir, const char *name)
{
	return entry(f, dir, name).attr.ino;
}

static inline void assert_read(struct fixture *f, mapfs_ino i, uint64_t fh,
			       const char *want)
{
	char buf[256];

	assert_int_equal(mapfs_read(f->v, HANDLE(i, fh), buf, sizeof(buf), 0),
			 strlen(want));
	assert_memory_equal(buf, want, strlen(want));
}

static inline uint64_t open_fh(struct fixture *f, mapfs_ino i, int flags)
{
	uint64_t fh = 0;
	bool changed;

	assert_int_equal(mapfs_open(f->v, i, flags, &fh, &changed), 0);
	assert_true(fh != 0);
	return fh;
}

static inline bool open_says_changed(struct fixture *f, mapfs_ino i)
{
	uint64_t fh;
	bool changed;

	assert_int_equal(mapfs_open(f->v, i, O_RDONLY, &fh, &changed), 0);
	mapfs_release(f->v, fh);
	return changed;
}

struct list {
	int count;
	int room;
	uint64_t cookie;
	mapfs_ino dot;
	mapfs_ino dotdot;
	int entries;
	char seen[300];
	struct fixture *f;
};

static inline int note(void *arg, const struct mapfs_dirent *d)
{
	struct list *l = arg;

	if (l->room-- == 0)
		return 1;
	l->cookie = d->cookie;
	l->count++;
	if (strcmp(d->name, ".") == 0)
		l->dot = d->ino;
	else if (strcmp(d->name, "..") == 0)
		l->dotdot = d->ino;
	if (d->name[0] == '.') {
		assert_null(d->entry);
		return 0;
	}
	if (d->entry) {
		l->entries++;
		assert_int_equal(d->entry->attr.ino, d->ino);
		assert_int_equal(d->entry->attr.mode & S_IFMT, d->type);
	}
	assert_int_equal(d->ino, stat_of(l->f, d->name).st_ino);
	assert_int_equal(d->type, stat_of(l->f, d->name).st_mode & S_IFMT);
	if (d->name[0] == 'n')
		l->seen[strtol(d->name + 1, NULL, 10)]++;
	return 0;
}

#define READ_TEST(f) cmocka_unit_test_setup_teardown(f, setup_read, teardown)
#define USER_TEST(f) cmocka_unit_test_setup_teardown(f, setup_user, teardown)
#define WRITE_TEST(f) cmocka_unit_test_setup_teardown(f, setup_write, teardown)

#endif
