/* SPDX-License-Identifier: MIT */
/*
 * A commit makes the base what the view was, and undoing makes it what it was
 * before; wherever either of them is killed, the next run gets there.
 */
#include "tests/unit/support/commit_fixture.h"

#include <linux/falloc.h>
#include <signal.h>
#include <sys/wait.h>

static void make_base(const struct fixture *f)
{
	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d/e"), 0750), 0);
	assert_int_equal(mkdir(b_path(f, "d/e/deep"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "gone"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "gone/sub"), 0711), 0);
	assert_int_equal(mkdir(b_path(f, "swap"), 0755), 0);
	assert_int_equal(mkdir(b_path(f, "becomes-file"), 0755), 0);
	b_put(f, "same", 's', 100, 0);
	b_put(f, "big", 'b', 40000, 20480);
	b_put(f, "shrinks", 'S', 30000, 0);
	b_put(f, "grows", 'G', 5000, 0);
	b_put(f, "old", 'o', 10, 0);
	b_put(f, "d/a", 'a', 4096, 0);
	b_put(f, "d/e/c", 'c', 5000, 0);
	b_put(f, "d/e/deep/x", 'x', 50, 0);
	b_put(f, "gone/f", 'f', 9000, 0);
	b_put(f, "gone/sub/saved", 'v', 7, 0);
	b_put(f, "gone/sub/lost", 'l', 8, 0);
	b_put(f, "swap/1", '1', 11, 0);
	b_put(f, "swap/2", '2', 22, 0);
	b_put(f, "swap/3", '3', 33, 0);
	b_put(f, "linked", 'L', 6000, 0);
	assert_int_equal(link(b_path(f, "linked"), b_path(f, "d/linked2")), 0);
	assert_int_equal(link(b_path(f, "linked"), b_path(f, "gone/linked3")),
			 0);
	assert_int_equal(symlink("d/a", b_path(f, "link")), 0);
	assert_int_equal(symlink("nowhere", b_path(f, "gone/link")), 0);
	assert_int_equal(mkfifo(b_path(f, "gone/fifo"), 0604), 0);
	(void)setxattr(b_path(f, "old"), "user.was", "yes", 3, 0);
	(void)setxattr(b_path(f, "gone/f"), "user.kept", "also", 4, 0);
	assert_int_equal(utimensat(AT_FDCWD, b_path(f, "gone/sub"),
				   (struct timespec[2]){ { 5, 6 }, { 7, 8 } },
				   0),
			 0);
	assert_int_equal(utimensat(AT_FDCWD, f->base,
				   (struct timespec[2]){ { 1, 2 }, { 3, 4 } },
				   0),
			 0);
}

/* A bit of everything a view can do to a base. */
static void change(struct fixture *f)
{
	v_write(f, "big", "page", 4, 30000);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(at(f, "big")),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 40960, 8192),
			 0);
	v_set(f, "shrinks",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				       .size_bytes = 5001 });
	v_set(f, "shrinks",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_SIZE,
				       .size_bytes = 20000 });
	v_write(f, "grows", "far", 3, 100000);
	v_put(f, "new", "fresh");
	v_write(f, "new", "sparse", 6, 70000);
	v_link(f, "new", "d/new2");
	v_mkdir(f, "made");
	v_mkdir(f, "made/inner");
	v_put(f, "made/inner/file", "in a new directory");
	v_symlink(f, "made/link", "inner/file");
	v_rename(f, "d", "made/moved", 0);
	v_rename(f, "made/moved/e", "e-up", 0);
	v_rename(f, "e-up/deep", "made/inner/deep", 0);
	v_write(f, "made/inner/deep/x", "X", 1, 0);
	v_rename(f, "swap/1", "swap/2", RENAME_EXCHANGE);
	v_rename(f, "swap/3", "swap/tmp", 0);
	v_rename(f, "swap/2", "swap/3", 0);
	v_rename(f, "swap/tmp", "swap/2", 0);
	v_rename(f, "gone/sub/saved", "saved", 0);
	v_unlink(f, "gone/sub/lost");
	v_rmdir(f, "gone/sub");
	v_unlink(f, "gone/f");
	v_unlink(f, "gone/link");
	v_unlink(f, "gone/fifo");
	v_unlink(f, "gone/linked3");
	v_rmdir(f, "gone");
	v_rmdir(f, "becomes-file");
	v_put(f, "becomes-file", "now a file");
	v_unlink(f, "link");
	v_mkdir(f, "link");
	v_write(f, "linked", "LINK", 4, 100);
	v_link(f, "linked", "made/linked4");
	v_set(f, "old",
	      &(struct mapfs_setattr){
		      .valid = MAPFS_SET_MODE | MAPFS_SET_MTIME,
		      .mode = 0600,
		      .mtime = { 1000, 17 },
	      });
	(void)!mapfs_removexattr(f->v, at(f, "old"), "user.was");
	(void)!set_xattr(f->v, at(f, "old"), "user.is", "new", 3);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	/* Killing needs no disk; where there is no memory, one will do. */
	(void)snprintf(f->dir, sizeof(f->dir), "/dev/shm/mapfs-commit-XXXXXX");
	if (!mkdtemp(f->dir)) {
		(void)snprintf(f->dir, sizeof(f->dir),
			       "/tmp/mapfs-commit-XXXXXX");
		assert_non_null(mkdtemp(f->dir));
	}
	(void)snprintf(f->base, sizeof(f->base), "%s/base", f->dir);
	(void)snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	make_base(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_disarm();
	if (f->v)
		(void)!mapfs_view_close(f->v);
	remove_tree(f->dir);
	free(f);
	return 0;
}

static void test_commit__makes_the_base_the_view(void **state)
{
	struct fixture *f = *state;
	char *view;
	char *base;

	open_view(f);
	change(f);
	view = view_text(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	base = base_text(f);
	assert_same_text(view, base, "view and committed base");
	free(base);
	free(view);
}

static void test_commit__undo_makes_the_base_what_it_was(void **state)
{
	struct fixture *f = *state;
	char *before = base_text(f);
	char *after;

	open_view(f);
	change(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	undo(f);
	after = base_text(f);
	assert_same_text(before, after, "base before and after undo");
	free(after);
	free(before);
}

static int commit_paths(struct fixture *f, const char *const *paths,
			size_t count)
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

/* Undo says no, in these words, and base and view stay as they are. */
static void assert_undo_refuses(struct fixture *f, int want, const char *word)
{
	char *base = base_text(f);
	char *view;
	char *now;

	open_view(f);
	view = view_text(f);
	close_view(f);
	assert_int_equal(try_undo(f), want);
	assert_non_null(strstr(f->why.text, word));
	now = base_text(f);
	assert_same_text(base, now, "base after a refused undo");
	free(now);
	open_view(f);
	now = view_text(f);
	assert_same_text(view, now, "view after a refused undo");
	close_view(f);
	free(now);
	free(view);
	free(base);
}

/* Goal: what the view changed after a commit is not lost by its undo. */
static void test_commit__undo_refuses_to_lose_later_changes(void **state)
{
	struct fixture *f = *state;
	char *before = base_text(f);
	char *after;

	open_view(f);
	change(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	open_view(f);
	v_write(f, "same", "later", 5, 0);
	v_unlink(f, "old");
	close_view(f);
	assert_undo_refuses(f, -ENOTEMPTY, "mapfs revert");
	open_view(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
	close_view(f);
	undo(f);
	after = base_text(f);
	assert_same_text(before, after, "base before and after undo");
	free(after);
	free(before);
}

/* Goal: neither are changes added to what a commit of a part left. */
static void test_commit__undo_of_a_part_refuses_too(void **state)
{
	static const char *const part[] = { "big" };
	struct fixture *f = *state;

	open_view(f);
	change(f);
	close_view(f);
	assert_int_equal(commit_paths(f, part, 1), 0);
	open_view(f);
	v_write(f, "new", "later", 5, 0);
	close_view(f);
	assert_undo_refuses(f, -ENOTEMPTY, "mapfs revert");
	open_view(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
	close_view(f);
	undo(f);
}

/* Goal: nor is a snapshot taken after it. */
static void test_commit__undo_refuses_to_lose_a_snapshot(void **state)
{
	struct fixture *f = *state;

	open_view(f);
	change(f);
	close_view(f);
	commit(f, MAPFS_STOP);
	open_view(f);
	assert_int_equal(mapfs_snapshot_create(f->v, "since", "", &f->why), 0);
	close_view(f);
	assert_undo_refuses(f, -EBUSY, "since");
	open_view(f);
	assert_int_equal(mapfs_snapshot_delete(f->v, "since", &f->why), 0);
	close_view(f);
	undo(f);
}

/* Kills a child at its n-th fault point; false: it has not that many. */
static bool killed_at(struct fixture *f, unsigned int n,
		      int (*fn)(struct fixture *))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fault_arm_kill(n);
		_exit(fn(f) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static int commit_child(struct fixture *f)
{
	return try_commit(f, MAPFS_STOP);
}

/* A fresh base and a store with changes; the texts are the caller's. */
static struct fixture *fresh(char **before, char **view)
{
	void *state;
	struct fixture *f;

	assert_int_equal(setup(&state), 0);
	f = state;
	*before = base_text(f);
	open_view(f);
	change(f);
	*view = view_text(f);
	close_view(f);
	return f;
}

/* The view over the base: the same as before, or with nothing changed. */
static void assert_view(struct fixture *f, const char *want, bool changed,
			const char *what, unsigned int n)
{
	struct mapfs_info info;
	char text[128];
	char *got;

	open_view(f);
	got = view_text(f);
	mapfs_view_info(f->v, &info);
	(void)snprintf(text, sizeof(text), "%s, killed at point %u", what, n);
	assert_same_text(want, got, text);
	assert_int_equal(info.inodes_changed > 0, changed);
	close_view(f);
	free(got);
}

/* As fresh(), with the store on another file system than the base. */
static struct fixture *fresh_apart(char **before, char **view)
{
	void *state;
	struct fixture *f;
	struct stat base;
	struct stat store;

	assert_int_equal(setup(&state), 0);
	f = state;
	(void)snprintf(f->store, sizeof(f->store), "/tmp/mapfs-commit-XXXXXX");
	assert_non_null(mkdtemp(f->store));
	assert_int_equal(stat(f->base, &base), 0);
	assert_int_equal(stat(f->store, &store), 0);
	if (base.st_dev == store.st_dev) {
		remove_tree(f->store);
		assert_int_equal(teardown(&state), 0);
		return NULL;
	}
	*before = base_text(f);
	open_view(f);
	change(f);
	*view = view_text(f);
	close_view(f);
	return f;
}

static void assert_base(const struct fixture *f, const char *want,
			const char *what, unsigned int n)
{
	char *got = base_text(f);
	char text[128];

	(void)snprintf(text, sizeof(text), "%s, killed at point %u", what, n);
	assert_same_text(want, got, text);
	free(got);
}

/*
 * Goal: a commit killed anywhere is finished by the next.
 * Method: kill it at each of its fault points in turn.
 */
static void test_commit__killed_anywhere_is_finished(void **state)
{
	bool killed = true;

	(void)state;
	for (unsigned int n = 0; killed; n++) {
		char *before;
		char *view;
		struct fixture *f = fresh(&before, &view);

		killed = killed_at(f, n, commit_child);
		if (killed)
			commit(f, MAPFS_STOP);
		assert_base(f, view, "finished commit", n);
		assert_view(f, view, false, "view of finished commit", n);
		undo(f);
		assert_base(f, before, "undone commit", n);
		assert_view(f, view, true, "view of undone commit", n);
		free(before);
		free(view);
		assert_int_equal(teardown((void **)&f), 0);
		assert_true(killed || n > 100);
	}
}

/*
 * Goal: a commit killed anywhere can be taken back instead.
 * Method: as above; nothing to undo means that nothing was begun.
 */
static void test_commit__killed_anywhere_can_be_undone(void **state)
{
	bool killed = true;

	(void)state;
	for (unsigned int n = 0; killed; n++) {
		char *before;
		char *view;
		struct fixture *f = fresh(&before, &view);
		int err;

		killed = killed_at(f, n, commit_child);
		err = try_undo(f);
		if (err != -ENOENT)
			assert_int_equal(err, 0);
		assert_base(f, before, "undone commit", n);
		assert_view(f, view, true, "view of undone commit", n);
		free(before);
		free(view);
		assert_int_equal(teardown((void **)&f), 0);
	}
}

/* Goal: an undo killed anywhere is finished by the next. */
static void test_commit__undo_killed_anywhere_is_finished(void **state)
{
	bool killed = true;

	(void)state;
	for (unsigned int n = 0; killed; n++) {
		char *before;
		char *view;
		struct fixture *f = fresh(&before, &view);
		int err;

		commit(f, MAPFS_STOP);
		killed = killed_at(f, n, try_undo);
		err = killed ? try_undo(f) : 0;
		/* It had ended but for its last words. */
		if (err != -ENOENT)
			assert_int_equal(err, 0);
		assert_base(f, before, "finished undo", n);
		assert_view(f, view, true, "view of finished undo", n);
		free(before);
		free(view);
		assert_int_equal(teardown((void **)&f), 0);
	}
}

/*
 * Goal: what goes is copied completely where it cannot be moved.
 * Method: store and base on two file systems; commit and undo killed at
 * every few points, for each costs syncs of a disk.
 */
static void test_commit__store_on_another_file_system(void **state)
{
	bool killed = true;

	(void)state;
	for (unsigned int n = 0; killed; n += 7) {
		char *before;
		char *view;
		struct fixture *f = fresh_apart(&before, &view);

		if (!f)
			skip();
		killed = killed_at(f, n, commit_child);
		if (killed)
			commit(f, MAPFS_STOP);
		assert_base(f, view, "finished commit", n);
		assert_view(f, view, false, "view of finished commit", n);
		if (killed_at(f, n, try_undo)) {
			int err = try_undo(f);

			if (err != -ENOENT)
				assert_int_equal(err, 0);
		}
		assert_base(f, before, "undone commit", n);
		assert_view(f, view, true, "view of undone commit", n);
		free(before);
		free(view);
		remove_tree(f->store);
		assert_int_equal(teardown((void **)&f), 0);
	}
}

static bool is_begun(const struct fixture *f)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/commit/open", f->store);
	return access(path, F_OK) == 0;
}

/*
 * Goal: an error anywhere leaves something that can be finished.
 * Method: fail at each fault point in turn, as a full disk would.
 */
static void test_commit__error_anywhere_is_got_over(void **state)
{
	unsigned int passed = 1;

	(void)state;
	for (unsigned int n = 0; n < passed; n++) {
		char *before;
		char *view;
		struct fixture *f = fresh(&before, &view);
		int err;

		fault_reset();
		fault_arm(n, ENOSPC);
		err = try_commit(f, MAPFS_STOP);
		fault_disarm();
		if (err == 0)
			passed = fault_passed();
		else
			assert_true(!reason_is_empty(&f->why) != '\0');
		/* Begun: then the words say how to go on. */
		if (err && is_begun(f))
			assert_non_null(strstr(f->why.text, "finish the commit with"));
		if (err) {
			passed = n + 2;
			commit(f, MAPFS_STOP);
		}
		assert_base(f, view, "commit after an error", n);
		undo(f);
		assert_base(f, before, "undone commit", n);
		free(before);
		free(view);
		assert_int_equal(teardown((void **)&f), 0);
	}
}

static int stop_after(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	int *left = arg;

	(void)done_bytes;
	(void)all_bytes;
	return (*left)-- > 0 ? 0 : -EINTR;
}

/* Goal: who stops a commit is told so, and so is who mounts the store then. */
static void test_commit__stopped_refuses_to_be_mounted(void **state)
{
	struct fixture *f = *state;
	struct mapfs_commit_options opt = commit_options(f, MAPFS_STOP);
	const struct mapfs_options look = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = f->base,
		.store = f->store,
	};
	struct mapfs_commit *c;
	int left = 60;
	char *view;
	char *base;

	open_view(f);
	change(f);
	view = view_text(f);
	close_view(f);
	opt.progress = stop_after;
	opt.progress_arg = &left;
	assert_int_equal(mapfs_commit_open(&c, &opt, &f->why), 0);
	assert_int_equal(mapfs_commit_run(c, &f->why), -EINTR);
	assert_non_null(strstr(f->why.text, "finish the commit with"));
	mapfs_commit_close(c);
	assert_int_equal(mapfs_view_open(&f->v, &look, &f->why), -EBUSY);
	assert_non_null(strstr(f->why.text, "interrupted"));
	commit(f, MAPFS_STOP);
	base = base_text(f);
	assert_same_text(view, base, "view and committed base");
	free(base);
	free(view);
}

/* What one part says of a path; "" if nothing does. */
static void line_of(const char *text, const char *path, char out[512])
{
	size_t len = strlen(path);

	out[0] = '\0';
	for (; *text; text += strcspn(text, "\n") + 1) {
		if (strncmp(text, path, len) != 0 || text[len] != ' ')
			continue;
		(void)snprintf(out, 512, "%.*s", (int)strcspn(text, "\n"),
			       text);
		return;
	}
}

static void assert_line(const char *want, const char *got, const char *path)
{
	char a[512];
	char b[512];

	line_of(want, path, a);
	line_of(got, path, b);
	assert_string_equal(a, b);
}

/*
 * Goal: a part is committed and nothing else; the view stays what it was.
 * Method: parts one after the other, each in the base and the rest not; in
 * the end base and view are the same.
 */
static void test_commit__of_paths_leaves_the_rest(void **state)
{
	struct fixture *f = *state;
	static const char *const parts[] = { "big", "old",    "gone/f",
					     "new", "d/new2", "saved" };
	char *before = base_text(f);
	char path[64];
	char *view;
	char *base;

	open_view(f);
	v_mkdir(f, "top");
	v_mkdir(f, "top/a");
	v_put(f, "top/a/1", "one");
	v_put(f, "top/2", "two");
	v_write(f, "big", "page", 4, 30000);
	v_write(f, "grows", "far", 3, 100000);
	v_rename(f, "d/e", "e", 0);
	v_put(f, "e/in", "in a moved directory");
	v_unlink(f, "gone/f");
	v_set(f, "old",
	      &(struct mapfs_setattr){ .valid = MAPFS_SET_MODE, .mode = 0600 });
	v_put(f, "new", "two names");
	v_link(f, "new", "d/new2");
	v_rename(f, "gone/sub/saved", "saved", 0);
	view = view_text(f);
	close_view(f);

	/* Renamed and linked: both names or none. */
	assert_int_equal(commit_paths(f, &parts[5], 1), -EXDEV);
	assert_non_null(strstr(f->why.text, "gone/sub/saved"));
	assert_int_equal(commit_paths(f, &parts[3], 1), -EXDEV);
	base = base_text(f);
	assert_same_text(before, base, "base after refused commits");
	free(base);

	for (unsigned int n = 0; n < 3; n++) {
		assert_int_equal(commit_paths(f, &parts[n], 1), 0);
		base = base_text(f);
		(void)snprintf(path, sizeof(path), "/%s", parts[n]);
		assert_line(view, base, path);
		assert_line(before, base, "/grows");
		assert_line(before, base, "/new");
		free(base);
		assert_view(f, view, true, "view of a commit of a part", n);
	}
	assert_int_equal(commit_paths(f, (const char *const[]){ "top/a/1" }, 1),
			 0);
	base = base_text(f);
	assert_line(view, base, "/top/a/1");
	assert_line(view, base, "/top/2");
	free(base);
	assert_view(f, view, true, "view of a new directory's commit", 0);
	assert_int_equal(commit_paths(f, &parts[3], 2), 0);
	assert_view(f, view, true, "view of linked names' commit", 0);
	assert_int_equal(
		commit_paths(f, (const char *const[]){ "d/e", "e" }, 2), 0);
	assert_view(f, view, true, "view of a renamed directory's commit", 0);
	undo(f);
	assert_view(f, view, true, "view of that undone", 0);
	commit(f, MAPFS_STOP);
	assert_view(f, view, false, "view of the rest's commit", 0);
	assert_base(f, view, "base after all parts", 0);
	free(before);
	free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_commit__makes_the_base_the_view, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_commit__undo_makes_the_base_what_it_was, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_commit__undo_refuses_to_lose_later_changes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_commit__undo_of_a_part_refuses_too, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_commit__undo_refuses_to_lose_a_snapshot, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_commit__stopped_refuses_to_be_mounted, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_commit__of_paths_leaves_the_rest, setup, teardown),
		cmocka_unit_test(test_commit__killed_anywhere_is_finished),
		cmocka_unit_test(test_commit__killed_anywhere_can_be_undone),
		cmocka_unit_test(test_commit__undo_killed_anywhere_is_finished),
		cmocka_unit_test(test_commit__store_on_another_file_system),
		cmocka_unit_test(test_commit__error_anywhere_is_got_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
