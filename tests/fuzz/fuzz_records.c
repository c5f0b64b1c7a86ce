/* SPDX-License-Identifier: MIT */
/*
 * Hostile records [S1]: whatever the bytes, decoding and applying them ends in
 * success or a negative errno, touches no memory but the delta's, and leaves a
 * delta that can be dumped and freed.
 *
 * With -fsanitize=fuzzer the compiler provides main() (define FUZZER_HAS_MAIN);
 * otherwise main() here mutates sound records for as many rounds as the first
 * argument says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena/page_sums.h"
#include "core/delta/delta.h"
#include "core/delta/dump.h"

#define ROOT_INO 2U
#define ARENA_PAGES 64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int emit_nowhere(void *arg, const struct group *g)
{
	(void)arg;
	(void)g;
	return 0;
}

static void must(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delta_set set;
	struct itable *table;
	struct arena *arena;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int err;

	must(fd >= 0);
	must(ftruncate(fd, (off_t)ARENA_PAGES * MAPFS_PAGE_SIZE) == 0);
	must(arena_open(&arena, fd) == 0);
	arena_use_sums(arena);
	must(itable_create(&table, ROOT_INO) == 0);
	delta_set_init(&set, table, arena);
	set.replaying = true;
	err = delta_set_apply(&set, data, size, NULL);
	must(err <= 0);
	err = delta_set_dump(&set, emit_nowhere, NULL);
	must(err <= 0);
	must(arena_check(arena));
	delta_set_fini(&set);
	itable_destroy(table);
	arena_close(arena);
	return 0;
}

#ifndef FUZZER_HAS_MAIN
static mapfs_ino some_ino(void)
{
	return ROOT_INO + (mapfs_ino)(random() % 6);
}

static struct record_attr some_attr(void)
{
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };

	return (struct record_attr){
		.ino = some_ino(),
		.mode = types[random() % 4] | 0644,
		.nlink = (uint32_t)(random() % 3),
		.size_bytes = (uint64_t)random() % 100000,
	};
}

static struct record_dentry some_dentry(void)
{
	return (struct record_dentry){
		.dir = some_ino(),
		.ino = random() % 2 ? some_ino() : 0,
		.type = S_IFREG,
		.name = "name",
		.name_bytes = 1 + (size_t)(random() % 4),
	};
}

static struct record_hidden some_hidden(void)
{
	return (struct record_hidden){
		.dir = some_ino(),
		.sum = (uint64_t)random(),
		.name = "name",
		.name_bytes = 1 + (size_t)(random() % 4),
	};
}

static struct record_pages some_pages(void)
{
	return (struct record_pages){
		.ino = some_ino(),
		.first = (uint64_t)random() % 200,
		.count = 1 + (uint64_t)random() % 70,
		.kind = (uint32_t)(random() % 3),
		.apage = (uint64_t)random() % ARENA_PAGES,
	};
}

static struct record_snapshot some_snapshot(void)
{
	return (struct record_snapshot){
		.id = (uint64_t)(random() % 4),
		.first_segment = 1,
		.last_segment = 1,
		.pins_follow = random() % 2,
		.name = "abc",
		.name_bytes = 1 + (size_t)(random() % 3),
		.message = "why",
		.message_bytes = (size_t)(random() % 4),
	};
}

static struct record_pinned some_pinned(void)
{
	return (struct record_pinned){
		.snapshot = (uint64_t)(random() % 4),
		.first = (uint64_t)random() % 60,
		.count = 1 + (uint64_t)random() % 10,
	};
}

/* Any type: RECORD_BASE is the last. */
static const le64 some_sums[4];

static struct record some_record(void)
{
	struct record r = {
		.type = (enum record_type)(1 + random() % RECORD_BASE),
	};

	switch (r.type) {
	case RECORD_STORE:
		r.store =
			(struct record_store){ .base = "/b", .base_bytes = 2 };
		break;
	case RECORD_INODE:
		r.inode = (struct record_inode){
			.attr = some_attr(),
			.has_base = random() % 2,
			.text = "d/e",
			.text_bytes = 3,
		};
		break;
	case RECORD_ATTR:
		r.attr = some_attr();
		break;
	case RECORD_DENTRY:
	case RECORD_DENTRY_GONE:
		r.dentry = some_dentry();
		break;
	case RECORD_HIDDEN:
		r.hidden = some_hidden();
		break;
	case RECORD_PAGES:
		r.pages = some_pages();
		break;
	case RECORD_XATTR:
	case RECORD_XATTR_GONE:
		r.xattr = (struct record_xattr){
			.ino = some_ino(),
			.name = "user.x",
			.value = "v",
			.value_bytes = 1,
		};
		break;
	case RECORD_XATTR_OWN:
	case RECORD_INODE_GONE:
		r.ino = some_ino();
		break;
	case RECORD_COUNTERS:
		r.counters.next_snapshot = (uint64_t)(random() % 4);
		break;
	case RECORD_SNAPSHOT:
		r.snapshot = some_snapshot();
		break;
	case RECORD_SNAPSHOT_GONE:
		r.snapshot_id = (uint64_t)(random() % 4);
		break;
	case RECORD_PINNED:
		r.pinned = some_pinned();
		break;
	case RECORD_PARENT:
		r.parent = (struct record_parent){
			.snapshot = 1,
			.path = "/p",
			.path_bytes = 2,
		};
		break;
	case RECORD_NEW_SIGNATURE:
		r.new_signature.sum = (uint64_t)(random() % 4);
		break;
	case RECORD_BASE:
		r.base = (struct base_identity){
			.kind = random() % 2 ? BASE_KIND_DIR : BASE_KIND_NONE,
			.ino = 1,
		};
		break;
	case RECORD_SUMS:
		r.sums = (struct record_sums){
			.first = (uint64_t)(random() % 40),
			.count = (uint64_t)(1 + random() % 4),
			.sums = some_sums,
		};
		break;
	case RECORD_IN_FLIGHT:
	case RECORD_SETTLED:
		r.region.first = (uint64_t)(random() % 40);
		r.region.count = (uint64_t)(random() % 3);
		break;
	}
	return r;
}

/* One history of sound records, in every second one with flipped bits. */
static void play_one(void)
{
	struct group g;
	int records = 1 + (int)(random() % 30);

	group_init(&g);
	/* Inodes first: a record about an unknown inode ends the history. */
	for (mapfs_ino ino = ROOT_INO; ino < ROOT_INO + 6; ino++) {
		struct record r = {
			.type = RECORD_INODE,
			.inode = {
				.attr = { .ino = ino,
					  .mode = ino < ROOT_INO + 2 ?
							  S_IFDIR :
							  S_IFREG },
				.text = "",
			},
		};

		group_add(&g, &r);
	}
	for (int n = 0; n < records; n++) {
		struct record r = some_record();

		group_add(&g, &r);
	}
	must(group_error(&g) == 0);
	if (random() % 2)
		for (int n = 0; n < 3; n++)
			g.buf[(size_t)random() % g.len_bytes] ^=
				(uint8_t)(1 << random() % 8);
	(void)LLVMFuzzerTestOneInput(g.buf, g.len_bytes);
	group_fini(&g);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;

	srandom(1);
	for (long n = 0; n < rounds; n++)
		play_one();
	printf("1..1\nok 1 - histories of hostile records\n"
	       "# counted %ld hostile inputs\n",
	       rounds);
	return 0;
}
#endif
