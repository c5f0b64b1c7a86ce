/* SPDX-License-Identifier: MIT */
/*
 * Snapshots, rollback, revert and branches when something fails, or the
 * process is killed, at any point of them.
 *
 * Each operation starts from the same store.  It may leave the state before it
 * or the state after it; if it succeeded only the latter.
 */
#include "tests/unit/support/branch_fixture.h"
#include "tests/unit/support/overlay_fixture.h"
#include "tests/unit/support/points.h"

#define PAGE 4096

static struct reason why;

static int put(struct fixture *f, const char *name, const char *text,
	       uint64_t off)
{
	struct mapfs_entry e;
	ssize_t n = mapfs_lookup(f->v, root_ino(f), name, &e);

	if (n < 0)
		return (int)n;
	n = write_at(f->v, e.attr.ino, text, strlen(text), off);
	mapfs_forget(f->v, e.attr.ino, 1);
	return n < 0 ? (int)n : 0;
}

/* Snapshot "old" has "one" in big, the view has "two" and no "small". */
static void prepare(struct fixture *f)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s %s-branch", f->store,
		       f->store);
	assert_int_equal(system(cmd), 0);
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(put(f, "big", "one", 0), 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "old", "", &why), 0);
	assert_int_equal(put(f, "big", "two", 0), 0);
	assert_int_equal(put(f, "big", "own", PAGE), 0);
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "small"), 0);
}

struct seen {
	char big[8];
	bool has_small;
	bool has_old;
	bool has_new;
	bool branch_is_old;
	bool has_branch;
};

static int see_snapshot(void *arg, const struct mapfs_snapshot *s)
{
	struct seen *seen = arg;

	seen->has_old |= strcmp(s->name, "old") == 0;
	seen->has_new |= strcmp(s->name, "new") == 0;
	return 0;
}

static void see_big(struct mapfs_view *v, char *out)
{
	struct mapfs_entry e;

	assert_int_equal(mapfs_lookup(v, mapfs_root_ino(v), "big", &e), 0);
	assert_int_equal(mapfs_read(v, mapfs_file_of(e.attr.ino), out, 3, 0),
			 3);
	mapfs_forget(v, e.attr.ino, 1);
}

/* A snapshot that is listed must show what it was made of. */
static void check_snapshot(struct fixture *f, const char *name,
			   const char *want)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = f->store,
		.snapshot = name,
	};
	struct mapfs_view *v;
	char big[8] = "";

	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	see_big(v, big);
	assert_string_equal(big, want);
	assert_int_equal(mapfs_view_close(v), 0);
}

static void see(struct fixture *f, struct seen *out)
{
	struct fixture g = *f;
	struct mapfs_entry e;

	*out = (struct seen){ .has_old = false };
	see_big(f->v, out->big);
	out->has_small = mapfs_lookup(f->v, root_ino(f), "small", &e) == 0;
	assert_int_equal(mapfs_snapshot_iterate(f->v, see_snapshot, out), 0);
	if (out->has_old)
		check_snapshot(f, "old", "one");
	if (out->has_new)
		check_snapshot(f, "new", "two");
	(void)snprintf(g.store, sizeof(g.store), "%.80s-branch", f->store);
	g.v = NULL;
	/* An empty directory can become a store, and nothing says of which. */
	if (access(g.store, F_OK) < 0 || rmdir(g.store) == 0)
		return;
	/* What an interrupted branch left is a branch, or cannot be opened. */
	if (try_open_copy(&g, MAPFS_STORE_DIR, &why) == 0) {
		char big[8] = "";

		out->has_branch = true;
		see_big(g.v, big);
		out->branch_is_old = strcmp(big, "one") == 0;
		close_copy(&g);
	}
}

static int do_create(struct fixture *f)
{
	return mapfs_snapshot_create(f->v, "new", "", &why);
}

static int do_delete(struct fixture *f)
{
	return mapfs_snapshot_delete(f->v, "old", &why);
}

static int do_rollback(struct fixture *f)
{
	return mapfs_rollback(f->v, "old", NULL, NULL, &why);
}

static int do_revert(struct fixture *f)
{
	return mapfs_revert(f->v, "big", NULL, NULL, &why);
}

static int do_branch(struct fixture *f)
{
	char to[128];

	(void)snprintf(to, sizeof(to), "%s-branch", f->store);
	return make_branch(f->store, "old", to, &why);
}

static bool is_before(const struct seen *s)
{
	return strcmp(s->big, "two") == 0 && !s->has_small && s->has_old &&
	       !s->has_new;
}

static bool is_created(const struct seen *s)
{
	return strcmp(s->big, "two") == 0 && !s->has_small && s->has_old &&
	       s->has_new;
}

static bool is_deleted(const struct seen *s)
{
	return strcmp(s->big, "two") == 0 && !s->has_small && !s->has_old;
}

static bool is_rolled_back(const struct seen *s)
{
	return strcmp(s->big, "one") == 0 && s->has_small && s->has_old;
}

static bool is_reverted(const struct seen *s)
{
	return strcmp(s->big, "bbb") == 0 && !s->has_small && s->has_old;
}

static bool is_branched(const struct seen *s)
{
	return is_before(s) && s->has_branch && s->branch_is_old;
}

struct operation {
	struct fixture *f;
	int (*run)(struct fixture *f);
	bool (*is_done)(const struct seen *s);
};

/* A store must be usable afterwards: it shows a state and takes a change. */
static void check_view(const struct operation *op, bool done)
{
	struct fixture *f = op->f;
	struct seen seen;

	see(f, &seen);
	if (!(op->is_done(&seen) || (!done && is_before(&seen))))
		print_message("big %s small %d old %d new %d\n", seen.big,
			      seen.has_small, seen.has_old, seen.has_new);
	assert_true(op->is_done(&seen) || (!done && is_before(&seen)));
	/* Never a branch that shows the base as if nothing was changed. */
	assert_true(!seen.has_branch || seen.branch_is_old);
	assert_int_equal(put(f, "big", "zzz", 2 * (uint64_t)PAGE), 0);
	assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(root_ino(f)), false),
			 0);
}

static void succeed(const struct operation *op)
{
	prepare(op->f);
	fault_reset();
	assert_int_equal(op->run(op->f), 0);
	assert_true(fault_passed() > 3);
	check_view(op, true);
	close_copy(op->f);
}

static void begin(void *arg)
{
	prepare(((struct operation *)arg)->f);
}

static int run(void *arg)
{
	const struct operation *op = arg;

	return op->run(op->f);
}

/* Opens the store again, after a failure or after the death of a child. */
static void check_store(void *arg, int result)
{
	const struct operation *op = arg;
	struct fixture *f = op->f;

	if (f->v) {
		if (result)
			assert_false(reason_is_empty(&why));
		(void)!mapfs_view_close(f->v);
		f->v = NULL;
	}
	open_copy(f, MAPFS_STORE_DIR);
	check_view(op, result == 0);
	close_copy(f);
}

static void at_each_point(void **state, int (*operation)(struct fixture *f),
			  bool (*is_done)(const struct seen *s))
{
	static const int errors[] = { EIO, ENOSPC, ENOMEM };
	const struct points_test test = {
		.begin = begin,
		.operation = run,
		.check = check_store,
	};
	struct operation op = {
		.f = *state,
		.run = operation,
		.is_done = is_done,
	};

	succeed(&op);
	for (size_t n = 0; n < sizeof(errors) / sizeof(*errors); n++)
		(void)points_fail(&test, errors[n], &op);
	assert_true(points_kill(&test, &op) > 3);
}

static void test_snapshot__created_or_not(void **state)
{
	at_each_point(state, do_create, is_created);
}

static void test_snapshot__deleted_or_not(void **state)
{
	at_each_point(state, do_delete, is_deleted);
}

static void test_rollback__happened_or_not(void **state)
{
	at_each_point(state, do_rollback, is_rolled_back);
}

static void test_revert__happened_or_not(void **state)
{
	at_each_point(state, do_revert, is_reverted);
}

static void test_branch__is_there_or_not(void **state)
{
	at_each_point(state, do_branch, is_branched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_snapshot__created_or_not),
		test_with_copy(test_snapshot__deleted_or_not),
		test_with_copy(test_rollback__happened_or_not),
		test_with_copy(test_revert__happened_or_not),
		test_with_copy(test_branch__is_there_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
