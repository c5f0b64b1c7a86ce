/* SPDX-License-Identifier: MIT */
/*
 * Stores that are damaged, crafted, or changed by another process at the worst
 * moment [S1].
 */
#include "tests/unit/support/overlay_fixture.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/delta/record.h"
#include "core/journal/journal.h"
#include "tests/unit/support/branch_fixture.h"

static struct reason why;

/* Runs once, before the next exclusive lock of a range is asked for. */
static void (*before_exclusion)(void);

/* Replaces the function of the C library, to know that moment. */
int fcntl(int fd, int cmd, ...)
{
	void (*hook)(void) = before_exclusion;
	const struct flock *l;
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	l = (const struct flock *)arg;
	if (cmd == F_OFD_SETLK && l->l_type == F_WRLCK && hook) {
		before_exclusion = NULL;
		hook();
	}
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

static struct fixture *now;

static void *branch_now(void *arg)
{
	char to[128];
	struct reason why_not;

	(void)arg;
	(void)snprintf(to, sizeof(to), "%s/branch", now->dir);
	assert_int_equal(make_branch(now->store, "a", to, &why_not), 0);
	return NULL;
}

static void branch_meanwhile(void)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, branch_now, NULL), 0);
	pthread_join(t, NULL);
}

static void snap(struct fixture *f)
{
	open_copy(f, MAPFS_STORE_DIR);
	assert_int_equal(mapfs_snapshot_create(f->v, "a", "", &why), 0);
}

static int open_store(const char *store)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = store,
	};
	struct mapfs_view *v;
	int err = mapfs_view_open(&v, &opt, &why);

	return err ? err : mapfs_view_close(v);
}

static void expect_trouble(int err, int want, const char *words)
{
	if (err != want || !strstr(why.text, words))
		print_message("%d: %s\n", err, why.text);
	assert_int_equal(err, want);
	assert_non_null(strstr(why.text, words));
}

/*
 * Goal: no branch is left without the snapshot it is of.
 * Method: one is made between the search for branches and the lock that keeps
 * others from making one.
 */
static void test_hostile__branch_made_while_its_snapshot_goes(void **state)
{
	struct fixture *f = *state;
	char branch[128];

	now = f;
	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	snap(f);
	before_exclusion = branch_meanwhile;
	expect_trouble(mapfs_snapshot_delete(f->v, "a", &why), -EBUSY, branch);
	assert_null(before_exclusion);
	assert_int_equal(open_store(branch), 0);
	assert_int_equal(mapfs_discard(branch, &why), 0);
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), 0);
}

static void test_hostile__branch_made_while_its_parent_goes(void **state)
{
	struct fixture *f = *state;
	char branch[128];

	now = f;
	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	snap(f);
	close_copy(f);
	before_exclusion = branch_meanwhile;
	expect_trouble(mapfs_discard(f->store, &why), -EBUSY, branch);
	assert_null(before_exclusion);
	assert_int_equal(open_store(branch), 0);
	assert_int_equal(mapfs_discard(branch, &why), 0);
	assert_int_equal(mapfs_discard(f->store, &why), 0);
}

static void test_hostile__failed_branch_leaves_nothing(void **state)
{
	static const char *const points[] = { "store.branch", "journal.append",
					      "journal.rename", "journal.dir" };
	struct fixture *f = *state;
	char branch[128];

	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	snap(f);
	close_copy(f);
	for (size_t n = 0; n < sizeof(points) / sizeof(*points); n++) {
		fault_arm_name(points[n], ENOSPC);
		assert_int_equal(make_branch(f->store, "a", branch, &why),
				 -ENOSPC);
		fault_disarm();
		assert_int_equal(access(branch, F_OK), -1);
	}
	assert_int_equal(make_branch(f->store, "a", branch, &why), 0);
	assert_int_equal(open_store(branch), 0);
}

/* A crafted store, with correct checksums. */
struct forged {
	char path[128];
	uint8_t uuid[16];
	struct record records[8];
	unsigned int count;
};

static struct forged forged(const struct fixture *f, unsigned int n)
{
	struct forged s = { .count = 0 };

	(void)snprintf(s.path, sizeof(s.path), "%s/forged%u", f->dir, n);
	memcpy(s.uuid, &n, sizeof(n));
	return s;
}

static void forge_add(struct forged *s, const struct record *r)
{
	s->records[s->count++] = *r;
}

static void forge_snapshot(struct forged *s, uint64_t id)
{
	forge_add(s, &(struct record){
			     .type = RECORD_SNAPSHOT,
			     .snapshot = {
				     .id = id,
				     .lsn = 1,
				     .first_segment = 1,
				     .last_segment = 1,
				     .base_version = 1,
				     .name = "a",
				     .name_bytes = 1,
				     .message = "",
			     },
		     });
}

static void forge_line(struct forged *s, uint64_t base, uint64_t next_base,
		       uint64_t next_snapshot)
{
	forge_add(s, &(struct record){
			     .type = RECORD_COUNTERS,
			     .counters = {
				     .base_version = base,
				     .next_base_version = next_base,
				     .next_snapshot = next_snapshot,
			     },
		     });
}

/* Begins with the parent, if it has one. */
static void forge(const struct fixture *f, const struct forged *s,
		  const struct forged *parent)
{
	struct journal_where where = { .dirfd = -1 };
	struct journal_id id = { 0 };
	struct journal *j;
	struct group g;
	mapfs_lsn lsn;
	char journal[160];

	(void)snprintf(journal, sizeof(journal), "%s/journal", s->path);
	assert_int_equal(mkdir(s->path, 0700), 0);
	assert_int_equal(mkdir(journal, 0700), 0);
	put_file(s->path, "pages", "", 0);
	put_file(s->path, "lock", "", 0);
	memcpy(id.uuid, s->uuid, sizeof(id.uuid));
	where.dirfd = open(journal, O_RDONLY | O_DIRECTORY);
	group_init(&g);
	group_add(&g, &(struct record){
			      .type = RECORD_STORE,
			      .store = {
				      .next_ino = 1,
				      .base = f->base,
				      .base_bytes = strlen(f->base),
			      },
		      });
	if (parent) {
		struct record r = {
			.type = RECORD_PARENT,
			.parent = {
				.snapshot = 1,
				.begins = true,
				.path = parent->path,
				.path_bytes = strlen(parent->path),
			},
		};

		memcpy(r.parent.uuid, parent->uuid, sizeof(parent->uuid));
		group_add(&g, &r);
	}
	assert_int_equal(journal_create(&j, &where, &id, g.buf, g.len_bytes),
			 0);
	group_reset(&g);
	for (unsigned int n = 0; n < s->count; n++)
		group_add(&g, &s->records[n]);
	assert_int_equal(journal_append(j, g.buf, g.len_bytes, &lsn), 0);
	assert_int_equal(journal_mark(j, GROUP_CLOSE, lsn), 0);
	group_fini(&g);
	journal_close(j);
	close(where.dirfd);
}

static void test_hostile__store_that_is_its_own_parent(void **state)
{
	struct fixture *f = *state;
	struct forged s = forged(f, 1);
	char branch[128];

	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	forge_snapshot(&s, 1);
	forge(f, &s, &s);
	expect_trouble(open_store(s.path), -ELOOP, "a branch of itself");
	expect_trouble(make_branch(s.path, "a", branch, &why), -ELOOP,
		       "a branch of itself");
	assert_int_equal(access(branch, F_OK), -1);
}

static void test_hostile__two_stores_that_are_each_others_parents(void **state)
{
	struct fixture *f = *state;
	struct forged a = forged(f, 1);
	struct forged b = forged(f, 2);

	forge_snapshot(&a, 1);
	forge_snapshot(&b, 1);
	forge(f, &a, &b);
	forge(f, &b, &a);
	expect_trouble(open_store(a.path), -ELOOP, "a branch of itself");
}

/* The longest lineage, one that is too long, and a branch that would be. */
static void test_hostile__line_of_three_hundred_stores(void **state)
{
	struct fixture *f = *state;
	struct forged up = forged(f, 0);
	char branch[128];

	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	forge_snapshot(&up, 1);
	forge(f, &up, NULL);
	for (unsigned int n = 1; n < 300; n++) {
		struct forged s = forged(f, n);

		forge_snapshot(&s, 1);
		forge(f, &s, &up);
		up = s;
		if (n == 255)
			assert_int_equal(open_store(s.path), 0);
		if (n == 255)
			expect_trouble(make_branch(s.path, "a", branch, &why),
				       -EMLINK, "more than 255");
	}
	assert_int_equal(access(branch, F_OK), -1);
	expect_trouble(open_store(up.path), -EMLINK, "more than 255");
}

/* With each of them a record could be written that replay would refuse. */
static void test_hostile__numbers_that_would_be_given_twice(void **state)
{
	static const uint64_t bad[][4] = {
		/* snapshot, base version, the next one, next snapshot */
		{ UINT64_MAX, 1, 2, 1 }, { 5, 1, 2, 5 },
		{ 1, 0, 2, 2 },		 { 1, 2, 2, 2 },
		{ 1, 1, UINT64_MAX, 2 }, { 1, 1, 2, 0 },
		{ 1, 1, 2, UINT64_MAX },
	};
	struct fixture *f = *state;

	for (unsigned int n = 0; n < sizeof(bad) / sizeof(*bad); n++) {
		struct forged s = forged(f, n);

		forge_snapshot(&s, bad[n][0]);
		forge_line(&s, bad[n][1], bad[n][2], bad[n][3]);
		forge(f, &s, NULL);
		expect_trouble(open_store(s.path), -EUCLEAN, "damaged");
	}
}

static void test_hostile__snapshot_of_segments_that_are_not_there(void **state)
{
	struct fixture *f = *state;
	static const uint64_t bad[][2] = {
		{ 0, 1 }, { 2, 1 }, { 1, UINT64_MAX }, { 7, 7 }, { 0, 0 },
	};
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.snapshot = "a",
	};
	struct mapfs_view *v;

	for (unsigned int n = 0; n < sizeof(bad) / sizeof(*bad); n++) {
		struct forged s = forged(f, n);

		forge_snapshot(&s, 1);
		s.records[0].snapshot.first_segment = bad[n][0];
		s.records[0].snapshot.last_segment = bad[n][1];
		forge(f, &s, NULL);
		opt.store = s.path;
		expect_trouble(mapfs_view_open(&v, &opt, &why), -EUCLEAN,
			       "damaged");
		assert_int_equal(make_branch(s.path, "a", f->store, &why), 0);
		expect_trouble(open_store(f->store), -EUCLEAN, "damaged");
		assert_int_equal(mapfs_discard(f->store, &why), 0);
	}
}

static void test_hostile__parent_path_is_absolute(void **state)
{
	struct fixture *f = *state;
	struct forged s = forged(f, 1);
	struct forged up = forged(f, 2);

	(void)snprintf(up.path, sizeof(up.path), "forged2");
	forge_snapshot(&s, 1);
	forge(f, &s, &up);
	expect_trouble(open_store(s.path), -EUCLEAN, "damaged");
}

static void replace_by_fifo(const struct fixture *f, const char *name)
{
	char path[192];

	(void)snprintf(path, sizeof(path), "%s/%s", f->store, name);
	(void)unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
}

/* Symptom: asking for the status waited for somebody to write to a fifo. */
static void test_hostile__fifos_hold_nobody_up(void **state)
{
	struct fixture *f = *state;
	struct mapfs_store_info info;
	char branch[128];

	(void)snprintf(branch, sizeof(branch), "%s/branch", f->dir);
	snap(f);
	close_copy(f);
	assert_int_equal(make_branch(f->store, "a", branch, &why), 0);
	alarm(20);
	replace_by_fifo(f, "pages");
	expect_trouble(open_store(f->store), -EUCLEAN, "damaged");
	expect_trouble(open_store(branch), -EUCLEAN, "damaged");
	replace_by_fifo(f, "lock");
	assert_int_equal(mapfs_store_describe(f->store, &info, &why), 0);
	mapfs_store_info_fini(&info);
	replace_by_fifo(f, "branches/00112233445566778899aabbccddeeff");
	expect_trouble(mapfs_store_describe(f->store, &info, &why), -EUCLEAN,
		       "branches");
	alarm(0);
}

static void test_hostile__damaged_registration_keeps_snapshots(void **state)
{
	static const char *const bad[] = { "", "\n", "x\n/b\n", "1", "1 /b\n" };
	struct fixture *f = *state;
	struct mapfs_store_info info;
	char dir[128];

	(void)snprintf(dir, sizeof(dir), "%s/branches", f->store);
	snap(f);
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++) {
		put_file(dir, "00112233445566778899aabbccddeeff", bad[n],
			 strlen(bad[n]));
		expect_trouble(mapfs_snapshot_delete(f->v, "a", &why), -EUCLEAN,
			       "branches");
		expect_trouble(mapfs_store_describe(f->store, &info, &why),
			       -EUCLEAN, "branches");
	}
	/* A branch of another snapshot, and a file that is none of a branch. */
	put_file(dir, "00112233445566778899aabbccddeeff", "7\n/b\n", 5);
	put_file(dir, "00112233445566778899aabbccddeefg", "1\n/b\n", 5);
	assert_int_equal(mapfs_snapshot_delete(f->v, "a", &why), 0);
}

/* An unfinished store may be continued, but not through a crafted link. */
static void test_hostile__readme_that_leads_elsewhere(void **state)
{
	struct fixture *f = *state;
	char got[8] = { 0 };
	char path[128];
	int fd;

	assert_int_equal(mkdir(f->store, 0700), 0);
	put_file(f->store, "lock", "", 0);
	put_file(f->dir, "precious", "bytes", 5);
	(void)snprintf(path, sizeof(path), "%s/README", f->store);
	assert_int_equal(symlink("../precious", path), 0);
	assert_int_equal(try_open_copy(f, MAPFS_STORE_DIR, &why), -ENOTEMPTY);
	(void)snprintf(path, sizeof(path), "%s/precious", f->dir);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 5);
	assert_string_equal(got, "bytes");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(
			test_hostile__branch_made_while_its_snapshot_goes),
		test_with_copy(test_hostile__branch_made_while_its_parent_goes),
		test_with_copy(test_hostile__failed_branch_leaves_nothing),
		test_with_copy(test_hostile__store_that_is_its_own_parent),
		test_with_copy(
			test_hostile__two_stores_that_are_each_others_parents),
		test_with_copy(test_hostile__line_of_three_hundred_stores),
		test_with_copy(test_hostile__numbers_that_would_be_given_twice),
		test_with_copy(
			test_hostile__snapshot_of_segments_that_are_not_there),
		test_with_copy(test_hostile__parent_path_is_absolute),
		test_with_copy(test_hostile__fifos_hold_nobody_up),
		test_with_copy(
			test_hostile__damaged_registration_keeps_snapshots),
		test_with_copy(test_hostile__readme_that_leads_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
