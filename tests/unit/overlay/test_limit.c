/* SPDX-License-Identifier: MIT */
/*
 * The limits of core/lib/limit.h: everything that a view accepts can be read by
 * the next open of its store, and everything else is refused before it reaches
 * the journal.
 */
#include "core/delta/dump.h"
#include "core/delta/record_decode.h"
#include "core/overlay/inode.h"
#include "tests/unit/support/overlay_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static struct store *store_of(struct fixture *f)
{
	return overlay_of(f->v)->store;
}

static mapfs_ino new_file(struct fixture *f, const char *name)
{
	struct mapfs_entry e;

	assert_int_equal(
		mapfs_mknod(f->v,
			    NEW(&nobody, root_ino(f), name, S_IFREG | 0644),
			    &e),
		0);
	return e.attr.ino;
}

static int resize(struct fixture *f, mapfs_ino ino, uint64_t size)
{
	struct mapfs_setattr set = {
		.valid = MAPFS_SET_SIZE,
		.size_bytes = size,
	};
	struct mapfs_attr attr;

	return mapfs_setattr(f->v, mapfs_file_of(ino), &set, &attr);
}

static uint64_t size_of(struct fixture *f, mapfs_ino ino)
{
	struct mapfs_attr attr;

	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(ino), &attr), 0);
	return attr.size_bytes;
}

/* The bytes of the newest segment, to be compared later. */
static char *journal_now(struct fixture *f, size_t *len)
{
	char path[128];
	char *buf = malloc(1 << 20);
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/journal/1", f->store);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, buf, 1 << 20);
	assert_in_range(n, 4096, (1 << 20) - 1);
	close(fd);
	*len = (size_t)n;
	return buf;
}

struct over {
	struct record rec;
	int err;
};

/* Goal: append refuses it, the journal is unchanged, nothing is latched. */
static void refuse(struct fixture *f, mapfs_ino ino, const struct over *bad)
{
	struct record good = { .type = RECORD_XATTR_OWN, .ino = ino };
	size_t before_bytes;
	size_t after_bytes;
	char *before = journal_now(f, &before_bytes);
	char *after;
	struct group g;

	group_init(&g);
	/* Valid records of the group before it must not be applied either. */
	group_add(&g, &good);
	group_add(&g, &bad->rec);
	assert_int_equal(store_apply(store_of(f), &g, NULL), bad->err);
	group_fini(&g);
	after = journal_now(f, &after_bytes);
	assert_int_equal(before_bytes, after_bytes);
	assert_memory_equal(before, after, before_bytes);
	assert_int_equal(store_may_change(store_of(f)), 0);
	free(before);
	free(after);
}

static struct record pages(mapfs_ino ino, mapfs_pgno first, uint64_t count,
			   uint32_t kind, mapfs_apage apage)
{
	return (struct record){
		.type = RECORD_PAGES,
		.pages = { ino, first, count, kind, apage },
	};
}

static struct record attr_of_size(mapfs_ino ino, uint64_t size)
{
	return (struct record){
		.type = RECORD_ATTR,
		.attr = { .ino = ino,
			  .mode = S_IFREG | 0644,
			  .nlink = 1,
			  .size_bytes = size },
	};
}

static void test_limit__what_breaks_one_never_reaches_the_journal(void **state)
{
	static char name[MAPFS_NAME_MAX + 2];
	struct fixture *f = *state;
	mapfs_ino ino;

	open_copy(f, MAPFS_STORE_DIR);
	ino = new_file(f, "f");
	memset(name, 'n', sizeof(name) - 1);
	struct over bad[] = {
		{ pages(ino, MAPFS_MAX_PAGES, 1, PT_HOLE, 0), -EFBIG },
		{ pages(ino, MAPFS_MAX_PAGES - 1, 2, PT_HOLE, 0), -EFBIG },
		{ pages(ino, 1, UINT64_MAX, PT_BASE, 0), -EFBIG },
		{ pages(ino, 0, 0, PT_HOLE, 0), -EUCLEAN },
		{ pages(ino, 0, 1, 3, 0), -EUCLEAN },
		{ pages(ino, 0, 2, PT_ARENA, (1ULL << 44) - 1), -EUCLEAN },
		{ pages(ino, 0, 1, PT_ARENA, 256ULL << 44), -EUCLEAN },
		{ attr_of_size(ino, 1ULL << 63), -EFBIG },
		{ attr_of_size(0, 1), -EINVAL },
		{ { .type = RECORD_DENTRY,
		    .dentry = { .dir = root_ino(f),
				.ino = ino,
				.type = S_IFREG,
				.name = name,
				.name_bytes = sizeof(name) - 1 } },
		  -ENAMETOOLONG },
		{ { .type = RECORD_DENTRY,
		    .dentry = { .dir = root_ino(f),
				.ino = ino,
				.type = S_IFREG,
				.name = "a/b",
				.name_bytes = 3 } },
		  -EINVAL },
		{ { .type = RECORD_XATTR,
		    .xattr = { .ino = ino, .name = "", .value = "" } },
		  -EUCLEAN },
		{ attr_of_size(ino, 1), -EINVAL },
	};

	bad[sizeof(bad) / sizeof(*bad) - 1].rec.attr.mtime.tv_nsec = 1000000000;
	for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++)
		refuse(f, ino, &bad[n]);
	/* The view continues as if the request had not been made. */
	new_file(f, "g");
	reopen_copy(f);
	assert_int_equal(ino_of(f, root_ino(f), "f"), ino);
	ino_of(f, root_ino(f), "g");
}

/* Method: nine values of 8 MiB, which no journal takes at once. */
static void test_limit__group_that_is_too_long_changes_nothing(void **state)
{
	const size_t len = 8U << 20;
	struct fixture *f = *state;
	char *value = calloc(1, len);
	struct group g;
	mapfs_ino ino;

	open_copy(f, MAPFS_STORE_DIR);
	ino = new_file(f, "f");
	group_init(&g);
	for (int n = 0; n < 9; n++)
		group_add(&g, &(struct record){
				      .type = RECORD_XATTR,
				      .xattr = { .ino = ino,
						 .name = "user.x",
						 .value = value,
						 .value_bytes = len },
			      });
	assert_int_equal(store_apply(store_of(f), &g, NULL), -E2BIG);
	assert_int_equal(store_may_change(store_of(f)), 0);
	group_fini(&g);
	free(value);
	assert_int_equal(mapfs_getxattr(f->v, ino, "user.x", NULL, 0),
			 -ENODATA);
	reopen_copy(f);
	assert_int_equal(ino_of(f, root_ino(f), "f"), ino);
}

static void punch_to_the_end(struct fixture *f, mapfs_ino ino, uint64_t off)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (off < INT64_MAX)
		assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), mode,
						 off, INT64_MAX - off),
				 0);
}

/*
 * Goal: a page at any place can be written, cut off and read again.
 * Method: around every size at which the page table changes its height.
 */
static void test_limit__pages_of_every_height_survive(void **state)
{
	struct fixture *f = *state;
	char name[32];
	unsigned int files = 0;

	open_copy(f, MAPFS_STORE_DIR);
	for (unsigned int bits = 12; bits <= 63; bits++) {
		uint64_t off = (1ULL << bits) - (bits == 63 ? 2 : 0);
		uint64_t cut[] = { 0, 5000, off - 1, off, off + 1 };

		for (size_t n = 0; n < sizeof(cut) / sizeof(*cut); n++) {
			mapfs_ino ino;

			(void)snprintf(name, sizeof(name), "%u", files++);
			ino = new_file(f, name);
			assert_int_equal(write_at(f->v, ino, "x", 1, off), 1);
			assert_int_equal(resize(f, ino, cut[n]), 0);
			punch_to_the_end(f, ino, cut[n]);
			assert_int_equal(resize(f, ino, INT64_MAX), 0);
			assert_int_equal(resize(f, ino, cut[n]), 0);
		}
	}
	reopen_copy(f);
	for (unsigned int n = 0; n < files; n++) {
		uint64_t off = (1ULL << (n / 5 + 12)) - (n / 5 == 51 ? 2 : 0);
		uint64_t cut[] = { 0, 5000, off - 1, off, off + 1 };

		(void)snprintf(name, sizeof(name), "%u", n);
		assert_int_equal(size_of(f, ino_of(f, root_ino(f), name)),
				 cut[n % 5]);
	}
}

/* A size, offset or name beyond the limits is refused by the call itself. */
static void test_limit__arguments_beyond_it_are_refused(void **state)
{
	struct fixture *f = *state;
	char target[MAPFS_TARGET_MAX + 2];
	char name[MAPFS_XATTR_NAME_MAX + 2] = "user.";
	struct mapfs_setattr set = { .valid = MAPFS_SET_MTIME };
	struct mapfs_entry e;
	struct mapfs_attr attr;
	char *big = calloc(1, MAPFS_XATTR_VALUE_MAX + 1);
	mapfs_ino ino;

	open_copy(f, MAPFS_STORE_DIR);
	ino = new_file(f, "f");
	memset(target, 't', sizeof(target) - 1);
	target[MAPFS_TARGET_MAX + 1] = '\0';
	memset(name + 5, 'n', MAPFS_XATTR_NAME_MAX - 4);
	name[MAPFS_XATTR_NAME_MAX + 1] = '\0';
	assert_int_equal(resize(f, ino, 1ULL << 63), -EFBIG);
	assert_int_equal(write_at(f->v, ino, "xy", 2, INT64_MAX - 1), -EFBIG);
	assert_int_equal(write_at(f->v, ino, "x", 1, UINT64_MAX), -EFBIG);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), 0, INT64_MAX,
					 1),
			 -EFBIG);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), 0, 0, 0),
			 -EINVAL);
	assert_int_equal(mapfs_symlink(f->v, NEW(&nobody, root_ino(f), "l", 0),
				       target, &e),
			 -ENAMETOOLONG);
	assert_int_equal(set_xattr(f->v, ino, name, "v", 1), -ERANGE);
	assert_int_equal(set_xattr(f->v, ino, "user.a", big,
				   MAPFS_XATTR_VALUE_MAX + 1),
			 -E2BIG);
	set.mtime.tv_nsec = 1000000000;
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(ino), &set, &attr),
			 -EINVAL);
	set.mtime.tv_nsec = -1;
	assert_int_equal(mapfs_setattr(f->v, mapfs_file_of(ino), &set, &attr),
			 -EINVAL);
	/* The largest that is allowed, of each. */
	target[MAPFS_TARGET_MAX] = '\0';
	name[MAPFS_XATTR_NAME_MAX] = '\0';
	assert_int_equal(write_at(f->v, ino, "x", 1, INT64_MAX - 1), 1);
	assert_int_equal(mapfs_symlink(f->v, NEW(&nobody, root_ino(f), "l", 0),
				       target, &e),
			 0);
	assert_int_equal(set_xattr(f->v, ino, name, big, MAPFS_XATTR_VALUE_MAX),
			 0);
	reopen_copy(f);
	ino = ino_of(f, root_ino(f), "f");
	assert_int_equal(size_of(f, ino), INT64_MAX);
	assert_content(f, ino, INT64_MAX - 1, "x", 1);
	assert_int_equal(mapfs_getxattr(f->v, ino, name, NULL, 0),
			 MAPFS_XATTR_VALUE_MAX);
	free(big);
}

static void test_limit__one_name_more_than_can_be_counted(void **state)
{
	struct fixture *f = *state;
	struct record r = attr_of_size(0, 0);
	struct mapfs_entry e;
	struct group g;

	open_copy(f, MAPFS_STORE_DIR);
	r.attr.ino = new_file(f, "f");
	r.attr.nlink = UINT32_MAX - 1;
	group_init(&g);
	group_add(&g, &r);
	assert_int_equal(store_apply(store_of(f), &g, NULL), 0);
	group_fini(&g);
	assert_int_equal(mapfs_link(f->v, r.attr.ino, root_ino(f), "g", &e), 0);
	assert_int_equal(e.attr.nlink, UINT32_MAX);
	assert_int_equal(mapfs_link(f->v, r.attr.ino, root_ino(f), "h", &e),
			 -EMLINK);
	reopen_copy(f);
	assert_int_equal(ino_of(f, root_ino(f), "g"), r.attr.ino);
	assert_int_equal(mapfs_lookup(f->v, root_ino(f), "h", &e), -ENOENT);
}

/* A request for more space than the disk has takes no space at all. */
static void test_limit__more_space_than_the_disk_takes_none(void **state)
{
	struct fixture *f = *state;
	struct mapfs_info info;
	mapfs_ino ino;

	open_copy(f, MAPFS_STORE_DIR);
	ino = new_file(f, "f");
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), 0, 0,
					 INT64_MAX),
			 -ENOSPC);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), 0,
					 1ULL << 60, 1ULL << 50),
			 -ENOSPC);
	mapfs_view_info(f->v, &info);
	assert_int_equal(info.private_pages, 0);
	assert_int_equal(size_of(f, ino), 0);
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), 0,
					 1ULL << 62, 4097),
			 0);
	close_copy(f);
	open_copy(f, MAPFS_STORE_MEMORY);
	ino = new_file(f, "f");
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino), 0, 0,
					 1ULL << 55),
			 -ENOSPC);
}

/* Names for which listxattr(2) has no room are refused. */
static void test_limit__every_xattr_can_be_listed(void **state)
{
	struct fixture *f = *state;
	char name[64];
	char *list = malloc(MAPFS_XATTR_LIST_MAX);
	int count = 0;
	int err = 0;
	mapfs_ino ino;

	open_copy(f, MAPFS_STORE_DIR);
	ino = new_file(f, "f");
	while (!err && count < 2000) {
		(void)snprintf(name, sizeof(name), "user.%050d", count++);
		err = set_xattr(f->v, ino, name, "v", 1);
	}
	assert_int_equal(err, -ENOSPC);
	reopen_copy(f);
	ino = ino_of(f, root_ino(f), "f");
	assert_in_range(mapfs_listxattr(f->v, ino, list, MAPFS_XATTR_LIST_MAX),
			MAPFS_XATTR_LIST_MAX - 60, MAPFS_XATTR_LIST_MAX);
	/* One that exists can be changed, and removing one makes room. */
	assert_int_equal(
		mapfs_setxattr(f->v, ino,
			       &(struct mapfs_setxattr){
				       .name = "user." /* 50 zeros */
					       "00000000000000000000000000"
					       "000000000000000000000000",
				       .value = "w",
				       .len = 1,
				       .flags = XATTR_REPLACE }),
		0);
	free(list);
}

static uint64_t blocks_of(struct fixture *f, mapfs_ino ino)
{
	struct mapfs_attr attr;

	assert_int_equal(mapfs_getattr(f->v, mapfs_file_of(ino), &attr), 0);
	return attr.blocks_512;
}

/*
 * Goal: a file with bytes of the base never has 0 blocks.
 * Method: the record that an older version wrote of a base file whose data
 * takes no blocks, as inline data does.
 */
static void test_limit__data_that_takes_no_blocks_is_not_denied(void **state)
{
	struct fixture *f = *state;
	struct record r = { .type = RECORD_INODE };
	struct statx stx = { .stx_mode = S_IFREG | 0644, .stx_size = 5 };
	struct statx of_file;
	char path[128];
	struct group g;
	mapfs_ino ino;

	assert_int_equal(base_blocks(&stx), 8);
	stx.stx_size = 0;
	assert_int_equal(base_blocks(&stx), 0);
	stx.stx_size = 1 << 20;
	stx.stx_blocks = 3;
	assert_int_equal(base_blocks(&stx), 3);
	open_copy(f, MAPFS_STORE_DIR);
	ino = ino_of(f, root_ino(f), "big");
	(void)snprintf(path, sizeof(path), "%s/big", f->base);
	assert_int_equal(statx(AT_FDCWD, path, 0, STATX_ALL, &of_file), 0);
	overlay_inode_record(&of_file, ino, 0, &r.inode);
	r.inode.base_blocks_512 = 0;
	r.inode.text = "big";
	r.inode.text_bytes = 3;
	group_init(&g);
	group_add(&g, &r);
	assert_int_equal(store_apply(store_of(f), &g, NULL), 0);
	group_fini(&g);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(blocks_of(f, ino), 8);
		reopen_copy(f);
		assert_int_equal(ino_of(f, root_ino(f), "big"), ino);
	}
	/* All but the last page, then that one, too. */
	assert_int_equal(mapfs_fallocate(f->v, mapfs_file_of(ino),
					 FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
					 0, BIG_BYTES - 4096),
			 0);
	assert_int_equal(blocks_of(f, ino), 8);
	punch_to_the_end(f, ino, BIG_BYTES - 4096);
	assert_int_equal(blocks_of(f, ino), 0);
	assert_int_equal(resize(f, ino, 1 << 30), 0);
	assert_int_equal(blocks_of(f, ino), 0);
}

static uint64_t most_bytes;

static int measure(void *arg, const struct group *g)
{
	uint64_t *records = arg;
	struct record r;
	size_t pos = 0;

	if (g->len_bytes > most_bytes)
		most_bytes = g->len_bytes;
	while (record_next(g->buf, g->len_bytes, &pos, &r) == 1)
		*records += r.type == RECORD_PAGES;
	return group_verify(g);
}

/* A file in so many runs that one group cannot name them all. */
static void test_limit__dump_of_a_shattered_file_fits_the_journal(void **state)
{
	const uint64_t pieces = 1500000;
	struct fixture *f = *state;
	struct delta_set *set;
	uint64_t records = 0;
	mapfs_ino ino;

	open_copy(f, MAPFS_STORE_DIR);
	set = &overlay_of(f->v)->set;
	ino = new_file(f, "f");
	for (uint64_t n = 0; n < pieces; n++) {
		struct record r = pages(ino, 2 * n, 1, PT_HOLE, 0);
		struct group g;

		group_init(&g);
		group_add(&g, &r);
		assert_int_equal(delta_set_apply(set, g.buf, g.len_bytes, NULL),
				 0);
		group_fini(&g);
	}
	most_bytes = 0;
	assert_int_equal(delta_set_dump(set, measure, &records), 0);
	assert_int_equal(records, pieces);
	assert_in_range(most_bytes, 1, GROUP_MAX_BYTES);
}

/* A record that older versions wrote, and could not read. */
static void test_limit__base_pages_up_to_the_old_end_are_read(void **state)
{
	struct record old = pages(9, 7, (1ULL << 54) - 7, PT_BASE, 0);
	struct record r;
	struct group g;
	size_t pos = 0;

	(void)state;
	group_init(&g);
	group_add(&g, &old);
	assert_int_equal(record_next(g.buf, g.len_bytes, &pos, &r), 1);
	assert_int_equal(r.pages.first, 7);
	assert_int_equal(r.pages.count, MAPFS_MAX_PAGES - 7);
	group_fini(&g);
	old.pages.kind = PT_HOLE;
	pos = 0;
	group_init(&g);
	group_add(&g, &old);
	assert_int_equal(record_next(g.buf, g.len_bytes, &pos, &r), -EUCLEAN);
	group_fini(&g);
}

#define WITH_BASE(name)                                              \
	cmocka_unit_test_setup_teardown(name, overlay_fixture_begin, \
					overlay_fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(
			test_limit__what_breaks_one_never_reaches_the_journal),
		WITH_BASE(test_limit__group_that_is_too_long_changes_nothing),
		WITH_BASE(test_limit__pages_of_every_height_survive),
		WITH_BASE(test_limit__arguments_beyond_it_are_refused),
		WITH_BASE(test_limit__one_name_more_than_can_be_counted),
		WITH_BASE(test_limit__more_space_than_the_disk_takes_none),
		WITH_BASE(test_limit__data_that_takes_no_blocks_is_not_denied),
		WITH_BASE(test_limit__every_xattr_can_be_listed),
		WITH_BASE(
			test_limit__dump_of_a_shattered_file_fits_the_journal),
		cmocka_unit_test(
			test_limit__base_pages_up_to_the_old_end_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
