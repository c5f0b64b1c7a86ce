/* SPDX-License-Identifier: MIT */
/*
 * The bytes of pages, and their sums [S3].
 *
 * A write that covers a page sums the bytes that it writes, while the CPU has
 * them in its cache.  A write of a part of a page reads the page first, so
 * that it can sum the whole, and compares it with the sum that it had: bytes
 * that changed on the disk must not get a new sum together with good ones.
 *
 * While the bytes of a page are being written the page has no sum.  The caller
 * keeps its readers and writers apart; only settling (page_sums.c) may read
 * it, and then does not count.
 */
#include "data.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/lib/io.h"
#include "space.h"

#define MAX_PAGES (1ULL << MAPFS_APAGE_BITS)
#define WRITE_PAGES 257U   /* 1 MiB that begins within a page */
#define VERIFY_PAGES 16U   /* 64 KiB, which stay in the CPU's cache */
#define VERIFIED_FOR_S 600 /* the kernel may have dropped the page since */

static size_t offset_in_page(uint64_t off)
{
	return off & (MAPFS_PAGE_SIZE - 1);
}

/* Copies bytes of any arena; no sum is looked at. */
static int read_bytes(struct arena *a, uint64_t off, void *buf, size_t len)
{
	if (off >> MAPFS_PAGE_SHIFT >= MAX_PAGES)
		return parents_read(&a->parents, off, buf, len);
	if (off >> MAPFS_PAGE_SHIFT <= a->cut_page &&
	    page_ceil(off + len) > a->cut_page)
		return -EIO;
	return mapping_read(a->mapping, buf, len, off);
}

static uint64_t round_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec / VERIFIED_FOR_S;
}

/* Looks up which sums are to be compared; false: none. */
static bool find_to_verify(struct arena *a, mapfs_apage first, size_t count,
			   uint64_t *sum)
{
	const uint64_t page = apage_in_arena(first);
	uint64_t any = 0;
	struct sums *s;

	rmutex_lock(&a->lock);
	s = space_sums_of(a, first);
	sums_next_round(s, a->rounds + round_now());
	for (size_t n = 0; n < count; n++) {
		sum[n] = sums_to_verify(s, page + n);
		any |= sum[n];
	}
	rmutex_unlock(&a->lock);
	return any != 0;
}

static void set_verified(struct arena *a, mapfs_apage first, size_t count,
			 const uint64_t *sum)
{
	struct sums *s;

	rmutex_lock(&a->lock);
	s = space_sums_of(a, first);
	for (size_t n = 0; n < count; n++)
		if (sum[n])
			sums_set_verified(s, apage_in_arena(first) + n, sum[n]);
	rmutex_unlock(&a->lock);
}

/* A page of which the reader wants a part: it gets that of a verified copy. */
static int verify_part(struct arena *a, uint64_t off, void *buf, size_t len,
		       uint64_t sum)
{
	const mapfs_apage page = off >> MAPFS_PAGE_SHIFT;
	uint8_t whole[MAPFS_PAGE_SIZE];
	int err = read_bytes(a, page << MAPFS_PAGE_SHIFT, whole, sizeof(whole));

	if (err)
		return err;
	if (page_sum(whole, apage_in_arena(page)) != sum)
		return -EBADMSG;
	memcpy(buf, whole + offset_in_page(off), len);
	return 0;
}

/* Compares what was read with the sums of at most VERIFY_PAGES pages. */
static int verify_some(struct arena *a, uint64_t off, uint8_t *buf, size_t len)
{
	const mapfs_apage first = off >> MAPFS_PAGE_SHIFT;
	const size_t count = page_ceil(offset_in_page(off) + len);
	uint64_t sum[VERIFY_PAGES];
	int err = 0;

	assert(count <= VERIFY_PAGES);
	if (!find_to_verify(a, first, count, sum))
		return 0;
	for (size_t n = 0; n < count && !err; n++) {
		const size_t within = offset_in_page(off);
		size_t part = MAPFS_PAGE_SIZE - within;

		if (part > len)
			part = len;
		if (sum[n] && part < MAPFS_PAGE_SIZE)
			err = verify_part(a, off, buf, part, sum[n]);
		else if (sum[n] &&
			 page_sum(buf, apage_in_arena(first + n)) != sum[n])
			err = -EBADMSG;
		off += part;
		buf += part;
		len -= part;
	}
	if (!err)
		set_verified(a, first, count, sum);
	return err;
}

int arena_read(struct arena *a, uint64_t off, void *buf, size_t len)
{
	uint8_t *at = buf;
	int err = 0;

	if (!a->has_sums)
		return read_bytes(a, off, buf, len);
	while (!err && len > 0) {
		size_t n = VERIFY_PAGES * MAPFS_PAGE_SIZE - offset_in_page(off);

		if (n > len)
			n = len;
		err = read_bytes(a, off, at, n);
		if (!err)
			err = verify_some(a, off, at, n);
		at += n;
		off += n;
		len -= n;
	}
	return err;
}

#ifndef NDEBUG
/* [P1], and that only pages that were handed out are written. */
static void assert_may_write(struct arena *a, uint64_t off, size_t len)
{
	uint64_t first = off >> MAPFS_PAGE_SHIFT;
	uint64_t count;

	if (len == 0)
		return;
	count = ((off + len - 1) >> MAPFS_PAGE_SHIFT) - first + 1;
	rmutex_lock(&a->lock);
	assert(first < a->end && count <= a->end - first);
	assert(bitmaps_count(&a->bits, MAP_TAKEN, first, count) == count);
	assert(bitmaps_count(&a->bits, MAP_PINNED, first, count) == 0);
	rmutex_unlock(&a->lock);
}
#endif

/* The sums that the pages will have; reads the two that are cut. */
static int sum_pages(struct arena *a, uint64_t off, const uint8_t *buf,
		     size_t len, uint64_t *sum)
{
	int err = 0;

	for (size_t n = 0; len > 0 && !err; n++) {
		const uint64_t page = off >> MAPFS_PAGE_SHIFT;
		const size_t within = offset_in_page(off);
		size_t part = MAPFS_PAGE_SIZE - within;
		uint8_t whole[MAPFS_PAGE_SIZE];

		if (part > len)
			part = len;
		if (part < MAPFS_PAGE_SIZE) {
			err = arena_read(a, page << MAPFS_PAGE_SHIFT, whole,
					 sizeof(whole));
			if (!err) {
				memcpy(whole + within, buf, part);
				sum[n] = page_sum(whole, page);
			}
		} else {
			sum[n] = page_sum(buf, page);
		}
		off += part;
		buf += part;
		len -= part;
	}
	return err;
}

/*
 * A write failed, and each page may have its old bytes, the new ones or some
 * of both.  The last ones keep the old sum, so that nobody takes them for
 * either.
 */
static void keep_fitting_sums(struct arena *a, uint64_t first, size_t count,
			      const uint64_t *was, const uint64_t *wanted)
{
	for (size_t n = 0; n < count; n++) {
		uint8_t bytes[MAPFS_PAGE_SIZE];
		uint64_t sum = was[n];

		if (read_bytes(a, (first + n) << MAPFS_PAGE_SHIFT, bytes,
			       sizeof(bytes)) == 0 &&
		    page_sum(bytes, first + n) == wanted[n])
			sum = wanted[n];
		rmutex_lock(&a->lock);
		/* As one of the journal: nobody has verified the bytes. */
		if (sum)
			sums_set(&a->sums, first + n, sum, true);
		else
			page_range_add(&a->unsummed, first + n, first + n + 1);
		sums_set_unrecorded(&a->sums, first + n, 1);
		rmutex_unlock(&a->lock);
	}
}

/* At most WRITE_PAGES pages. */
static int write_summed(struct arena *a, uint64_t off, const void *buf,
			size_t len)
{
	const uint64_t first = off >> MAPFS_PAGE_SHIFT;
	const size_t count = page_ceil(offset_in_page(off) + len);
	uint64_t was[WRITE_PAGES];
	uint64_t sum[WRITE_PAGES] = { 0 };
	int err = sum_pages(a, off, buf, len, sum);

	if (err)
		return err;
	rmutex_lock(&a->lock);
	err = sums_reserve(&a->sums, first, count);
	for (size_t n = 0; n < count; n++)
		was[n] = sums_get(&a->sums, first + n);
	if (!err)
		sums_forget(&a->sums, first, count);
	rmutex_unlock(&a->lock);
	if (err)
		return err;
	err = io_pwrite_all("arena.write", a->fd, buf, len, off);
	if (err) {
		keep_fitting_sums(a, first, count, was, sum);
		return err;
	}
	rmutex_lock(&a->lock);
	sums_next_round(&a->sums, a->rounds + round_now());
	for (size_t n = 0; n < count; n++)
		sums_set(&a->sums, first + n, sum[n], false);
	rmutex_unlock(&a->lock);
	return 0;
}

int arena_write(struct arena *a, uint64_t off, const void *buf, size_t len)
{
	const uint8_t *at = buf;
	int err = 0;

#ifndef NDEBUG
	assert_may_write(a, off, len);
#endif
	if (!a->has_sums)
		return io_pwrite_all("arena.write", a->fd, buf, len, off);
	while (len > 0 && !err) {
		size_t n = WRITE_PAGES * MAPFS_PAGE_SIZE - offset_in_page(off);

		if (n > len)
			n = len;
		err = write_summed(a, off, at, n);
		at += n;
		off += n;
		len -= n;
	}
	return err;
}
