/* SPDX-License-Identifier: MIT */
#include "survey.h"

#include <inttypes.h>

#include "anchor.h"
#include "epoch.h"

static void describe_missing(const struct journal_fault *f, struct reason *out)
{
	if (f->segment_count == 1)
		reason_set(out, "journal/%" PRIu64 " is missing", f->segment);
	else
		reason_set(out,
			   "journal/%" PRIu64 " to journal/%" PRIu64
			   " are missing",
			   f->segment, f->segment + f->segment_count - 1);
}

static void describe_groups(const struct journal_fault *f, struct reason *out)
{
	reason_set(out,
		   "journal/%" PRIu64 " is damaged at byte %" PRIu64
		   ", for %" PRIu64 " bytes",
		   f->segment, f->off_bytes, f->len_bytes);
	if (f->next_lsn == f->first_lsn + 1)
		reason_add(out, ": operation %" PRIu64 " is lost",
			   f->first_lsn);
	else if (f->next_lsn)
		reason_add(out,
			   ": operations %" PRIu64 " to %" PRIu64 " are lost",
			   f->first_lsn, f->next_lsn - 1);
	else
		reason_add(out, ": operations from %" PRIu64 " on are lost",
			   f->first_lsn);
}

void survey_describe_fault(const struct journal_fault *f, struct reason *out)
{
	switch (f->kind) {
	case JOURNAL_MISSING:
		describe_missing(f, out);
		return;
	case JOURNAL_HEADER:
		reason_set(out,
			   "journal/%" PRIu64
			   " is damaged at byte 0: all of it is lost",
			   f->segment);
		return;
	case JOURNAL_GROUPS:
		describe_groups(f, out);
		return;
	}
}

int store_survey(struct journal_survey *out, int dirfd, int journalfd,
		 journal_survey_fn fn, void *arg)
{
	struct journal_survey s = { .where = { .dirfd = journalfd } };
	struct anchor anchor;
	int err = store_epoch(dirfd, s.id.epoch);

	if (err)
		return err;
	/* First: what it says must hold for the segments that are there later. */
	err = anchor_look(&anchor, dirfd, false);
	if (!err && anchor_bound(&anchor)) {
		s.bound = *anchor_bound(&anchor);
		s.has_bound = true;
	}
	anchor_close(&anchor);
	err = journal_survey(&s, fn, arg);
	if (!err)
		*out = s;
	return err;
}
