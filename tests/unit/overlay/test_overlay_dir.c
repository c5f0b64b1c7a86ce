/* SPDX-License-Identifier: MIT */
/*
 * Listings of a copy view while its names change, read a few names at a time,
 * as the kernel reads them.
 */
#include "tests/unit/support/overlay_fixture.h"

#include <linux/fs.h>
#include <sys/stat.h>

#define NAMES 24     /* "n0" ..; the first few are in the base */
#define BASE_NAMES 9 /* ... as files; "n9" is a directory there */
#define READERS 4
#define NAME_BYTES 16

struct world {
	struct fixture *f;
	mapfs_ino dir;
	mapfs_ino other; /* another directory, to move names to */
	uint64_t seed;
	bool plus;
};

/* One listing that is being read. */
struct reader {
	struct world *w;
	uint64_t cookie;
	int room;
	bool running;
	unsigned int steps;
	unsigned int seen[NAMES];
	bool stayed[NAMES]; /* existed at every moment since it began */
};

static unsigned int pick(struct world *w, unsigned int below)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(w->seed >> 33) % below;
}

static const char *name_of(unsigned int n)
{
	static char name[4][NAME_BYTES];
	static unsigned int at;

	at = (at + 1) % 4;
	(void)snprintf(name[at], NAME_BYTES, "n%u", n);
	return name[at];
}

static bool is_there(struct world *w, mapfs_ino dir, unsigned int n)
{
	struct mapfs_entry e;
	int err = mapfs_lookup(w->f->v, dir, name_of(n), &e);

	if (!err)
		mapfs_forget(w->f->v, e.attr.ino, 1);
	return !err;
}

static int tell(void *arg, const struct mapfs_dirent *d)
{
	struct reader *r = arg;
	unsigned int n;

	if (r->room == 0)
		return 1;
	assert_true((int64_t)d->cookie > 0);
	r->room--;
	r->cookie = d->cookie;
	if (d->entry)
		mapfs_forget(r->w->f->v, d->entry->attr.ino, 1);
	if (sscanf(d->name, "n%u", &n) == 1 && n < NAMES)
		r->seen[n]++;
	return 0;
}

static void reader_begin(struct world *w, struct reader *r)
{
	*r = (struct reader){ .w = w, .running = true };
	for (unsigned int n = 0; n < NAMES; n++)
		r->stayed[n] = is_there(w, w->dir, n);
}

/* Reads some more names; checks the listing at its end. */
static void reader_step(struct reader *r)
{
	const int room = 1 + (int)pick(r->w, 5);

	r->room = room;
	assert_int_equal(mapfs_readdir(r->w->f->v, r->w->dir,
				       READDIR(r->cookie, r->w->plus, tell, r)),
			 0);
	for (unsigned int n = 0; n < NAMES; n++)
		assert_in_range(r->seen[n], 0, 1);
	/* Each name is listed once at most, so the number of steps is bound. */
	assert_true(r->steps++ <= NAMES + 2);
	if (r->room != room)
		return;
	for (unsigned int n = 0; n < NAMES; n++)
		if (r->stayed[n])
			assert_int_equal(r->seen[n], 1);
	r->running = false;
}

/* A random change, which may fail; directories are made and removed, too. */
static void change(struct world *w)
{
	struct mapfs_view *v = w->f->v;
	const char *a = name_of(pick(w, NAMES));
	const char *b = name_of(pick(w, NAMES));
	mapfs_ino from = pick(w, 4) ? w->dir : w->other;
	mapfs_ino to = pick(w, 4) ? w->dir : w->other;
	struct mapfs_entry e;
	int err = -1;

	switch (pick(w, 9)) {
	case 0:
		err = mapfs_mknod(v, NEW(&nobody, to, a, S_IFREG | 0644), &e);
		break;
	case 1:
		err = mapfs_mkdir(v, NEW(&nobody, to, a, 0755), &e);
		break;
	case 2:
		err = mapfs_lookup(v, from, a, &e);
		if (!err && S_ISREG(e.attr.mode)) {
			mapfs_ino ino = e.attr.ino;

			err = mapfs_link(v, ino, to, b, &e);
			mapfs_forget(v, ino, 1);
		}
		break;
	case 3:
		(void)!mapfs_unlink(v, from, a);
		break;
	case 4:
		(void)!mapfs_rmdir(v, from, a);
		break;
	case 5:
		(void)!mapfs_rename(v, RENAME(from, a, to, b, RENAME_EXCHANGE));
		break;
	default:
		(void)!mapfs_rename(v, RENAME(from, a, to, b, 0));
		break;
	}
	if (!err)
		mapfs_forget(v, e.attr.ino, 1);
}

static void change_state(struct world *w)
{
	struct reason why = { 0 };
	char path[32];

	(void)snprintf(path, sizeof(path), "d/%s",
		       name_of(pick(w, BASE_NAMES)));
	switch (pick(w, 4)) {
	case 0:
		(void)!mapfs_snapshot_delete(w->f->v, "s", &why);
		assert_int_equal(mapfs_snapshot_create(w->f->v, "s", "", &why),
				 0);
		break;
	case 1:
		(void)!mapfs_rollback(w->f->v, "s", NULL, NULL, &why);
		break;
	case 2:
		(void)!mapfs_revert(w->f->v, pick(w, 4) ? path : "d", NULL,
				    NULL, &why);
		break;
	default:
		break;
	}
}

static void run_world(struct world *w, unsigned int changes, bool with_states)
{
	struct reader readers[READERS] = { 0 };

	for (unsigned int c = 0; c < changes; c++) {
		struct reader *r = &readers[pick(w, READERS)];

		if (!r->running)
			reader_begin(w, r);
		reader_step(r);
		if (with_states && pick(w, 20) == 0)
			change_state(w);
		else
			change(w);
		for (unsigned int i = 0; i < READERS; i++)
			for (unsigned int n = 0; n < NAMES; n++)
				readers[i].stayed[n] = readers[i].stayed[n] &&
						       is_there(w, w->dir, n);
	}
	for (unsigned int i = 0; i < READERS; i++)
		while (readers[i].running)
			reader_step(&readers[i]);
}

static void open_world(struct world *w, struct fixture *f)
{
	char path[128];

	*w = (struct world){ .f = f };
	(void)snprintf(path, sizeof(path), "%s/d", f->base);
	assert_int_equal(mkdir(path, 0755), 0);
	for (unsigned int n = 0; n < BASE_NAMES; n++)
		put_file(path, name_of(n), "x", 1);
	(void)snprintf(path, sizeof(path), "%s/d/%s", f->base,
		       name_of(BASE_NAMES));
	assert_int_equal(mkdir(path, 0755), 0);
	open_copy(f, MAPFS_STORE_DIR);
	w->dir = ino_of(f, root_ino(f), "d");
	w->other = ino_of(f, root_ino(f), "sub");
}

/*
 * Goal: a listing has each name at most once, has each name that stays, and
 *       ends, whatever changes in the directory meanwhile.
 * Method: four readers take a few names at a time, between random changes of
 *         few names, so that the same names are removed and made again; the
 *         store is reopened now and then, so that the delta is one that was
 *         read from the journal.
 */
static void test_overlay_dir__listing_survives_any_change(void **state)
{
	struct world w;

	open_world(&w, *state);
	for (unsigned int round = 0; round < 60; round++) {
		w.seed = round;
		w.plus = round % 2;
		run_world(&w, 300, false);
		if (round % 10 == 9)
			reopen_copy(w.f);
	}
	assert_base_untouched(w.f);
}

/* The same, while the delta is replaced by another one as well. */
static void test_overlay_dir__listing_survives_rollback_and_revert(void **state)
{
	struct world w;

	open_world(&w, *state);
	for (unsigned int round = 0; round < 20; round++) {
		w.seed = 1000 + round;
		run_world(&w, 200, true);
	}
}

/* --- objects that are renamed --- */

struct objects {
	mapfs_ino ino[64];
	unsigned int seen[64];
	unsigned int count;
	uint64_t cookie;
	int room;
};

static int tell_object(void *arg, const struct mapfs_dirent *d)
{
	struct objects *o = arg;

	if (o->room == 0)
		return 1;
	o->room--;
	o->cookie = d->cookie;
	for (unsigned int i = 0; i < o->count; i++)
		o->seen[i] += o->ino[i] == d->ino;
	return 0;
}

static void make(struct world *w, unsigned int n)
{
	struct mapfs_entry e;

	assert_int_equal(
		mapfs_mknod(w->f->v,
			    NEW(&nobody, w->dir, name_of(n), S_IFREG | 0644),
			    &e),
		0);
	mapfs_forget(w->f->v, e.attr.ino, 1);
}

/* The next name; false: there are no more. */
static bool one_more(struct world *w, struct objects *o)
{
	o->room = 1;
	assert_int_equal(
		mapfs_readdir(w->f->v, w->dir,
			      READDIR(o->cookie, false, tell_object, o)),
		0);
	return o->room == 0;
}

/*
 * Goal: a file that is renamed in its directory during a listing is listed
 *       once, under its old or a new name.
 * Method: between any two names, every file gets another new name, or its
 *         first name again; the old name is made again now and then.
 */
static void rename_while_listing(struct world *w, unsigned int files,
				 unsigned int from)
{
	struct objects o = { .count = files };
	char now[64][NAME_BYTES];
	char next[NAME_BYTES];
	unsigned int steps = 0;
	struct mapfs_entry e;
	bool more;

	for (unsigned int i = 0; i < files; i++) {
		memcpy(now[i], name_of(from + i), NAME_BYTES);
		o.ino[i] = ino_of(w->f, w->dir, now[i]);
	}
	do {
		more = one_more(w, &o);
		assert_true(steps++ < 200);
		for (unsigned int i = 0; i < files; i++) {
			(void)snprintf(next, sizeof(next), "%u.%u.%u", from, i,
				       steps);
			assert_int_equal(mapfs_rename(w->f->v,
						      RENAME(w->dir, now[i],
							     w->dir, next, 0)),
					 0);
			if (steps == 5 && i % 2)
				assert_int_equal(mapfs_mknod(w->f->v,
							     NEW(&nobody,
								 w->dir, now[i],
								 S_IFREG),
							     &e),
						 0);
			memcpy(now[i], next, sizeof(next));
		}
	} while (more);
	for (unsigned int i = 0; i < files; i++)
		assert_int_equal(o.seen[i], 1);
}

static void test_overlay_dir__renamed_file_is_listed_once(void **state)
{
	struct world w;

	open_world(&w, *state);
	rename_while_listing(&w, BASE_NAMES, 0);
	for (unsigned int n = 100; n < 140; n++)
		make(&w, n);
	rename_while_listing(&w, 40, 100);
	reopen_copy(w.f);
	w.dir = ino_of(w.f, root_ino(w.f), "d");
	for (unsigned int n = 200; n < 240; n++)
		make(&w, n);
	reopen_copy(w.f);
	rename_while_listing(&w, 40, 200);
}

/*
 * Goal: a program that makes a new name for each name that it reads ends.
 * Method: a name that would be read later is removed before, which must not
 *         make the new name a renamed one.
 */
static void test_overlay_dir__new_names_are_not_in_a_running_listing(void **s)
{
	struct world w;
	struct objects o = { .count = 1 };
	unsigned int steps = 0;

	open_world(&w, *s);
	o.ino[0] = ino_of(w.f, w.dir, "n8");
	while (one_more(&w, &o) && ++steps < 1000) {
		if (steps == 3)
			assert_int_equal(mapfs_unlink(w.f->v, w.dir,
						      o.seen[0] ? "n7" : "n8"),
					 0);
		if (steps >= 3)
			make(&w, 100 + steps);
	}
	assert_int_equal(steps, 2 + BASE_NAMES);
}

static void
test_overlay_dir__new_names_after_a_rollback_are_not_either(void **s)
{
	struct world w;
	struct objects o = { 0 };
	unsigned int steps = 0;
	struct reason why = { 0 };

	open_world(&w, *s);
	assert_int_equal(mapfs_snapshot_create(w.f->v, "s", "", &why), 0);
	for (unsigned int n = 100; n < 110; n++)
		make(&w, n);
	while (one_more(&w, &o) && ++steps < 1000) {
		if (steps == 5)
			assert_int_equal(mapfs_rollback(w.f->v, "s", NULL, NULL,
							&why),
					 0);
		if (steps >= 5)
			make(&w, 200 + steps);
	}
	assert_int_equal(steps, 5 + BASE_NAMES + 1);
}

/* --- another user of the base --- */

static unsigned int count_of(struct world *w, const char *want)
{
	struct reader r = { .w = w, .room = 100 };
	unsigned int n;

	assert_int_equal(sscanf(want, "n%u", &n), 1);
	assert_int_equal(
		mapfs_readdir(w->f->v, w->dir, READDIR(0, false, tell, &r)), 0);
	return r.seen[n];
}

/*
 * Goal: a name to which the view gave another object, or an object of the view,
 *       is listed even if the base lost the name.
 */
static void test_overlay_dir__names_the_base_lost_are_listed(void **state)
{
	struct world w;
	char path[128];
	struct mapfs_entry e;

	open_world(&w, *state);
	assert_int_equal(
		mapfs_rename(w.f->v, RENAME(w.dir, "n0", w.dir, "n15", 0)), 0);
	assert_int_equal(mapfs_unlink(w.f->v, w.dir, "n1"), 0);
	assert_int_equal(
		mapfs_mknod(w.f->v, NEW(&nobody, w.dir, "n1", S_IFREG), &e), 0);
	close_copy(w.f);
	for (unsigned int n = 0; n < 2; n++) {
		(void)snprintf(path, sizeof(path), "%s/d/n%u", w.f->base, n);
		assert_int_equal(unlink(path), 0);
	}
	open_copy(w.f, MAPFS_STORE_DIR);
	assert_int_equal(count_of(&w, "n0"), 0);
	assert_int_equal(count_of(&w, "n1"), 1);
	assert_int_equal(count_of(&w, "n15"), 1);
	assert_int_equal(count_of(&w, "n2"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_overlay_dir__listing_survives_any_change,
			overlay_fixture_begin, overlay_fixture_end),
		cmocka_unit_test_setup_teardown(
			test_overlay_dir__listing_survives_rollback_and_revert,
			overlay_fixture_begin, overlay_fixture_end),
		cmocka_unit_test_setup_teardown(
			test_overlay_dir__renamed_file_is_listed_once,
			overlay_fixture_begin, overlay_fixture_end),
		cmocka_unit_test_setup_teardown(
			test_overlay_dir__new_names_are_not_in_a_running_listing,
			overlay_fixture_begin, overlay_fixture_end),
		cmocka_unit_test_setup_teardown(
			test_overlay_dir__new_names_after_a_rollback_are_not_either,
			overlay_fixture_begin, overlay_fixture_end),
		cmocka_unit_test_setup_teardown(
			test_overlay_dir__names_the_base_lost_are_listed,
			overlay_fixture_begin, overlay_fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
