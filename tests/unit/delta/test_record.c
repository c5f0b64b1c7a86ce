/* SPDX-License-Identifier: MIT */
#include "core/delta/record_decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const struct record samples[] = {
	{ .type = RECORD_STORE,
	  .store = { .ino_tag = 77,
		     .next_ino = 5,
		     .created = { 3, 4 },
		     .base = "/some/base",
		     .base_bytes = 10 } },
	{ .type = RECORD_INODE,
	  .inode = { .attr = { .ino = 9,
			       .parent = 2,
			       .mode = S_IFREG | 0644,
			       .nlink = 1,
			       .uid = 1,
			       .gid = 2,
			       .size_bytes = 1ULL << 41,
			       .visible_base_bytes = 5,
			       .atime = { -5, 6 },
			       .mtime = { 7, 8 },
			       .ctime = { 9, 10 } },
		     .has_base = true,
		     .generation = 3,
		     .rdev = 4,
		     .base_blocks_512 = 8,
		     .btime = { 0, -1 },
		     .sig = { .ino = 9, .size_bytes = 5, .mode = 0100644 },
		     .text = "a/b",
		     .text_bytes = 3 } },
	{ .type = RECORD_ATTR,
	  .attr = { .ino = 9, .mode = S_IFREG | 04755, .size_bytes = 1 } },
	{ .type = RECORD_DENTRY,
	  .dentry = { .dir = 2,
		      .ino = 9,
		      .type = S_IFREG,
		      .over_base = true,
		      .name = "\xff\x01 name",
		      .name_bytes = 7 } },
	{ .type = RECORD_DENTRY_GONE,
	  .dentry = { .dir = 2, .name = "x", .name_bytes = 1 } },
	{ .type = RECORD_PAGES,
	  .pages = { .ino = 9, .first = 1, .count = 2, .kind = 2, .apage = 11 } },
	{ .type = RECORD_XATTR,
	  .xattr = { .ino = 9,
		     .name = "user.a",
		     .value = "v\0w",
		     .value_bytes = 3 } },
	{ .type = RECORD_XATTR_GONE, .xattr = { .ino = 9, .name = "user.a" } },
	{ .type = RECORD_XATTR_OWN, .ino = 9 },
	{ .type = RECORD_INODE_GONE, .ino = 9 },
	{ .type = RECORD_BASE,
	  .base = { .ino = 9,
		    .btime = { 1, 2 },
		    .handle_type = 3,
		    .handle_sum = 4 } },
	{ .type = RECORD_BASE,
	  .base = { .kind = BASE_KIND_NONE,
		    .ino = 1,
		    .btime = { 1, 2 },
		    .uid = 3,
		    .gid = 4 } },
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void build(struct group *g)
{
	group_init(g);
	for (size_t n = 0; n < SAMPLES; n++)
		group_add(g, &samples[n]);
	assert_int_equal(group_error(g), 0);
}

/* Goal: decoding inverts encoding.  Method: encode again, compare bytes. */
static void test_record__survives_the_way_through_bytes(void **state)
{
	struct group a;
	struct group b;
	struct record r;
	size_t pos = 0;
	size_t n = 0;

	(void)state;
	build(&a);
	group_init(&b);
	while (record_next(a.buf, a.len_bytes, &pos, &r) == 1) {
		assert_int_equal(r.type, samples[n].type);
		group_add(&b, &r);
		n++;
	}
	assert_int_equal(n, SAMPLES);
	assert_int_equal(a.len_bytes, b.len_bytes);
	assert_memory_equal(a.buf, b.buf, a.len_bytes);
	group_fini(&a);
	group_fini(&b);
}

/* Method: cut at every byte; the copy ends at an inaccessible edge (asan). */
static void test_record__every_cut_is_refused_or_a_clean_end(void **state)
{
	struct group g;

	(void)state;
	build(&g);
	for (size_t len = 0; len < g.len_bytes; len++) {
		uint8_t *cut = malloc(len ? len : 1);
		struct record r;
		size_t pos = 0;
		int ret;

		memcpy(cut, g.buf, len);
		while ((ret = record_next(cut, len, &pos, &r)) == 1)
			;
		assert_true(ret == 0 || ret == -EUCLEAN);
		if (ret == 0)
			assert_int_equal(pos, len);
		free(cut);
	}
	group_fini(&g);
}

/* Method: flip bits at random; decoding must end, with any result. */
static void test_record__damage_never_reads_outside(void **state)
{
	struct group g;

	(void)state;
	srandom(3);
	build(&g);
	for (int round = 0; round < 20000; round++) {
		uint8_t *bad = malloc(g.len_bytes);
		struct record r;
		size_t pos = 0;

		memcpy(bad, g.buf, g.len_bytes);
		for (int n = 0; n < 3; n++)
			bad[(size_t)random() % g.len_bytes] ^=
				(uint8_t)(1 << random() % 8);
		while (record_next(bad, g.len_bytes, &pos, &r) == 1)
			;
		free(bad);
	}
	group_fini(&g);
}

static void refuse(const struct record *bad)
{
	struct group g;
	struct record r;
	size_t pos = 0;

	group_init(&g);
	group_add(&g, bad);
	assert_int_equal(record_next(g.buf, g.len_bytes, &pos, &r), -EUCLEAN);
	assert_int_equal(pos, 0);
	group_fini(&g);
}

static void test_record__nonsense_is_refused(void **state)
{
	(void)state;
	refuse(&(struct record){
		.type = RECORD_DENTRY,
		.dentry = {
			.dir = 1, .ino = 2, .name = "a/b", .name_bytes = 3 } });
	refuse(&(struct record){
		.type = RECORD_DENTRY,
		.dentry = { .dir = 1, .ino = 2, .name = "", .name_bytes = 0 } });
	refuse(&(struct record){
		.type = RECORD_PAGES,
		.pages = { .ino = 1, .first = 0, .count = 0, .kind = 1 } });
	refuse(&(struct record){ .type = RECORD_PAGES,
				 .pages = { .ino = 1,
					    .first = UINT64_MAX,
					    .count = 2,
					    .kind = 1 } });
	refuse(&(struct record){
		.type = RECORD_PAGES,
		.pages = { .ino = 1, .first = 0, .count = 1, .kind = 3 } });
	refuse(&(struct record){
		.type = RECORD_ATTR,
		.attr = { .ino = 1, .size_bytes = UINT64_MAX } });
	refuse(&(struct record){
		.type = RECORD_ATTR,
		.attr = { .ino = 1, .mtime = { 0, 1000000000 } } });
	refuse(&(struct record){ .type = RECORD_BASE,
				 .base = { .kind = BASE_KIND_NONE,
					   .ino = 1,
					   .btime = { 0, -1 } } });
	refuse(&(struct record){
		.type = RECORD_BASE,
		.base = { .kind = (enum base_kind)99, .ino = 1 } });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__survives_the_way_through_bytes),
		cmocka_unit_test(
			test_record__every_cut_is_refused_or_a_clean_end),
		cmocka_unit_test(test_record__damage_never_reads_outside),
		cmocka_unit_test(test_record__nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
