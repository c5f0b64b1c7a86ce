/* SPDX-License-Identifier: MIT */
#include "overlay_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct mapfs_cred nobody = { .uid = 12, .gid = 13, .umask = 022 };

void put_file(const char *dir, const char *name, const void *buf, size_t len)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), len);
	close(fd);
}

int try_open_copy(struct fixture *f, enum mapfs_store_kind kind,
		  struct reason *why)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = kind,
		.base = f->base,
		.store = kind == MAPFS_STORE_DIR ? f->store : NULL,
	};

	return mapfs_view_open(&f->v, &opt, why);
}

void open_copy(struct fixture *f, enum mapfs_store_kind kind)
{
	struct reason why;
	int err = try_open_copy(f, kind, &why);

	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
}

void close_copy(struct fixture *f)
{
	assert_int_equal(mapfs_view_close(f->v), 0);
	f->v = NULL;
}

void reopen_copy(struct fixture *f)
{
	close_copy(f);
	open_copy(f, MAPFS_STORE_DIR);
}

int overlay_fixture_begin(void **state)
{
	return overlay_fixture_begin_in(state, "/tmp");
}

int overlay_fixture_begin_in(void **state, const char *where)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char sub[128];
	char *big = malloc(BIG_BYTES);

	(void)snprintf(f->dir, sizeof(f->dir), "%s/mapfs-overlay-XXXXXX",
		       where);
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->base, sizeof(f->base), "%s/base", f->dir);
	(void)snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	(void)snprintf(sub, sizeof(sub), "%s/sub", f->base);
	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(sub, 0755), 0);
	memset(big, 'b', BIG_BYTES);
	put_file(f->base, "big", big, BIG_BYTES);
	put_file(f->base, "small", "hello", 5);
	put_file(sub, "inner", "inner", 5);
	free(big);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int overlay_fixture_end(void **state)
{
	struct fixture *f = *state;

	fault_disarm();
	if (f->v)
		(void)!mapfs_view_close(f->v);
	(void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

mapfs_ino ino_of(struct fixture *f, mapfs_ino dir, const char *name)
{
	struct mapfs_entry e;

	assert_int_equal(mapfs_lookup(f->v, dir, name, &e), 0);
	mapfs_forget(f->v, e.attr.ino, 0);
	return e.attr.ino;
}

mapfs_ino root_ino(struct fixture *f)
{
	return mapfs_root_ino(f->v);
}

void assert_content(struct fixture *f, mapfs_ino ino, uint64_t off,
		    const char *want, size_t len)
{
	char *got = malloc(len + 1);

	assert_int_equal(mapfs_read(f->v, mapfs_file_of(ino), got, len, off),
			 len);
	assert_memory_equal(got, want, len);
	free(got);
}

void assert_base_untouched(struct fixture *f)
{
	char path[128];
	char buf[8] = { 0 };
	int fd;

	(void)snprintf(path, sizeof(path), "%s/small", f->base);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	close(fd);
}
