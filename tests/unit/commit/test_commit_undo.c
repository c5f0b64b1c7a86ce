/* SPDX-License-Identifier: MIT */
/*
 * Undoing more than once, and with snapshots about; as an ordinary user where
 * modes lock directories.
 */
#include "tests/unit/support/commit_fixture.h"
#include "tests/unit/support/branch_fixture.h"

#include <signal.h>
#include <sys/wait.h>

static void make_base(const struct fixture *f)
{
	assert_int_equal(mkdir(f->base, 0755), 0);
	assert_int_equal(mkdir(b_path(f, "d"), 0755), 0);
	b_put(f, "f", 'f', 10000, 0);
	b_put(f, "d/g", 'g', 10000, 0);
	b_put(f, "d/h", 'h', 10000, 0);
}

/* The store beside the base, or on a disk where that is in memory. */
static struct fixture *fixture_make(bool apart)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/dev/shm/mapfs-undo-XXXXXX");
	if (!mkdtemp(f->dir)) {
		(void)snprintf(f->dir, sizeof(f->dir),
			       "/tmp/mapfs-undo-XXXXXX");
		assert_non_null(mkdtemp(f->dir));
	}
	(void)snprintf(f->base, sizeof(f->base), "%s/base", f->dir);
	(void)snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	if (apart) {
		(void)snprintf(f->store, sizeof(f->store),
			       "/tmp/mapfs-undo-XXXXXX");
		assert_non_null(mkdtemp(f->store));
	}
	make_base(f);
	return f;
}

static void fixture_end(struct fixture *f)
{
	fault_disarm();
	if (f->v)
		(void)!mapfs_view_close(f->v);
	remove_tree(f->dir);
	remove_tree(f->store);
	free(f);
}

/* Three rounds of changes, each on top of the commit of the one before. */
static void change(struct fixture *f, int round)
{
	open_view(f);
	v_write(f, "f", "1\0002\0003" + 2 * round, 1, 5000 * (size_t)round);
	switch (round) {
	case 0:
		v_put(f, "new", "made by the first");
		v_write(f, "d/h", "first", 5, 0);
		break;
	case 1:
		v_unlink(f, "new");
		v_unlink(f, "d/g");
		v_rename(f, "d", "e", 0);
		break;
	default:
		v_put(f, "new", "made by the third");
		v_unlink(f, "e/h");
		break;
	}
	close_view(f);
}

static void check_rounds(bool apart)
{
	struct fixture *f = fixture_make(apart);
	char *text[4];

	for (int round = 0; round < 3; round++) {
		text[round] = base_text(f);
		change(f, round);
		commit(f, MAPFS_STOP);
	}
	for (int round = 3; round-- > 0;) {
		char *now;

		/* The changes of this round are there again: put them away. */
		if (round < 2) {
			open_view(f);
			assert_int_equal(
				mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
			close_view(f);
		}
		undo(f);
		now = base_text(f);
		assert_same_text(text[round], now, "base after an undo");
		free(now);
		free(text[round]);
	}
	fixture_end(f);
}

/* Goal: commits are undone one after the other, whatever they share. */
static void test_undo__of_commits_in_a_row(void **state)
{
	(void)state;
	check_rounds(false);
}

static void test_undo__of_commits_in_a_row_from_elsewhere(void **state)
{
	(void)state;
	check_rounds(true);
}

/* Goal: what somebody else changed between two commits is still noticed. */
static void test_undo__sees_what_others_did_between_commits(void **state)
{
	struct fixture *f = fixture_make(false);

	(void)state;
	change(f, 0);
	commit(f, MAPFS_STOP);
	b_put(f, "f", 'x', 1, 3);
	change(f, 1);
	commit(f, MAPFS_STOP);
	undo(f);
	open_view(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &f->why), 0);
	close_view(f);
	assert_int_equal(try_undo(f), -ESTALE);
	assert_non_null(strstr(f->why.text, "f: it was changed"));
	fixture_end(f);
}

static void expect_f(const char *store, const char *snapshot, char first)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = store,
		.snapshot = snapshot,
	};
	char buf[10000];
	struct mapfs_entry e;
	struct mapfs_view *v;
	struct reason why;

	assert_int_equal(mapfs_view_open(&v, &opt, &why), 0);
	assert_int_equal(mapfs_lookup(v, mapfs_root_ino(v), "f", &e), 0);
	assert_int_equal(mapfs_read(v, mapfs_file_of(e.attr.ino), buf,
				    sizeof(buf), 0),
			 sizeof(buf));
	assert_int_equal(buf[0], first);
	assert_int_equal(buf[9999], 'f');
	assert_int_equal(mapfs_view_close(v), 0);
}

/*
 * Goal: what was a difference to the base before a commit is one again after
 *       its undo, though the base's change times are others.
 */
static void test_undo__lets_older_snapshots_know_the_base_again(void **state)
{
	struct fixture *f = fixture_make(false);
	char branch[256];

	(void)state;
	(void)snprintf(branch, sizeof(branch), "%.100s-branch", f->store);
	open_view(f);
	v_write(f, "f", "a", 1, 0);
	assert_int_equal(mapfs_snapshot_create(f->v, "a", "", &f->why), 0);
	v_write(f, "f", "b", 1, 0);
	v_unlink(f, "d/g");
	close_view(f);
	assert_int_equal(make_branch(f->store, "a", branch, &f->why), 0);
	for (int n = 0; n < 2; n++) {
		commit(f, MAPFS_STOP);
		undo(f);
		expect_f(f->store, "a", 'a');
		expect_f(branch, NULL, 'a');
		expect_f(f->store, NULL, 'b');
	}
	open_view(f);
	assert_int_equal(mapfs_rollback(f->v, "a", NULL, NULL, &f->why), 0);
	close_view(f);
	expect_f(f->store, NULL, 'a');
	commit(f, MAPFS_STOP);
	assert_int_equal(mapfs_discard(branch, &f->why), 0);
	fixture_end(f);
}

/* In directories that only root could work in. */
static void lock_and_change(struct fixture *f)
{
	const struct mapfs_setattr open_mode = { .valid = MAPFS_SET_MODE,
						 .mode = 0700 };
	const struct mapfs_setattr no_mode = { .valid = MAPFS_SET_MODE };

	open_view(f);
	v_mkdir(f, "made");
	v_put(f, "made/1", "in a directory that nobody may enter");
	v_mkdir(f, "made/deep");
	v_put(f, "made/deep/2", "nor this");
	v_set(f, "d", &open_mode);
	v_unlink(f, "d/h");
	v_put(f, "d/i", "beside");
	v_write(f, "d/g", "G", 1, 0);
	v_set(f, "d", &no_mode);
	v_set(f, "made/deep", &no_mode);
	v_set(f, "made", &no_mode);
	close_view(f);
}

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
	if (!WIFSIGNALED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static int commit_child(struct fixture *f)
{
	return try_commit(f, MAPFS_STOP);
}

static void assert_mode(const struct fixture *f, const char *path, mode_t want)
{
	struct stat st;

	assert_int_equal(stat(b_path(f, path), &st), 0);
	assert_int_equal(st.st_mode & 07777, want);
}

/* As root the locks of an ordinary user are no obstacle to looking. */
static void unlock(const struct fixture *f)
{
	assert_int_equal(chmod(b_path(f, "d"), 0700), 0);
	assert_int_equal(chmod(b_path(f, "made"), 0700), 0);
	assert_int_equal(chmod(b_path(f, "made/deep"), 0700), 0);
}

static void lock_again(const struct fixture *f)
{
	assert_int_equal(chmod(b_path(f, "made/deep"), 0), 0);
	assert_int_equal(chmod(b_path(f, "made"), 0), 0);
	assert_int_equal(chmod(b_path(f, "d"), 0), 0);
}

static bool check_locked(unsigned int n)
{
	struct fixture *f = fixture_make(false);
	char *before;
	char *after;
	bool killed;

	assert_int_equal(chmod(b_path(f, "d"), 0500), 0);
	before = base_text(f);
	lock_and_change(f);
	killed = killed_at(f, n, commit_child);
	if (killed)
		commit(f, MAPFS_STOP);
	assert_mode(f, "d", 0);
	assert_mode(f, "made", 0);
	unlock(f);
	assert_mode(f, "made/deep/2", 0640);
	assert_mode(f, "d/i", 0640);
	assert_int_equal(access(b_path(f, "d/h"), F_OK), -1);
	lock_again(f);
	if (killed_at(f, n, try_undo)) {
		int err = try_undo(f);

		killed = true;
		if (err != -ENOENT)
			assert_int_equal(err, 0);
	}
	after = base_text(f);
	assert_same_text(before, after, "base after commit and undo");
	free(after);
	free(before);
	fixture_end(f);
	return killed;
}

/*
 * Goal: modes that lock out their owner stop neither commit nor undo, nor
 * finishing them after a kill.
 * Method: all of it as an ordinary user, in a child.
 */
static void test_undo__in_directories_that_lock_out_their_owner(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		for (unsigned int n = 0; check_locked(n); n += 3)
			;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a base of somebody else who lets everybody write. */
static void change_and_undo_others(struct fixture *f)
{
	open_view(f);
	v_write(f, "d/g", "G", 1, 0);
	v_unlink(f, "d/h");
	v_put(f, "d/i", "beside");
	close_view(f);
	commit(f, MAPFS_STOP);
	assert_int_equal(access(b_path(f, "d/i"), F_OK), 0);
	undo(f);
	assert_int_equal(access(b_path(f, "d/i"), F_OK), -1);
	assert_int_equal(access(b_path(f, "d/h"), F_OK), 0);
}

/*
 * Goal: an ordinary user commits to directories and files of others, and is
 * not left halfway because only an owner sets times.
 */
static void test_undo__in_directories_of_others(void **state)
{
	struct fixture *f;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	f = fixture_make(false);
	assert_int_equal(chmod(f->dir, 0777), 0);
	assert_int_equal(chmod(f->base, 0777), 0);
	assert_int_equal(chmod(b_path(f, "d"), 0777), 0);
	assert_int_equal(chmod(b_path(f, "d/g"), 0666), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		change_and_undo_others(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undo__of_commits_in_a_row),
		cmocka_unit_test(test_undo__of_commits_in_a_row_from_elsewhere),
		cmocka_unit_test(
			test_undo__sees_what_others_did_between_commits),
		cmocka_unit_test(
			test_undo__lets_older_snapshots_know_the_base_again),
		cmocka_unit_test(
			test_undo__in_directories_that_lock_out_their_owner),
		cmocka_unit_test(test_undo__in_directories_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
