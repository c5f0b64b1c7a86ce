/* SPDX-License-Identifier: MIT */
/*
 * Groups are atomic, so the delta of any first part of a journal is a state
 * that was there.  A group behind a lost one cannot be applied: it may build
 * on what is missing.
 */
#include "salvage.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/lib/log.h"
#include "state.h"
#include "survey.h"

/* One line for each fault, and one for what it means. */
static void say_faults(const struct store *st, const struct journal_survey *s)
{
	struct reason what;
	uint64_t skipped = 0;

	for (size_t n = 0; n < s->fault_count; n++) {
		if (s->fault[n].segment < s->segment[s->first].number)
			continue;
		survey_describe_fault(&s->fault[n], &what);
		log_line(LOG_WARNING, "store %s: %s", st->dir.path, what.text);
	}
	if (!journal_survey_is_damaged(s) ||
	    journal_survey_count(s, s->sound_lsn + 1, LSN_MAX, &skipped))
		return;
	log_line(LOG_WARNING,
		 "store %s: it is shown as it was before that; %" PRIu64
		 " operations behind it are sound, but cannot be applied",
		 st->dir.path, skipped);
}

static int refuse_beginning(const struct store *st,
			    const struct journal_survey *s, struct reason *why)
{
	struct reason what;

	reason_set(&what, "its journal has no beginning");
	for (size_t n = 0; n < s->fault_count; n++) {
		if (s->first < s->count &&
		    s->fault[n].segment < s->segment[s->first].number)
			continue;
		survey_describe_fault(&s->fault[n], &what);
		break;
	}
	reason_set(
		why,
		"store %s: %s, so nothing of its present state is sound; look for a snapshot with `mapfs log %s`",
		st->dir.path, what.text, st->dir.path);
	return -EUCLEAN;
}

/* Without damage this is what recovery does. */
int salvage_replay(struct store *st, struct journal_id *id,
		   const struct store_options *opt,
		   struct journal_replay *replay, struct reason *why)
{
	struct journal_survey s;
	int err =
		store_survey(&s, st->dir.dirfd, st->dir.journalfd, NULL, NULL);

	if (err)
		return err;
	if (!journal_survey_is_damaged(&s))
		err = journal_open(&st->journal, &s.where, id, true, replay);
	else if (s.sound_lsn == 0)
		err = refuse_beginning(st, &s, why);
	else
		err = journal_survey_replay(&s, 0, s.sound_lsn, replay);
	if (!err) {
		if (!opt->for_check)
			say_faults(st, &s);
		memcpy(id->uuid, s.id.uuid, sizeof(id->uuid));
	}
	journal_survey_fini(&s);
	return err;
}
