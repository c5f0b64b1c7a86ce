/* SPDX-License-Identifier: MIT */
/*
 * All operations begin with the same base and store, in which there is a change
 * of each kind.
 */
#include "operations.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "branch_fixture.h"
#include "child.h"
#include "core/overlay/inode.h"
#include "core/store/compact.h"
#include "core/store/state.h"
#include "door.h"

#define PAGE 4096

static const struct mapfs_cred cred = { .uid = 0, .gid = 0, .umask = 022 };

const char *beside(const struct fixture *f, const char *name)
{
	static char path[2][128];
	static unsigned int next;
	char *p = path[next++ % 2];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", f->dir, name);
	return p;
}

static void make_base(const struct fixture *f)
{
	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "sub"), 0755), 0);
	b_put(f, "big", 'b', 5 * PAGE + 100, 0);
	b_put(f, "small", 's', 5, 0);
	b_put(f, "sub/inner", 'i', 5, 0);
}

/* Snapshot "old" has "one", and the view "two"; each kind of change is there. */
static void make_changes(struct fixture *f)
{
	v_write(f, "big", "one", 3, 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "old", "", &f->why), 0);
	v_write(f, "big", "two", 3, 0);
	v_write(f, "big", "own", 3, PAGE);
	v_put(f, "new", "new bytes");
	v_mkdir(f, "dir");
	v_put(f, "dir/file", "in dir");
	v_rename(f, "sub/inner", "moved", 0);
	v_unlink(f, "small");
	assert_int_equal(set_xattr(f->v, at(f, "new"), "user.x", "x", 1), 0);
}

void operations_begin(struct fixture *f)
{
	make_base(f);
	open_view(f);
	make_changes(f);
	close_view(f);
}

/* --- operations of programs --------------------------------------------- */

static mapfs_ino root(const struct fixture *f)
{
	return mapfs_root_ino(f->v);
}

static int forget(struct fixture *f, int err, const struct mapfs_entry *e)
{
	if (!err)
		mapfs_forget(f->v, e->attr.ino, 1);
	return err;
}

static int run_mknod(struct fixture *f)
{
	struct mapfs_entry e;

	return forget(f,
		      mapfs_mknod(f->v,
				  NEW(&cred, root(f), "n", S_IFREG | 0644), &e),
		      &e);
}

static int run_mkdir(struct fixture *f)
{
	struct mapfs_entry e;

	return forget(f, mapfs_mkdir(f->v, NEW(&cred, root(f), "n", 0755), &e),
		      &e);
}

static int run_symlink(struct fixture *f)
{
	struct mapfs_entry e;

	return forget(
		f, mapfs_symlink(f->v, NEW(&cred, root(f), "n", 0), "to", &e),
		&e);
}

static int run_link(struct fixture *f)
{
	struct mapfs_entry e;

	return forget(f, mapfs_link(f->v, at(f, "big"), root(f), "n", &e), &e);
}

static int run_tmpfile(struct fixture *f)
{
	struct mapfs_entry e;
	int err = mapfs_tmpfile(f->v, NEW(&cred, root(f), "", S_IFREG | 0600),
				&e);

	return forget(f, err, &e);
}

static int run_unlink(struct fixture *f)
{
	return mapfs_unlink(f->v, root(f), "new");
}

static int run_unlink_base(struct fixture *f)
{
	return mapfs_unlink(f->v, root(f), "big");
}

static void open_without_file(struct fixture *f)
{
	open_view(f);
	v_unlink(f, "dir/file");
}

static int run_rmdir(struct fixture *f)
{
	return mapfs_rmdir(f->v, root(f), "dir");
}

static int rename_to(struct fixture *f, const char *to, unsigned int flags)
{
	return mapfs_rename(f->v, RENAME(root(f), "new", root(f), to, flags));
}

static int run_rename(struct fixture *f)
{
	return rename_to(f, "n", 0);
}

static int run_rename_over(struct fixture *f)
{
	return rename_to(f, "big", 0);
}

static int run_exchange(struct fixture *f)
{
	return rename_to(f, "big", 2);
}

static int run_whiteout(struct fixture *f)
{
	return mapfs_rename_whiteout(f->v, &cred,
				     RENAME(root(f), "new", root(f), "n", 0));
}

static int write_to(struct fixture *f, const char *name, size_t len,
		    uint64_t off)
{
	static const char bytes[3 * PAGE] = "written";
	ssize_t n = write_at(f->v, at(f, name), bytes, len, off);

	assert_true(n < 0 || (size_t)n == len);
	return n < 0 ? (int)n : 0;
}

/* A page of the base that is copied up. */
static int run_write_part(struct fixture *f)
{
	return write_to(f, "big", 10, 2 * PAGE + 7);
}

static void open_and_pin(struct fixture *f)
{
	open_view(f);
	assert_int_equal(mapfs_snapshot_create(f->v, "pin", "", &f->why), 0);
}

/* A page that a snapshot pins [P1]. */
static int run_write_pinned(struct fixture *f)
{
	return write_to(f, "big", 10, 0);
}

/* In place, so half of it may be written: then the page is EIO [S3]. */
static int run_overwrite(struct fixture *f)
{
	return write_to(f, "big", PAGE, PAGE);
}

static int run_append(struct fixture *f)
{
	return write_to(f, "new", 3 * PAGE, 9);
}

static int set_size(struct fixture *f, uint64_t size)
{
	const struct mapfs_setattr set = { .valid = MAPFS_SET_SIZE,
					   .size_bytes = size };
	struct mapfs_attr a;

	return mapfs_setattr(f->v, mapfs_file_of(at(f, "big")), &set, &a);
}

static int run_shrink(struct fixture *f)
{
	return set_size(f, PAGE + 1);
}

static int run_grow(struct fixture *f)
{
	return set_size(f, 100 * PAGE);
}

static int run_chmod(struct fixture *f)
{
	const struct mapfs_setattr set = { .valid = MAPFS_SET_MODE,
					   .mode = 0600 };
	struct mapfs_attr a;

	return mapfs_setattr(f->v, mapfs_file_of(at(f, "big")), &set, &a);
}

static int run_setxattr(struct fixture *f)
{
	return set_xattr(f->v, at(f, "big"), "user.y", "y", 1);
}

static int run_removexattr(struct fixture *f)
{
	return mapfs_removexattr(f->v, at(f, "new"), "user.x");
}

static int run_fallocate(struct fixture *f)
{
	return mapfs_fallocate(f->v, mapfs_file_of(at(f, "new")), 0, 0,
			       4 * PAGE);
}

static int run_punch(struct fixture *f)
{
	return mapfs_fallocate(f->v, mapfs_file_of(at(f, "big")),
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE,
			       2 * PAGE);
}

static int run_copy_range(struct fixture *f)
{
	const struct mapfs_copy_range copy = {
		.from = mapfs_file_of(at(f, "big")),
		.to = mapfs_file_of(at(f, "new")),
		.len = 2 * PAGE,
	};
	ssize_t n = mapfs_copy_range(f->v, &copy);

	assert_true(n < 0 || n == 2 * PAGE);
	return n < 0 ? (int)n : 0;
}

/* From the disk: the pages are verified again. */
static int run_read(struct fixture *f)
{
	static char buf[6 * PAGE];
	ssize_t n = mapfs_read(f->v, mapfs_file_of(at(f, "big")), buf,
			       sizeof(buf), 0);

	assert_true(n < 0 || n == 5 * PAGE + 100);
	return n < 0 ? (int)n : 0;
}

static void open_and_change(struct fixture *f)
{
	open_view(f);
	assert_int_equal(run_write_part(f), 0);
	assert_int_equal(run_overwrite(f), 0);
	assert_int_equal(run_unlink(f), 0);
}

static int run_fsync(struct fixture *f)
{
	return mapfs_fsync(f->v, mapfs_file_of(root(f)), false);
}

/* --- operations of the store -------------------------------------------- */

static int run_snapshot(struct fixture *f)
{
	return mapfs_snapshot_create(f->v, "now", "why", &f->why);
}

static int run_snapshot_delete(struct fixture *f)
{
	return mapfs_snapshot_delete(f->v, "old", &f->why);
}

static int run_rollback(struct fixture *f)
{
	return mapfs_rollback(f->v, "old", NULL, NULL, &f->why);
}

static int run_revert(struct fixture *f)
{
	return mapfs_revert(f->v, "big", NULL, NULL, &f->why);
}

static int run_revert_all(struct fixture *f)
{
	return mapfs_revert(f->v, "", NULL, NULL, &f->why);
}

static void open_and_grow(struct fixture *f)
{
	static const char value[1000] = "v";

	open_view(f);
	for (int n = 0; n < 40; n++)
		assert_int_equal(set_xattr(f->v, at(f, "new"), "user.long",
					   value, sizeof(value)),
				 0);
	assert_int_equal(mapfs_removexattr(f->v, at(f, "new"), "user.long"), 0);
}

static int run_compact(struct fixture *f)
{
	struct store *st = overlay_of(f->v)->store;

	rmutex_lock(&st->sync_lock);
	store_compact_if_full(st);
	rmutex_unlock(&st->sync_lock);
	return 0;
}

int run_close(struct fixture *f)
{
	struct mapfs_view *v = f->v;

	f->v = NULL;
	return mapfs_view_close(v);
}

static int open_to(struct fixture *f, bool look_only, bool salvage,
		   const char *snapshot)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
		.look_only = look_only,
		.salvage = salvage,
		.snapshot = snapshot,
	};
	struct mapfs_view *v;
	int err = mapfs_view_open(&v, &opt, &f->why);

	if (!err)
		(void)!mapfs_view_close(v);
	return err;
}

int run_open(struct fixture *f)
{
	return open_to(f, false, false, NULL);
}

static int run_look(struct fixture *f)
{
	return open_to(f, true, false, NULL);
}

static int run_salvage(struct fixture *f)
{
	return open_to(f, false, true, NULL);
}

static int run_open_snapshot(struct fixture *f)
{
	return open_to(f, false, false, "old");
}

static int change_and_die(void *arg)
{
	struct fixture *f = arg;

	open_and_change(f);
	return 0;
}

/* The daemon was killed: the next opening recovers. */
static void die(struct fixture *f)
{
	assert_int_equal(child_run(change_and_die, f), 0);
}

static void remove_store(struct fixture *f)
{
	remove_tree(f->store);
}

static int run_branch(struct fixture *f)
{
	const char *to = beside(f, OPERATIONS_MADE);
	struct reason why;

	/* What an interrupted one left is removed, as the message says. */
	if (access(to, F_OK) == 0 && mapfs_discard(to, &why))
		return -EEXIST;
	return make_branch(f->store, "old", to, &f->why);
}

static int run_discard(struct fixture *f)
{
	return access(f->store, F_OK) ? 0 : mapfs_discard(f->store, &f->why);
}

static int run_check(struct fixture *f)
{
	const struct mapfs_check_options opt = { .store = f->store };
	struct mapfs_check_result result;
	int err = mapfs_check(&opt, &result, &f->why);

	mapfs_check_result_fini(&result);
	return err;
}

static int run_repair(struct fixture *f)
{
	const struct mapfs_check_options opt = { .store = f->store };
	const char *to = beside(f, OPERATIONS_MADE);
	struct mapfs_check_result result;
	struct reason why;
	int err;

	if (access(to, F_OK) == 0 && mapfs_discard(to, &why))
		return -EEXIST;
	err = mapfs_repair(&opt, to, &result, &f->why);
	mapfs_check_result_fini(&result);
	return err;
}

static int run_describe(struct fixture *f)
{
	struct mapfs_store_info info;
	int err = mapfs_store_describe(f->store, &info, &f->why);

	if (!err)
		mapfs_store_info_fini(&info);
	return err;
}

/* --- commits ------------------------------------------------------------ */

static int run_commit(struct fixture *f)
{
	return try_commit(f, MAPFS_STOP);
}

static void commit_all(struct fixture *f)
{
	commit(f, MAPFS_STOP);
}

/* -ENOENT: the undo before had come to its end. */
static int run_undo(struct fixture *f)
{
	int err = try_undo(f);

	return err == -ENOENT ? 0 : err;
}

static int stop_after(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	int *left = arg;

	(void)done_bytes;
	(void)all_bytes;
	return (*left)-- > 0 ? 0 : -EINTR;
}

static void stop_commit(struct fixture *f)
{
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	struct mapfs_commit *c;
	int steps = 25;

	opt.progress = stop_after;
	opt.progress_arg = &steps;
	assert_int_equal(mapfs_commit_open(&c, &opt, &f->why), 0);
	assert_int_equal(mapfs_commit_run(c, &f->why), -EINTR);
	mapfs_commit_close(c);
}

static int run_abandon(struct fixture *f)
{
	const struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	int err = mapfs_commit_abandon(&opt, &f->why);

	return err == -ENOENT ? 0 : err;
}

const struct operation operations[] = {
	{ "mknod", LEAVES_OLD, open_view, run_mknod, true },
	{ "mkdir", LEAVES_OLD, open_view, run_mkdir, true },
	{ "symlink", LEAVES_OLD, open_view, run_symlink, true },
	{ "link", LEAVES_OLD, open_view, run_link, true },
	{ "tmpfile", LEAVES_OLD, open_view, run_tmpfile, true },
	{ "unlink", LEAVES_OLD, open_view, run_unlink, true },
	{ "unlink of the base", LEAVES_OLD, open_view, run_unlink_base, true },
	{ "rmdir", LEAVES_OLD, open_without_file, run_rmdir, true },
	{ "rename", LEAVES_OLD, open_view, run_rename, true },
	{ "rename over", LEAVES_OLD, open_view, run_rename_over, true },
	{ "exchange", LEAVES_OLD, open_view, run_exchange, true },
	{ "rename whiteout", LEAVES_OLD, open_view, run_whiteout, true },
	{ "write, copy up", LEAVES_OLD, open_view, run_write_part, true },
	{ "write, pinned", LEAVES_OLD, open_and_pin, run_write_pinned, true },
	{ "overwrite", LEAVES_REST, open_view, run_overwrite, true },
	{ "append", LEAVES_OLD, open_view, run_append, true },
	{ "shrink", LEAVES_OLD, open_view, run_shrink, true },
	{ "grow", LEAVES_OLD, open_view, run_grow, true },
	{ "chmod", LEAVES_OLD, open_view, run_chmod, true },
	{ "setxattr", LEAVES_OLD, open_view, run_setxattr, true },
	{ "removexattr", LEAVES_OLD, open_view, run_removexattr, true },
	{ "fallocate", LEAVES_OLD, open_view, run_fallocate, true },
	{ "punch", LEAVES_OLD, open_view, run_punch, true },
	{ "copy_range", LEAVES_REST, open_view, run_copy_range, true },
	{ "read", LEAVES_OLD, open_view, run_read, true },
	{ "fsync", LEAVES_OLD, open_and_change, run_fsync, true },
	{ "snapshot", LEAVES_EITHER, open_view, run_snapshot },
	{ "snapshot delete", LEAVES_EITHER, open_view, run_snapshot_delete },
	{ "rollback", LEAVES_EITHER, open_view, run_rollback },
	{ "revert", LEAVES_EITHER, open_view, run_revert },
	{ "revert all", LEAVES_EITHER, open_view, run_revert_all },
	{ "compact", LEAVES_OLD, open_and_grow, run_compact },
	{ "close", LEAVES_OLD, open_and_change, run_close, true },
	{ "open", LEAVES_OLD, NULL, run_open },
	{ "open after a kill", LEAVES_OLD, die, run_open },
	{ "open a new store", LEAVES_REST, remove_store, run_open },
	{ "open to look", LEAVES_OLD, NULL, run_look },
	{ "open a snapshot", LEAVES_OLD, NULL, run_open_snapshot },
	{ "salvage", LEAVES_OLD, NULL, run_salvage },
	{ "branch", LEAVES_REST, NULL, run_branch },
	{ "describe", LEAVES_OLD, NULL, run_describe },
	{ "check", LEAVES_OLD, NULL, run_check },
	{ "repair", LEAVES_REST, NULL, run_repair },
	{ "discard", LEAVES_REST, NULL, run_discard },
	{ "commit", LEAVES_REST, NULL, run_commit, false, true },
	{ "commit, finished", LEAVES_REST, stop_commit, run_commit, false,
	  true },
	{ "undo", LEAVES_REST, commit_all, run_undo, false, true },
	{ "undo of a part", LEAVES_REST, stop_commit, run_undo, false, true },
	{ "abandon", LEAVES_PARTS, stop_commit, run_abandon, false, true },
};

const size_t operation_count = sizeof(operations) / sizeof(*operations);
