/* SPDX-License-Identifier: MIT */
#include "anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/identity.h"
#include "core/journal/journal.h"
#include "core/lib/io.h"
#include "epoch.h"
#include "layout.h"
#include "reasons.h"

/*
 * A program that copies a store in use reads its files one after the other, so
 * the copy may have an anchor that is newer than its journal.
 */
static struct journal_bound bound_of_copy(const struct journal_bound *b)
{
	struct journal_bound less = *b;

	less.lsn = b->first_lsn - 1;
	less.end = 0;
	return less;
}

static int read_facts(struct anchor *a)
{
	int err = anchor_file_read(&a->file, &a->facts, &a->has_bad_slot);

	if (err)
		return err;
	a->is_moved = a->facts.pages.ino && a->pages.ino &&
		      !base_is_same(&a->facts.pages, &a->pages, false);
	a->bound = a->facts.bound;
	if (a->is_moved && !a->bound.closed && a->bound.segment)
		a->bound = bound_of_copy(&a->facts.bound);
	return 0;
}

uint64_t anchor_size_of_pages(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, STORE_PAGES, &st, AT_SYMLINK_NOFOLLOW) < 0 ?
		       0 :
		       (uint64_t)st.st_size;
}

int anchor_look(struct anchor *a, int dirfd, bool for_change)
{
	int err;

	*a = (struct anchor){ .file.fd = -1 };
	err = store_identify_pages(dirfd, &a->pages);
	if (err)
		return err;
	a->pages_bytes = anchor_size_of_pages(dirfd);
	a->err = anchor_file_open(&a->file, dirfd, for_change);
	if (!a->err)
		a->err = read_facts(a);
	return a->err == -ENOENT || a->err == -EBADMSG ? 0 : a->err;
}

const struct journal_bound *anchor_bound(const struct anchor *a)
{
	return a->err ? NULL : &a->bound;
}

static int refuse(const struct anchor *a, const char *store, struct reason *why)
{
	reason_set(
		why,
		"store %s: its file %s is %s, so whether something is missing at the end of its journal is not known; " REASON_WAY_OUT,
		store, STORE_ANCHOR, a->err == -ENOENT ? "missing" : "damaged",
		store, store);
	return -EUCLEAN;
}

static int refuse_no_segment(const struct anchor *a, const char *store,
			     struct reason *why)
{
	reason_set(
		why,
		"store %s: segment %" PRIu64 " (%s/%" PRIu64
		") and all others of its journal are missing; " REASON_WAY_OUT,
		store, a->bound.segment, STORE_JOURNAL, a->bound.segment, store,
		store);
	return -EUCLEAN;
}

void anchor_judge_copy(struct anchor *a, mapfs_lsn last)
{
	const struct journal_bound *b = &a->facts.bound;

	/* Closed, and nothing was appended since: a store like any other. */
	a->is_copy = !a->err && a->is_moved && !(b->closed && last == b->lsn);
}

int anchor_check(struct anchor *a, struct journal *j, uint64_t must_refuse,
		 const char *store, struct reason *why)
{
	if (!j)
		return !a->err && a->bound.segment ?
			       refuse_no_segment(a, store, why) :
			       0;
	if (a->err)
		return must_refuse & SEGMENT_HAS_ANCHOR ?
			       refuse(a, store, why) :
			       0;
	anchor_judge_copy(a, journal_last_lsn(j));
	return 0;
}

int anchor_check_pages(const struct anchor *a, const char *store,
		       struct reason *why)
{
	if (a->err || !a->facts.bound.closed ||
	    a->pages_bytes >= a->facts.pages_bytes)
		return 0;
	reason_set(why,
		   "store %s: its file %s ends at byte %" PRIu64
		   " and had %" PRIu64
		   " bytes when the store was closed; " REASON_WAY_OUT,
		   store, STORE_PAGES, a->pages_bytes, a->facts.pages_bytes,
		   store, store);
	return -EUCLEAN;
}

int anchor_resume(struct anchor *a)
{
	/* A closed one was flushed, unless that was interrupted. */
	return a->facts.bound.closed ? 0 : anchor_file_sync(&a->file);
}

static int make_file(struct anchor *a, int dirfd)
{
	int err = anchor_file_make(dirfd);

	if (!err)
		err = io_fsync("store.dir", dirfd);
	return err ? err : anchor_file_open(&a->file, dirfd, true);
}

int anchor_begin(struct anchor *a, int dirfd, const uint8_t *uuid)
{
	struct anchor_facts facts = { .segments = 0 };
	int err = store_identify_pages(dirfd, &a->pages);

	anchor_file_close(&a->file);
	if (!err)
		err = anchor_file_open(&a->file, dirfd, true);
	if (err == -ENOENT || err == -EBADMSG)
		err = make_file(a, dirfd);
	if (err)
		return err;
	facts.pages = a->pages;
	memcpy(facts.bound.uuid, uuid, sizeof(facts.bound.uuid));
	return anchor_file_begin(&a->file, &facts);
}

int anchor_write(struct anchor *a, struct journal *j,
		 const struct anchor_counts *counts, bool flush)
{
	struct anchor_facts facts = {
		.snapshots = counts->snapshots,
		.private_pages = counts->private_pages,
		.pages_bytes = counts->pages_bytes,
		.pages = a->pages,
	};

	int err;

	journal_durable(j, &facts.bound);
	facts.segments = journal_segments(j);
	err = anchor_file_write(&a->file, &facts, flush);
	if (!err)
		a->written = facts.bound;
	return err;
}

void anchor_close(struct anchor *a)
{
	anchor_file_close(&a->file);
}
