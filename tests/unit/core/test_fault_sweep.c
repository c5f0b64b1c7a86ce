/* SPDX-License-Identifier: MIT */
/*
 * Every operation with a fault at each of its points: each error that a file
 * system gives, short counts, and a kill.
 *
 * Goal: the fault is reported, or made good; the state is that before the
 *       operation or that after it; the store opens again and check finds it
 *       sound.
 * Method: the table of operations.h.  A state is the text of view, snapshots,
 *         branch and base.
 *
 * Each point of an operation gets each kind of fault; with many points, EIO and
 * one of the others, in turn.  Sanitizers are slow: there each point gets one,
 * in turn, and nothing is killed.  With MAPFS_TEST_ALL each gets all;
 * MAPFS_TEST_OPERATION chooses an operation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/fault.h"
#include "tests/unit/support/operations.h"
#include "tests/unit/support/points.h"
#include "tests/unit/support/tree_text.h"

#define MANY_POINTS 20

struct sweep {
	const struct operation *op;
	struct fixture *f;
	char *before;
	char *after;
	bool has_view;
	int kind; /* of fault; 0: a kill */
	unsigned int points;
	unsigned int rounds;
	unsigned int failed;
};

static enum {
	EFFORT_LEAST,
	EFFORT_USUAL,
	EFFORT_ALL
}
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
effort = EFFORT_LEAST;
#else
effort = EFFORT_USUAL;
#endif
static unsigned int faults;
static unsigned int all_kills;

static void prepare(void *arg)
{
	struct sweep *s = arg;
	struct fixture *f = fixture_create();

	s->f = f;
	operations_begin(f);
}

/* In the process of the operation. */
static void begin(void *arg)
{
	const struct sweep *s = arg;

	if (s->op->prepare)
		s->op->prepare(s->f);
	reason_clear(&s->f->why);
}

/* Times are those of the run; everything else is compared. */
static void drop_times(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		if (strncmp(p, " time ", 6) == 0)
			p += 6 + strcspn(p + 6, " ");
		*to++ = *p++;
	}
	*to = '\0';
}

static int add_snapshot(void *arg, const struct mapfs_snapshot *s)
{
	FILE *out = arg;

	(void)fprintf(out, "snapshot %s, %d\n", s->name, s->is_reachable);
	return 0;
}

static void add_view(FILE *out, struct mapfs_view *v, const char *name)
{
	char *text = tree_text_of_view(v);

	(void)fprintf(out, "%s\n%s", name, text);
	free(text);
	assert_int_equal(mapfs_snapshot_iterate(v, add_snapshot, out), 0);
}

/* The store may have become another one, or have gone. */
static void add_store(FILE *out, struct fixture *f, const char *store)
{
	struct fixture other = *f;

	if (access(store, F_OK)) {
		(void)fprintf(out, "no %s\n", strrchr(store, '/') + 1);
		return;
	}
	(void)snprintf(other.store, sizeof(other.store), "%s", store);
	open_view(&other);
	add_view(out, other.v, strrchr(store, '/') + 1);
	close_view(&other);
}

static char *state_text(struct fixture *f)
{
	char *text = NULL;
	char *base = base_text(f);
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	if (f->v)
		add_view(out, f->v, "store");
	else
		add_store(out, f, f->store);
	add_store(out, f, beside(f, OPERATIONS_MADE));
	(void)fprintf(out, "base\n%s", base);
	assert_int_equal(fclose(out), 0);
	drop_times(text);
	free(base);
	return text;
}

static void assert_sound(struct fixture *f)
{
	const struct mapfs_check_options opt = { .store = f->store };
	struct mapfs_check_result result;

	if (access(f->store, F_OK))
		return;
	if (mapfs_check(&opt, &result, &f->why)) {
		print_message("%s\n", f->why.text);
		fail();
	}
	assert_int_equal(result.damages, 0);
	mapfs_check_result_fini(&result);
}

static void assert_allowed(const struct sweep *s, bool may_be_old,
			   bool may_be_new)
{
	char *got = state_text(s->f);

	if (!(may_be_old && strcmp(got, s->before) == 0) &&
	    !(may_be_new && strcmp(got, s->after) == 0)) {
		print_message("fault %d, in round %u\n", s->kind, s->rounds);
		assert_same_text(may_be_new ? s->after : s->before, got,
				 s->op->name);
	}
	free(got);
}

static int run(void *arg)
{
	struct sweep *s = arg;

	s->rounds++;
	return s->op->run(s->f);
}

/* Of a view it may need another opening [D4]. */
static void bring_to_its_end(const struct sweep *s)
{
	struct fixture *f = s->f;
	int err;

	if (f->v)
		(void)!run_close(f);
	if (s->has_view)
		open_view(f);
	err = s->op->run(f);
	if (err)
		print_message("fault %d, in round %u, then: %s\n", s->kind,
			      s->rounds, reason_text(&f->why, err));
	assert_int_equal(err, 0);
}

static void assert_has_reason(const struct sweep *s, int result)
{
	if (!reason_is_empty(&s->f->why))
		return;
	print_message("%s: fault %d, in round %u, no reason for %s\n",
		      s->op->name, s->kind, s->rounds, strerror(-result));
	fail();
}

static void check(void *arg, int result)
{
	struct sweep *s = arg;
	struct fixture *f = s->f;
	const bool has_rest = s->op->leaves >= LEAVES_REST;
	const bool is_old = result && !has_rest;
	const bool is_new = !result || !s->kind || s->op->leaves != LEAVES_OLD;

	if (result && s->kind && !s->op->is_silent)
		assert_has_reason(s, result);
	if (result && has_rest)
		bring_to_its_end(s);
	else if (f->v)
		assert_allowed(s, is_old, is_new);
	if (f->v)
		(void)!run_close(f);
	assert_sound(f);
	if (s->op->leaves == LEAVES_PARTS)
		assert_int_equal(run_open(f), 0);
	else
		assert_allowed(s, is_old, is_new);
	fixture_destroy(f);
}

/* The texts before and after, of a run without a fault. */
static void learn(struct sweep *s)
{
	prepare(s);
	begin(s);
	s->has_view = s->f->v;
	if (s->has_view)
		s->before = state_text(s->f);
	fault_reset();
	assert_int_equal(s->op->run(s->f), 0);
	fault_disarm();
	s->points = fault_passed();
	if (s->f->v)
		(void)!run_close(s->f);
	s->after = s->op->leaves == LEAVES_PARTS ? strdup("") :
						   state_text(s->f);
	if (!s->before)
		s->before = strdup(s->after);
	fixture_destroy(s->f);
}

static void print_result(const struct sweep *s, unsigned int kills)
{
	printf("# %s: %u points, %u faults of which %u were reported, "
	       "%u kills\n",
	       s->op->name, s->points, s->rounds, s->failed, kills);
	faults += s->rounds;
	all_kills += kills;
}

static const int kinds[] = { EIO,    ENOSPC,	  EDQUOT,    EINTR,
			     ENOMEM, FAULT_SHORT, FAULT_FULL };

static unsigned int fail_each(struct sweep *s, struct points_test *test)
{
	const unsigned int count = sizeof(kinds) / sizeof(*kinds);
	const bool is_long = s->points > MANY_POINTS;
	unsigned int failed = 0;

	for (unsigned int n = 0; n < count; n++) {
		s->kind = kinds[n];
		if (effort == EFFORT_LEAST) {
			test->step = count;
			test->first = n;
		} else if (effort == EFFORT_USUAL && is_long && n > 0) {
			test->step = count - 1;
			test->first = n - 1;
		}
		failed += points_fail(test, kinds[n], s);
	}
	s->kind = 0;
	test->step = 0;
	test->first = 0;
	return failed;
}

static void sweep_all(const struct operation *op)
{
	struct points_test test = {
		.prepare = prepare,
		.begin = begin,
		.operation = run,
		.check = check,
	};
	struct sweep s = { .op = op };
	unsigned int kills = 0;

	learn(&s);
	s.failed = fail_each(&s, &test);
	if (effort == EFFORT_ALL ||
	    (effort == EFFORT_USUAL && !op->is_killed_elsewhere))
		kills = points_kill(&test, &s);
	print_result(&s, kills);
	free(s.before);
	free(s.after);
}

static void test_faults__of_each_operation(void **state)
{
	const char *only = getenv("MAPFS_TEST_OPERATION");

	(void)state;
	if (getenv("MAPFS_TEST_ALL"))
		effort = EFFORT_ALL;
	for (size_t n = 0; n < operation_count; n++)
		if (!only || strcmp(only, operations[n].name) == 0)
			sweep_all(&operations[n]);
	printf("# counted %u faults\n# counted %u kills at a fault point\n",
	       faults, all_kills);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults__of_each_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
