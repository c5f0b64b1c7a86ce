/* SPDX-License-Identifier: MIT */
/*
 * The order of a check:
 *
 *   journal: every group       what is lost, and which states that concerns
 *   commits, branches          their files
 *   snapshots, oldest first    is each replayed?  its pages
 *   the present state          the same
 *
 * The present state is opened first, because its journal has the sums of all
 * pages that a state names.  Each page is read once.
 *
 * A store in use is read as it is, without a lock: replay gives a state that
 * was there at one moment, and snapshots never change.  A page of the present
 * state may be overwritten meanwhile; so one whose sum does not fit is compared
 * again with what the journal says after the next sync points.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/overlay/open.h"
#include "core/store/layout.h"
#include "core/store/lock.h"
#include "core/store/trust.h"
#include "files.h"
#include "pages.h"
#include "repair.h"

#define ROUNDS 3
#define ROUND_S 6 /* a sync point is made every 5 seconds */
#define PRESENT UINT64_MAX

static bool is_damage(int err)
{
	return err == -EUCLEAN || err == -EBADMSG || err == -ESTALE ||
	       err == -ELOOP;
}

/* NULL: the present state, as far as it is sound. */
static int open_state(struct check_ctx *c, const char *snapshot,
		      struct mapfs_view **out, struct reason *why)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = c->path,
		.snapshot = snapshot,
		.is_trusted = true, /* that was judged before */
		.look_only = true,
		.without_base = true,
	};

	reason_clear(why);
	return overlay_open(out, &opt, OVERLAY_CHECK, why);
}

/* Is somebody changing the store? */
static int find_use(struct check_ctx *c)
{
	struct store_holder holder;
	int fd = openat(c->dirfd, STORE_LOCK,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = store_holder_read(fd, &holder, &c->in_use);
	close(fd);
	return err;
}

static void estimate(struct check_ctx *c)
{
	struct stat st;

	if (!c->opt->without_pages &&
	    fstatat(c->dirfd, STORE_PAGES, &st, AT_SYMLINK_NOFOLLOW) == 0)
		c->all_bytes += (uint64_t)(st.st_blocks * 512 < st.st_size ?
						   st.st_blocks * 512 :
						   st.st_size);
	if (fstatat(c->dirfd, STORE_JOURNAL, &st, 0) == 0)
		c->all_bytes += (uint64_t)st.st_size;
}

/*
 * The disk is checked, not the kernel's copy of it: pages that were written or
 * read a moment ago would hide that the disk has others.  Those that are dirty,
 * or that a view has mapped, stay.
 */
static void forget_cached_pages(const struct check_ctx *c)
{
	int fd = openat(c->dirfd, STORE_PAGES,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static int begin(struct check_ctx *c)
{
	int err;

	c->dirfd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dirfd < 0)
		return -errno;
	err = store_trust_check(c->dirfd, c->path, c->opt->is_trusted, c->why);
	if (err)
		return err;
	c->journalfd = openat(c->dirfd, STORE_JOURNAL,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (c->journalfd < 0) {
		err = -errno;
		reason_set(c->why, "%s: not a store; name one", c->path);
		return err;
	}
	err = find_use(c);
	forget_cached_pages(c);
	estimate(c);
	return err ? err : files_survey(c);
}

static int report_state(struct check_ctx *c, const char *name,
			const struct reason *what)
{
	struct name_list names = { .is_present = name == NULL };
	struct mapfs_check_damage d = { .kind = MAPFS_DAMAGE_SNAPSHOT };
	int err = name ? names_add(&names, name) : 0;

	names_lend(&names, &d);
	if (!err)
		err = check_report(c, &d, "%s", what->text);
	names_fini(&names);
	return err;
}

/* It is replayed by nobody any more. */
static int note_bad(struct check_ctx *c, uint64_t id)
{
	int err = array_reserve(&c->bad, &c->bad_cap, c->bad_count + 1);

	if (!err)
		c->bad[c->bad_count++] = id;
	c->out->snapshots_damaged++;
	return err;
}

/* A state whose journal is sound, but cannot be replayed, is damaged, too. */
static int open_present(struct check_ctx *c)
{
	const bool is_whole = !journal_survey_is_damaged(&c->survey);
	struct reason why;
	int err;

	if (c->survey.sound_lsn == 0)
		return 0;
	err = open_state(c, NULL, &c->present, &why);
	if (err) {
		c->present = NULL;
		return is_damage(err) ? report_state(c, NULL, &why) : err;
	}
	c->present_is_whole = is_whole;
	return 0;
}

static int check_snapshot(struct check_ctx *c, const struct snapshot *one)
{
	const struct journal_history h = {
		.first_segment = one->rec.first_segment,
		.last_segment = one->rec.last_segment,
		.lsn = one->rec.lsn,
	};
	struct mapfs_view *v;
	struct reason why;
	int err;

	/* That was reported. */
	if (journal_survey_history(&c->survey, &h))
		return 0;
	err = open_state(c, one->rec.name, &v, &why);
	if (err == -ENOENT && c->in_use)
		return 0; /* it was deleted meanwhile */
	if (err && !is_damage(err))
		return err;
	if (err) {
		err = note_bad(c, one->rec.id);
		return err ? err : report_state(c, one->rec.name, &why);
	}
	if (!c->opt->without_pages)
		err = pages_check(c, v, one->rec.name, one->rec.id);
	(void)!mapfs_view_close(v);
	return err;
}

static int check_states(struct check_ctx *c)
{
	const struct snapshot *one = c->facts.snapshots.list;
	int err = open_present(c);

	for (; !err && one; one = one->next)
		err = check_snapshot(c, one);
	if (!err && c->present && !c->opt->without_pages)
		err = pages_check(c, c->present, NULL, PRESENT);
	return err;
}

/* What was being written when it was read has its sum after a sync point. */
static int check_again(struct check_ctx *c)
{
	const struct timespec pause = { .tv_sec = ROUND_S };
	struct mapfs_view *v;
	struct reason why;
	int err = 0;

	for (int n = 0; !err && c->in_use && c->pages && n < ROUNDS; n++) {
		nanosleep(&pause, NULL);
		err = check_step(c, 0);
		if (!err)
			err = open_state(c, NULL, &v, &why);
		if (err)
			break;
		err = pages_check_again(c, v);
		(void)!mapfs_view_close(v);
	}
	return err;
}

static void end(struct check_ctx *c)
{
	if (c->present)
		(void)!mapfs_view_close(c->present);
	pages_fini(c);
	free(c->bad);
	journal_survey_fini(&c->survey);
	if (c->has_facts)
		store_facts_fini(&c->facts);
	if (c->journalfd >= 0)
		close(c->journalfd);
	if (c->dirfd >= 0)
		close(c->dirfd);
}

static int check_all(struct check_ctx *c)
{
	int err = begin(c);

	if (err)
		return err;
	c->out->lsn = c->survey.last_lsn;
	memcpy(c->out->uuid, c->survey.id.uuid, sizeof(c->out->uuid));
	if (c->opt->resume)
		c->from = c->opt->resume(c->opt->arg, c->out);
	err = files_report_faults(c);
	if (!err)
		err = files_check_anchor(c);
	if (!err)
		err = files_check_commits(c);
	if (!err)
		err = files_check_branches(c);
	if (!err)
		err = check_states(c);
	if (!err)
		err = check_again(c);
	if (!err)
		err = pages_report(c);
	return err;
}

/* `to`: the new store; or NULL. */
static int run(const struct mapfs_check_options *opt, const char *to,
	       struct mapfs_check_result *out, struct reason *why)
{
	char *path = realpath(opt->store, NULL);
	struct check_ctx c = {
		.opt = opt,
		.out = out,
		.why = why,
		.path = path,
		.dirfd = -1,
		.journalfd = -1,
	};
	int err;

	reason_clear(why);
	*out = (struct mapfs_check_result){ 0 };
	err = path ? check_all(&c) : -errno;
	if (!err && to)
		err = repair_into(&c, to);
	end(&c);
	if (err && reason_is_empty(why))
		reason_set(why, "store %s: %s", opt->store, reason_of(err));
	free(path);
	return err;
}

int mapfs_check(const struct mapfs_check_options *opt,
		struct mapfs_check_result *out, struct reason *why)
{
	return run(opt, NULL, out, why);
}

int mapfs_repair(const struct mapfs_check_options *opt, const char *to,
		 struct mapfs_check_result *out, struct reason *why)
{
	return run(opt, to, out, why);
}

void mapfs_check_result_fini(struct mapfs_check_result *r)
{
	free(r->position.bad);
	r->position = (struct mapfs_check_position){ 0 };
}
