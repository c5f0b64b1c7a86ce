/* SPDX-License-Identifier: MIT */
/*
 * What must not depend on how much the view has changed.
 */
#include "tests/unit/support/overlay_fixture.h"

#include <pthread.h>

#include "core/delta/moment.h"
#include "core/lib/array.h"
#include "core/overlay/inode.h"

#define STEPS 3000
#define NAMES 24U

static struct reason why;

/* Every inode and name of the delta, counted one by one. */
struct full_count {
	uint64_t inodes;
	uint64_t base_files;
	uint64_t base_dirs;
	uint64_t orphans;
	struct name_counts names;
	struct overlay *o;
};

static int count_inode(void *arg, struct inode *i)
{
	const struct delta *d = i->delta;
	struct full_count *c = arg;

	c->inodes++;
	if (d->attr.nlink == 0)
		c->orphans++;
	else if (d->base && S_ISDIR(d->attr.mode))
		c->base_dirs++;
	else if (d->base)
		c->base_files++;
	return 0;
}

static int count_name(void *arg, const struct dentry *d)
{
	struct full_count *c = arg;
	struct inode *i = d->ino ? itable_get(c->o->itable, d->ino) : NULL;

	if (!i)
		c->names.hidden++;
	else if (i->delta->base)
		c->names.moved++;
	else if (d->over_base)
		c->names.replaced++;
	else
		c->names.added++;
	if (i)
		(void)inode_put(c->o->itable, i);
	return 0;
}

static void assert_counts(struct fixture *f)
{
	struct overlay *o = overlay_of(f->v);
	const struct delta_counts *have = &o->set.counts;
	struct full_count c = { .o = o };

	assert_int_equal(itable_iterate_kept(o->itable, count_inode, &c), 0);
	assert_int_equal(namespace_iterate(&o->set.names, count_name, &c), 0);
	assert_int_equal(have->inodes, c.inodes);
	assert_int_equal(have->base_files, c.base_files);
	assert_int_equal(have->base_dirs, c.base_dirs);
	assert_int_equal(have->orphans, c.orphans);
	assert_memory_equal(&o->set.names.counts, &c.names, sizeof(c.names));
}

static unsigned int next_random(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned int)(x >> 20);
}

/* A name of the base, or one that may be new. */
static const char *any_name(char buf[16])
{
	static const char *const of_base[] = { "big", "small", "sub" };
	const unsigned int n = next_random() % NAMES;

	if (n < 3)
		return of_base[n];
	(void)snprintf(buf, 16, "n%u", n);
	return buf;
}

/* One operation, which may fail as it does for programs. */
static void step(struct fixture *f)
{
	const struct mapfs_setattr mode = { .valid = MAPFS_SET_MODE,
					    .mode = 0600 };
	const mapfs_ino root = root_ino(f);
	char buf[2][16];
	const char *name = any_name(buf[0]);
	const char *other = any_name(buf[1]);
	struct mapfs_attr attr;
	struct mapfs_entry e;
	int err = 0;

	switch (next_random() % 8) {
	case 0:
		err = mapfs_mknod(f->v,
				  NEW(&nobody, root, name, S_IFREG | 0644), &e);
		break;
	case 1:
		err = mapfs_mkdir(f->v, NEW(&nobody, root, name, 0755), &e);
		break;
	case 2:
		err = mapfs_unlink(f->v, root, name);
		if (err)
			err = mapfs_rmdir(f->v, root, name);
		e.attr.ino = 0;
		break;
	case 3:
	case 4:
		err = mapfs_rename(f->v, RENAME(root, name, root, other, 0));
		e.attr.ino = 0;
		break;
	case 5:
		err = mapfs_lookup(f->v, root, name, &e);
		if (!err && mapfs_setattr(f->v, mapfs_file_of(e.attr.ino),
					  &mode, &attr))
			(void)0;
		break;
	case 6:
		err = mapfs_lookup(f->v, root, name, &e);
		if (err)
			break;
		mapfs_forget(f->v, e.attr.ino, 1);
		err = mapfs_link(f->v, e.attr.ino, root, other, &e);
		break;
	default:
		err = mapfs_revert(f->v, name, NULL, NULL, &why);
		e.attr.ino = 0;
		break;
	}
	if (!err && e.attr.ino)
		mapfs_forget(f->v, e.attr.ino, 1);
}

static void test_counts__are_those_of_a_full_count(void **state)
{
	struct fixture *f = *state;

	open_copy(f, MAPFS_STORE_DIR);
	for (int n = 0; n < STEPS; n++) {
		step(f);
		if (n % 100 == 0)
			assert_counts(f);
		if (n == STEPS / 3)
			assert_int_equal(mapfs_snapshot_create(f->v, "then", "",
							       &why),
					 0);
		if (n % (STEPS / 4) == STEPS / 5)
			reopen_copy(f);
	}
	assert_counts(f);
	assert_int_equal(mapfs_rollback(f->v, "then", NULL, NULL, &why), 0);
	assert_counts(f);
	reopen_copy(f);
	assert_counts(f);
	assert_int_equal(mapfs_revert(f->v, "", NULL, NULL, &why), 0);
	assert_counts(f);
}

/*
 * Claim: a revert costs what is reverted, not what the view has changed.
 * Method: the journal grows by a few records; a new journal would have all.
 */
static void test_revert__adds_only_what_it_reverts(void **state)
{
	struct fixture *f = *state;
	struct mapfs_info before;
	struct mapfs_info after;
	struct mapfs_entry e;
	char name[8];

	open_copy(f, MAPFS_STORE_DIR);
	for (int n = 0; n < 100; n++) {
		(void)snprintf(name, sizeof(name), "f%d", n);
		assert_int_equal(mapfs_mknod(f->v,
					     NEW(&nobody, root_ino(f), name,
						 S_IFREG | 0644),
					     &e),
				 0);
	}
	mapfs_view_info(f->v, &before);
	assert_int_equal(mapfs_revert(f->v, "f7", NULL, NULL, &why), 0);
	mapfs_view_info(f->v, &after);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "f7", &e), -ENOENT);
	(void)ino_of(f, root_ino(f), "f8");
	assert_true(after.journal_bytes > before.journal_bytes);
	assert_true(after.journal_bytes - before.journal_bytes < 1024);
}

/* The delta as lines of text, one for each inode and name. */
struct lines {
	char (*line)[64];
	size_t count;
	size_t cap;
};

static void add_line(struct lines *l, const char *text)
{
	assert_int_equal(array_reserve(&l->line, &l->cap, l->count + 1), 0);
	(void)snprintf(l->line[l->count++], sizeof(*l->line), "%s", text);
}

static void inode_line(void *arg, struct inode *i)
{
	const struct delta *d = i->delta;
	char text[64];

	(void)snprintf(text, sizeof(text), "inode %llx %o %u %d",
		       (unsigned long long)i->ino, d->attr.mode, d->attr.nlink,
		       d->owns_xattrs);
	add_line(arg, text);
}

static void name_line(void *arg, const struct dentry *d)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "name %llx %s %llx %d",
		       (unsigned long long)d->dir, d->name,
		       (unsigned long long)d->ino, d->over_base);
	add_line(arg, text);
}

static int line_of_inode(void *arg, struct inode *i)
{
	inode_line(arg, i);
	return 0;
}

static int line_of_name(void *arg, const struct dentry *d)
{
	name_line(arg, d);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void assert_same_lines(struct lines *a, struct lines *b)
{
	assert_int_equal(a->count, b->count);
	if (a->count > 0) {
		qsort(a->line, a->count, sizeof(*a->line), by_text);
		qsort(b->line, b->count, sizeof(*b->line), by_text);
	}
	for (size_t n = 0; n < a->count; n++)
		assert_string_equal(a->line[n], b->line[n]);
	free(a->line);
	free(b->line);
}

static struct overlay *the_overlay;

static void put_inode(void *arg, struct inode *i)
{
	(void)arg;
	overlay_put(the_overlay, i);
}

static void *take_steps(void *arg)
{
	struct fixture *f = arg;

	for (int n = 0; n < 40; n++)
		step(f);
	if (next_random() % 4 == 0)
		assert_int_equal(mapfs_rollback(f->v, "then", NULL, NULL, &why),
				 0);
	return NULL;
}

/*
 * Goal: a copy of the delta is that of one moment, with each inode and name once.
 * Method: random changes, and sometimes a rollback, between the moment and the
 * copying; all that was handed over is compared with a list made before.
 */
static void test_moment__is_copied_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct overlay *o;

	open_copy(f, MAPFS_STORE_DIR);
	o = overlay_of(f->v);
	assert_int_equal(mapfs_snapshot_create(f->v, "then", "", &why), 0);
	for (int n = 0; n < 100; n++) {
		struct lines before = { 0 };
		struct lines copied = { 0 };
		const struct moment m = {
			.inode = inode_line,
			.name = name_line,
			.put = put_inode,
			.arg = &copied,
		};
		pthread_t thread;

		the_overlay = o;
		take_steps(f);
		assert_int_equal(itable_iterate_kept(o->itable, line_of_inode,
						     &before),
				 0);
		assert_int_equal(namespace_iterate(&o->set.names, line_of_name,
						   &before),
				 0);
		moment_begin(&o->set, &m, &o->ns_lock);
		/* A thread of its own, as this one has the moment's lock. */
		assert_int_equal(pthread_create(&thread, NULL, take_steps, f),
				 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(moment_copy(&o->set, &o->ns_lock), 0);
		moment_end(&o->set, &o->ns_lock);
		assert_same_lines(&before, &copied);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_counts__are_those_of_a_full_count),
		test_with_copy(test_revert__adds_only_what_it_reverts),
		test_with_copy(test_moment__is_copied_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
