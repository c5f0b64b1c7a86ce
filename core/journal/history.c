/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/io.h"

/* No journal has so many segments; a damaged record can say anything. */
#define HISTORY_MOST_SEGMENTS (1U << 20)

static enum journal_damage_kind check_header(const struct segment_disk *d,
					     uint64_t number)
{
	if (le64_get(d->magic) != SEGMENT_MAGIC || le32_get(d->version) == 0)
		return JOURNAL_BAD_HEADER;
	/* A newer version may have its checksum elsewhere. */
	if (le32_get(d->version) > SEGMENT_VERSION)
		return JOURNAL_SOUND;
	if (le64_get(d->sum) != segment_sum(d))
		return JOURNAL_BAD_HEADER_SUM;
	if (le64_get(d->must_refuse) & ~SEGMENT_KNOWN_MUST_REFUSE)
		return JOURNAL_SOUND;
	if (le64_get(d->number) != number)
		return JOURNAL_OTHER_SEGMENT;
	if (le64_get(d->first_lsn) == 0 || le64_get(d->first_lsn) > LSN_MAX ||
	    le64_get(d->durable_lsn) > LSN_MAX ||
	    (le32_get(d->flags) & ~SEGMENT_FROM_NOTHING))
		return JOURNAL_BAD_HEADER;
	return JOURNAL_SOUND;
}

static int decode_header(const struct segment_disk *d,
			 const struct journal_id *id, uint64_t number,
			 struct segment_info *out,
			 struct journal_damage *damage)
{
	const enum journal_damage_kind kind = check_header(d, number);

	if (kind != JOURNAL_SOUND)
		return journal_damage_set(damage, kind, number, 0);
	if (le32_get(d->version) > SEGMENT_VERSION ||
	    (le64_get(d->must_refuse) & ~SEGMENT_KNOWN_MUST_REFUSE))
		return -EPROTONOSUPPORT;
	*out = (struct segment_info){
		.number = number,
		.first_lsn = le64_get(d->first_lsn),
		.durable_lsn = le64_get(d->durable_lsn),
		.must_refuse = le64_get(d->must_refuse),
		.header_sum = le64_get(d->sum),
		.from_nothing = le32_get(d->flags) & SEGMENT_FROM_NOTHING,
		.same_epoch =
			memcmp(d->epoch, id->epoch,
			       le64_get(d->must_refuse) & SEGMENT_HAS_ANCHOR ?
				       JOURNAL_EPOCH_BYTES :
				       JOURNAL_EPOCH_BYTES_BEFORE) == 0,
	};
	memcpy(out->uuid, d->uuid, sizeof(out->uuid));
	return 0;
}

int segment_info_read(const struct journal_where *where,
		      const struct journal_id *id, uint64_t number,
		      struct segment_info *out, struct journal_damage *damage)
{
	struct segment_disk d;
	uint64_t bytes = 0;
	int fd;
	int err = segment_open(where, number, &fd, &bytes);

	if (err == -EUCLEAN)
		return journal_damage_set(damage, JOURNAL_HAS_NO_FILE, number,
					  0);
	if (err == -EBADMSG)
		return journal_damage_set(damage, JOURNAL_CUT_OFF, number,
					  bytes);
	if (err)
		return err;
	err = io_pread_all(fd, &d, sizeof(d), 0);
	close(fd);
	return err ? err : decode_header(&d, id, number, out, damage);
}

static int add_number(void *arg, uint64_t number, bool tmp)
{
	struct segment_list *list = arg;
	int err;

	if (tmp)
		return 0;
	err = array_reserve(&list->numbers, &list->numbers_cap,
			    list->numbers_count + 1);
	if (err)
		return err;
	list->numbers[list->numbers_count++] = number;
	return 0;
}

static int newer_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* Is segment `n` of the list the predecessor of the newer one at n - 1? */
static int check_neighbour(const struct journal_id *id,
			   const struct segment_list *list, size_t n,
			   struct journal_damage *damage)
{
	const struct segment_info *newer = &list->info[n - 1];
	const struct segment_info *older = &list->info[n];

	if (older->number != newer->number - 1)
		return journal_damage_set(damage, JOURNAL_HAS_NO_FILE,
					  newer->number - 1, 0);
	if (memcmp(older->uuid, id->uuid, sizeof(older->uuid)) != 0)
		return journal_damage_set(damage, JOURNAL_OTHER_SEGMENT,
					  older->number, 0);
	if (older->first_lsn > newer->first_lsn)
		return journal_damage_set(damage, JOURNAL_BAD_ORDER,
					  newer->number, 0);
	return 0;
}

/* Reads headers, from the newest to the one that starts from nothing. */
static int collect_headers(const struct journal_where *where,
			   struct journal_id *id, struct segment_list *list,
			   struct journal_damage *damage)
{
	uint64_t first;

	for (size_t n = 0; n < list->numbers_count; n++) {
		struct segment_info *seg = &list->info[n];
		int err = segment_info_read(where, id, list->numbers[n], seg,
					    damage);

		if (!err && n > 0)
			err = check_neighbour(id, list, n, damage);
		if (err)
			return err;
		memcpy(id->uuid, seg->uuid, sizeof(id->uuid));
		/* Those of the newest segment hold for the store. */
		if (n == 0)
			id->must_refuse = seg->must_refuse;
		list->count = n + 1;
		if (seg->from_nothing)
			return 0;
	}
	first = list->info[list->count - 1].number;
	return first > 1 ? journal_damage_set(damage, JOURNAL_HAS_NO_FILE,
					      first - 1, 0) :
			   journal_damage_set(damage, JOURNAL_HAS_NO_START,
					      first, 0);
}

int segment_list_newest(const struct journal_where *where,
			struct journal_id *id, struct segment_list *list,
			struct journal_damage *damage)
{
	int err = segment_iterate(where->dirfd, add_number, list);

	if (err)
		return err;
	if (list->numbers_count == 0)
		return -ENOENT;
	qsort(list->numbers, list->numbers_count, sizeof(*list->numbers),
	      newer_first);
	list->info = calloc(list->numbers_count, sizeof(*list->info));
	if (!list->info)
		return -ENOMEM;
	return collect_headers(where, id, list, damage);
}

int segment_list_of(const struct journal_where *where, struct journal_id *id,
		    const struct journal_history *h, struct segment_list *list,
		    struct journal_damage *damage)
{
	uint64_t count = h->last_segment - h->first_segment + 1;
	int err;

	if (h->first_segment == 0 || h->last_segment < h->first_segment ||
	    count > HISTORY_MOST_SEGMENTS)
		return -EUCLEAN;
	list->numbers = calloc(count, sizeof(*list->numbers));
	list->info = calloc(count, sizeof(*list->info));
	if (!list->numbers || !list->info)
		return -ENOMEM;
	for (uint64_t n = 0; n < count; n++)
		list->numbers[list->numbers_count++] = h->last_segment - n;
	err = collect_headers(where, id, list, damage);
	if (!err && list->info[list->count - 1].number != h->first_segment)
		err = journal_damage_set(damage, JOURNAL_OTHER_SEGMENT,
					 list->info[list->count - 1].number, 0);
	return err;
}

void segment_list_fini(struct segment_list *list)
{
	free(list->info);
	free(list->numbers);
}
