/* SPDX-License-Identifier: MIT */
/*
 * A hostile segment [S1]: whatever the bytes, the journal is replayed, or
 * refused, and what is replayed leaves a delta that can be freed; the survey,
 * which reads damaged journals, ends, and says of a journal without damage what
 * the replay says.
 *
 * An input is the header of a segment without its zeros, and its groups.  Their
 * checksums are made right if the first byte is even.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/arena/page_sums.h"
#include "core/delta/delta.h"
#include "core/journal/journal.h"
#include "core/journal/survey.h"
#include "fuzz.h"
#include "tests/unit/support/operations.h"

#define ROOT_INO 2U
#define HEADER_BYTES sizeof(struct segment_disk)

static int apply(void *arg, mapfs_lsn lsn, const void *records, size_t len)
{
	(void)lsn;
	return delta_set_apply(arg, records, len, NULL);
}

/* Both replay into a delta that is empty in the beginning. */
static int replay(int dirfd, bool by_survey)
{
	struct delta_set set;
	struct itable *table;
	struct arena *arena;
	struct journal *j = NULL;
	struct journal_survey s = { .where.dirfd = dirfd };
	struct journal_id id = { 0 };
	struct journal_replay r = { .fn = apply, .arg = &set };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int err;

	fuzz_must(fd >= 0 && ftruncate(fd, 64 * MAPFS_PAGE_SIZE) == 0);
	fuzz_must(arena_open(&arena, fd) == 0);
	arena_use_sums(arena);
	fuzz_must(itable_create(&table, ROOT_INO) == 0);
	delta_set_init(&set, table, arena);
	set.replaying = true;
	if (by_survey) {
		err = journal_survey(&s, NULL, NULL);
		if (!err)
			err = journal_survey_is_damaged(&s) ? -EUCLEAN : 0;
		if (s.count > 0 && s.sound_lsn > 0)
			(void)!journal_survey_replay(&s, 0, s.sound_lsn, &r);
		journal_survey_fini(&s);
	} else {
		err = journal_open(&j,
				   &(struct journal_where){ .dirfd = dirfd },
				   &id, true, &r);
		journal_close(j);
	}
	fuzz_must(err <= 0 && arena_check(arena));
	delta_set_fini(&set);
	itable_destroy(table);
	arena_close(arena);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dirfd = -1;
	uint8_t *segment;
	size_t len;
	le64 one = le64_of(1);

	if (size < 1 + HEADER_BYTES || size > 1 << 16)
		return 0;
	if (dirfd < 0)
		dirfd = open(fuzz_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	len = SEGMENT_HEADER_BYTES + size - 1 - HEADER_BYTES;
	segment = calloc(1, len);
	fuzz_must(segment);
	memcpy(segment, data + 1, HEADER_BYTES);
	memcpy(segment + SEGMENT_HEADER_BYTES, data + 1 + HEADER_BYTES,
	       size - 1 - HEADER_BYTES);
	if (data[0] % 2 == 0) {
		memcpy(segment + offsetof(struct segment_disk, number), &one,
		       sizeof(one));
		fuzz_sum_segment(segment, len);
	}
	fuzz_put(fuzz_dir(), "1", segment, len);
	(void)replay(dirfd, false);
	(void)replay(dirfd, true);
	free(segment);
	return 0;
}

void fuzz_seeds(fuzz_seed_fn fn)
{
	struct fixture *f = fixture_create();
	char dir[128];

	operations_begin(f);
	(void)snprintf(dir, sizeof(dir), "%s/journal", f->store);
	for (int n = 1; n < 4; n++) {
		char name[16];
		uint8_t *data;
		size_t size;

		(void)snprintf(name, sizeof(name), "%d", n);
		data = fuzz_get(dir, name, &size);
		if (!data)
			continue;
		/* The reserved space behind the groups says nothing. */
		while (size >= SEGMENT_HEADER_BYTES + 8 &&
		       memcmp(data + size - 8, "\0\0\0\0\0\0\0", 8) == 0)
			size -= 8;
		memmove(data + 1 + HEADER_BYTES, data + SEGMENT_HEADER_BYTES,
			size - SEGMENT_HEADER_BYTES);
		memmove(data + 1, data, HEADER_BYTES);
		data[0] = 0;
		fn(data, 1 + HEADER_BYTES + size - SEGMENT_HEADER_BYTES);
		free(data);
	}
	fixture_destroy(f);
}
