/* SPDX-License-Identifier: MIT */
#include "core/base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lib/path.h"

#define BIG_BYTES (1U << 20)

struct fixture {
	char dir[64];
	struct base *b;
	struct itable *t;
};

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static char *in(const struct fixture *f, const char *name)
{
	static char path[2][4096];
	static int n;

	n = !n;
	(void)snprintf(path[n], sizeof(path[n]), "%s/%s", f->dir, name);
	return path[n];
}

static void put_file(const struct fixture *f, const char *name, const void *buf,
		     size_t len)
{
	int fd = open(in(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), len);
	close(fd);
}

static void start_at(struct fixture *f, const char *path, unsigned int flags)
{
	struct statx stx;

	assert_int_equal(base_open(&f->b, path, flags), 0);
	assert_int_equal(statx(base_root_fd(f->b), "", AT_EMPTY_PATH, STATX_INO,
			       &stx),
			 0);
	assert_int_equal(itable_create(&f->t, stx.stx_ino), 0);
	base_set_itable(f->b, f->t);
}

static void start(struct fixture *f, unsigned int flags)
{
	start_at(f, f->dir, flags);
}

static void stop(struct fixture *f)
{
	itable_destroy(f->t);
	base_close(f->b);
	f->t = NULL;
	f->b = NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/mapfs-base-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stop(f);
	if (geteuid() == 0)
		(void)umount2(in(f, "mnt"), MNT_DETACH);
	(void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* With a hold. */
static int try_lookup(struct fixture *f, struct inode *dir, const char *name,
		      struct inode **out)
{
	struct inode_facts facts;
	struct statx stx;
	bool foreign;
	int err = base_stat(f->b, dir, name, &stx, &foreign);

	if (err)
		return err;
	facts = base_facts(&stx, dir, name);
	err = itable_see(f->t, &facts, itable_moves(f->t), out);
	assert_int_equal(err, 0);
	(*out)->is_foreign = foreign;
	return 0;
}

static struct inode *lookup(struct fixture *f, struct inode *dir,
			    const char *name)
{
	struct inode *i;

	assert_int_equal(try_lookup(f, dir, name, &i), 0);
	return i;
}

static struct inode *root(struct fixture *f)
{
	return itable_root(f->t);
}

static void test_base__refuses_what_is_neither_directory_nor_file(void **state)
{
	struct fixture *f = *state;
	struct base *b;

	assert_int_equal(mkfifo(in(f, "fifo"), 0600), 0);
	assert_int_equal(base_open(&b, in(f, "fifo"), 0), -EMEDIUMTYPE);
	assert_int_equal(base_open(&b, in(f, "none"), 0), -ENOENT);
	base_close(NULL);
}

#define NAMES_BYTES 64U

static int list_names(void *arg, const char *name, uint64_t ino, mode_t type,
		      uint64_t cookie)
{
	char *all = arg;

	(void)ino;
	(void)type;
	(void)cookie;
	(void)snprintf(all + strlen(all), NAMES_BYTES - strlen(all), "%s ",
		       name);
	return 0;
}

static void test_base__file_is_alone_in_its_root(void **state)
{
	struct fixture *f = *state;
	char names[NAMES_BYTES] = "";
	char text[8] = "";
	struct inode *i;

	put_file(f, "file", "bytes", 5);
	put_file(f, "other", "x", 1);
	start_at(f, in(f, "file"), BASE_FROZEN);
	assert_string_equal(base_file_name(f->b), "file");
	assert_int_equal(try_lookup(f, root(f), "other", &i), -ENOENT);
	assert_int_equal(base_readdir(f->b, root(f), 0, list_names, names), 0);
	assert_string_equal(names, "file ");
	i = lookup(f, root(f), "file");
	assert_int_equal(base_read(f->b, i, text, sizeof(text), 0), 5);
	assert_string_equal(text, "bytes");
	(void)inode_put(f->t, i);
}

/* A mount that covers the name, or an editor that replaces it. */
static void test_base__file_is_the_one_that_was_opened(void **state)
{
	struct fixture *f = *state;
	char text[8] = "";
	struct inode *i;

	put_file(f, "file", "old", 3);
	put_file(f, "new", "newer", 5);
	start_at(f, in(f, "file"), 0);
	assert_int_equal(rename(in(f, "new"), in(f, "file")), 0);
	i = lookup(f, root(f), "file");
	assert_int_equal(base_read(f->b, i, text, sizeof(text), 0), 3);
	assert_string_equal(text, "old");
	(void)inode_put(f->t, i);
}

static void test_base__directory_nobody_may_enter_is_refused(void **state)
{
	struct fixture *f = *state;
	struct base *b;

	if (geteuid() == 0) {
		assert_int_equal(chmod(f->dir, 0711), 0);
		assert_int_equal(seteuid(65534), 0);
		assert_int_equal(base_open(&b, f->dir, 0), -EACCES);
		assert_int_equal(seteuid(0), 0);
		return;
	}
	assert_int_equal(mkdir(in(f, "closed"), 0), 0);
	assert_int_equal(base_open(&b, in(f, "closed"), 0), -EACCES);
}

struct range {
	uint64_t off;
	size_t len;
};

static void assert_read(struct fixture *f, struct inode *i, struct range r,
			const char *want, size_t want_len)
{
	char *buf = malloc(r.len);

	assert_int_equal(base_read(f->b, i, buf, r.len, r.off), want_len);
	assert_memory_equal(buf, want, want_len);
	free(buf);
}

static void test_base__reads_small_and_large_files(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(BIG_BYTES);
	struct inode *i;

	for (size_t n = 0; n < BIG_BYTES; n++)
		big[n] = (char)(n * 7 + n / 4096);
	put_file(f, "small", "hello", 5);
	put_file(f, "big", big, BIG_BYTES);
	put_file(f, "empty", "", 0);
	start(f, BASE_FROZEN);
	i = lookup(f, root(f), "small");
	assert_read(f, i, (struct range){ 0, 100 }, "hello", 5);
	assert_read(f, i, (struct range){ 3, 1 }, "l", 1);
	assert_read(f, i, (struct range){ 5, 10 }, "", 0);
	assert_read(f, lookup(f, root(f), "empty"), (struct range){ 0, 10 }, "",
		    0);
	i = lookup(f, root(f), "big");
	assert_read(f, i, (struct range){ 0, BIG_BYTES }, big, BIG_BYTES);
	assert_read(f, i, (struct range){ 4095, 8192 }, big + 4095, 8192);
	assert_read(f, i, (struct range){ BIG_BYTES - 3, 4096 },
		    big + BIG_BYTES - 3, 3);
	assert_read(f, i, (struct range){ BIG_BYTES, 1 }, "", 0);
	assert_read(f, i, (struct range){ 1ULL << 62, 1 }, "", 0);
	/* Another process shrinks it while it is mapped. */
	assert_int_equal(truncate(in(f, "big"), 150000), 0);
	assert_read(f, i, (struct range){ 140000, 20000 }, big + 140000, 10000);
	assert_int_equal(truncate(in(f, "big"), 10), 0);
	assert_read(f, i, (struct range){ 0, 4096 }, big, 10);
	free(big);
}

static void test_base__directory_is_read_as_no_file(void **state)
{
	struct fixture *f = *state;
	struct base_fd *fd;
	char c;

	assert_int_equal(mkdir(in(f, "dir"), 0755), 0);
	assert_int_equal(mkfifo(in(f, "fifo"), 0644), 0);
	start(f, BASE_FROZEN);
	assert_int_equal(base_read(f->b, lookup(f, root(f), "dir"), &c, 1, 0),
			 -EISDIR);
	/* Opening a fifo would wait, or wake another process. */
	assert_int_equal(base_hold(f->b, lookup(f, root(f), "fifo"), BASE_READ,
				   &fd),
			 -EINVAL);
}

/*
 * Goal: no object that replaces a known one leads out of the base [S2].
 * Method: replace known objects by symbolic links to objects outside.
 */
static void test_base__never_leaves_the_base(void **state)
{
	struct fixture *f = *state;
	struct inode *dir;
	struct inode *below;
	struct inode *file;
	struct base_fd *fd;
	struct statx stx;
	bool foreign;
	char buf[8];

	assert_int_equal(mkdir(in(f, "dir"), 0755), 0);
	put_file(f, "dir/passwd", "mine", 4);
	put_file(f, "hosts", "mine", 4);
	start(f, BASE_FROZEN);
	dir = lookup(f, root(f), "dir");
	file = lookup(f, root(f), "hosts");
	/* Known, but with no descriptor open. */
	assert_int_equal(itable_see(f->t,
				    &(struct inode_facts){
					    .ino = 1,
					    .type = S_IFREG,
					    .parent = dir,
					    .name = "passwd",
				    },
				    itable_moves(f->t), &below),
			 0);
	base_uncache(f->b, dir);
	base_uncache(f->b, file);
	assert_int_equal(rename(in(f, "dir"), in(f, "old")), 0);
	assert_int_equal(symlink("/etc", in(f, "dir")), 0);
	assert_int_equal(unlink(in(f, "hosts")), 0);
	assert_int_equal(symlink("/etc/hosts", in(f, "hosts")), 0);
	assert_int_equal(base_hold(f->b, dir, BASE_PATH, &fd), -ESTALE);
	assert_int_equal(base_hold(f->b, below, BASE_READ, &fd), -ESTALE);
	assert_int_equal(base_read(f->b, file, buf, 8, 0), -ESTALE);
	assert_int_equal(base_stat(f->b, dir, NULL, &stx, &foreign), -ESTALE);
	assert_int_equal(base_stat(f->b, file, NULL, &stx, &foreign), -ESTALE);
	/* The link itself is seen, not its target. */
	assert_int_equal(base_stat(f->b, root(f), "hosts", &stx, &foreign), 0);
	assert_true(S_ISLNK(stx.stx_mode));
	assert_int_equal(
		base_readlink(f->b, lookup(f, root(f), "hosts"), buf, 8), 8);
	assert_memory_equal(buf, "/etc/hos", 8);
}

static void test_base__same_name_another_object_is_stale(void **state)
{
	struct fixture *f = *state;
	struct inode *i;
	char buf[8];

	put_file(f, "file", "old", 3);
	put_file(f, "new", "new", 3);
	start(f, 0);
	i = lookup(f, root(f), "file");
	assert_int_equal(rename(in(f, "new"), in(f, "file")), 0);
	assert_int_equal(base_read(f->b, i, buf, 8, 0), -ESTALE);
	i = lookup(f, root(f), "file");
	assert_read(f, i, (struct range){ 0, 8 }, "new", 3);
	/* Once it is open it stays reachable without its name. */
	assert_int_equal(unlink(in(f, "file")), 0);
	assert_read(f, i, (struct range){ 0, 8 }, "new", 3);
	base_uncache(f->b, i);
	assert_int_equal(base_read(f->b, i, buf, 8, 0), -ESTALE);
}

struct move {
	struct fixture *f;
	struct inode *i;
};

static void *end_move(void *arg)
{
	struct move *m = arg;

	usleep(20000);
	if (inode_move(m->f->t, m->i, root(m->f), "moved"))
		return NULL;
	base_move_end(m->f->b);
	return m;
}

/*
 * Goal: a reader finds the object also between a rename by this view and the
 * moment at which the new place is recorded.
 */
static void test_base__object_is_waited_for_while_it_moves(void **state)
{
	struct fixture *f = *state;
	struct move m = { .f = f };
	pthread_t t;
	void *done;

	put_file(f, "file", "hello", 5);
	start(f, 0);
	m.i = lookup(f, root(f), "file");
	base_move_begin(f->b);
	assert_int_equal(rename(in(f, "file"), in(f, "moved")), 0);
	assert_int_equal(pthread_create(&t, NULL, end_move, &m), 0);
	assert_read(f, m.i, (struct range){ 0, 8 }, "hello", 5);
	assert_int_equal(pthread_join(t, &done), 0);
	assert_ptr_equal(done, &m);
}

static struct timespec atime_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_atim;
}

/*
 * Goal: reading changes nothing, not even an access time [B1].
 * Method: access times so old that relatime would change them.
 */
static void test_base__frozen_base_keeps_its_access_times(void **state)
{
	static const char *const names[] = { "file", "dir", "link" };
	const struct timespec old[2] = { { 1000, 1 }, { 2000, 2 } };
	struct fixture *f = *state;
	struct base_fd *fd;
	char buf[64];

	put_file(f, "file", "hello", 5);
	assert_int_equal(mkdir(in(f, "dir"), 0755), 0);
	assert_int_equal(symlink("file", in(f, "link")), 0);
	for (int n = 0; n < 3; n++)
		assert_int_equal(utimensat(AT_FDCWD, in(f, names[n]), old,
					   AT_SYMLINK_NOFOLLOW),
				 0);
	start(f, BASE_FROZEN);
	assert_read(f, lookup(f, root(f), "file"), (struct range){ 0, 8 },
		    "hello", 5);
	assert_int_equal(
		base_hold(f->b, lookup(f, root(f), "dir"), BASE_READ, &fd), 0);
	assert_true(getdents64(base_fd_of(fd), buf, sizeof(buf)) > 0);
	base_put(f->b, fd);
	assert_int_equal(atime_of(in(f, "file")).tv_sec, 1000);
	assert_int_equal(atime_of(in(f, "dir")).tv_sec, 1000);
	/* Without a clone of the mount the times of links do change. */
	if (geteuid() != 0)
		return;
	assert_int_equal(
		base_readlink(f->b, lookup(f, root(f), "link"), buf, 8), 4);
	assert_int_equal(atime_of(in(f, "link")).tv_sec, 1000);
}

static void test_base__frozen_base_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (geteuid() != 0)
		skip();
	put_file(f, "file", "hello", 5);
	start(f, BASE_FROZEN);
	assert_int_equal(base_reopen(f->b, lookup(f, root(f), "file"), O_WRONLY,
				     &fd),
			 -EROFS);
	assert_int_equal(mkdirat(base_root_fd(f->b), "x", 0755), -1);
	assert_int_equal(errno, EROFS);
}

/*
 * Goal: any depth works, though no path may be longer than PATH_MAX.
 */
static void test_base__paths_of_any_depth_open(void **state)
{
	struct fixture *f = *state;
	char name[201];
	struct inode *at;
	struct statx stx;
	bool foreign;
	int dirfd = open(f->dir, O_PATH);

	memset(name, 'n', 200);
	name[200] = '\0';
	start(f, BASE_FROZEN);
	at = root(f);
	for (int n = 0; n < 60; n++) {
		int next;

		assert_int_equal(mkdirat(dirfd, name, 0755), 0);
		next = openat(dirfd, name, O_PATH);
		close(dirfd);
		dirfd = next;
		at = lookup(f, at, name);
		base_uncache(f->b, at);
	}
	assert_int_equal(base_stat(f->b, at, NULL, &stx, &foreign), 0);
	assert_int_equal(stx.stx_ino, at->ino);
	stop(f);
	for (int n = 0; n < 60; n++) {
		int above = openat(dirfd, "..", O_PATH);

		close(dirfd);
		dirfd = above;
		assert_int_equal(unlinkat(dirfd, name, AT_REMOVEDIR), 0);
	}
	close(dirfd);
}

static void set_xattr(const struct fixture *f, const char *file,
		      const char *name)
{
	if (lsetxattr(in(f, file), name, "value", 5, 0) < 0) {
		assert_int_equal(errno, ENOTSUP);
		skip();
	}
}

static void test_base__xattrs_of_every_type_of_object(void **state)
{
	static const char *const names[] = { "file", "dir", "link", "fifo" };
	struct fixture *f = *state;
	char buf[64];

	if (geteuid() != 0)
		skip();
	put_file(f, "file", "", 0);
	assert_int_equal(mkdir(in(f, "dir"), 0755), 0);
	assert_int_equal(symlink("file", in(f, "link")), 0);
	assert_int_equal(mkfifo(in(f, "fifo"), 0), 0);
	for (int n = 0; n < 4; n++)
		set_xattr(f, names[n], "trusted.test");
	/* The attribute of the link, not of its target. */
	assert_int_equal(lsetxattr(in(f, "link"), "trusted.test", "link", 4, 0),
			 0);
	start(f, BASE_FROZEN);
	for (int n = 0; n < 4; n++) {
		struct inode *i = lookup(f, root(f), names[n]);
		const char *want = n == 2 ? "link" : "value";
		ssize_t len = (ssize_t)strlen(want);

		assert_int_equal(
			base_getxattr(f->b, i, "trusted.test", buf, 64), len);
		assert_memory_equal(buf, want, (size_t)len);
		assert_int_equal(
			base_getxattr(f->b, i, "trusted.test", NULL, 0), len);
		assert_int_equal(base_getxattr(f->b, i, "trusted.test", buf, 1),
				 -ERANGE);
		assert_int_equal(base_getxattr(f->b, i, "trusted.no", buf, 64),
				 -ENODATA);
		assert_int_equal(base_listxattr(f->b, i, buf, 64), 13);
		assert_memory_equal(buf, "trusted.test", 13);
	}
}

struct names {
	int count;
	int stop_after;
	uint64_t cookie;
	int dots;
	char seen[512];
};

static int note(void *arg, const char *name, uint64_t ino, mode_t type,
		uint64_t cookie)
{
	struct names *n = arg;

	assert_true(ino != 0);
	n->cookie = cookie;
	if (path_is_dot(name)) {
		assert_int_equal(type, S_IFDIR);
		n->dots++;
		return 0;
	}
	assert_int_equal(type, S_IFREG);
	n->seen[strtol(name, NULL, 10)]++;
	return ++n->count == n->stop_after ? 42 : 0;
}

static void test_base__listing_goes_on_behind_a_cookie(void **state)
{
	struct fixture *f = *state;
	struct names n = { .stop_after = 100 };
	char name[16];

	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		put_file(f, name, "", 0);
	}
	start(f, BASE_FROZEN);
	assert_int_equal(base_readdir(f->b, root(f), 0, note, &n), 42);
	assert_int_equal(n.count, 100);
	n.stop_after = 0;
	assert_int_equal(base_readdir(f->b, root(f), n.cookie, note, &n), 0);
	assert_int_equal(n.count, 500);
	assert_int_equal(n.dots, 2);
	for (int i = 0; i < 500; i++)
		assert_int_equal(n.seen[i], 1);
	assert_int_equal(base_readdir(f->b, root(f), n.cookie, note, &n), 0);
	assert_int_equal(n.count, 500);
}

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/*
 * Goal: a tree of any size is read with a bounded number of descriptors, and
 * if none is left, idle ones of the cache are closed.
 */
static void test_base__descriptors_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct inode *i[300];
	struct rlimit was;
	struct rlimit few;
	char name[16];
	int fd[400];
	int before;
	int n;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	start(f, BASE_FROZEN);
	before = fds_open();
	for (n = 0; n < 300; n++) {
		(void)snprintf(name, sizeof(name), "%d", n);
		put_file(f, name, name, strlen(name));
		i[n] = lookup(f, root(f), name);
		assert_read(f, i[n], (struct range){ 0, 16 }, name,
			    strlen(name));
	}
	assert_true(fds_open() - before <= 50);
	for (n = 0; n < 400; n++) {
		fd[n] = open("/", O_PATH);
		if (fd[n] < 0)
			break;
	}
	assert_true(n < 400);
	assert_read(f, i[0], (struct range){ 0, 16 }, "0", 1);
	assert_read(f, i[1], (struct range){ 0, 16 }, "1", 1);
	while (n-- > 0)
		close(fd[n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

static void test_base__held_descriptor_outlives_uncaching(void **state)
{
	struct fixture *f = *state;
	struct base_fd *a;
	struct base_fd *b;
	struct inode *i;
	char buf[8];

	put_file(f, "file", "hello", 5);
	start(f, BASE_FROZEN);
	i = lookup(f, root(f), "file");
	assert_int_equal(base_hold(f->b, i, BASE_READ, &a), 0);
	base_uncache(f->b, i);
	assert_int_equal(base_hold(f->b, i, BASE_READ, &b), 0);
	assert_ptr_not_equal(a, b);
	assert_int_equal(pread(base_fd_of(a), buf, 8, 0), 5);
	base_put(f->b, a);
	assert_int_equal(pread(base_fd_of(b), buf, 8, 0), 5);
	base_put(f->b, b);
}

/*
 * Goal: a mount point inside the base shows as an empty directory with a
 * number of its own, and is never entered.
 */
static void test_base__mount_point_is_foreign(void **state)
{
	struct fixture *f = *state;
	struct names n = { 0 };
	struct base_fd *fd;
	struct statx stx;
	struct inode *i;
	bool foreign;
	char *at;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(in(f, "mnt"), 0755), 0);
	at = strdup(in(f, "mnt"));
	if (mount("none", at, "tmpfs", 0, NULL) < 0) {
		free(at);
		skip();
	}
	start(f, 0);
	i = lookup(f, root(f), "mnt");
	assert_true(i->is_foreign);
	assert_true(i->ino >> 63);
	assert_int_equal(base_stat(f->b, root(f), "mnt", &stx, &foreign), 0);
	assert_int_equal(stx.stx_ino, i->ino);
	assert_int_equal(base_hold(f->b, i, BASE_PATH, &fd), -ESTALE);
	stop(f);
	/* A frozen base is a mount of its own, with nothing mounted in it. */
	start(f, BASE_FROZEN);
	i = lookup(f, root(f), "mnt");
	assert_false(i->is_foreign);
	assert_int_equal(base_readdir(f->b, i, 0, note, &n), 0);
	assert_int_equal(n.dots, 2);
	assert_int_equal(umount(at), 0);
	free(at);
}

static void test_base__generation_tells_births_apart(void **state)
{
	struct statx a = { .stx_mask = STATX_BTIME };
	struct statx b = { .stx_mask = STATX_BTIME };
	struct statx none = { 0 };

	(void)state;
	b.stx_btime.tv_nsec = 1;
	assert_true(base_generation(&a) != base_generation(&b));
	assert_true(base_generation(&b) >> 32 == 0);
	assert_int_equal(base_generation(&b), base_generation(&b));
	assert_int_equal(base_generation(&none), 0);
}

/* Kernels take birth times from a clock that may tick 250 times a second. */
static void test_base__generation_tells_births_of_one_tick_apart(void **state)
{
	struct fixture *f = *state;
	struct statx stx;
	uint64_t generation[2];
	ino_t number[2];
	struct stat st;
	bool again = false;
	int fd;

	start(f, 0);
	for (int n = 0; n < 50 && !again; n++) {
		for (int k = 0; k < 2; k++) {
			fd = open(in(f, "tick"), O_CREAT | O_EXCL | O_RDWR,
				  0600);
			assert_true(fd >= 0);
			assert_int_equal(fstat(fd, &st), 0);
			number[k] = st.st_ino;
			/* Both have the same birth time. */
			stx = (struct statx){ .stx_mask = STATX_BTIME };
			generation[k] = base_generation_of_fd(f->b, fd, &stx);
			assert_int_equal(close(fd), 0);
			assert_int_equal(unlink(in(f, "tick")), 0);
		}
		again = number[0] == number[1];
	}
	if (!again)
		skip();
	assert_true(generation[0] != generation[1]);
	assert_true(generation[0] >> 31 == 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_base__refuses_what_is_neither_directory_nor_file),
		TEST(test_base__file_is_alone_in_its_root),
		TEST(test_base__file_is_the_one_that_was_opened),
		TEST(test_base__directory_nobody_may_enter_is_refused),
		TEST(test_base__reads_small_and_large_files),
		TEST(test_base__directory_is_read_as_no_file),
		TEST(test_base__never_leaves_the_base),
		TEST(test_base__same_name_another_object_is_stale),
		TEST(test_base__object_is_waited_for_while_it_moves),
		TEST(test_base__frozen_base_keeps_its_access_times),
		TEST(test_base__frozen_base_cannot_be_written),
		TEST(test_base__paths_of_any_depth_open),
		TEST(test_base__xattrs_of_every_type_of_object),
		TEST(test_base__listing_goes_on_behind_a_cookie),
		TEST(test_base__descriptors_are_bounded),
		TEST(test_base__held_descriptor_outlives_uncaching),
		TEST(test_base__mount_point_is_foreign),
		TEST(test_base__generation_tells_births_apart),
		TEST(test_base__generation_tells_births_of_one_tick_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
