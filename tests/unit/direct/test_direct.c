/* SPDX-License-Identifier: MIT */
/*
 * Read mode; write mode: creating objects and changing attributes.
 */
#include "tests/unit/support/direct_fixture.h"

#include <dirent.h>
#include <sys/xattr.h>

/* --- read mode --- */

static void test_direct__read_view_refuses_every_change(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = me();
	const struct mapfs_setattr set = { .valid = MAPFS_SET_MODE };
	mapfs_ino file = ino(f, f->root, "file");
	struct mapfs_entry e;
	struct mapfs_attr a;
	uint64_t fh;

	assert_true(mapfs_is_stateless(f->v));
	assert_int_equal(mapfs_mknod(f->v, NEW(&cred, f->root, "n", S_IFREG),
				     &e),
			 -EROFS);
	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, f->root, "n", 0755), &e),
			 -EROFS);
	assert_int_equal(mapfs_symlink(f->v, NEW(&cred, f->root, "n", 0), "t",
				       &e),
			 -EROFS);
	assert_int_equal(mapfs_link(f->v, file, f->root, "n", &e), -EROFS);
	assert_int_equal(mapfs_unlink(f->v, f->root, "file"), -EROFS);
	assert_int_equal(mapfs_rmdir(f->v, f->root, "dir"), -EROFS);
	assert_int_equal(mapfs_rename(f->v,
				      RENAME(f->root, "file", f->root, "n", 0)),
			 -EROFS);
	assert_int_equal(
		mapfs_rename_whiteout(f->v, &cred,
				      RENAME(f->root, "file", f->root, "n", 0)),
		-EROFS);
	assert_int_equal(mapfs_tmpfile(f->v, NEW(&cred, f->root, NULL, 0644),
				       &e),
			 -EROFS);
	assert_int_equal(mapfs_create(f->v, NEW(&cred, f->root, "n", 0644),
				      O_RDWR, &e, &fh),
			 -EROFS);
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a),
			 -EROFS);
	assert_int_equal(write_at(f->v, file, "x", 1, 0), -EROFS);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(file), 0, 0, 1),
			 -EROFS);
	assert_int_equal(mapfs_copy_range(f->v,
					  &(struct mapfs_copy_range){
						  .from = mapfs_file_of(file),
						  .to = mapfs_file_of(file),
						  .to_off = 10,
						  .len = 1 }),
			 -EROFS);
	assert_int_equal(set_xattr(f->v, file, "user.x", "", 0), -EROFS);
	assert_int_equal(mapfs_removexattr(f->v, file, "user.x"), -EROFS);
	assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(file), false), 0);
}

static void test_direct__read_view_shows_what_others_change(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	struct mapfs_attr a;
	struct mapfs_entry e;

	assert_read(f, file, 0, "hello");
	put_file(f, "file", "other text", 10);
	assert_read(f, file, 0, "other text");
	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(file), &a), 0);
	assert_int_equal(a.size_bytes, 10);
	assert_int_equal(rename(in(f, "file"), in(f, "moved")), 0);
	assert_int_equal(mapfs_lookup(f->v, f->root, "file", &e), -ENOENT);
	assert_int_equal(ino(f, f->root, "moved"), file);
	assert_read(f, file, 0, "other text");
}

/* --- names, in both modes --- */

static void test_direct__lookup_speaks_as_the_base(void **state)
{
	struct fixture *f = *state;
	char name[258];
	struct mapfs_entry e;
	struct stat st = stat_of(f, "file");

	memset(name, '\xff', 255);
	name[255] = '\0';
	put_file(f, name, "x", 1);
	e = entry(f, f->root, "file");
	assert_int_equal(e.attr.ino, st.st_ino);
	assert_int_equal(e.attr.mode, st.st_mode);
	assert_int_equal(e.attr.size_bytes, 5);
	assert_int_equal(e.attr.mtime.tv_nsec, st.st_mtim.tv_nsec);
	assert_int_equal(f->root, stat_of(f, ".").st_ino);
	(void)entry(f, f->root, name);
	memset(name, 'n', 256);
	name[256] = '\0';
	assert_int_equal(mapfs_lookup(f->v, f->root, name, &e), -ENAMETOOLONG);
	assert_int_equal(mapfs_lookup(f->v, f->root, "none", &e), -ENOENT);
	assert_int_equal(mapfs_lookup(f->v, ino(f, f->root, "file"), "x", &e),
			 -ENOTDIR);
	assert_int_equal(mapfs_lookup(f->v, 12345678901ULL, "x", &e), -ESTALE);
	assert_true(mapfs_lookup(f->v, f->root, "..", &e) < 0);
	assert_true(mapfs_lookup(f->v, f->root, "dir/inner", &e) < 0);
}

static void test_direct__memory_goes_with_the_forgets(void **state)
{
	struct fixture *f = *state;
	mapfs_ino dir = ino(f, f->root, "dir");
	mapfs_ino inner = ino(f, dir, "inner");

	assert_int_equal(ino(f, dir, "inner"), inner);
	assert_int_equal(inodes_known(f), 3);
	mapfs_forget(f->v, dir, 1);
	mapfs_forget(f->v, inner, 1);
	assert_read(f, inner, 0, "inner");
	mapfs_forget(f->v, inner, 1);
	assert_int_equal(inodes_known(f), 1);
}

static void list_all(struct fixture *f, bool plus)
{
	struct list l = { .f = f };

	/* A few names at a time, as the kernel asks for them. */
	do {
		l.room = 7;
		assert_int_equal(
			mapfs_readdir(f->v, f->root,
				      READDIR(l.cookie, plus, note, &l)),
			0);
	} while (l.room < 0);
	assert_int_equal(l.count, 304);
	assert_int_equal(l.dot, f->root);
	assert_int_equal(l.dotdot, f->root);
	assert_int_equal(l.entries, plus ? 302 : 0);
	for (int n = 0; n < 300; n++)
		assert_int_equal(l.seen[n], 1);
}

static void test_direct__listing_names_each_object_once(void **state)
{
	struct fixture *f = *state;
	char name[16];

	for (int n = 0; n < 300; n++) {
		(void)snprintf(name, sizeof(name), "n%d", n);
		put_file(f, name, "", 0);
	}
	list_all(f, false);
	assert_int_equal(inodes_known(f), 1);
	list_all(f, true);
	/* An entry that did not fit is not counted. */
	assert_int_equal(inodes_known(f), 303);
	for (int n = 0; n < 300; n++) {
		(void)snprintf(name, sizeof(name), "n%d", n);
		mapfs_forget(f->v, stat_of(f, name).st_ino, 1);
	}
	assert_int_equal(inodes_known(f), 3);
}

static void test_direct__dotdot_is_the_directory_above(void **state)
{
	struct fixture *f = *state;
	struct list l = { .room = 2, .f = f };
	mapfs_ino dir;

	assert_int_equal(mkdir(in(f, "dir/sub"), 0755), 0);
	dir = ino(f, f->root, "dir");
	assert_int_equal(mapfs_readdir(f->v, ino(f, dir, "sub"),
				       READDIR(0, false, note, &l)),
			 0);
	assert_int_equal(l.dotdot, dir);
}

/* --- open directories --- */

static void put_many(struct fixture *f, int count)
{
	char name[16];

	for (int n = 0; n < count; n++) {
		(void)snprintf(name, sizeof(name), "n%d", n);
		put_file(f, name, "", 0);
	}
}

/* One more name; false: there are no more. */
static bool one_more(struct list *l, uint64_t fh, bool plus)
{
	l->room = 1;
	assert_int_equal(mapfs_readdir_open(l->f->v, fh,
					    READDIR(l->cookie, plus, note, l)),
			 0);
	return l->room < 1;
}

/*
 * Goal: a program that renames each file it lists comes to an end, on any
 *       file system of the base.
 * Method: each name is renamed as soon as it is listed; a reader often takes
 *         fewer names than it asked for.
 */
static void test_direct__renaming_what_is_listed_ends(void **state)
{
	struct fixture *f = *state;
	struct list l = { .f = f };
	char name[16];
	char to[16];
	int steps = 0;
	uint64_t fh;

	put_many(f, 20);
	assert_int_equal(mapfs_opendir(f->v, f->root, &fh), 0);
	while (one_more(&l, fh, false)) {
		struct list more = { .f = f, .cookie = l.cookie, .room = 3 };

		assert_int_equal(mapfs_readdir_open(f->v, fh,
						    READDIR(l.cookie, false,
							    note, &more)),
				 0);
		assert_true(++steps <= 24);
		for (int n = 0; n < 20; n++) {
			(void)snprintf(name, sizeof(name), "n%d", n);
			(void)snprintf(to, sizeof(to), "m%d", n);
			if (l.seen[n])
				(void)!mapfs_rename(f->v,
						    RENAME(f->root, name,
							   f->root, to, 0));
		}
	}
	for (int n = 0; n < 20; n++)
		assert_int_equal(l.seen[n], 1);
	assert_int_equal(steps, 24);
	assert_false(one_more(&l, fh, false));
	mapfs_release(f->v, fh);
}

/* The kernel continues where its reader had no more room. */
static void test_direct__open_directory_goes_back_and_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct list l = { .f = f };
	uint64_t cookies[700] = { 0 };
	uint64_t fh;
	int all = 0;

	assert_int_equal(mapfs_opendir(f->v, f->root, &fh), 0);
	assert_true(one_more(&l, fh, false));
	put_many(f, 300);
	l = (struct list){ .f = f };
	while (one_more(&l, fh, false))
		cookies[++all] = l.cookie;
	assert_int_equal(all, 304);
	for (int from = 0; from <= all; from += 19) {
		l = (struct list){ .f = f, .cookie = cookies[from] };
		for (int n = from + 1; one_more(&l, fh, false); n++)
			assert_int_equal(l.cookie, cookies[n]);
		assert_int_equal(l.count, all - from);
	}
	put_file(f, "new", "", 0);
	l = (struct list){ .f = f };
	while (one_more(&l, fh, false))
		;
	assert_int_equal(l.count, all + 1);
	mapfs_release(f->v, fh);
	assert_int_equal(mapfs_readdir_open(f->v, fh,
					    READDIR(0, false, note, &l)),
			 -EBADF);
	assert_int_equal(mapfs_readdir_open(f->v, 0,
					    READDIR(0, false, note, &l)),
			 -EBADF);
}

/*
 * Goal: names that are removed after they were read do not end the listing.
 * Method: remove all names that were read together with the first one.
 */
static void test_direct__listing_goes_on_behind_removed_names(void **state)
{
	struct fixture *f = *state;
	struct list l = { .f = f };
	struct dirent *e;
	DIR *dir = opendir(in(f, ""));
	bool was_seen[300];
	int left = 2000;
	uint64_t fh;

	put_many(f, 300);
	for (int n = 300; n < 2000; n++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "o%d", n);
		put_file(f, name, "", 0);
	}
	assert_int_equal(mapfs_opendir(f->v, f->root, &fh), 0);
	assert_true(one_more(&l, fh, true));
	memcpy(was_seen, l.seen, sizeof(was_seen));
	for (int n = 0; n < 1000 && (e = readdir(dir)); n++)
		if ((e->d_name[0] == 'n' || e->d_name[0] == 'o') &&
		    unlink(in(f, e->d_name)) == 0)
			left--;
	closedir(dir);
	l.count = 0;
	while (one_more(&l, fh, true))
		;
	assert_in_range(l.count, left, left + 4);
	mapfs_release(f->v, fh);
}

/* --- write mode: creating --- */

static void test_direct__new_file_is_written_through(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	char buf[16];
	uint64_t fh;

	assert_false(mapfs_is_stateless(f->v));
	assert_int_equal(mapfs_create(f->v, NEW(&cred, f->root, "new", 0666),
				      O_RDWR | O_EXCL, &e, &fh),
			 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0644);
	assert_int_equal(mapfs_write(f->v, HANDLE(e.attr.ino, fh),
				     WRITE("bytes", 5, 2)),
			 5);
	assert_int_equal(mapfs_fsync(f->v, HANDLE(e.attr.ino, fh), true), 0);
	assert_int_equal(mapfs_fsync(f->v, HANDLE(e.attr.ino, fh), false), 0);
	assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(f->root), false), 0);
	assert_int_equal(mapfs_read(f->v, HANDLE(e.attr.ino, fh), buf, 16, 0),
			 7);
	assert_memory_equal(buf, "\0\0bytes", 7);
	mapfs_release(f->v, fh);
	assert_int_equal(stat_of(f, "new").st_size, 7);
	assert_int_equal(mapfs_create(f->v, NEW(&cred, f->root, "new", 0666),
				      O_RDWR | O_EXCL, &e, &fh),
			 -EEXIST);
	/* The kernel decides whether the caller may open that file. */
	assert_int_equal(mapfs_create(f->v, NEW(&cred, f->root, "new", 0666),
				      O_RDWR, &e, &fh),
			 -ESTALE);
}

static void test_direct__new_objects_of_every_type(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	char buf[16];

	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, f->root, "d", 0777), &e),
			 0);
	assert_int_equal(stat_of(f, "d").st_mode, S_IFDIR | 0755);
	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, f->root, "d", 0777), &e),
			 -EEXIST);
	assert_int_equal(mapfs_symlink(f->v, NEW(&cred, f->root, "l", 0),
				       "target", &e),
			 0);
	assert_int_equal(mapfs_readlink(f->v, e.attr.ino, buf, 16), 6);
	assert_memory_equal(buf, "target", 6);
	assert_int_equal(mapfs_readlink(f->v, f->root, buf, 16), -EINVAL);
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&cred, f->root, "p", S_IFIFO | 0666), &e),
		0);
	assert_int_equal(stat_of(f, "p").st_mode, S_IFIFO | 0644);
	assert_int_equal(mapfs_mknod(f->v,
				     NEW(&cred, f->root, "s", S_IFSOCK | 0600),
				     &e),
			 0);
	assert_true(S_ISSOCK(stat_of(f, "s").st_mode));
	assert_int_equal(mapfs_mknod(f->v,
				     NEW(&cred, f->root, "r", S_IFREG | 06755),
				     &e),
			 0);
	assert_int_equal(stat_of(f, "r").st_mode, S_IFREG | 06755);
	assert_int_equal(e.attr.mode, S_IFREG | 06755);
	assert_int_equal(
		mapfs_mknod(f->v,
			    &(struct mapfs_new){ .cred = &cred,
						 .dir = f->root,
						 .name = "c",
						 .mode = S_IFCHR | 0600,
						 .rdev = 0x103 },
			    &e),
		geteuid() == 0 ? 0 : -EPERM);
	if (geteuid() == 0)
		assert_int_equal(e.attr.rdev, 0x103);
}

static void test_direct__new_objects_belong_to_the_caller(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = { .uid = 12, .gid = 13, .umask = 027 };
	struct mapfs_entry e;
	uint64_t fh;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mapfs_create(f->v, NEW(&cred, f->root, "f", 04777),
				      O_RDWR, &e, &fh),
			 0);
	assert_int_equal(e.attr.mode, S_IFREG | 04750);
	assert_int_equal(e.attr.uid, 12);
	assert_int_equal(e.attr.gid, 13);
	mapfs_release(f->v, fh);
	assert_int_equal(
		mapfs_symlink(f->v, NEW(&cred, f->root, "l", 0), "t", &e), 0);
	assert_int_equal(stat_of(f, "l").st_uid, 12);
	assert_int_equal(
		mapfs_tmpfile(f->v, NEW(&cred, f->root, NULL, 0644), &e), 0);
	assert_int_equal(e.attr.uid, 12);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	/* In a set-gid directory a new one has its group and its bit. */
	assert_int_equal(chown(in(f, "dir"), 1, 77), 0);
	assert_int_equal(chmod(in(f, "dir"), 02755), 0);
	assert_int_equal(
		mapfs_mkdir(f->v,
			    NEW(&cred, ino(f, f->root, "dir"), "sub", 0777),
			    &e),
		0);
	assert_int_equal(e.attr.uid, 12);
	assert_int_equal(e.attr.gid, 77);
	assert_int_equal(e.attr.mode, S_IFDIR | 02750);
}

/* user::rwx user:1:rwx group::r-x mask::rwx other::--- */
static const unsigned char acl[] = {
	2, 0, 0,   0,	1,   0,	  7,  0, 255, 255, 255, 255, 2,	  0,   7,
	0, 1, 0,   0,	0,   4,	  0,  5, 0,   255, 255, 255, 255, 16,  0,
	7, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255,
};

static void test_direct__default_acl_takes_the_place_of_the_umask(void **state)
{
	struct fixture *f = *state;
	const struct mapfs_cred cred = { geteuid(), getegid(), .umask = 077 };
	mapfs_ino dir = ino(f, f->root, "dir");
	struct mapfs_entry e;
	char buf[64];
	int err;

	err = set_xattr(f->v, dir, "system.posix_acl_default", acl,
			sizeof(acl));
	if (err == -EOPNOTSUPP)
		skip();
	assert_int_equal(err, 0);
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&cred, dir, "f", S_IFREG | 0666), &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0660);
	assert_int_equal(mapfs_getxattr(f->v, e.attr.ino,
					"system.posix_acl_access", buf, 64),
			 sizeof(acl));
	assert_int_equal(
		mapfs_mknod(f->v, NEW(&cred, f->root, "f", S_IFREG | 0666), &e),
		0);
	assert_int_equal(e.attr.mode, S_IFREG | 0600);
}

/* --- write mode: attributes --- */

static void test_direct__setattr_reaches_the_base(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	uint64_t fh = open_fh(f, file, O_RDWR);
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_MODE | MAPFS_SET_ATIME | MAPFS_SET_MTIME,
		.mode = 0400,
		.atime = { 1, 2 },
		.mtime = { 3, 4 },
	};
	struct mapfs_attr a;

	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 0400);
	assert_int_equal(stat_of(f, "file").st_mtim.tv_nsec, 4);
	assert_int_equal(stat_of(f, "file").st_atim.tv_sec, 1);
	/* It is open for writing, so its mode no longer matters. */
	set = (struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				      .size_bytes = 3 };
	assert_int_equal(mapfs_setattr(f->v, HANDLE(file, fh), &set, &a), 0);
	assert_int_equal(a.size_bytes, 3);
	assert_int_equal(mapfs_write(f->v, HANDLE(file, fh), WRITE("HE", 2, 0)),
			 2);
	assert_file(f, "file", "HEl");
	mapfs_release(f->v, fh);
	set = (struct mapfs_setattr){ .valid = MAPFS_SET_MODE, .mode = 0600 };
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a), 0);
	set = (struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				      .size_bytes = 1ULL << 41 };
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a), 0);
	assert_int_equal(stat_of(f, "file").st_size, 1ULL << 41);
	set = (struct mapfs_setattr){ .valid = MAPFS_SET_MTIME_NOW |
					       MAPFS_SET_ATIME_NOW };
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(file), &set, &a), 0);
	assert_true(a.mtime.tv_sec > 1000000000);
	set = (struct mapfs_setattr){ .valid = MAPFS_SET_SIZE };
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(f->root), &set, &a),
			 -EISDIR);
}

static void test_direct__symlink_has_times_and_owner_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_MTIME,
		.mtime = { 3, 4 },
	};
	struct mapfs_attr a;
	struct timespec was = stat_of(f, "file").st_mtim;
	mapfs_ino l;

	assert_int_equal(symlink("file", in(f, "l")), 0);
	l = ino(f, f->root, "l");
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(l), &set, &a), 0);
	assert_int_equal(stat_of(f, "l").st_mtim.tv_nsec, 4);
	assert_int_equal(stat_of(f, "file").st_mtim.tv_nsec, was.tv_nsec);
	if (geteuid() != 0)
		return;
	set = (struct mapfs_setattr){ .valid = MAPFS_SET_UID, .uid = 12 };
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(l), &set, &a), 0);
	assert_int_equal(stat_of(f, "l").st_uid, 12);
	assert_int_equal(stat_of(f, "file").st_uid, 0);
}

static void test_direct__set_id_bits_go_when_told(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	uint64_t fh = open_fh(f, file, O_RDWR);
	struct mapfs_setattr set = { .valid = MAPFS_SET_KILL_PRIV };
	struct mapfs_attr a;

	assert_int_equal(chmod(in(f, "file"), 06755), 0);
	assert_int_equal(mapfs_setattr(f->v, HANDLE(file, fh), &set, &a), 0);
	assert_int_equal(stat_of(f, "file").st_mode, S_IFREG | 0755);
	set.valid |= MAPFS_SET_SIZE;
	/* Without group execution set-gid means locking, and stays. */
	assert_int_equal(chmod(in(f, "file"), 06745), 0);
	assert_int_equal(mapfs_setattr(f->v, HANDLE(file, fh), &set, &a), 0);
	assert_int_equal(stat_of(f, "file").st_mode, S_IFREG | 02745);
	/* It is removed if the caller is not in the group. */
	set.valid |= MAPFS_SET_KILL_SGID;
	assert_int_equal(mapfs_setattr(f->v, HANDLE(file, fh), &set, &a), 0);
	assert_int_equal(stat_of(f, "file").st_mode, S_IFREG | 0745);
	assert_int_equal(a.mode, S_IFREG | 0745);
	mapfs_release(f->v, fh);
}

static void test_direct__xattrs_go_through(void **state)
{
	struct fixture *f = *state;
	mapfs_ino file = ino(f, f->root, "file");
	char buf[64];
	int err = mapfs_setxattr(
		f->v, file,
		&(struct mapfs_setxattr){ .name = "user.a",
					  .value = "v",
					  .len = 1,
					  .flags = XATTR_CREATE });

	if (err == -EOPNOTSUPP)
		skip();
	assert_int_equal(err, 0);
	assert_int_equal(getxattr(in(f, "file"), "user.a", buf, 64), 1);
	assert_int_equal(mapfs_setxattr(f->v, file,
					&(struct mapfs_setxattr){
						.name = "user.a",
						.value = "v",
						.len = 1,
						.flags = XATTR_CREATE }),
			 -EEXIST);
	assert_int_equal(mapfs_setxattr(f->v, file,
					&(struct mapfs_setxattr){
						.name = "user.b",
						.value = "v",
						.len = 1,
						.flags = XATTR_REPLACE }),
			 -ENODATA);
	assert_int_equal(set_xattr(f->v, file, "user.e", NULL, 0), 0);
	assert_int_equal(mapfs_getxattr(f->v, file, "user.e", buf, 64), 0);
	assert_true(mapfs_listxattr(f->v, file, buf, 64) >= 14);
	assert_int_equal(mapfs_removexattr(f->v, file, "user.a"), 0);
	assert_int_equal(mapfs_removexattr(f->v, file, "user.a"), -ENODATA);
	assert_int_equal(chmod(in(f, "file"), 02711), 0);
	assert_int_equal(
		mapfs_setxattr(f->v, file,
			       &(struct mapfs_setxattr){
				       .name = "system.posix_acl_access",
				       .value = acl,
				       .len = sizeof(acl),
				       .kill_sgid = true }),
		0);
	assert_int_equal(stat_of(f, "file").st_mode & 07000, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		READ_TEST(test_direct__read_view_refuses_every_change),
		READ_TEST(test_direct__read_view_shows_what_others_change),
		READ_TEST(test_direct__lookup_speaks_as_the_base),
		READ_TEST(test_direct__memory_goes_with_the_forgets),
		READ_TEST(test_direct__listing_names_each_object_once),
		WRITE_TEST(test_direct__listing_names_each_object_once),
		READ_TEST(test_direct__dotdot_is_the_directory_above),
		WRITE_TEST(test_direct__renaming_what_is_listed_ends),
		READ_TEST(
			test_direct__open_directory_goes_back_and_begins_anew),
		READ_TEST(test_direct__listing_goes_on_behind_removed_names),
		WRITE_TEST(test_direct__new_file_is_written_through),
		WRITE_TEST(test_direct__new_objects_of_every_type),
		WRITE_TEST(test_direct__new_objects_belong_to_the_caller),
		WRITE_TEST(
			test_direct__default_acl_takes_the_place_of_the_umask),
		WRITE_TEST(test_direct__setattr_reaches_the_base),
		WRITE_TEST(test_direct__symlink_has_times_and_owner_of_its_own),
		WRITE_TEST(test_direct__set_id_bits_go_when_told),
		WRITE_TEST(test_direct__xattrs_go_through),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
