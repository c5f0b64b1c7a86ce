/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_SURVEY_H
#define MAPFS_CORE_STORE_SURVEY_H

/*
 * The survey of the journal of a store, and its faults in words.
 *
 * Lifetime, errors, locking: as core/journal/survey.h.
 */
#include "core/journal/survey.h"
#include "core/lib/reason.h"

/*
 * Surveys the journal of a store, `journalfd`, which is borrowed as long as
 * *out is used; its anchor says what must be there.
 */
int must_check store_survey(struct journal_survey *out, int dirfd,
			    int journalfd, journal_survey_fn fn, void *arg);
/* "journal/2 is damaged at byte 5120: ..."; a sentence without next step. */
void survey_describe_fault(const struct journal_fault *f, struct reason *out);

#endif
