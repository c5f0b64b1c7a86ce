/* SPDX-License-Identifier: MIT */
/*
 * A line for each object, in the order of names, with what a user could see of
 * it.
 */
#include "tree_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "door.h"

#define LINKS_MAX 4096

/* Text that grows. */
struct text {
	char *buf;
	size_t len;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t,
							   const char *fmt, ...)
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

static uint64_t hash_bytes(const uint8_t *p, size_t len, uint64_t h)
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

static const char *links_first(struct links *l, uint64_t ino, const char *path)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->ino[i] == ino)
			return l->path[i];
	assert_true(l->count < LINKS_MAX);
	l->ino[l->count] = ino;
	l->path[l->count++] = strdup(path);
	return path;
}

static void links_fini(struct links *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->path[i]);
	l->count = 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct list {
	char *name[1024];
	size_t count;
};

static void list_fini(struct list *l)
{
	while (l->count > 0)
		free(l->name[--l->count]);
}

/* One object; `first` is the first path of all that it has. */
struct line {
	const char *path;
	const char *first;
	mode_t mode;
	uint64_t uid;
	uint64_t gid;
	uint64_t size_bytes;
	uint64_t nlink;
	dev_t rdev;
	struct timespec mtime;
	uint64_t hash; /* of its bytes, or of the target of a link */
};

static void add_line(struct text *t, const struct line *l)
{
	bool is_dir = S_ISDIR(l->mode);

	text_add(t,
		 "%s %o %llu:%llu size %llu links %llu first %s dev %llx "
		 "time %lld.%09ld data %llx",
		 l->path, l->mode, (unsigned long long)l->uid,
		 (unsigned long long)l->gid,
		 is_dir ? 0 : (unsigned long long)l->size_bytes,
		 is_dir ? 0 : (unsigned long long)l->nlink, l->first,
		 (unsigned long long)l->rdev, (long long)l->mtime.tv_sec,
		 l->mtime.tv_nsec, (unsigned long long)l->hash);
}

static uint64_t hash_fd(int fd)
{
	static uint8_t buf[65536];
	uint64_t h = 1;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = hash_bytes(buf, (size_t)n, h);
	assert_int_equal(n, 0);
	return h;
}

static void add_base_xattrs(struct text *t, const char *full)
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

static void base_walk(struct text *t, struct links *l, const char *full,
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
	add_line(t, &(struct line){
			    .path = path,
			    .first = S_ISDIR(st.st_mode) ?
					     path :
					     links_first(l, st.st_ino, path),
			    .mode = st.st_mode,
			    .uid = st.st_uid,
			    .gid = st.st_gid,
			    .size_bytes = (uint64_t)st.st_size,
			    .nlink = st.st_nlink,
			    .rdev = st.st_rdev,
			    .mtime = st.st_mtim,
			    .hash = h,
		    });
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

char *tree_text_of_dir(const char *path)
{
	static struct links l;
	struct text t = { 0 };

	base_walk(&t, &l, path, "");
	links_fini(&l);
	return t.buf;
}

static int add_to_list(void *arg, const struct mapfs_dirent *d)
{
	struct list *l = arg;

	if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0)
		l->name[l->count++] = strdup(d->name);
	return 0;
}

static uint64_t hash_view_file(struct mapfs_view *v, mapfs_ino ino)
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

static void add_view_xattrs(struct text *t, struct mapfs_view *v, mapfs_ino ino)
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

static void view_walk(struct text *t, struct links *l, struct mapfs_view *v,
		      mapfs_ino ino, const char *path)
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
	add_line(t,
		 &(struct line){
			 .path = path,
			 .first = S_ISDIR(a.mode) ? path :
						    links_first(l, ino, path),
			 .mode = a.mode,
			 .uid = a.uid,
			 .gid = a.gid,
			 .size_bytes = a.size_bytes,
			 .nlink = a.nlink,
			 .rdev = a.rdev,
			 .mtime = a.mtime,
			 .hash = h,
		 });
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

char *tree_text_of_view(struct mapfs_view *v)
{
	static struct links l;
	struct text t = { 0 };

	view_walk(&t, &l, v, mapfs_root_ino(v), "");
	links_fini(&l);
	return t.buf;
}

void assert_same_text(const char *want, const char *got, const char *what)
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
