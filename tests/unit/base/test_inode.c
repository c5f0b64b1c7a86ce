/* SPDX-License-Identifier: MIT */
#include "core/base/inode.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT 2

static int setup(void **state)
{
	struct itable *t;

	if (itable_create(&t, ROOT))
		return -1;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	itable_destroy(*state);
	return 0;
}

static struct inode_facts facts(mapfs_ino ino, mode_t type,
				struct inode *parent, const char *name)
{
	return (struct inode_facts){
		.ino = ino,
		.generation = 7,
		.type = (uint16_t)type,
		.parent = parent,
		.name = name,
	};
}

/* With a hold. */
static struct inode *add(struct itable *t, mapfs_ino ino, mode_t type,
			 struct inode *parent, const char *name)
{
	const struct inode_facts f = facts(ino, type, parent, name);
	struct inode *i;

	assert_int_equal(itable_get_or_add(t, &f, &i), 0);
	return i;
}

/* Seen at this place after `moves` moves were recorded; with a hold. */
static struct inode *see(struct itable *t, mapfs_ino ino, struct inode *parent,
			 const char *name, uint64_t moves)
{
	const struct inode_facts f = facts(ino, S_IFREG, parent, name);
	struct inode *i;

	assert_int_equal(itable_see(t, &f, moves, &i), 0);
	return i;
}

static void assert_path(struct itable *t, struct inode *i, const char *path)
{
	char *got;

	assert_int_equal(inode_base_path(t, i, &got), 0);
	assert_string_equal(got, path);
	free(got);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_inode__path_leads_from_the_root(void **state)
{
	struct itable *t = *state;
	struct inode *root = itable_root(t);
	struct inode *a = add(t, 10, S_IFDIR, root, "a");
	struct inode *b = add(t, 11, S_IFREG, a, "b");
	struct inode *deep = add(t, 12, S_IFREG, root, "x/y/z");
	struct inode *none = add(t, 13, S_IFREG, NULL, NULL);
	struct inode *parent;
	char name[NAME_MAX + 1];
	char *path;

	assert_path(t, root, "");
	assert_path(t, a, "a");
	assert_path(t, b, "a/b");
	assert_path(t, deep, "x/y/z");
	assert_int_equal(inode_base_path(t, none, &path), -ESTALE);
	assert_int_equal(inode_place(t, b, &parent, name), 0);
	assert_ptr_equal(parent, a);
	assert_string_equal(name, "b");
	(void)inode_put(t, parent);
	assert_int_equal(inode_place(t, deep, &parent, name), -ENAMETOOLONG);
	assert_int_equal(inode_place(t, none, &parent, name), -ESTALE);
	assert_int_equal(inode_place(t, root, &parent, name), -ESTALE);
	assert_int_equal(inode_parent_ino(t, b), 10);
	assert_int_equal(inode_parent_ino(t, root), ROOT);
}

/*
 * Goal: an inode is known exactly as long as something counts it, and that
 * includes the inodes below it.
 * Method: take away one kind of count after the other.
 */
static void test_inode__lives_while_counted(void **state)
{
	struct itable *t = *state;
	struct inode *a = add(t, 10, S_IFDIR, itable_root(t), "a");
	struct inode *b = add(t, 11, S_IFREG, a, "b");

	inode_count_lookup(t, b);
	inode_count_lookup(t, b);
	assert_false(inode_put(t, a));
	assert_false(inode_put(t, b));
	assert_int_equal(itable_count(t), 3);
	assert_false(itable_forget(t, 11, 1));
	assert_int_equal(itable_count(t), 3);
	assert_false(itable_forget(t, 11, 5));
	assert_int_equal(itable_count(t), 1);
	assert_null(itable_get(t, 10));
	assert_null(itable_get(t, 11));
	assert_non_null(itable_get(t, ROOT));
	assert_false(itable_forget(t, 99, 1));
	/* The root is never counted. */
	inode_count_lookup(t, itable_root(t));
	assert_false(itable_forget(t, ROOT, 1));
	assert_int_equal(itable_count(t), 1);
}

static void test_inode__kept_one_tells_when_it_is_left(void **state)
{
	struct itable *t = *state;
	struct inode *a = add(t, 10, S_IFDIR, itable_root(t), "a");
	struct inode *below;

	inode_set_kept(t, a, true);
	below = add(t, 11, S_IFREG, a, "b");
	inode_count_lookup(t, a);
	inode_hold(t, a);
	assert_false(inode_put(t, a));
	assert_false(inode_is_idle(t, a));
	assert_false(itable_forget(t, 10, 1));
	assert_true(inode_is_idle(t, a)); /* except for this hold */
	assert_true(inode_put(t, a));	  /* an inode below is no user */
	(void)inode_put(t, below);
	a = itable_get(t, 10);
	assert_non_null(a);
	inode_set_kept(t, a, false);
	assert_false(inode_put(t, a));
	assert_int_equal(itable_count(t), 1);
}

static int count_one(void *arg, struct inode *i)
{
	int *n = arg;

	assert_true(i->kept);
	return ++*n == 2 ? 5 : 0;
}

static void test_inode__iterates_what_is_kept(void **state)
{
	struct itable *t = *state;
	int n = 0;

	for (mapfs_ino ino = 10; ino < 14; ino++)
		inode_set_kept(t, add(t, ino, S_IFREG, NULL, NULL), ino != 11);
	assert_int_equal(itable_iterate_kept(t, count_one, &n), 5);
	assert_int_equal(n, 2);
}

static void test_inode__newest_place_wins_only_when_it_may(void **state)
{
	struct itable *t = *state;
	struct inode *root = itable_root(t);
	struct inode *a = add(t, 10, S_IFREG, root, "a");
	uint64_t moves;

	assert_ptr_equal(add(t, 10, S_IFREG, root, "b"), a);
	assert_path(t, a, "a");
	assert_ptr_equal(see(t, 10, root, "b", itable_moves(t)), a);
	assert_path(t, a, "b");
	moves = itable_moves(t);
	assert_ptr_equal(see(t, 10, root, "c", moves), a);
	assert_path(t, a, "c");
	assert_int_equal(inode_move(t, a, root, "d"), 0);
	/* Seen before the move, recorded after it. */
	assert_ptr_equal(see(t, 10, root, "c", moves), a);
	assert_path(t, a, "d");
}

static void test_inode__another_generation_is_another_object(void **state)
{
	struct itable *t = *state;
	struct inode *root = itable_root(t);
	struct inode *a = add(t, 10, S_IFREG, root, "a");
	struct inode_facts f = facts(10, S_IFDIR, root, "b");
	struct inode *same;
	char *path;

	atomic_store(&a->change_cookie, 5);
	f.generation = 8;
	assert_int_equal(itable_get_or_add(t, &f, &same), 0);
	assert_ptr_equal(same, a);
	assert_int_equal(a->generation, 8);
	assert_true(S_ISDIR(a->type));
	assert_int_equal(atomic_load(&a->change_cookie), 0);
	assert_path(t, a, "b");
	f = facts(10, S_IFREG, NULL, NULL);
	f.generation = 9;
	assert_int_equal(itable_get_or_add(t, &f, &same), 0);
	assert_int_equal(inode_base_path(t, a, &path), -ESTALE);
	/* A kept inode is what the store says, whatever the base does. */
	inode_set_kept(t, a, true);
	f = facts(10, S_IFDIR, root, "c");
	f.generation = 10;
	assert_int_equal(itable_get_or_add(t, &f, &same), 0);
	assert_int_equal(a->generation, 9);
}

/*
 * Goal: no path leads in a circle, although other processes rename directories
 * of the base while they are read.
 */
static void test_inode__place_below_itself_is_refused(void **state)
{
	struct itable *t = *state;
	struct inode *a = add(t, 10, S_IFDIR, itable_root(t), "a");
	struct inode *b = add(t, 11, S_IFDIR, a, "b");
	const struct inode_facts below = facts(10, S_IFDIR, b, "c");
	struct inode *out;

	assert_int_equal(inode_move(t, a, b, "c"), -ESTALE);
	assert_int_equal(inode_move(t, a, a, "c"), -ESTALE);
	assert_int_equal(itable_see(t, &below, itable_moves(t), &out), -ESTALE);
	assert_path(t, b, "a/b");
	/* The other way round it is true. */
	assert_int_equal(inode_move(t, b, itable_root(t), "b"), 0);
	assert_int_equal(inode_move(t, a, b, "c"), 0);
	assert_path(t, a, "b/c");
}

static void test_inode__move_frees_what_only_it_counted(void **state)
{
	struct itable *t = *state;
	struct inode *a = add(t, 10, S_IFDIR, itable_root(t), "a");
	struct inode *b = add(t, 11, S_IFREG, a, "b");
	char *path;

	assert_false(inode_put(t, a));
	assert_int_equal(itable_count(t), 3);
	assert_false(inode_lose_place(t, b, itable_root(t), "b"));
	assert_false(inode_lose_place(t, b, a, "other"));
	assert_true(inode_lose_place(t, b, a, "b"));
	assert_int_equal(itable_count(t), 2);
	assert_int_equal(inode_base_path(t, b, &path), -ESTALE);
}

static void test_inode__pin_ends_with_the_inode(void **state)
{
	struct itable *t = *state;
	struct inode *i = add(t, 10, S_IFREG, NULL, NULL);
	int fd = open("/", O_PATH);
	int other = open("/", O_PATH);
	int copy;

	assert_int_equal(inode_pin_dup(t, i, &copy), -ENOENT);
	inode_pin(t, i, fd);
	assert_int_equal(inode_pin_dup(t, i, &copy), 0);
	close(copy);
	inode_pin(t, i, other);
	assert_false(is_open(fd));
	assert_true(is_open(other));
	(void)inode_put(t, i);
	assert_false(is_open(other));
}

/* Goal: unlinked files in use do not take the last descriptors. */
static void test_inode__oldest_pin_goes_when_there_are_too_many(void **state)
{
	struct rlimit was;
	struct rlimit few;
	struct itable *t;
	int copy;
	int n;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = 128;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(itable_create(&t, ROOT), 0);
	for (n = 0; n < 1000; n++) {
		int fd = open("/", O_PATH);

		assert_true(fd >= 0);
		inode_pin(t, add(t, (mapfs_ino)n + 10, S_IFREG, NULL, NULL),
			  fd);
	}
	assert_int_equal(inode_pin_dup(t, itable_get(t, 10), &copy), -ENOENT);
	assert_int_equal(inode_pin_dup(t, itable_get(t, 1009), &copy), 0);
	close(copy);
	inode_unpin(t, itable_get(t, 1009));
	assert_int_equal(inode_pin_dup(t, itable_get(t, 1009), &copy), -ENOENT);
	itable_destroy(t);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* Goal: a deep chain of directories does not overflow the stack. */
static void test_inode__deep_chain_goes_at_once(void **state)
{
	struct itable *t = *state;
	struct inode *last = itable_root(t);
	char *path;

	for (mapfs_ino ino = 10; ino < 100010; ino++) {
		struct inode *i = add(t, ino, S_IFDIR, last, "d");

		if (last != itable_root(t))
			(void)inode_put(t, last);
		last = i;
	}
	assert_int_equal(inode_base_path(t, last, &path), 0);
	assert_int_equal(strlen(path), 2 * 100000 - 1);
	free(path);
	(void)inode_put(t, last);
	assert_int_equal(itable_count(t), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_inode__path_leads_from_the_root),
		TEST(test_inode__lives_while_counted),
		TEST(test_inode__kept_one_tells_when_it_is_left),
		TEST(test_inode__iterates_what_is_kept),
		TEST(test_inode__newest_place_wins_only_when_it_may),
		TEST(test_inode__another_generation_is_another_object),
		TEST(test_inode__place_below_itself_is_refused),
		TEST(test_inode__move_frees_what_only_it_counted),
		TEST(test_inode__pin_ends_with_the_inode),
		TEST(test_inode__oldest_pin_goes_when_there_are_too_many),
		TEST(test_inode__deep_chain_goes_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
