/* SPDX-License-Identifier: MIT */
/*
 * A hostile store [S1] [S5]: whatever bytes its files have, describing, looking,
 * salvaging, checking, repairing, opening, comparing, committing, undoing,
 * abandoning and discarding it end in success or with a sentence, and a store
 * that was repaired is sound.
 *
 * The first byte of an input says which store is damaged, and what it meets.  The
 * rest are patches: which file (1 byte; bit 7: its checksums are not made right), where
 * (2), how many bytes (1; 0: the file is cut there), the bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "tests/unit/support/operations.h"

/*
 * Replaces the function of the C library: what could be the moment in which
 * another process writes the store is waited for, and here there is none.
 */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	return 0;
}

/* Operations whose stores are taken. */
static const char *const states[] = { "open", "undo", "undo of a part",
				      "open after a kill" };

#define STATES (sizeof(states) / sizeof(*states))

enum sums_of {
	SUMS_NONE,
	SUMS_SEGMENT,
	SUMS_ANCHOR,
	SUMS_SAVED
};

static const struct file {
	const char *name;
	enum sums_of sums;
} files[] = {
	{ "journal/1", SUMS_SEGMENT },	 { "journal/2", SUMS_SEGMENT },
	{ "journal/3", SUMS_SEGMENT },	 { "anchor", SUMS_ANCHOR },
	{ "pages", SUMS_NONE },		 { "commit/1/plan", SUMS_SAVED },
	{ "commit/1/inos", SUMS_SAVED }, { "commit/1/after", SUMS_SAVED },
	{ "commit/1/sums", SUMS_SAVED }, { "commit/1/saved", SUMS_NONE },
	{ "commit/open", SUMS_SAVED },	 { "lock", SUMS_NONE },
	{ "readers", SUMS_NONE },	 { "journal/spare", SUMS_NONE },
};

#define FILES (sizeof(files) / sizeof(*files))
#define PATCH_HEADER 4U
#define MEETINGS 4U

static void make_sums(enum sums_of kind, uint8_t *data, size_t size)
{
	switch (kind) {
	case SUMS_NONE:
		return;
	case SUMS_SEGMENT:
		fuzz_sum_segment(data, size);
		return;
	case SUMS_ANCHOR:
		fuzz_sum_anchor(data, size);
		return;
	case SUMS_SAVED:
		fuzz_sum_saved_file(data, size);
		return;
	}
}

/* Returns the bytes of the input that it used. */
static size_t patch(const struct fixture *f, const uint8_t *p, size_t left)
{
	const struct file *file = &files[(p[0] & 0x7f) % FILES];
	size_t off = p[1] | (size_t)p[2] << 8;
	size_t len = p[3];
	size_t size;
	uint8_t *data = fuzz_get(f->store, file->name, &size);

	if (len > left - PATCH_HEADER)
		len = left - PATCH_HEADER;
	if (data && size > 0) {
		off %= size;
		if (p[3] == 0)
			size = off;
		else
			memcpy(data + off, p + PATCH_HEADER,
			       len < size - off ? len : size - off);
		if (!(p[0] & 0x80))
			make_sums(file->sums, data, size);
		fuzz_put(f->store, file->name, data, size);
	}
	free(data);
	return PATCH_HEADER + len;
}

static int see_difference(void *arg, const struct mapfs_diff_entry *e)
{
	(void)arg;
	fuzz_must(e->path);
	return 0;
}

static int see_run(void *arg, const struct mapfs_run *run)
{
	(void)arg;
	fuzz_must(run->len_bytes > 0);
	return 0;
}

static void read_file(struct mapfs_view *v, mapfs_ino ino)
{
	static char buf[1 << 16];

	(void)!mapfs_read(v, mapfs_file_of(ino), buf, sizeof(buf), 0);
	(void)!mapfs_listxattr(v, ino, buf, sizeof(buf));
	(void)!mapfs_readlink(v, ino, buf, sizeof(buf));
	(void)!mapfs_pages(v, mapfs_file_of(ino),
			   &(struct mapfs_range){ .len_bytes = 1 << 20 },
			   see_run, NULL);
}

struct walk {
	struct mapfs_view *v;
	int depth;
};

static int walk_dir(struct walk *w, mapfs_ino dir);

static int see_name(void *arg, const struct mapfs_dirent *d)
{
	struct walk *w = arg;

	if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0 ||
	    !d->entry)
		return 0;
	read_file(w->v, d->ino);
	if (S_ISDIR(d->type) && w->depth < 8) {
		w->depth++;
		(void)walk_dir(w, d->ino);
		w->depth--;
	}
	mapfs_forget(w->v, d->ino, 1);
	return 0;
}

static int walk_dir(struct walk *w, mapfs_ino dir)
{
	const struct mapfs_readdir all = { .plus = true,
					   .fn = see_name,
					   .arg = w };

	return mapfs_readdir(w->v, dir, &all);
}

/* Looks at everything; 0: it was opened. */
static int look(const char *store, const struct mapfs_options *how)
{
	static struct reason why;
	const struct mapfs_diff_options diff = { .want_tree = true };
	struct mapfs_options opt = *how;
	struct walk w = { 0 };
	int err;

	opt.mode = MAPFS_COPY;
	opt.store_kind = MAPFS_STORE_DIR;
	opt.store = store;
	reason_clear(&why);
	err = mapfs_view_open(&w.v, &opt, &why);
	fuzz_must(!err || !reason_is_empty(&why));
	if (err)
		return err;
	(void)!walk_dir(&w, mapfs_root_ino(w.v));
	(void)!mapfs_diff(NULL, w.v, &diff, see_difference, NULL);
	(void)!mapfs_view_close(w.v);
	return 0;
}

static void check(const char *store, uint64_t *damages)
{
	const struct mapfs_check_options opt = { .store = store };
	struct mapfs_check_result result = { 0 };
	static struct reason why;

	reason_clear(&why);
	*damages = UINT64_MAX;
	if (mapfs_check(&opt, &result, &why) == 0)
		*damages = result.damages;
	else
		fuzz_must(!reason_is_empty(&why));
	mapfs_check_result_fini(&result);
}

static void repair(const struct fixture *f)
{
	const struct mapfs_check_options opt = { .store = f->store };
	const struct mapfs_options how = { .look_only = true,
					   .without_base = true };
	const char *to = beside(f, OPERATIONS_MADE);
	struct mapfs_check_result result = { 0 };
	static struct reason why;
	uint64_t damages;

	reason_clear(&why);
	if (mapfs_repair(&opt, to, &result, &why) == 0) {
		check(to, &damages);
		/* Damaged pages stay damaged. */
		fuzz_must(damages == 0 || result.pages_damaged > 0);
		fuzz_must(look(to, &how) == 0);
	} else {
		fuzz_must(!reason_is_empty(&why));
	}
	mapfs_check_result_fini(&result);
}

static void change(struct fixture *f)
{
	const struct mapfs_cred cred = { 0 };
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = f->store,
	};
	struct mapfs_new new = { .cred = &cred,
				 .name = "fuzz",
				 .mode = S_IFDIR | 0700 };
	struct mapfs_entry e;
	struct mapfs_view *v;

	if (mapfs_view_open(&v, &opt, &f->why))
		return;
	new.dir = mapfs_root_ino(v);
	if (mapfs_mkdir(v, &new, &e) == 0)
		mapfs_forget(v, e.attr.ino, 1);
	(void)!mapfs_snapshot_create(v, "fuzz", "", &f->why);
	(void)!mapfs_snapshot_delete(v, "old", &f->why);
	(void)!mapfs_rollback(v, "fuzz", NULL, NULL, &f->why);
	(void)!mapfs_revert(v, "", NULL, NULL, &f->why);
	(void)!mapfs_view_close(v);
}

static void commit_somehow(struct fixture *f, unsigned int how)
{
	const struct mapfs_commit_options opt = commit_options(f, MAPFS_OURS);

	if (how & 1)
		(void)!try_commit(f, MAPFS_STOP);
	if (how & 2)
		(void)!try_undo(f);
	(void)!mapfs_commit_abandon(&opt, &f->why);
}

static void look_and_check(struct fixture *f)
{
	static const struct mapfs_options looks[] = {
		{ .look_only = true },
		{ .look_only = true, .without_base = true },
		{ .salvage = true },
		{ .snapshot = "old" },
	};
	struct mapfs_store_info info;
	uint64_t damages;
	int err = 0;

	if (mapfs_store_describe(f->store, &info, &f->why) == 0)
		mapfs_store_info_fini(&info);
	for (size_t n = 0; n < sizeof(looks) / sizeof(*looks); n++) {
		int one = look(f->store, &looks[n]);

		err = n == 1 ? one : err;
	}
	check(f->store, &damages);
	/* What check finds sound can be opened. */
	fuzz_must(damages != 0 || (err != -EUCLEAN && err != -EBADMSG));
}

/* Each takes a while, so a store meets one of them. */
static void meet(struct fixture *f, unsigned int what)
{
	switch (what % MEETINGS) {
	case 0:
		look_and_check(f);
		break;
	case 1:
		repair(f);
		break;
	case 2:
		change(f);
		break;
	case 3:
		commit_somehow(f, what / MEETINGS);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *f;

	if (size < 1)
		return 0;
	f = fixture_create();
	operations_begin(f);
	for (size_t n = 0; n < operation_count; n++)
		if (strcmp(operations[n].name, states[data[0] % STATES]) == 0 &&
		    operations[n].prepare)
			operations[n].prepare(f);
	for (size_t at = 1; at + PATCH_HEADER <= size;)
		at += patch(f, data + at, size - at);
	meet(f, data[0] / STATES);
	(void)!mapfs_discard(f->store, &f->why);
	fixture_destroy(f);
	return 0;
}

/* Inputs that broke a promise once. */
static const struct found {
	size_t size;
	uint8_t data[40];
} found[] = {
	/* check: a segment begins behind the one that follows it */
	{ 6, { 0x02, 0x00, 0x40, 0x00, 0x02, 0xbf } },
	/* check: the arena ends within a page that has no sum */
	{ 5, { 0x53, 0x20, 0x1f, 0xe9, 0x00 } },
	/* repair: a snapshot's segments, and its lsn, that never were */
	{ 25, { 0x74, 0x00, 0x20, 0x13, 0x78, 0x78, 0x78, 0x78, 0x78,
		0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78,
		0x78, 0x78, 0x78, 0x78, 0x78, 0xbf, 0x3f } },
	{ 27, { 0x54, 0x00, 0x10, 0x13, 0x14, 0x00, 0x00, 0x04, 0xde,
		0xff, 0x4d, 0x00, 0x4e, 0xff, 0x00, 0x00, 0x05, 0x54,
		0x54, 0x4c, 0x54, 0x54, 0x54, 0x54, 0x53, 0x54 } },
};

void fuzz_seeds(fuzz_seed_fn fn)
{
	for (size_t n = 0; n < sizeof(found) / sizeof(*found); n++)
		fn(found[n].data, found[n].size);
	for (size_t state = 0; state < STATES * MEETINGS * 4; state++) {
		uint8_t seed[41] = { (uint8_t)state };

		for (size_t n = 0; n < 5; n++) {
			seed[1 + 8 * n] = (uint8_t)(state + 3 * n);
			seed[2 + 8 * n] = (uint8_t)(n * 40);
			seed[3 + 8 * n] = n % 2 ? 0x10 : 0;
			seed[4 + 8 * n] = 4;
		}
		fn(seed, state % 4 ? sizeof(seed) : 9);
	}
}
