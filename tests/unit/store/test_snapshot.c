/* SPDX-License-Identifier: MIT */
/*
 * Snapshots, rollback, revert and branches, through core/mapfs.h.
 */
#include "tests/unit/support/overlay_fixture.h"

#include <time.h>

#include "core/delta/snapshot.h"
#include "tests/unit/support/branch_fixture.h"

#define PAGE 4096

static struct reason why;

static void put(struct fixture *f, const char *name, const char *text,
		uint64_t off)
{
	mapfs_ino ino = ino_of(f, root_ino(f), name);

	assert_int_equal(write_at(f->v, ino, text, strlen(text), off),
			 strlen(text));
}

static void expect(struct mapfs_view *v, const char *name, uint64_t off,
		   const char *want)
{
	struct mapfs_entry e;
	char got[64] = { 0 };

	assert_int_equal(mapfs_lookup(v, mapfs_root_ino(v), name, &e), 0);
	assert_int_equal(mapfs_read(v, mapfs_file_of(e.attr.ino), got,
				    strlen(want), off),
			 strlen(want));
	assert_string_equal(got, want);
	mapfs_forget(v, e.attr.ino, 1);
}

static void create(struct fixture *f, const char *name)
{
	struct mapfs_entry e;

	assert_int_equal(
		mapfs_mknod(f->v,
			    NEW(&nobody, root_ino(f), name, S_IFREG | 0644),
			    &e),
		0);
}

static void snap(struct fixture *f, const char *name)
{
	int err = mapfs_snapshot_create(f->v, name, "why not", &why);

	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
}

static void back(struct fixture *f, const char *name)
{
	int err = mapfs_rollback(f->v, name, NULL, NULL, &why);

	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
}

static struct mapfs_view *open_at(struct fixture *f, const char *store,
				  const char *snapshot)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = store,
		.snapshot = snapshot,
	};
	struct mapfs_view *v;
	int err = mapfs_view_open(&v, &opt, &why);

	(void)f;
	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
	return v;
}

static int count_one(void *arg, const struct mapfs_snapshot *s)
{
	assert_string_equal(s->message, "why not");
	assert_true(s->is_reachable);
	(*(unsigned int *)arg)++;
	return 0;
}

static unsigned int count(struct mapfs_view *v)
{
	unsigned int n = 0;

	assert_int_equal(mapfs_snapshot_iterate(v, count_one, &n), 0);
	return n;
}

static uint64_t pages(struct fixture *f)
{
	struct mapfs_info info;

	mapfs_view_info(f->v, &info);
	return info.private_pages;
}

static void test_snapshot__later_writes_do_not_reach_it(void **state)
{
	struct fixture *f = *state;
	struct mapfs_view *past;
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 5000);
	snap(f, "a");
	put(f, "big", "two", 5000);
	create(f, "new");
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "small"), 0);
	/* Beside the live view. */
	past = open_at(f, f->store, "a");
	expect(past, "big", 4999, "boneb");
	expect(past, "small", 0, "hello");
	assert_int_equal(mapfs_lookup(past, mapfs_root_ino(past), "new", &e),
			 -ENOENT);
	assert_int_equal(mapfs_lookup(past, mapfs_root_ino(past), "big", &e),
			 0);
	assert_int_equal(write_at(past, e.attr.ino, "x", 1, 0), -EROFS);
	assert_int_equal(
		mapfs_mkdir(past, NEW(&nobody, mapfs_root_ino(past), "d", 0777),
			    &e),
		-EROFS);
	assert_int_equal(mapfs_view_close(past), 0);
	expect(f->v, "big", 4999, "btwob");
	reopen_copy(f);
	expect(f->v, "big", 4999, "btwob");
	past = open_at(f, f->store, "a");
	expect(past, "big", 4999, "boneb");
	assert_int_equal(count(past), 0);
	assert_int_equal(mapfs_view_close(past), 0);
	assert_int_equal(count(f->v), 1);
}

static void test_snapshot__names_are_checked(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", ".", "..", ".a", "a/b", "a@b" };

	open_copy(f, MAPFS_STORE_DIR);
	for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++)
		assert_int_equal(mapfs_snapshot_create(f->v, bad[n], "", &why),
				 -EINVAL);
	snap(f, "a");
	assert_int_equal(mapfs_snapshot_create(f->v, "a", "", &why), -EEXIST);
	assert_int_equal(mapfs_snapshot_delete(f->v, "b", &why), -ENOENT);
	assert_int_equal(mapfs_rollback(f->v, "b", NULL, NULL, &why), -ENOENT);
	close_copy(f);
	open_copy(f, MAPFS_STORE_UNLINKED);
	assert_int_equal(mapfs_snapshot_create(f->v, "a", "", &why), -EINVAL);
	assert_non_null(strstr(why.text, "-s STORE"));
}

static void test_snapshot__deleting_gives_its_pages_back(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 0);
	before = pages(f);
	snap(f, "a");
	put(f, "big", "two", 0);
	assert_int_equal(pages(f), before + 1);
	put(f, "big", "six", 0);
	assert_int_equal(pages(f), before + 1);
	assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(root_ino(f)), false),
			 0);
	assert_int_equal(pages(f), before + 1);
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), 0);
	assert_int_equal(mapfs_fsync(f->v, mapfs_file_of(root_ino(f)), false),
			 0);
	assert_int_equal(pages(f), before);
	assert_int_equal(count(f->v), 0);
	reopen_copy(f);
	assert_int_equal(count(f->v), 0);
	assert_int_equal(pages(f), before);
	expect(f->v, "big", 0, "sixb");
}

struct told {
	unsigned int names;
	unsigned int inodes;
	unsigned int gone;
	bool size_seen;
};

static void tell(void *arg, const struct mapfs_invalidation *s)
{
	struct told *t = arg;

	if (s->name) {
		t->names++;
		return;
	}
	t->inodes++;
	t->gone += s->is_gone;
	t->size_seen |= s->was_bytes != s->size_bytes;
}

static void test_rollback__brings_back_data_names_and_sizes(void **state)
{
	struct fixture *f = *state;
	struct mapfs_setattr set = { .valid = MAPFS_SET_SIZE, .size_bytes = 3 };
	struct mapfs_entry e;
	struct mapfs_attr attr;
	struct told told = { 0 };
	mapfs_ino made;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	put(f, "big", "one", 5000);
	snap(f, "a");
	put(f, "big", "two", 5000);
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(big), &set, &attr),
			 0);
	assert_int_equal(
		mapfs_mknod(f->v,
			    NEW(&nobody, root_ino(f), "new", S_IFREG | 0644),
			    &e),
		0);
	made = e.attr.ino;
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "small"), 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "sub",
						   root_ino(f), "bus", 0)),
			 0);
	assert_int_equal(mapfs_rollback(f->v, "a", tell, &told, &why), 0);
	assert_true(told.names >= 4);
	assert_true(told.inodes >= 3);
	assert_true(told.gone >= 1);
	assert_true(told.size_seen);
	for (int n = 0; n < 2; n++) {
		expect(f->v, "big", 4999, "boneb");
		expect(f->v, "small", 0, "hello");
		(void)ino_of(f, root_ino(f), "sub");
		assert_int_equal(mapfs_lookup(f->v, root_ino(f), "bus", &e),
				 -ENOENT);
		assert_int_equal(mapfs_lookup(f->v, root_ino(f), "new", &e),
				 -ENOENT);
		assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(made),
					       &attr),
				 -ESTALE);
		if (n == 0)
			reopen_copy(f);
	}
	/* A number is never given again. */
	assert_int_equal(
		mapfs_mknod(f->v,
			    NEW(&nobody, root_ino(f), "next", S_IFREG | 0644),
			    &e),
		0);
	assert_int_not_equal(e.attr.ino, made);
}

static void test_rollback__cached_pages_of_before_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_DIR);
	snap(f, "a");
	put(f, "big", "one", 0);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(mapfs_rollback(f->v, "a", tell, &told, &why), 0);
	assert_int_equal(mapfs_write(f->v, mapfs_file_of(big),
				     WRITE_CACHED("two", 3, 0)),
			 3);
	expect(f->v, "big", 0, "bbb");
	assert_int_equal(write_at(f->v, big, "six", 3, 0), 3);
	expect(f->v, "big", 0, "six");
	mapfs_invalidated(f->v, big);
	assert_int_equal(mapfs_write(f->v, mapfs_file_of(big),
				     WRITE_CACHED("ten", 3, 0)),
			 3);
	expect(f->v, "big", 0, "ten");
}

/*
 * Goal: rollback to several snapshots in any order, with writes in between.
 * Method: the text of each snapshot is its number.
 */
static void test_rollback__to_any_snapshot_in_any_order(void **state)
{
	static const int order[] = { 3, 0, 4, 1, 2, 2, 0 };
	struct fixture *f = *state;
	char name[2] = "0";

	open_copy(f, MAPFS_STORE_DIR);
	for (int n = 0; n < 5; n++) {
		name[0] = (char)('0' + n);
		put(f, "big", name, 0);
		put(f, "big", name, (uint64_t)(n + 1) * PAGE);
		create(f, name);
		snap(f, name);
	}
	for (size_t n = 0; n < sizeof(order) / sizeof(*order); n++) {
		name[0] = (char)('0' + order[n]);
		back(f, name);
		expect(f->v, "big", 0, name);
		expect(f->v, "big", (uint64_t)(order[n] + 1) * PAGE, name);
		expect(f->v, "big", (uint64_t)(order[n] + 2) * PAGE, "b");
		put(f, "big", "zzz", 0);
		if (n % 2)
			reopen_copy(f);
	}
	assert_int_equal(count(f->v), 5);
	for (int n = 0; n < 5; n++) {
		name[0] = (char)('0' + n);
		assert_int_equal(mapfs_snapshot_delete(f->v, name, &why), 0);
	}
	reopen_copy(f);
	expect(f->v, "big", 0, "zzz");
	/* The first page of big, and one that the oldest snapshot had, too. */
	assert_int_equal(pages(f), 2);
}

struct told_progress {
	unsigned int calls;
	uint64_t done_bytes;
	uint64_t most_bytes;
	bool is_over;
};

static void note_progress(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	struct told_progress *t = arg;

	t->calls++;
	t->is_over = all_bytes == 0;
	if (t->is_over)
		return;
	assert_true(done_bytes >= t->done_bytes);
	assert_true(all_bytes > done_bytes);
	t->done_bytes = done_bytes;
	if (all_bytes > t->most_bytes)
		t->most_bytes = all_bytes;
}

/*
 * Claim: the caller is told how far the new journal is written.
 * Method: a state of 64 equal files, each larger than a group of records.
 */
static void test_rollback__tells_how_far_it_is(void **state)
{
	enum {
		FILES = 64,
		VALUE_BYTES = 60000
	};
	struct fixture *f = *state;
	struct told_progress told = { 0 };
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
		.progress = note_progress,
		.progress_arg = &told,
	};
	char *value = calloc(1, VALUE_BYTES);

	assert_int_equal(mapfs_view_open(&f->v, &opt, &why), 0);
	for (int n = 0; n < FILES; n++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%d", n);
		create(f, name);
		assert_int_equal(set_xattr(f->v, ino_of(f, root_ino(f), name),
					   "user.v", value, VALUE_BYTES),
				 0);
	}
	free(value);
	snap(f, "then");
	assert_int_equal(told.calls, 0);
	back(f, "then");
	assert_true(told.calls > 8);
	assert_true(told.is_over);
	/* All but the last group was told, and the estimates were good. */
	assert_true(told.done_bytes > (FILES - 8) * VALUE_BYTES);
	assert_true(told.most_bytes < 3 * FILES * VALUE_BYTES);
}

static void branch(struct fixture *f, const char *from, const char *name,
		   const char *to)
{
	int err = make_branch(from, name, to, &why);

	(void)f;
	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
}

static void test_branch__goes_its_own_way(void **state)
{
	struct fixture *f = *state;
	struct fixture g = *f;
	struct fixture h = *f;

	(void)snprintf(g.store, sizeof(g.store), "%s/branch", f->dir);
	(void)snprintf(h.store, sizeof(h.store), "%s/twig", f->dir);
	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 0);
	put(f, "big", "own", PAGE);
	create(f, "parents");
	snap(f, "a");
	put(f, "big", "two", 0);
	branch(f, f->store, "a", g.store);
	open_copy(&g, MAPFS_STORE_DIR);
	expect(g.v, "big", 0, "one");
	expect(g.v, "parents", 0, "");
	assert_int_equal(pages(&g), 0);
	put(&g, "big", "six", 0);
	create(&g, "childs");
	expect(g.v, "big", 0, "sixb");
	expect(g.v, "big", PAGE, "ownb");
	expect(f->v, "big", 0, "twob");
	snap(&g, "b");
	put(&g, "big", "ten", 0);
	branch(&g, g.store, "b", h.store);
	open_copy(&h, MAPFS_STORE_DIR);
	for (int n = 0; n < 3; n++) {
		expect(h.v, "big", 0, "sixb");
		expect(h.v, "big", PAGE, "ownb");
		expect(h.v, "childs", 0, "");
		expect(g.v, "big", 0, "tenb");
		put(&h, "big", "h", PAGE * 2);
		if (n == 0)
			reopen_copy(&h);
		/* A compacted journal needs only the pages of the parents. */
		if (n == 1) {
			snap(&h, "c");
			back(&h, "c");
			reopen_copy(&h);
		}
	}
	back(&g, "b");
	expect(g.v, "big", 0, "sixb");
	close_copy(&h);
	close_copy(&g);
	reopen_copy(f);
	expect(f->v, "big", 0, "twob");
	/* The refusal names the branch. */
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), -EBUSY);
	assert_non_null(strstr(why.text, g.store));
	close_copy(f);
	assert_int_equal(mapfs_discard(g.store, &why), -EBUSY);
	assert_non_null(strstr(why.text, h.store));
	assert_int_equal(mapfs_discard(h.store, &why), 0);
	assert_int_equal(access(h.store, F_OK), -1);
	assert_int_equal(mapfs_discard(g.store, &why), 0);
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), 0);
}

static void test_discard__leaves_what_somebody_reads(void **state)
{
	struct fixture *f = *state;
	struct mapfs_view *past;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 0);
	snap(f, "a");
	assert_int_equal(mapfs_discard(f->store, &why), -EBUSY);
	past = open_at(f, f->store, "a");
	/* A snapshot that is shown cannot be deleted either. */
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), -EBUSY);
	close_copy(f);
	assert_int_equal(mapfs_discard(f->store, &why), -EBUSY);
	assert_non_null(strstr(why.text, "snapshot"));
	expect(past, "big", 0, "oneb");
	assert_int_equal(mapfs_view_close(past), 0);
	assert_int_equal(mapfs_discard(f->store, &why), 0);
	assert_int_equal(access(f->store, F_OK), -1);
}

static void test_branch__needs_its_parent(void **state)
{
	struct fixture *f = *state;
	struct fixture g = *f;
	char moved[128];

	(void)snprintf(g.store, sizeof(g.store), "%s/branch", f->dir);
	(void)snprintf(moved, sizeof(moved), "%s/moved", f->dir);
	open_copy(f, MAPFS_STORE_DIR);
	snap(f, "a");
	close_copy(f);
	branch(f, f->store, "a", g.store);
	assert_int_equal(make_branch(f->store, "a", g.store, &why), -EEXIST);
	assert_int_equal(make_branch(f->store, "b", moved, &why), -ENOENT);
	assert_int_equal(rename(f->store, moved), 0);
	assert_int_equal(try_open_copy(&g, MAPFS_STORE_DIR, &why), -ESTALE);
	assert_non_null(strstr(why.text, f->store));
	assert_int_equal(rename(moved, f->store), 0);
	open_copy(&g, MAPFS_STORE_DIR);
	close_copy(&g);
}

static void test_look__shares_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = f->store,
		.look_only = true,
	};
	struct mapfs_store_info info;
	struct mapfs_view *a;
	struct mapfs_view *b;
	struct mapfs_attr attr;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 0);
	assert_int_equal(mapfs_view_open(&a, &opt, &why), -EBUSY);
	assert_int_equal(mapfs_store_describe(f->store, &info, &why), 0);
	assert_string_equal(info.base, f->base);
	assert_int_equal(info.pid, getpid());
	mapfs_store_info_fini(&info);
	close_copy(f);
	assert_int_equal(mapfs_view_open(&a, &opt, &why), 0);
	assert_int_equal(mapfs_view_open(&b, &opt, &why), 0);
	expect(a, "big", 0, "oneb");
	expect(b, "big", 0, "oneb");
	assert_int_equal(
		mapfs_setattr(a, mapfs_file_of(mapfs_root_ino(a)),
			      &(struct mapfs_setattr){ .valid = MAPFS_SET_MODE,
						       .mode = 0700 },
			      &attr),
		-EROFS);
	assert_int_equal(try_open_copy(f, MAPFS_STORE_DIR, &why), -EBUSY);
	assert_int_equal(mapfs_view_close(a), 0);
	assert_int_equal(mapfs_view_close(b), 0);
	opt.store = f->base;
	assert_int_equal(mapfs_view_open(&a, &opt, &why), -ENOENT);
}

static void revert(struct fixture *f, const char *path, int want)
{
	int err = mapfs_revert(f->v, path, NULL, NULL, &why);

	if (err != want)
		print_message("%s\n", why.text);
	assert_int_equal(err, want);
}

static uint32_t links(struct fixture *f, mapfs_ino ino)
{
	struct mapfs_attr attr;

	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(ino), &attr), 0);
	return attr.nlink;
}

static uint64_t changed(struct fixture *f)
{
	struct mapfs_info info;

	mapfs_view_info(f->v, &info);
	return info.inodes_changed;
}

static void test_revert__one_file_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 0);
	put(f, "small", "J", 0);
	create(f, "new");
	revert(f, "big", 0);
	for (int n = 0; n < 2; n++) {
		expect(f->v, "big", 0, "bbb");
		expect(f->v, "small", 0, "Jello");
		(void)ino_of(f, root_ino(f), "new");
		if (n == 0)
			reopen_copy(f);
	}
	revert(f, "new", 0);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "new", &e), -ENOENT);
	assert_int_equal(mapfs_unlink(f->v, root_ino(f), "small"), 0);
	revert(f, "small", 0);
	expect(f->v, "small", 0, "hello");
	revert(f, "small", 0);
	revert(f, "nothing", -ENOENT);
	revert(f, "big/x", -ENOTDIR);
	revert(f, "", 0);
	assert_int_equal(changed(f), 0);
}

static void test_revert__a_tree_with_what_moved_in_and_out(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;
	mapfs_ino sub;
	mapfs_ino inner;
	uint32_t root_links;

	open_copy(f, MAPFS_STORE_DIR);
	root_links = links(f, root_ino(f));
	sub = ino_of(f, root_ino(f), "sub");
	inner = ino_of(f, sub, "inner");
	assert_int_equal(write_at(f->v, inner, "X", 1, 0), 1);
	assert_int_equal(mapfs_mkdir(f->v, NEW(&nobody, sub, "deep", 0777), &e),
			 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "small",
						   e.attr.ino, "s", 0)),
			 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(sub, "inner", root_ino(f),
						   "outer", 0)),
			 0);
	assert_int_equal(mapfs_rename(f->v, RENAME(root_ino(f), "sub",
						   root_ino(f), "bus", 0)),
			 0);
	put(f, "big", "stay", 0);
	revert(f, "sub", 0);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(ino_of(f, root_ino(f), "sub"), sub);
		assert_int_equal(mapfs_lookup(f->v, root_ino(f), "bus", &e),
				 -ENOENT);
		assert_int_equal(mapfs_lookup(f->v, root_ino(f), "outer", &e),
				 -ENOENT);
		assert_int_equal(mapfs_lookup(f->v, sub, "deep", &e), -ENOENT);
		assert_int_equal(ino_of(f, sub, "inner"), inner);
		assert_content(f, inner, 0, "inner", 5);
		expect(f->v, "small", 0, "hello");
		expect(f->v, "big", 0, "stay");
		assert_int_equal(links(f, root_ino(f)), root_links);
		assert_int_equal(links(f, sub), 2);
		if (n == 0)
			reopen_copy(f);
	}
}

static void test_revert__links_of_the_view_stay(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;
	mapfs_ino big;

	open_copy(f, MAPFS_STORE_DIR);
	big = ino_of(f, root_ino(f), "big");
	assert_int_equal(mapfs_link(f->v, big, root_ino(f), "more", &e), 0);
	put(f, "big", "one", 0);
	revert(f, "big", 0);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(ino_of(f, root_ino(f), "more"), big);
		expect(f->v, "more", 0, "bbb");
		assert_int_equal(links(f, big), 2);
		if (n == 0)
			reopen_copy(f);
	}
	revert(f, "more", 0);
	assert_int_equal(links(f, big), 1);
}

static void test_revert__refuses_to_hide_what_comes_back(void **state)
{
	struct fixture *f = *state;
	struct mapfs_entry e;
	mapfs_ino sub;

	open_copy(f, MAPFS_STORE_DIR);
	sub = ino_of(f, root_ino(f), "sub");
	assert_int_equal(
		mapfs_rename(f->v, RENAME(root_ino(f), "small", sub, "s", 0)),
		0);
	create(f, "small");
	revert(f, "sub", -EEXIST);
	assert_non_null(strstr(why.text, "small"));
	assert_int_equal(mapfs_lookup(f->v, sub, "s", &e), 0);
	revert(f, "small", 0);
	assert_int_equal(mapfs_lookup(f->v, sub, "s", &e), -ENOENT);
	expect(f->v, "small", 0, "hello");
	revert(f, "sub", 0);
	/* Revert needs no kept store. */
	close_copy(f);
	open_copy(f, MAPFS_STORE_UNLINKED);
	put(f, "big", "one", 0);
	revert(f, "big", 0);
	expect(f->v, "big", 0, "bbb");
}

static void test_store__without_its_journal_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stat before;
	struct stat after;
	char cmd[512];
	char pages[128];

	open_copy(f, MAPFS_STORE_DIR);
	put(f, "big", "one", 0);
	close_copy(f);
	(void)snprintf(pages, sizeof(pages), "%s/pages", f->store);
	assert_int_equal(stat(pages, &before), 0);
	(void)snprintf(cmd, sizeof(cmd),
		       "cp -a %s/journal %s && rm %s/journal/*", f->store,
		       f->dir, f->store);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(try_open_copy(f, MAPFS_STORE_DIR, &why), -EUCLEAN);
	assert_non_null(strstr(why.text, "journal"));
	(void)snprintf(cmd, sizeof(cmd), "rmdir %s/journal", f->store);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(try_open_copy(f, MAPFS_STORE_DIR, &why), -EUCLEAN);
	assert_int_equal(stat(pages, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	(void)snprintf(cmd, sizeof(cmd), "mv %s/journal %s", f->dir, f->store);
	assert_int_equal(system(cmd), 0);
	open_copy(f, MAPFS_STORE_DIR);
	expect(f->v, "big", 0, "oneb");
}

/*
 * Goal: the time to open a store grows with its journal, not with the square.
 * Method: the records of a compacted journal for thousands of snapshots with
 * scattered pages; they need a hundredth of the time that is allowed.
 */
static void test_snapshot__thousands_are_read_in_order(void **state)
{
	const unsigned int snapshot_count = 4000;
	const unsigned int run_count = 300;
	struct snapshots all;
	char name[16];
	clock_t begin = clock();

	(void)state;
	snapshots_init(&all);
	for (unsigned int n = 1; n <= snapshot_count; n++) {
		struct record r = {
			.type = RECORD_SNAPSHOT,
			.snapshot = {
				.id = n,
				.base_version = 1,
				.pins_follow = true,
				.name = name,
				.message = "",
			},
		};

		(void)snprintf(name, sizeof(name), "s%u", n);
		r.snapshot.name_bytes = strlen(name);
		assert_int_equal(snapshots_apply(&all, &r, NULL, true), 0);
		r = (struct record){
			.type = RECORD_PINNED,
			.pinned = { .snapshot = n, .count = 1 },
		};
		for (r.pinned.first = 0; r.pinned.first < run_count;
		     r.pinned.first++)
			assert_int_equal(snapshots_apply(&all, &r, NULL, true),
					 0);
	}
	snapshots_fini(&all, NULL);
	assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_snapshot__later_writes_do_not_reach_it),
		test_with_copy(test_snapshot__names_are_checked),
		test_with_copy(test_snapshot__deleting_gives_its_pages_back),
		cmocka_unit_test(test_snapshot__thousands_are_read_in_order),
		test_with_copy(test_rollback__brings_back_data_names_and_sizes),
		test_with_copy(
			test_rollback__cached_pages_of_before_are_dropped),
		test_with_copy(test_rollback__to_any_snapshot_in_any_order),
		test_with_copy(test_rollback__tells_how_far_it_is),
		test_with_copy(test_branch__goes_its_own_way),
		test_with_copy(test_branch__needs_its_parent),
		test_with_copy(test_discard__leaves_what_somebody_reads),
		test_with_copy(test_revert__one_file_and_nothing_else),
		test_with_copy(test_revert__a_tree_with_what_moved_in_and_out),
		test_with_copy(test_revert__links_of_the_view_stay),
		test_with_copy(test_revert__refuses_to_hide_what_comes_back),
		test_with_copy(test_store__without_its_journal_is_refused),
		test_with_copy(test_look__shares_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
