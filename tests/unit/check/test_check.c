/* SPDX-License-Identifier: MIT */
/*
 * Damage at any byte of a journal: what mapfs_check() says of it is what
 * opening meets, and what mapfs_repair() makes of it is sound [S5].
 */
#include "tests/unit/support/overlay_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

#define STRIDE 71 /* bytes between two damages */
#define SEGMENT_MOST (64U << 10)

static struct reason why;

/* A store with snapshots a and b, in three segments. */
static void make_store(struct fixture *f)
{
	for (int n = 0; n < 3; n++) {
		char name[8];
		mapfs_ino ino;
		struct mapfs_entry e;

		open_copy(f, MAPFS_STORE_DIR);
		(void)snprintf(name, sizeof(name), "new%d", n);
		assert_int_equal(mapfs_mknod(f->v,
					     &(struct mapfs_new){
						     .cred = &nobody,
						     .dir = root_ino(f),
						     .name = name,
						     .mode = S_IFREG | 0644,
					     },
					     &e),
				 0);
		ino = e.attr.ino;
		assert_int_equal(mapfs_write(f->v, mapfs_file_of(ino),
					     &(struct mapfs_write){
						     .buf = "bytes",
						     .len = 5,
					     }),
				 5);
		if (n < 2)
			assert_int_equal(mapfs_snapshot_create(
						 f->v, n ? "b" : "a", "", &why),
					 0);
		close_copy(f);
	}
}

static int look(const char *store, const char *snapshot, bool salvage)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = store,
		.snapshot = snapshot,
		.look_only = true,
		.salvage = salvage,
		.without_base = true,
	};
	struct mapfs_view *v;
	int err = mapfs_view_open(&v, &opt, &why);

	return err ? err : mapfs_view_close(v);
}

static uint64_t damages_of(const char *store)
{
	const struct mapfs_check_options opt = { .store = store };
	struct mapfs_check_result result;
	int err = mapfs_check(&opt, &result, &why);

	if (err)
		print_message("%s\n", why.text);
	assert_int_equal(err, 0);
	mapfs_check_result_fini(&result);
	return result.damages;
}

static void read_file(const char *path, uint8_t *buf, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, SEGMENT_MOST);

	assert_true(n > 0 && n < SEGMENT_MOST);
	*len = (size_t)n;
	close(fd);
}

static void write_byte(const char *path, size_t off, uint8_t byte)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
	close(fd);
}

static void check_repaired(const struct fixture *f)
{
	const struct mapfs_check_options opt = { .store = f->store };
	struct mapfs_check_result result;
	char to[128];

	(void)snprintf(to, sizeof(to), "%s/repaired", f->dir);
	if (mapfs_repair(&opt, to, &result, &why) == 0) {
		assert_int_equal(damages_of(to), 0);
		assert_int_equal(look(to, NULL, false), 0);
		assert_int_equal(mapfs_discard(to, &why), 0);
	} else {
		/* Nothing of it was sound. */
		assert_int_not_equal(look(f->store, NULL, true), 0);
		assert_int_equal(access(to, F_OK), -1);
	}
	mapfs_check_result_fini(&result);
}

/* One damage, and the store as it was. */
static void try_byte(const struct fixture *f, const char *path, size_t off,
		     uint8_t was)
{
	uint64_t damages;
	int err;

	write_byte(path, off, (uint8_t)~was);
	damages = damages_of(f->store);
	err = look(f->store, NULL, false);
	if (err == 0)
		err = look(f->store, "a", false);
	if (err == 0)
		err = look(f->store, "b", false);
	if ((damages == 0) != (err == 0))
		print_message("%s at %zu: %llu damages, %d %s\n", path, off,
			      (unsigned long long)damages, err, why.text);
	assert_int_equal(damages == 0, err == 0);
	if (damages)
		check_repaired(f);
	write_byte(path, off, was);
}

/*
 * Goal: check calls a store sound exactly if all of its states open, and a
 * repaired one is sound.
 * Method: one byte after the other is inverted.
 */
static void test_check__agrees_with_opening(void **state)
{
	static uint8_t buf[SEGMENT_MOST];
	struct fixture *f = *state;

	make_store(f);
	assert_int_equal(damages_of(f->store), 0);
	for (int number = 1; number <= 3; number++) {
		char path[128];
		size_t len;

		(void)snprintf(path, sizeof(path), "%s/journal/%d", f->store,
			       number);
		read_file(path, buf, &len);
		for (size_t off = 0; off < len; off += STRIDE) {
			/* The rest of the header's block has no meaning. */
			if (off == 2 * STRIDE)
				off = 4096;
			try_byte(f, path, off, buf[off]);
		}
	}
	assert_int_equal(damages_of(f->store), 0);
}

/*
 * Goal: a snapshot whose segments are sound can be shown whatever happens to
 * the others.
 * Method: the segments after it are removed, cut or overwritten.
 */
static void test_check__older_snapshot_survives(void **state)
{
	struct fixture *f = *state;
	char path[128];

	make_store(f);
	(void)snprintf(path, sizeof(path), "%s/journal/2", f->store);
	assert_int_equal(truncate(path, 4200), 0);
	assert_int_equal(look(f->store, "a", false), 0);
	assert_int_not_equal(look(f->store, "b", false), 0);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(look(f->store, "a", false), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(look(f->store, "a", false), 0);
	(void)snprintf(path, sizeof(path), "%s/journal/3", f->store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(look(f->store, "a", false), 0);
	assert_int_equal(look(f->store, NULL, true), 0);
	assert_int_not_equal(look(f->store, NULL, false), 0);
	assert_true(damages_of(f->store) > 0);
	check_repaired(f);
}

static int stop(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	unsigned int *left = arg;

	assert_true(done_bytes <= all_bytes);
	return (*left)-- == 0;
}

/*
 * Goal: a check can be stopped at any time.
 * Method: it is stopped at each report of its progress.
 */
static void test_check__stops_when_asked(void **state)
{
	struct fixture *f = *state;
	unsigned int left = 0;
	int err = -EINTR;

	make_store(f);
	for (unsigned int n = 0; err == -EINTR; n++) {
		const struct mapfs_check_options opt = {
			.store = f->store,
			.progress = stop,
			.arg = &left,
		};
		struct mapfs_check_result result;

		left = n;
		err = mapfs_check(&opt, &result, &why);
		mapfs_check_result_fini(&result);
		assert_true(n < 10000);
	}
	assert_int_equal(err, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_copy(test_check__agrees_with_opening),
		test_with_copy(test_check__older_snapshot_survives),
		test_with_copy(test_check__stops_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
