/* SPDX-License-Identifier: MIT */
/*
 * The present state of the new store is the newest one that is sound: that
 * before the first lost group, or else the newest snapshot that can be shown.
 * Snapshots that cannot be shown are left out, and so are those that only the
 * undo of a commit needs, because what else it needs is not copied.
 *
 * A page that is damaged stays damaged: it has a sum that its bytes do not
 * have, so that reading it is EIO in the new store, too [S3].
 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/overlay/open.h"
#include "core/store/layout.h"
#include "core/store/reasons.h"
#include "core/store/rebuild.h"
#include "pages.h"

static int check_may(struct check_ctx *c)
{
	if (c->in_use) {
		reason_set(
			c->why,
			"store %s is in use, and changes while it is copied; unmount it first (mapfs umount)",
			c->path);
		return -EBUSY;
	}
	if (faccessat(c->dirfd, STORE_COMMIT_OPEN, F_OK, AT_SYMLINK_NOFOLLOW) ==
	    0) {
		reason_commit_open(c->why, c->path);
		return -EBUSY;
	}
	return 0;
}

static bool is_sound(const struct check_ctx *c, const struct snapshot *one)
{
	const struct journal_history h = {
		.first_segment = one->rec.first_segment,
		.last_segment = one->rec.last_segment,
		.lsn = one->rec.lsn,
	};

	for (size_t n = 0; n < c->bad_count; n++)
		if (c->bad[n] == one->rec.id)
			return false;
	return !journal_survey_history(&c->survey, &h);
}

/* NULL: the present state can be shown, as far as it is sound. */
static int choose(struct check_ctx *c, const struct snapshot **out)
{
	const struct snapshot *one = c->facts.snapshots.list;

	*out = NULL;
	if (c->present)
		return 0;
	for (; one; one = one->next)
		if (is_sound(c, one) &&
		    snapshots_is_reachable(&c->facts.snapshots, one))
			*out = one;
	if (*out)
		return 0;
	reason_set(
		c->why,
		"store %s: no state of it is sound, so there is nothing to make a store of; restore it from a copy",
		c->path);
	return -EUCLEAN;
}

/* The shared lock of the store keeps others from changing it meanwhile. */
static int open_state(struct check_ctx *c, const struct snapshot *of,
		      struct mapfs_view **out)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = c->path,
		.snapshot = of ? of->rec.name : NULL,
		.is_trusted = true, /* that was judged before */
		.look_only = true,
		.salvage = true,
		.without_base = true,
	};
	struct delta_set *set;
	struct record r = { .type = RECORD_SNAPSHOT };
	int err = overlay_open(out, &opt, OVERLAY_SERVE, c->why);

	if (err || !of)
		return err;
	/* Its own record follows its last group. */
	set = &overlay_of(*out)->set;
	r.snapshot = of->rec;
	r.snapshot.name_bytes = strlen(of->rec.name);
	r.snapshot.message_bytes = strlen(of->rec.message);
	r.snapshot.pins_follow = false;
	err = snapshots_apply(&set->snapshots, &r, set->arena, true);
	if (!err)
		set->snapshots.counters = c->facts.snapshots.counters;
	return err;
}

static int leave_out(struct check_ctx *c, struct store *st,
		     struct snapshots *all)
{
	struct snapshot *next;
	int err = 0;

	for (struct snapshot *one = all->list; !err && one; one = next) {
		next = one->next;
		if (one->rec.name[0] == '.' || !is_sound(c, one))
			err = store_rebuild_without(st, one->rec.id);
	}
	return err;
}

/*
 * The segments of each snapshot that the new store has are there; what others
 * name may be any number.
 */
static struct journal_start_at behind_all(const struct check_ctx *c)
{
	const struct journal_survey *s = &c->survey;

	return (struct journal_start_at){
		.segment = s->segment[s->count - 1].number + 1,
		.lsn = s->last_lsn + 1,
	};
}

static int step(void *arg, uint64_t bytes)
{
	return check_step(arg, bytes);
}

int repair_into(struct check_ctx *c, const char *to)
{
	struct store_rebuild r = {
		.to = to,
		.id = c->survey.id,
		.pages = c->pages_end,
		.progress = step,
		.arg = c,
	};
	const struct snapshot *of;
	struct mapfs_view *v = NULL;
	struct overlay *o;
	int err = check_may(c);

	if (!err)
		err = choose(c, &of);
	if (!err)
		err = open_state(c, of, &v);
	if (!v)
		return err;
	o = overlay_of(v);
	/* The new store gets one when it is opened first. */
	r.id.must_refuse &= ~SEGMENT_HAS_ANCHOR;
	r.at = behind_all(c);
	if (!err)
		err = leave_out(c, o->store, &o->set.snapshots);
	if (!err)
		err = pages_keep_damaged(c, store_arena(o->store));
	if (!err)
		err = store_rebuild(o->store, &r, c->why);
	(void)!mapfs_view_close(v);
	return err;
}
