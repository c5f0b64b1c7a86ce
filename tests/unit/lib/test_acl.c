/* SPDX-License-Identifier: MIT */
#include "core/lib/acl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lib/le.h"

struct entry {
	uint16_t tag;
	uint16_t perm;
};

/* u, u:x, g, g:x, mask, o as the kernel writes them. */
static size_t build(uint8_t *out, const struct entry *e, size_t count)
{
	size_t at = 4;

	memcpy(out, &(le32){ { 2, 0, 0, 0 } }, 4);
	for (size_t n = 0; n < count; n++, at += 8) {
		le16 tag = le16_of(e[n].tag);
		le16 perm = le16_of(e[n].perm);

		memcpy(out + at, &tag, 2);
		memcpy(out + at + 2, &perm, 2);
		memset(out + at + 4, 0, 4);
	}
	return at;
}

static const struct entry full[] = {
	{ 1, 7 }, { 2, 6 }, { 4, 5 }, { 8, 7 }, { 0x10, 6 }, { 0x20, 1 },
};
static const struct entry minimal[] = { { 1, 6 }, { 4, 4 }, { 0x20, 0 } };

static void test_acl__sound_lists_pass_and_nonsense_does_not(void **state)
{
	const struct entry no_mask[] = {
		{ 1, 7 },
		{ 2, 6 },
		{ 4, 5 },
		{ 0x20, 1 },
	};
	const struct entry no_other[] = { { 1, 7 }, { 4, 5 } };
	const struct entry twice[] = {
		{ 1, 7 },
		{ 1, 7 },
		{ 4, 5 },
		{ 0x20, 1 },
	};
	const struct entry disorder[] = { { 4, 5 }, { 1, 7 }, { 0x20, 1 } };
	uint8_t b[128];

	(void)state;
	assert_int_equal(acl_verify(b, build(b, full, 6)), 0);
	assert_int_equal(acl_verify(b, build(b, minimal, 3)), 0);
	assert_int_equal(acl_verify(b, build(b, no_mask, 4)), -EINVAL);
	assert_int_equal(acl_verify(b, build(b, no_other, 2)), -EINVAL);
	assert_int_equal(acl_verify(b, build(b, twice, 4)), -EINVAL);
	assert_int_equal(acl_verify(b, build(b, disorder, 3)), -EINVAL);
	assert_int_equal(acl_verify(b, build(b, minimal, 3) - 1), -EINVAL);
	assert_int_equal(acl_verify(b, 3), -EINVAL);
}

static void test_acl__group_bits_are_the_mask(void **state)
{
	uint8_t b[128];
	size_t len = build(b, full, 6);
	bool is_minimal;

	(void)state;
	assert_int_equal(acl_mode(b, len, &is_minimal), 0761);
	assert_false(is_minimal);
	len = build(b, minimal, 3);
	assert_int_equal(acl_mode(b, len, &is_minimal), 0640);
	assert_true(is_minimal);
}

static void test_acl__chmod_moves_the_mask_not_the_group(void **state)
{
	uint8_t b[128];
	size_t len = build(b, full, 6);
	bool is_minimal;

	(void)state;
	acl_chmod(b, len, 0504);
	assert_int_equal(acl_mode(b, len, &is_minimal), 0504);
	assert_int_equal(b[4 + 2 * 8 + 2], 5); /* the group's entry stays */
}

static void test_acl__inherit_narrows_both(void **state)
{
	uint8_t b[128];
	size_t len = build(b, full, 6);
	mode_t mode = 0100644;
	bool is_minimal;

	(void)state;
	acl_inherit(b, len, &mode, &is_minimal);
	assert_int_equal(mode, 0100640);
	assert_int_equal(acl_mode(b, len, &is_minimal), 0640);
	assert_false(is_minimal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_acl__sound_lists_pass_and_nonsense_does_not),
		cmocka_unit_test(test_acl__group_bits_are_the_mask),
		cmocka_unit_test(test_acl__chmod_moves_the_mask_not_the_group),
		cmocka_unit_test(test_acl__inherit_narrows_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
