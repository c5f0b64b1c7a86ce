/* SPDX-License-Identifier: MIT */
/*
 * A store that is not mounted, and snapshots, are opened in this process,
 * read-only: that needs no lock and changes nothing.
 *
 * The current state of a mounted view is compared by its daemon.  Files of the
 * view are read through the mount, and files of the base through the daemon's
 * descriptor of the base, because the view may be mounted over the base.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lib/changes.h"
#include "tools/lib/control.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/windows.h"

struct diff_source {
	struct target target;
	bool is_live;	 /* the daemon compares */
	char *from_name; /* LIVE: a snapshot, or NULL */
	char *store;
	char *base;
	struct diff_tree old_tree; /* a snapshot; the base, once it is needed */
	struct diff_tree new_tree;
	struct mapfs_view *from; /* of old_tree; NULL: the base */
};

static int find_store(struct diff_source *s, const char *store,
		      struct reason *why)
{
	struct mapfs_store_info info;
	int err = mapfs_store_describe(store, &info, why);

	if (err)
		return err;
	s->store = strdup(info.path);
	s->base = strdup(info.base);
	mapfs_store_info_fini(&info);
	return s->store && s->base ? 0 : -ENOMEM;
}

static int open_sides(struct diff_source *s, const char *from, const char *to,
		      struct reason *why)
{
	int err = target_look(&s->target, to, &s->new_tree.v, why);

	if (!err && from)
		err = target_look(&s->target, from, &s->old_tree.v, why);
	s->from = s->old_tree.v;
	return err;
}

static int open_live(struct diff_source *s, const char *from,
		     struct reason *why)
{
	struct target *t = &s->target;

	if (t->info.mode != MAPFS_COPY) {
		reason_set(why,
			   "%s: a view in mode %s has no changes of its own; "
			   "name a view in copy mode",
			   t->shown,
			   mapfs_mode_name((enum mapfs_mode)t->info.mode));
		return -EINVAL;
	}
	s->is_live = true;
	s->base = strdup(t->info.base);
	if (t->store)
		s->store = strdup(t->store);
	if (from)
		s->from_name = strdup(from);
	s->new_tree.fd = dup(t->fd);
	if (s->new_tree.fd < 0)
		return -errno;
	if (!s->base || (t->store && !s->store) || (from && !s->from_name))
		return -ENOMEM;
	return 0;
}

static int open_target(struct diff_source *s, const char *from, const char *to,
		       struct reason *why)
{
	struct target *t = &s->target;
	int err;

	if (t->snapshot && (from || to)) {
		reason_set(why,
			   "%s: names a snapshot already; give A..B without it",
			   t->shown);
		return -EINVAL;
	}
	if (t->snapshot)
		to = t->snapshot;
	if (t->kind == TARGET_LIVE && !to)
		return open_live(s, from, why);
	if (!t->store) {
		reason_set(
			why,
			"%s: has no kept store, and so no snapshots; mount it "
			"with -s STORE",
			t->shown);
		return -EINVAL;
	}
	err = mapfs_store_trust_check(t->store, t->is_trusted, why);
	if (!err)
		err = find_store(s, t->store, why);
	return err ? err : open_sides(s, from, to, why);
}

int diff_source_open(struct diff_source **out,
		     const struct diff_source_options *opt, struct reason *why)
{
	struct diff_source *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->old_tree.fd = -1;
	s->new_tree.fd = -1;
	err = target_find(&s->target, opt->target, why);
	s->target.is_trusted = opt->is_trusted;
	if (!err)
		err = open_target(s, opt->from, opt->to, why);
	if (err) {
		diff_source_close(s);
		return err;
	}
	*out = s;
	return 0;
}

uid_t diff_source_owner(const struct diff_source *s)
{
	struct stat st;

	if (s->store && stat(s->store, &st) == 0)
		return st.st_uid;
	return s->is_live ? s->target.info.owner_uid : geteuid();
}

int diff_source_path(const struct diff_source *s, const char *arg, char **out,
		     struct reason *why)
{
	return target_path(&s->target, arg, out, why);
}

int diff_source_run(struct diff_source *s, const struct mapfs_diff_options *opt,
		    mapfs_diff_fn fn, void *arg, struct reason *why)
{
	const struct changes_query query = {
		.target = &s->target,
		.from = s->from_name,
		.opt = opt,
		.fn = fn,
		.arg = arg,
	};
	int err;

	if (s->is_live)
		return changes_iterate(&query, why);
	err = mapfs_diff(s->from, s->new_tree.v, opt, fn, arg);
	if (err < 0)
		reason_set(why,
			   "%s: cannot be compared: %s; see mapfs status %s",
			   s->store, strerror(-err), s->store);
	return err;
}

/* The base of a mounted view, by the daemon's descriptor of it. */
static int open_base_there(struct diff_source *s)
{
	const struct control_call call = { .command = MAPFS_COMMAND_BASE };
	const struct target *t = &s->target;
	struct control_result result;
	struct reason why;
	char path[64];
	struct wire_in in;
	int err = control_run(t->fd, t->shown, &call, &result, &why);

	if (err)
		return err;
	in = control_result_wire(&result);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)t->info.pid,
		 (int)wire_take(&in));
	control_result_fini(&result);
	s->old_tree.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return s->old_tree.fd < 0 ? -errno : 0;
}

static int open_old_tree(struct diff_source *s, struct reason *why)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_READ,
		.base = s->base,
	};
	const struct mapfs_options none = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_MEMORY,
		.base_kind = MAPFS_BASE_NONE,
	};

	if (s->old_tree.v || s->old_tree.fd >= 0)
		return 0;
	if (s->is_live && s->from_name)
		return target_look(&s->target, s->from_name, &s->old_tree.v,
				   why);
	if (strcmp(s->base, MAPFS_NO_BASE) == 0)
		return mapfs_view_open(&s->old_tree.v, &none, why);
	if (s->is_live && open_base_there(s) == 0)
		return 0;
	if (s->is_live && strcmp(s->base, s->target.shown) == 0) {
		reason_set(
			why,
			"%s: the view covers its base, which only its owner or "
			"root may read then; ask them",
			s->base);
		return -EACCES;
	}
	return mapfs_view_open(&s->old_tree.v, &opt, why);
}

/* The bytes of a mounted view are read through its mount. */
static int refuse_windows(const struct diff_source *s, struct reason *why)
{
	const struct target *t = &s->target;
	struct window_list windows = { 0 };
	int err;

	if (!s->is_live)
		return 0;
	err = windows_read(&windows, t->fd, t->shown, why);
	if (!err && windows.count > 0) {
		reason_set(why,
			   "%s: a view of windows does not show the whole "
			   "files; unmount it, and name its store",
			   t->shown);
		err = -EINVAL;
	}
	window_list_fini(&windows);
	return err;
}

int diff_source_trees(struct diff_source *s, const struct diff_tree **old_tree,
		      const struct diff_tree **new_tree, struct reason *why)
{
	int err = refuse_windows(s, why);

	if (!err)
		err = open_old_tree(s, why);
	*old_tree = &s->old_tree;
	*new_tree = &s->new_tree;
	return err;
}

void diff_source_close(struct diff_source *s)
{
	if (!s)
		return;
	diff_tree_fini(&s->old_tree);
	diff_tree_fini(&s->new_tree);
	target_fini(&s->target);
	free(s->from_name);
	free(s->store);
	free(s->base);
	free(s);
}
