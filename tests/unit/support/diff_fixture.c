/* SPDX-License-Identifier: MIT */
#include "diff_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door.h"

static const struct mapfs_cred me = { .uid = 0, .gid = 0, .umask = 022 };

void put_base(struct fixture *f, const char *path, const void *buf, size_t len)
{
	const struct timespec times[2] = { { 1000, 5 }, { 1000, 5 } };
	char full[512];
	int fd;

	(void)snprintf(full, sizeof(full), "%s/%s", f->base, path);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), len);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void make_base_dir(struct fixture *f, const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s/%s", f->base, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static void link_base(struct fixture *f, const char *from, const char *to)
{
	char a[512];
	char b[512];

	(void)snprintf(a, sizeof(a), "%s/%s", f->base, from);
	(void)snprintf(b, sizeof(b), "%s/%s", f->base, to);
	assert_int_equal(link(a, b), 0);
}

static int open_views(struct fixture *f)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_MEMORY,
		.base = f->base,
	};
	struct reason why;

	return mapfs_view_open(&f->v, &opt, &why);
}

int setup(void **state)
{
	const struct timespec old[2] = { { 1000, 5 }, { 1000, 5 } };
	struct fixture *f = calloc(1, sizeof(*f));
	char *big = malloc(BIG_PAGES * 4096);
	char path[128];

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/mapfs-diff-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->base, sizeof(f->base), "%s/base", f->dir);
	make_base_dir(f, "");
	make_base_dir(f, "d");
	make_base_dir(f, "d/e");
	make_base_dir(f, "empty");
	memset(big, 'b', BIG_PAGES * 4096);
	put_base(f, "a", "aaaa", 4);
	put_base(f, "big", big, BIG_PAGES * 4096);
	put_base(f, "d/f", "ffff", 4);
	put_base(f, "d/e/g", "gggg", 4);
	put_base(f, "hard", "hard", 4);
	link_base(f, "hard", "d/hard");
	link_base(f, "hard", "d/e/hard");
	(void)snprintf(path, sizeof(path), "%s/l", f->base);
	assert_int_equal(symlink("a", path), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, old, AT_SYMLINK_NOFOLLOW),
			 0);
	free(big);
	assert_int_equal(open_views(f), 0);
	*state = f;
	return 0;
}

void keep_store(struct fixture *f)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
	};
	struct reason why;

	assert_int_equal(mapfs_view_close(f->v), 0);
	(void)snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
}

void take_snapshot(struct fixture *f, const char *name)
{
	struct reason why;

	assert_int_equal(mapfs_snapshot_create(f->v, name, "", &why), 0);
}

struct mapfs_view *open_snapshot(struct fixture *f, const char *name)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = f->store,
		.snapshot = name,
	};
	struct mapfs_view *v;
	struct reason why;

	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	return v;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mapfs_view_close(f->v), 0);
	(void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* The directory of a path, and the name in it. */
static mapfs_ino dir_of(struct fixture *f, const char *path, const char **name)
{
	mapfs_ino dir = mapfs_root_ino(f->v);
	struct mapfs_entry e;
	const char *slash;
	char part[256];

	while ((slash = strchr(path, '/'))) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path),
			       path);
		assert_int_equal(mapfs_lookup(f->v, dir, part, &e), 0);
		dir = e.attr.ino;
		path = slash + 1;
	}
	*name = path;
	return dir;
}

mapfs_ino look(struct fixture *f, const char *path)
{
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = dir_of(f, path, &name);

	if (!*name)
		return dir;
	assert_int_equal(mapfs_lookup(f->v, dir, name, &e), 0);
	return e.attr.ino;
}

void make_dir(struct fixture *f, const char *path)
{
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = dir_of(f, path, &name);

	assert_int_equal(mapfs_mkdir(f->v, NEW(&me, dir, name, 0777), &e), 0);
}

void make_file(struct fixture *f, const char *path, const char *text)
{
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = dir_of(f, path, &name);

	assert_int_equal(
		mapfs_mknod(f->v, NEW(&me, dir, name, S_IFREG | 0666), &e), 0);
	assert_int_equal(write_at(f->v, e.attr.ino, text, strlen(text), 0),
			 strlen(text));
}

void make_link(struct fixture *f, const char *path, const char *target)
{
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = dir_of(f, path, &name);

	assert_int_equal(
		mapfs_symlink(f->v, NEW(&me, dir, name, 0), target, &e), 0);
}

void hard_link(struct fixture *f, const char *from, const char *to)
{
	struct mapfs_entry e;
	const char *name;
	mapfs_ino ino = look(f, from);
	mapfs_ino dir = dir_of(f, to, &name);

	assert_int_equal(mapfs_link(f->v, ino, dir, name, &e), 0);
}

void put(struct fixture *f, const char *path, const char *text, uint64_t off)
{
	assert_int_equal(write_at(f->v, look(f, path), text, strlen(text), off),
			 strlen(text));
}

void set_attr(struct fixture *f, const char *path,
	      const struct mapfs_setattr *set)
{
	struct mapfs_attr attr;

	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(look(f, path)), set,
				       &attr),
			 0);
}

void set_old_mtime(struct fixture *f, const char *path)
{
	set_attr(f, path,
		 &(struct mapfs_setattr){ .valid = MAPFS_SET_MTIME,
					  .mtime = { 1000, 5 } });
}

void set_size(struct fixture *f, const char *path, uint64_t size)
{
	set_attr(f, path,
		 &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
					  .size_bytes = size });
}

void set_mode(struct fixture *f, const char *path, mode_t mode)
{
	set_attr(f, path,
		 &(struct mapfs_setattr){ .valid = MAPFS_SET_MODE,
					  .mode = mode });
}

void move(struct fixture *f, const char *from, const char *to,
	  unsigned int flags)
{
	const char *name;
	const char *newname;
	mapfs_ino dir = dir_of(f, from, &name);
	mapfs_ino newdir = dir_of(f, to, &newname);

	assert_int_equal(
		mapfs_rename(f->v, RENAME(dir, name, newdir, newname, flags)),
		0);
}

void take(struct fixture *f, const char *path)
{
	const char *name;
	mapfs_ino dir = dir_of(f, path, &name);
	int err = mapfs_unlink(f->v, dir, name);

	if (err == -EISDIR)
		err = mapfs_rmdir(f->v, dir, name);
	assert_int_equal(err, 0);
}

void take_d(struct fixture *f)
{
	take(f, "d/e/g");
	take(f, "d/e/hard");
	take(f, "d/e");
	take(f, "d/f");
	take(f, "d/hard");
	take(f, "d");
}

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	default:
		return '?';
	}
}

int write_entry(void *arg, const struct mapfs_diff_entry *e)
{
	static const char letters[] = "cmotx";
	struct fixture *f = arg;
	char what[8] = "-";
	size_t n = 0;
	size_t len = strlen(f->text);

	for (unsigned int i = 0; letters[i]; i++) {
		if (e->what & 1U << i) {
			what[n++] = letters[i];
			what[n] = '\0';
		}
	}
	(void)snprintf(f->text + len, sizeof(f->text) - len,
		       "%c %c %s %s%s%s\n", (char)e->change,
		       type_letter(e->new_side.mode ? e->new_side.mode :
						      e->old_side.mode),
		       what, *e->path ? e->path : "/",
		       strcmp(e->path, e->old_path) ? " < " : "",
		       strcmp(e->path, e->old_path) ? e->old_path : "");
	f->pages = e->pages;
	f->bytes = e->bytes;
	f->ranges[0] = '\0';
	for (size_t i = 0; i < e->range_count; i++) {
		len = strlen(f->ranges);
		(void)snprintf(f->ranges + len, sizeof(f->ranges) - len,
			       "%llu+%llu ",
			       (unsigned long long)e->ranges[i].off_bytes,
			       (unsigned long long)e->ranges[i].len_bytes);
	}
	return 0;
}

void assert_diff_of(struct fixture *f, struct mapfs_view *from,
		    struct mapfs_view *to, const char *want)
{
	f->text[0] = '\0';
	assert_int_equal(mapfs_diff(from, to, &f->opt, write_entry, f), 0);
	assert_string_equal(f->text, want);
}

void assert_diff(struct fixture *f, const char *want)
{
	assert_diff_of(f, NULL, f->v, want);
}
