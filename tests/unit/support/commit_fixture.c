/* SPDX-License-Identifier: MIT */
/*
 * Where fixtures live, and short forms of the calls that tests make most.
 */
#include "commit_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "core/lib/fault.h"
#include "door.h"
#include "tree_text.h"

static bool make_in(struct fixture *f, const char *dir)
{
	(void)snprintf(f->dir, sizeof(f->dir), "%s/mapfs-commit-XXXXXX", dir);
	if (!mkdtemp(f->dir))
		return false;
	(void)snprintf(f->base, sizeof(f->base), "%s/base", f->dir);
	(void)snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	return true;
}

struct fixture *fixture_create(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	/* Killing needs no disk; where there is no memory, one will do. */
	assert_true(make_in(f, "/dev/shm") || make_in(f, "/tmp"));
	return f;
}

struct fixture *fixture_create_on_disk(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_true(make_in(f, "/tmp"));
	return f;
}

bool fixture_move_store(struct fixture *f)
{
	struct stat base;
	struct stat store;

	(void)snprintf(f->store, sizeof(f->store), "/tmp/mapfs-commit-XXXXXX");
	assert_non_null(mkdtemp(f->store));
	assert_int_equal(stat(f->dir, &base), 0);
	assert_int_equal(stat(f->store, &store), 0);
	return base.st_dev != store.st_dev;
}

void fixture_destroy(struct fixture *f)
{
	fault_disarm();
	if (f->v)
		(void)!mapfs_view_close(f->v);
	remove_tree(f->dir);
	remove_tree(f->store);
	free(f->before);
	free(f->changed);
	free(f);
}

int fixture_teardown(void **state)
{
	fixture_destroy(*state);
	return 0;
}

void open_view(struct fixture *f)
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

void close_view(struct fixture *f)
{
	assert_int_equal(mapfs_view_close(f->v), 0);
	f->v = NULL;
}

mapfs_ino at(struct fixture *f, const char *path)
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
static mapfs_ino above(struct fixture *f, const char *path, const char **last)
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	*last = slash ? slash + 1 : path;
	(void)snprintf(dir, sizeof(dir), "%.*s",
		       slash ? (int)(slash - path) : 0, path);
	return at(f, dir);
}

static struct mapfs_cred me(void)
{
	return (struct mapfs_cred){ .uid = geteuid(), .gid = getegid() };
}

void v_write(struct fixture *f, const char *path, const char *buf, size_t len,
	     uint64_t off)
{
	assert_int_equal(write_at(f->v, at(f, path), buf, len, off), len);
}

void v_put(struct fixture *f, const char *path, const char *text)
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

void v_mkdir(struct fixture *f, const char *path)
{
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_mkdir(f->v, NEW(&cred, dir, name, 0751), &e), 0);
}

void v_symlink(struct fixture *f, const char *path, const char *target)
{
	const struct mapfs_cred cred = me();
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(
		mapfs_symlink(f->v, NEW(&cred, dir, name, 0), target, &e), 0);
}

void v_link(struct fixture *f, const char *from, const char *to)
{
	mapfs_ino ino = at(f, from);
	struct mapfs_entry e;
	const char *name;
	mapfs_ino dir = above(f, to, &name);

	assert_int_equal(mapfs_link(f->v, ino, dir, name, &e), 0);
}

void v_unlink(struct fixture *f, const char *path)
{
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_unlink(f->v, dir, name), 0);
}

void v_rmdir(struct fixture *f, const char *path)
{
	const char *name;
	mapfs_ino dir = above(f, path, &name);

	assert_int_equal(mapfs_rmdir(f->v, dir, name), 0);
}

void v_rename(struct fixture *f, const char *from, const char *to,
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

void v_set(struct fixture *f, const char *path, const struct mapfs_setattr *set)
{
	struct mapfs_attr a;

	assert_int_equal(
		mapfs_setattr(f->v, mapfs_file_of(at(f, path)), set, &a), 0);
}

void b_put(const struct fixture *f, const char *path, char fill, size_t len,
	   off_t off)
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

const char *b_path(const struct fixture *f, const char *path)
{
	static char full[4][256];
	static int next;
	char *p = full[next++ % 4];

	(void)snprintf(p, sizeof(full[0]), "%s/%s", f->base, path);
	return p;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *base_text(const struct fixture *f)
{
	return tree_text_of_dir(f->base);
}

char *view_text(const struct fixture *f)
{
	return tree_text_of_view(f->v);
}

void assert_base(const struct fixture *f, const char *want, const char *what)
{
	char *got = base_text(f);

	assert_same_text(want, got, what);
	free(got);
}

void assert_view(struct fixture *f, const char *want, bool is_changed,
		 const char *what)
{
	struct mapfs_info info;
	char *got;

	open_view(f);
	got = view_text(f);
	mapfs_view_info(f->v, &info);
	assert_same_text(want, got, what);
	assert_int_equal(info.inodes_changed > 0, is_changed);
	close_view(f);
	free(got);
}

struct mapfs_commit_options commit_options(const struct fixture *f,
					   enum mapfs_resolution resolution)
{
	return (struct mapfs_commit_options){
		.store = f->store,
		.base = f->base,
		.resolution = resolution,
	};
}

int try_commit(struct fixture *f, enum mapfs_resolution resolution)
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

void commit(struct fixture *f, enum mapfs_resolution resolution)
{
	int err = try_commit(f, resolution);

	if (err)
		print_message("commit: %s\n", f->why.text);
	assert_int_equal(err, 0);
}

int try_undo(struct fixture *f)
{
	const struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);

	return mapfs_commit_undo(&opt, &f->why);
}

void undo(struct fixture *f)
{
	int err = try_undo(f);

	if (err)
		print_message("undo: %s\n", f->why.text);
	assert_int_equal(err, 0);
}

int commit_paths(struct fixture *f, const char *const *paths, size_t count)
{
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	struct mapfs_commit *c;
	int err;

	opt.paths = paths;
	opt.path_count = count;
	err = mapfs_commit_open(&c, &opt, &f->why);
	if (err)
		return err;
	err = mapfs_commit_run(c, &f->why);
	mapfs_commit_close(c);
	return err;
}

int commit_path(struct fixture *f, const char *path)
{
	return commit_paths(f, &path, 1);
}

struct user_step {
	void (*fn)(void *arg);
	void *arg;
};

static int step_as_user(void *arg)
{
	const struct user_step *step = arg;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 2;
	step->fn(step->arg);
	return 0;
}

void run_as_user(void (*fn)(void *arg), void *arg)
{
	struct user_step step = { fn, arg };

	assert_int_equal(child_run(step_as_user, &step), 0);
}
