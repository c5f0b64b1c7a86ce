/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_UNIT_SUPPORT_COMMIT_FIXTURE_H
#define MAPFS_TESTS_UNIT_SUPPORT_COMMIT_FIXTURE_H

/*
 * A base, a store, a view of them, and what a tree looks like as text: of the
 * view through the door, of the base through system calls, so that both can
 * be compared as strings.
 *
 * Lifetime: fixture_setup() .. fixture_teardown(), which removes all.
 * Errors:   failed assertions.
 * Locking:  one thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lib/fault.h"
#include "core/mapfs.h"
#include "door.h"

#define LINKS_MAX 4096

struct fixture {
	char dir[64];
	char base[96];
	char store[96];
	struct reason why;
	struct mapfs_view *v;
};

/* Text that grows. */
struct text {
	char *buf;
	size_t len;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static inline void
text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->cap - t->len < 8192) {
		t->cap = t->cap * 2 + 65536;
		t->buf = realloc(t->buf, t->cap);
		assert_non_null(t->buf);
	}
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

static inline uint64_t hash_bytes(const uint8_t *p, size_t len, uint64_t h)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

/* First path of each inode that has several. */
struct links {
	size_t count;
	uint64_t ino[LINKS_MAX];
	char *path[LINKS_MAX];
};

static inline const char *links_first(struct links *l, uint64_t ino,
				      const char *path)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->ino[i] == ino)
			return l->path[i];
	assert_true(l->count < LINKS_MAX);
	l->ino[l->count] = ino;
	l->path[l->count++] = strdup(path);
	return path;
}

static inline void links_fini(struct links *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->path[i]);
	l->count = 0;
}

static inline int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct list {
	char *name[1024];
	size_t count;
};

static inline void list_fini(struct list *l)
{
	while (l->count > 0)
		free(l->name[--l->count]);
}

/* --- the base --------------------------------------------------------- */

static inline void describe(struct text *t, const char *path, const char *first,
			    mode_t mode, uint64_t uid, uint64_t gid,
			    uint64_t size, uint64_t nlink, dev_t rdev,
			    struct timespec mtime, uint64_t hash)
{
	if (S_ISDIR(mode)) {
		size = 0;
		nlink = 0;
	}
	text_add(t,
		 "%s %o %llu:%llu size %llu links %llu first %s dev %llx "
		 "time %lld.%09ld data %llx",
		 path, mode, (unsigned long long)uid, (unsigned long long)gid,
		 (unsigned long long)size, (unsigned long long)nlink, first,
		 (unsigned long long)rdev, (long long)mtime.tv_sec,
		 mtime.tv_nsec, (unsigned long long)hash);
}

static inline uint64_t hash_fd(int fd)
{
	static uint8_t buf[65536];
	uint64_t h = 1;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = hash_bytes(buf, (size_t)n, h);
	assert_int_equal(n, 0);
	return h;
}

static inline void add_base_xattrs(struct text *t, const char *full)
{
	char names[4096];
	char value[4096];
	ssize_t len = llistxattr(full, names, sizeof(names));

	for (const char *p = names; len > 0 && p < names + len;
	     p += strlen(p) + 1) {
		ssize_t n = lgetxattr(full, p, value, sizeof(value));

		if (strncmp(p, "user.", 5) == 0)
			text_add(t, " %s=%.*s", p, (int)n, value);
	}
	text_add(t, "\n");
}

static inline void base_walk(struct text *t, struct links *l, const char *full,
			     const char *path)
{
	struct list names = { .count = 0 };
	const struct dirent *e;
	struct stat st;
	uint64_t h = 0;
	char buf[4096];
	DIR *dir;

	assert_int_equal(lstat(full, &st), 0);
	if (S_ISREG(st.st_mode)) {
		int fd = open(full, O_RDONLY | O_NOATIME);

		assert_true(fd >= 0);
		h = hash_fd(fd);
		close(fd);
	} else if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(full, buf, sizeof(buf));

		h = hash_bytes((uint8_t *)buf, (size_t)n, 1);
	}
	describe(t, path,
		 S_ISDIR(st.st_mode) ? path : links_first(l, st.st_ino, path),
		 st.st_mode, st.st_uid, st.st_gid, (uint64_t)st.st_size,
		 st.st_nlink, st.st_rdev, st.st_mtim, h);
	add_base_xattrs(t, full);
	if (!S_ISDIR(st.st_mode))
		return;
	dir = opendir(full);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			names.name[names.count++] = strdup(e->d_name);
	closedir(dir);
	qsort(names.name, names.count, sizeof(char *), by_name);
	for (size_t i = 0; i < names.count; i++) {
		char below[4096];
		char child[4096];

		(void)snprintf(below, sizeof(below), "%s/%s", full,
			       names.name[i]);
		(void)snprintf(child, sizeof(child), "%s/%s", path,
			       names.name[i]);
		base_walk(t, l, below, child);
	}
	list_fini(&names);
}

/* Everything of the base but atime, ctime and numbers; free() it. */
static inline char *base_text(const struct fixture *f)
{
	static struct links l;
	struct text t = { 0 };

	base_walk(&t, &l, f->base, "");
	links_fini(&l);
	return t.buf;
}

/* --- the view --------------------------------------------------------- */

static inline int add_to_list(void *arg, const struct mapfs_dirent *d)
{
	struct list *l = arg;

	if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0)
		l->name[l->count++] = strdup(d->name);
	return 0;
}

static inline uint64_t hash_view_file(struct mapfs_view *v, mapfs_ino ino)
{
	static uint8_t buf[65536];
	uint64_t h = 1;
	uint64_t at = 0;
	ssize_t n;

	while ((n = mapfs_read(v, mapfs_file_of(ino), buf, sizeof(buf), at)) >
	       0) {
		h = hash_bytes(buf, (size_t)n, h);
		at += (uint64_t)n;
	}
	assert_int_equal(n, 0);
	return h;
}

static inline void add_view_xattrs(struct text *t, struct mapfs_view *v,
				   mapfs_ino ino)
{
	struct list sorted = { .count = 0 };
	char names[4096];
	char value[4096];
	ssize_t len = mapfs_listxattr(v, ino, names, sizeof(names));

	for (const char *p = names; len > 0 && p < names + len;
	     p += strlen(p) + 1)
		sorted.name[sorted.count++] = strdup(p);
	for (size_t i = 0; i < sorted.count; i++) {
		ssize_t n = mapfs_getxattr(v, ino, sorted.name[i], value,
					   sizeof(value));

		if (strncmp(sorted.name[i], "user.", 5) == 0)
			text_add(t, " %s=%.*s", sorted.name[i], (int)n, value);
	}
	text_add(t, "\n");
	list_fini(&sorted);
}

static inline void view_walk(struct text *t, struct links *l,
			     struct mapfs_view *v, mapfs_ino ino,
			     const char *path)
{
	struct list names = { .count = 0 };
	struct mapfs_attr a;
	char buf[4096];
	uint64_t h = 0;

	assert_int_equal(mapfs_getattr(v, mapfs_file_of(ino), &a), 0);
	if (S_ISREG(a.mode)) {
		h = hash_view_file(v, ino);
	} else if (S_ISLNK(a.mode)) {
		ssize_t n = mapfs_readlink(v, ino, buf, sizeof(buf));

		h = hash_bytes((uint8_t *)buf, (size_t)n, 1);
	}
	describe(t, path, S_ISDIR(a.mode) ? path : links_first(l, ino, path),
		 a.mode, a.uid, a.gid, a.size_bytes, a.nlink, a.rdev, a.mtime,
		 h);
	add_view_xattrs(t, v, ino);
	if (!S_ISDIR(a.mode))
		return;
	assert_int_equal(mapfs_readdir(v, ino,
				       READDIR(0, false, add_to_list, &names)),
			 0);
	qsort(names.name, names.count, sizeof(char *), by_name);
	for (size_t i = 0; i < names.count; i++) {
		struct mapfs_entry e;
		char child[4096];

		assert_int_equal(mapfs_lookup(v, ino, names.name[i], &e), 0);
		(void)snprintf(child, sizeof(child), "%s/%s", path,
			       names.name[i]);
		view_walk(t, l, v, e.attr.ino, child);
		mapfs_forget(v, e.attr.ino, 1);
	}
	list_fini(&names);
}

static inline char *view_text(const struct fixture *f)
{
	static struct links l;
	struct text t = { 0 };

	view_walk(&t, &l, f->v, mapfs_root_ino(f->v), "");
	links_fini(&l);
	return t.buf;
}

/* Prints the lines that differ, and fails. */
static inline void assert_same_text(const char *want, const char *got,
				    const char *what)
{
	const char *a = want;
	const char *b = got;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return;
	while (a > want && a[-1] != '\n') {
		a--;
		b--;
	}
	print_message("%s:\n  want %.*s\n  got  %.*s\n", what,
		      (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
	fail();
}

/* --- making and changing ---------------------------------------------- */

static inline void open_view(struct fixture *f)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
	};
	int err = mapfs_view_open(&f->v, &opt, &f->why);

	if (err)
		print_message("%s\n", f->why.text);
	assert_int_equal(err, 0);
}

static inline void close_view(struct fixture *f)
{
	assert_int_equal(mapfs_view_close(f->v), 0);
	f->v = NULL;
}

/* The inode of a path of the view. */
static inline mapfs_ino at(struct fixture *f, const char *path)
{
	mapfs_ino ino = mapfs_root_ino(f->v);
	char *copy = strdup(path);
	char *save;

	for (char *p = strtok_r(copy, "/", &save); p;
	     p = strtok_r(NULL, "/", &save)) {
		struct mapfs_entry e;
		int err = mapfs_lookup(f->v, ino, p, &e);

		if (err)
			print_message("%s of %s is not there\n", p, path);
		assert_int_equal(err, 0);
		ino = e.attr.ino;
	}
	free(copy);
	return ino;
}

/* Directory and last name of a path. */
static inline mapfs_ino above(struct fixture *f, const char *path,
			      const char **last)
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	*last = slash ? slash + 1 : path;
	(void)snprintf(dir, sizeof(dir), "%.*s",
		       slash ? (int)(slash - path) : 0, path);
	return at(f, dir);
}

static inline struct mapfs_cred me(void)
{
	return (struct mapfs_cred){ .uid = geteuid(), .gid = getegid() };
}

static inline void v_write(struct fixture *f, const char *path, const char *buf,
			   size_t len, uint64_t off)
{
	assert_int_equal(write_at(f->v, at(f, path), buf, len, off), len);
}

static inline void v_put(struct fixture *f, const char *path, const char *text)
{
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_mknod(f->v,
				     NEW(&cred, dir, name, S_IFREG | 0640), &e),
			 0);
	if (*text)
		v_write(f, path, text, strlen(text), 0);
}

static inline void v_mkdir(struct fixture *f, const char *path)
{
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, dir, name, 0751), &e), 0);
}

static inline void v_symlink(struct fixture *f, const char *path,
			     const char *target)
{
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(
		mapfs_symlink(f->v, NEW(&cred, dir, name, 0), target, &e), 0);
}

static inline void v_link(struct fixture *f, const char *from, const char *to)
{
	mapfs_ino ino = at(f, from);
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, to, &name);

	assert_int_equal(mapfs_link(f->v, ino, dir, name, &e), 0);
}

static inline void v_unlink(struct fixture *f, const char *path)
{
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_unlink(f->v, dir, name), 0);
}

static inline void v_rmdir(struct fixture *f, const char *path)
{
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_rmdir(f->v, dir, name), 0);
}

static inline void v_rename(struct fixture *f, const char *from, const char *to,
			    unsigned int flags)
{
	const char *name;
	const char *newname;
	mapfs_ino dir = above(f, from, &name);
	mapfs_ino newdir = above(f, to, &newname);

	assert_int_equal(
		mapfs_rename(f->v, RENAME(dir, name, newdir, newname, flags)),
		0);
}

static inline void v_set(struct fixture *f, const char *path,
			 const struct mapfs_setattr *set)
{
	struct mapfs_attr a;

	assert_int_equal(
		mapfs_setattr(f->v, mapfs_file_of(at(f, path)), set, &a), 0);
}

/* A file of the base, from `len` bytes of `fill` at `off`. */
static inline void b_put(const struct fixture *f, const char *path, char fill,
			 size_t len, off_t off)
{
	char full[256];
	char *buf = malloc(len + 1);
	int fd;

	memset(buf, fill, len);
	(void)snprintf(full, sizeof(full), "%s/%s", f->base, path);
	fd = open(full, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, len, off), len);
	close(fd);
	free(buf);
}

static inline const char *b_path(const struct fixture *f, const char *path)
{
	static char full[4][256];
	static int next;
	char *p = full[next++ % 4];

	(void)snprintf(p, sizeof(full[0]), "%s/%s", f->base, path);
	return p;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- committing ------------------------------------------------------- */

static inline struct mapfs_commit_options
commit_options(const struct fixture *f, enum mapfs_resolution resolution)
{
	return (struct mapfs_commit_options){
		.store = f->store,
		.base = f->base,
		.resolution = resolution,
	};
}

static inline int try_commit(struct fixture *f,
			     enum mapfs_resolution resolution)
{
	const struct mapfs_commit_options opt = commit_options(f, resolution);
	struct mapfs_commit *c;
	int err = mapfs_commit_open(&c, &opt, &f->why);

	if (err)
		return err;
	err = mapfs_commit_run(c, &f->why);
	mapfs_commit_close(c);
	return err;
}

static inline void commit(struct fixture *f, enum mapfs_resolution resolution)
{
	int err = try_commit(f, resolution);

	if (err)
		print_message("commit: %s\n", f->why.text);
	assert_int_equal(err, 0);
}

static inline int try_undo(struct fixture *f)
{
	const struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);

	return mapfs_commit_undo(&opt, &f->why);
}

static inline void undo(struct fixture *f)
{
	int err = try_undo(f);

	if (err)
		print_message("undo: %s\n", f->why.text);
	assert_int_equal(err, 0);
}

#endif
