/* SPDX-License-Identifier: MIT */
/*
 * A journal that another process writes may look damaged for a moment: a
 * segment is being replaced, or a group was read before it was complete.  So
 * faults of a store in use count only if they are there each time.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/commit/kept.h"
#include "core/commit/left.h"
#include "core/commit/plan.h"
#include "core/commit/plan_encode.h"
#include "core/commit/position.h"
#include "core/commit/saved_file.h"
#include "core/commit/sums.h"
#include "core/store/anchor.h"
#include "core/store/branches.h"
#include "core/store/layout.h"
#include "core/store/lost_commit.h"
#include "core/store/survey.h"
#include "names.h"

#define LOOKS 20
#define LOOK_NS 10000000

struct survey_step {
	struct check_ctx *c;
	uint64_t told;
};

static int step(void *arg, uint64_t bytes)
{
	struct survey_step *s = arg;
	uint64_t more = bytes > s->told ? bytes - s->told : 0;

	s->told += more;
	return check_step(s->c, more);
}

static int survey_once(struct check_ctx *c, struct survey_step *s)
{
	return store_survey(&c->survey, c->dirfd, c->journalfd, step, s);
}

int files_survey(struct check_ctx *c)
{
	const struct timespec tick = { .tv_nsec = LOOK_NS };
	struct survey_step s = { .c = c };
	struct reason ignored;
	int err;

	for (int n = 0;; n++) {
		err = survey_once(c, &s);
		if (err && err != -EUCLEAN && err != -ENOENT)
			return err;
		if ((!err && !journal_survey_is_damaged(&c->survey)) ||
		    !c->in_use || n == LOOKS)
			break;
		if (!err)
			journal_survey_fini(&c->survey);
		nanosleep(&tick, NULL);
	}
	if (err == -ENOENT)
		return 0; /* a survey without segments; reported later */
	if (err)
		return err;
	c->has_facts = store_peek(&c->facts, c->dirfd, c->path, &ignored) == 0;
	return 0;
}

static struct journal_history history_of(const struct snapshot *one)
{
	return (struct journal_history){
		.first_segment = one->rec.first_segment,
		.last_segment = one->rec.last_segment,
		.lsn = one->rec.lsn,
	};
}

/* Is it one of the faults that keep the snapshot from being shown? */
static bool concerns(const struct journal_fault *f, const struct snapshot *one)
{
	return f->segment + f->segment_count > one->rec.first_segment &&
	       f->segment <= one->rec.last_segment &&
	       (f->kind != JOURNAL_GROUPS || f->first_lsn <= one->rec.lsn);
}

static int report_fault(struct check_ctx *c, const struct journal_fault *f)
{
	const struct journal_survey *s = &c->survey;
	const struct snapshot *one = c->facts.snapshots.list;
	struct name_list names = {
		.is_present = s->first == s->count ||
			      f->segment >= s->segment[s->first].number,
	};
	struct mapfs_check_damage d = { .kind = MAPFS_DAMAGE_JOURNAL };
	struct reason what;
	char file[48];
	int err = 0;

	for (; !err && one; one = one->next)
		if (concerns(f, one))
			err = names_add(&names, one->rec.name);
	/* A segment that nothing needs any more. */
	if (!err && (names.count || names.is_present)) {
		(void)snprintf(file, sizeof(file), STORE_JOURNAL "/%" PRIu64,
			       f->segment);
		d.file = file;
		d.file_off = f->off_bytes;
		d.file_len = f->len_bytes;
		names_lend(&names, &d);
		survey_describe_fault(f, &what);
		err = check_report(c, &d, "%s", what.text);
	}
	names_fini(&names);
	return err;
}

/* A snapshot whose segments are there no more, and nothing beside them is. */
static int report_history(struct check_ctx *c, const struct snapshot *one)
{
	const struct journal_history h = history_of(one);
	const struct journal_fault *f = journal_survey_history(&c->survey, &h);
	struct mapfs_check_damage d = { .kind = MAPFS_DAMAGE_SNAPSHOT };
	struct name_list names = { 0 };
	int err;

	if (!f)
		return 0;
	c->out->snapshots_damaged++;
	for (size_t n = 0; n < c->survey.fault_count; n++)
		if (concerns(&c->survey.fault[n], one))
			return 0;
	err = names_add(&names, one->rec.name);
	names_lend(&names, &d);
	if (!err)
		err = check_report(c, &d,
				   "snapshot %s needs journal/%" PRIu64
				   " to journal/%" PRIu64
				   ", and a part of them is missing",
				   one->rec.name, h.first_segment,
				   h.last_segment);
	names_fini(&names);
	return err;
}

int files_report_faults(struct check_ctx *c)
{
	const struct snapshot *one = c->facts.snapshots.list;
	struct mapfs_check_damage d = {
		.kind = MAPFS_DAMAGE_JOURNAL,
		.file = STORE_JOURNAL,
		.is_present = true,
	};
	int err = 0;

	for (size_t n = 0; !err && n < c->survey.fault_count; n++)
		err = report_fault(c, &c->survey.fault[n]);
	if (!err && c->survey.first == c->survey.count &&
	    c->survey.fault_count == 0)
		err = check_report(
			c, &d, "%s",
			c->survey.count ?
				"journal: no segment starts from nothing" :
				"journal: it has no segment");
	if (!err && c->survey.sound_lsn &&
	    journal_survey_is_damaged(&c->survey))
		err = journal_survey_count(&c->survey, c->survey.sound_lsn + 1,
					   LSN_MAX,
					   &c->out->operations_skipped);
	for (; !err && one; one = one->next) {
		c->out->snapshots++;
		err = report_history(c, one);
	}
	return err;
}

int files_check_anchor(struct check_ctx *c)
{
	struct mapfs_check_damage d = {
		.kind = MAPFS_DAMAGE_JOURNAL,
		.file = STORE_ANCHOR,
		.is_present = true,
	};
	const bool has_one = c->survey.id.must_refuse & SEGMENT_HAS_ANCHOR;
	struct anchor a;
	int err = anchor_look(&a, c->dirfd, false);

	/* -ENOENT: there are no pages; that is reported for each. */
	if (err)
		return err == -ENOENT ? 0 : err;
	if (a.err && has_one)
		err = check_report(
			c, &d,
			"anchor is %s, so what is missing at the end of the journal is not known",
			a.err == -ENOENT ? "missing" : "damaged");
	else if (a.has_bad_slot && has_one)
		err = check_report(
			c, &d, "one of the two copies in anchor is damaged");
	d.file = STORE_PAGES;
	d.file_off = a.pages_bytes;
	if (!err && !a.err && a.facts.bound.closed &&
	    a.pages_bytes < a.facts.pages_bytes)
		err = check_report(c, &d,
				   "pages ends at byte %" PRIu64
				   " and had %" PRIu64
				   " bytes when the store was closed",
				   a.pages_bytes, a.facts.pages_bytes);
	anchor_close(&a);
	return err;
}

static bool is_damage(int err)
{
	return err == -EUCLEAN || err == -EBADMSG;
}

static int report_saved(struct check_ctx *c, unsigned int number,
			const char *name, uint64_t off, uint64_t len)
{
	struct mapfs_check_damage d = {
		.kind = MAPFS_DAMAGE_COMMIT,
		.file_off = off,
		.file_len = len,
	};
	char file[64];

	if (number)
		(void)snprintf(file, sizeof(file), STORE_COMMIT "/%u/%s",
			       number, name);
	else
		(void)snprintf(file, sizeof(file), STORE_COMMIT "/%s", name);
	d.file = file;
	return check_report(
		c, &d, "%s is damaged at byte %" PRIu64 "%s", file, off,
		number ? ", so the commit cannot be undone as a whole" : "");
}

/* One of the small files of a commit; a plan is decoded, too. */
static int check_saved(struct check_ctx *c, int dirfd, unsigned int number,
		       enum saved_file_kind kind)
{
	static const char *const names[] = {
		[SAVED_FILE_OPEN] = "open", [SAVED_FILE_PLAN] = "plan",
		[SAVED_FILE_INOS] = "inos", [SAVED_FILE_AFTER] = "after",
		[SAVED_FILE_SUMS] = "sums",
	};
	struct reason ignored;
	uint8_t *buf = NULL;
	struct plan *plan;
	size_t len = 0;
	int err = saved_file_read(dirfd, kind, &buf, &len, &ignored);

	if (!err && kind == SAVED_FILE_PLAN) {
		err = plan_decode(&plan, buf, len);
		if (!err)
			plan_destroy(plan);
	}
	free(buf);
	if (is_damage(err))
		return report_saved(c, number, names[kind], 0, len);
	if (err && err != -ENOENT)
		return err;
	return check_step(c, len);
}

struct saved_walk {
	struct check_ctx *c;
	unsigned int number;
};

static int report_block(void *arg, uint64_t off, size_t len)
{
	const struct saved_walk *w = arg;

	return report_saved(w->c, w->number, "saved", off, len);
}

static int report_kept(void *arg, const char *name, const char *what)
{
	const struct saved_walk *w = arg;
	struct mapfs_check_damage d = { .kind = MAPFS_DAMAGE_COMMIT };
	char file[64];

	(void)snprintf(file, sizeof(file), STORE_COMMIT "/%u/gone/%s",
		       w->number, name);
	d.file = file;
	return check_report(w->c, &d,
			    "%s %s, so the commit cannot be undone as a whole",
			    file, what);
}

static int report_missing(struct check_ctx *c, unsigned int number,
			  const char *name)
{
	struct mapfs_check_damage d = { .kind = MAPFS_DAMAGE_COMMIT };
	char file[64];

	(void)snprintf(file, sizeof(file), STORE_COMMIT "/%u/%s", number, name);
	d.file = file;
	return check_report(
		c, &d,
		"%s is missing from the store, so the commit cannot be undone",
		file);
}

static bool has(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_open(int dirfd, unsigned int number)
{
	struct commit_position at = { .number = 0 };
	struct reason ignored;
	int top = openat(dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = top < 0 ? -errno : position_read(top, &at, &ignored);

	if (top >= 0)
		close(top);
	/* Damaged, it may name any of them; that is reported. */
	return err ? err != -ENOENT : at.number == number;
}

static bool plan_has_sums(int dirfd)
{
	struct reason ignored;
	struct plan *plan;
	uint8_t *buf;
	size_t len;
	bool ret;

	if (saved_file_read(dirfd, SAVED_FILE_PLAN, &buf, &len, &ignored))
		return false;
	ret = plan_decode(&plan, buf, len) == 0;
	free(buf);
	if (!ret)
		return false;
	ret = plan->has_sums;
	plan_destroy(plan);
	return ret;
}

/* It has built something in the base, it has not ended, and nobody undid it. */
static bool lost_its_end(const struct check_ctx *c, int dirfd,
			 unsigned int number)
{
	char name[32];

	(void)snprintf(name, sizeof(name), ".commit-%u", number);
	return !c->in_use && c->has_facts && has(dirfd, "inos") &&
	       !has(dirfd, LEFT_FILE) &&
	       snapshots_find(&c->facts.snapshots, name);
}

/* One that neither ended nor is under way is left over from planning. */
static int check_missing(struct check_ctx *c, int dirfd, unsigned int number)
{
	static const char *const names[] = { "plan", "saved", "gone", "inos",
					     "sums" };
	const bool is_under_way = is_open(dirfd, number);
	int err = 0;

	if (!is_under_way && !has(dirfd, "after"))
		return lost_its_end(c, dirfd, number) ?
			       report_missing(c, number, "after") :
			       0;
	for (size_t n = 0; !err && n < sizeof(names) / sizeof(*names); n++) {
		if (has(dirfd, names[n]) || (is_under_way && n == 3) ||
		    (n == 4 && !plan_has_sums(dirfd)))
			continue;
		/* An undo that ends removes them, `after` first. */
		if (has(dirfd, "after") || is_open(dirfd, number))
			err = report_missing(c, number, names[n]);
	}
	return err;
}

/* What a commit that has ended keeps of the files that it removed. */
static int check_kept(struct check_ctx *c, int dirfd, unsigned int number)
{
	struct saved_walk w = { .c = c, .number = number };
	struct reason ignored;
	int err;

	/* An undo that is under way takes them away. */
	if (c->in_use || is_open(dirfd, number))
		return 0;
	err = kept_find_damage(dirfd, report_kept, &w, &ignored);
	return err == -ENOENT || is_damage(err) ? 0 : err;
}

static int check_commit(struct check_ctx *c, int dirfd, unsigned int number)
{
	static const enum saved_file_kind kinds[] = {
		SAVED_FILE_PLAN,
		SAVED_FILE_INOS,
		SAVED_FILE_AFTER,
		SAVED_FILE_SUMS,
	};
	struct saved_walk w = { .c = c, .number = number };
	struct reason ignored;
	int err = check_missing(c, dirfd, number);

	for (size_t n = 0; !err && n < sizeof(kinds) / sizeof(*kinds); n++)
		err = check_saved(c, dirfd, number, kinds[n]);
	if (!err)
		err = check_kept(c, dirfd, number);
	if (err || c->opt->without_pages)
		return err;
	err = sums_find_damage(dirfd, report_block, &w, &ignored);
	/* Damaged sums were reported; a commit of an earlier version has none. */
	return err == -ENOENT || is_damage(err) ? 0 : err;
}

/* While the store is used a commit may begin, or end, between two looks. */
static int check_lost_commit(struct check_ctx *c)
{
	struct mapfs_check_damage d = {
		.kind = MAPFS_DAMAGE_COMMIT,
		.file = STORE_COMMIT_OPEN,
	};
	bool is_lost;
	int fd;

	if (c->in_use || !c->has_facts || !c->facts.base)
		return 0;
	fd = open(c->facts.base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	is_lost = lost_commit_exists(c->dirfd, fd);
	close(fd);
	return is_lost ?
		       check_report(
			       c, &d,
			       STORE_COMMIT_OPEN
			       " is missing, and a commit was interrupted; end that with `mapfs commit --abandon %s`",
			       c->path) :
		       0;
}

int files_check_commits(struct check_ctx *c)
{
	int top = openat(c->dirfd, STORE_COMMIT,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int err;

	if (top < 0)
		return errno == ENOENT ? 0 : -errno;
	err = check_saved(c, top, 0, SAVED_FILE_OPEN);
	if (!err)
		err = check_lost_commit(c);
	for (unsigned int n = 1; !err; n++) {
		char name[16];
		int dirfd;

		(void)snprintf(name, sizeof(name), "%u", n);
		dirfd = openat(top, name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dirfd < 0)
			break;
		err = check_commit(c, dirfd, n);
		close(dirfd);
	}
	close(top);
	return err;
}

static int look_at_branch(void *arg, const struct branch_entry *e)
{
	struct check_ctx *c = arg;
	struct mapfs_check_damage d = { .kind = MAPFS_DAMAGE_BRANCH };

	if (!c->has_facts ||
	    snapshots_find_id(&c->facts.snapshots, e->snapshot) ||
	    branches_is_leftover(e))
		return 0;
	return check_report(c, &d,
			    "branch %s needs snapshot %" PRIu64
			    ", which is not there",
			    e->path, e->snapshot);
}

int files_check_branches(struct check_ctx *c)
{
	struct mapfs_check_damage d = {
		.kind = MAPFS_DAMAGE_BRANCH,
		.file = STORE_BRANCHES,
	};
	int err = branches_iterate(c->dirfd, look_at_branch, c);

	return err == -EUCLEAN ?
		       check_report(
			       c, &d,
			       "a file in its directory branches is damaged") :
		       err;
}
