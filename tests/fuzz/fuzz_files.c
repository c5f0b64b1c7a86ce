/* SPDX-License-Identifier: MIT */
/*
 * A hostile anchor, or a file of a commit [S1]: it is refused, or what it says
 * can be used; a plan that was read is written as one that can be read.
 *
 * The first byte of an input says which file, and whether its checksums are
 * made right; the rest are its bytes.  The other files are sound.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/commit/plan_encode.h"
#include "core/commit/position.h"
#include "core/commit/result.h"
#include "core/commit/sums.h"
#include "core/commit/work_dir.h"
#include "core/store/anchor_file.h"
#include "fuzz.h"
#include "tests/unit/support/operations.h"

static struct file {
	const char *name;
	const char *state; /* the operation that begins with such a store */
	const char *from;  /* in the store */
	uint8_t *data;
	size_t size;
} files[] = {
	{ "anchor", "undo", "." },	 { "plan", "undo", "commit/1" },
	{ "inos", "undo", "commit/1" },	 { "after", "undo", "commit/1" },
	{ "sums", "undo", "commit/1" },	 { "open", "undo of a part", "commit" },
	{ "saved", "undo", "commit/1" },
};

#define FILES (sizeof(files) / sizeof(*files))

static void take_files(const char *state)
{
	struct fixture *f = fixture_create();

	operations_begin(f);
	for (size_t n = 0; n < operation_count; n++)
		if (strcmp(operations[n].name, state) == 0)
			operations[n].prepare(f);
	for (size_t n = 0; n < FILES; n++) {
		char dir[128];

		if (strcmp(files[n].state, state) != 0)
			continue;
		(void)snprintf(dir, sizeof(dir), "%s/%s", f->store,
			       files[n].from);
		files[n].data = fuzz_get(dir, files[n].name, &files[n].size);
		fuzz_must(files[n].data);
	}
	fixture_destroy(f);
}

static void set_up(void)
{
	if (files[0].data)
		return;
	take_files("undo");
	take_files("undo of a part");
	for (size_t n = 0; n < FILES; n++)
		fuzz_put(fuzz_dir(), files[n].name, files[n].data,
			 files[n].size);
}

static void read_anchor(int dirfd)
{
	struct anchor_facts facts;
	struct anchor_file a;
	bool bad;

	if (anchor_file_open(&a, dirfd, false))
		return;
	(void)!anchor_file_read(&a, &facts, &bad);
	anchor_file_close(&a);
}

static int count_block(void *arg, uint64_t off, size_t len)
{
	(void)arg;
	fuzz_must(len > 0 && off + len > off);
	return 0;
}

static void encode_again(const struct plan *p)
{
	struct bytes b = { 0 };
	struct plan *again;

	fuzz_must(plan_encode(p, &b) == 0);
	fuzz_must(plan_decode(&again, b.buf, b.len_bytes) == 0);
	fuzz_must(again->object_count == p->object_count);
	plan_destroy(again);
	bytes_fini(&b);
}

static void read_commit(int dirfd)
{
	struct commit_position at;
	struct reason why;
	struct result *all = NULL;
	struct plan *p;

	(void)!position_read(dirfd, &at, &why);
	(void)!sums_find_damage(dirfd, count_block, NULL, &why);
	if (work_dir_load_plan(dirfd, &p, &why))
		return;
	encode_again(p);
	if (result_read(dirfd, p, &all, &why) == 0)
		free(all);
	plan_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dirfd = -1;
	const struct file *f;
	uint8_t *copy;

	set_up();
	if (dirfd < 0)
		dirfd = open(fuzz_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (size < 1)
		return 0;
	f = &files[data[0] / 2 % FILES];
	copy = malloc(size);
	fuzz_must(copy);
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 2 == 0 && f == &files[0])
		fuzz_sum_anchor(copy, size - 1);
	else if (data[0] % 2 == 0 && strcmp(f->name, "saved") != 0)
		fuzz_sum_saved_file(copy, size - 1);
	fuzz_put(fuzz_dir(), f->name, copy, size - 1);
	if (f == &files[0])
		read_anchor(dirfd);
	else
		read_commit(dirfd);
	fuzz_put(fuzz_dir(), f->name, f->data, f->size);
	free(copy);
	return 0;
}

void fuzz_seeds(fuzz_seed_fn fn)
{
	set_up();
	for (size_t n = 0; n < FILES; n++) {
		uint8_t *seed = malloc(files[n].size + 1);

		fuzz_must(seed);
		seed[0] = (uint8_t)(2 * n);
		memcpy(seed + 1, files[n].data, files[n].size);
		fn(seed, files[n].size + 1);
		free(seed);
	}
}
