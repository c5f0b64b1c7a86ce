/* SPDX-License-Identifier: MIT */
/*
 * The daemon of a mounted view tells the runs of a file that this process keeps
 * open meanwhile.  A store that is not mounted, and a snapshot, are opened in
 * this process, read-only.  Which pages differ is asked as mapfs diff asks.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/array.h"
#include "core/lib/beneath.h"
#include "tools/lib/changes.h"
#include "tools/lib/control.h"
#include "tools/lib/history.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/viewpath.h"
#include "tools/lib/windows.h"

struct reading {
	const struct page_source *s;
	struct target target;
	char *path; /* from the root of the view, or of the store */
	char *at;   /* in a mount: what is asked about; "": its root */
	/*
	 * For what the daemon does not translate: the file below, of which the
	 * file is a part if it is a window, else all.
	 */
	char *below;
	struct mapfs_range part;
	bool is_of_store; /* the argument is STORE:PATH */
	bool is_whole;	  /* `at` is a window of the file */
	struct page_map *map;
	struct mapfs_range *ranges; /* that differ */
	size_t range_count;
	size_t range_cap;
	struct reason *why;
};

/* --- which file ----------------------------------------------------------- */

/* The target that the first `len` bytes of the argument name. */
static int find_prefix(struct reading *r, size_t len)
{
	char *prefix = strndup(r->s->file, len);
	int err = prefix ? target_find(&r->target, prefix, r->why) : -ENOMEM;

	if (!err)
		r->target.is_trusted = r->s->is_trusted;
	free(prefix);
	return err;
}

/* Is there something at this path, or at the one before its last '@'? */
static bool exists(const char *file, size_t len)
{
	char *path = strndup(file, len);
	bool is = path && *path && access(path, F_OK) == 0;
	char *at = path ? strrchr(path, '@') : NULL;

	if (!is && at && at > path) {
		*at = '\0';
		is = access(path, F_OK) == 0;
	}
	free(path);
	return is;
}

static int has_snapshot(const struct reading *r, bool *has)
{
	struct history h;
	int err = history_read(&h, &r->target, r->why);

	if (err)
		return err;
	*has = history_find(&h, r->target.snapshot) != NULL;
	history_fini(&h);
	return 0;
}

/* A leading slash means the root of the view; nothing means the same. */
static int take_path(struct reading *r, const char *path)
{
	path += strspn(path, "/");
	return target_path(&r->target, *path ? path : ".", &r->path, r->why);
}

/*
 * STORE:PATH or STORE@NAME:PATH.  Each part may have colons, so the first colon
 * counts that ends the name of something that exists.
 */
static int find_parts(struct reading *r)
{
	const char *file = r->s->file;
	const char *colon = strchr(file, ':');
	struct reason first = { 0 };
	int err = -ENOENT;

	for (; colon; colon = strchr(colon + 1, ':')) {
		bool has = true;

		if (!exists(file, (size_t)(colon - file)))
			continue;
		err = find_prefix(r, (size_t)(colon - file));
		if (!err && r->target.snapshot)
			err = has_snapshot(r, &has);
		if (err)
			return err;
		r->is_of_store = true;
		if (has)
			return take_path(r, colon + 1);
		if (reason_is_empty(&first))
			reason_set(
				&first,
				"store %s has no snapshot %s; see `mapfs log "
				"%s`",
				r->target.store, r->target.snapshot,
				r->target.store);
		target_fini(&r->target);
	}
	if (reason_is_empty(&first))
		reason_set(&first,
			   "%s: no such file; name a file in a view, or "
			   "STORE:PATH",
			   file);
	*r->why = first;
	return -ENOENT;
}

static int find_file(struct reading *r)
{
	const char *file = r->s->file;
	int err;

	if (*file && access(file, F_OK) < 0 &&
	    (errno == ENOENT || errno == ENOTDIR))
		return find_parts(r);
	err = find_prefix(r, strlen(file));
	if (err)
		return err;
	if (r->target.kind == TARGET_STORE) {
		reason_set(r->why,
			   "%s: a store; name a file in it as STORE:PATH",
			   file);
		return -EISDIR;
	}
	r->path = strdup(r->target.inside);
	return r->path ? 0 : -ENOMEM;
}

static const char *base_name(const struct reading *r)
{
	const char *slash = strrchr(r->target.info.base, '/');

	return slash ? slash + 1 : r->target.info.base;
}

static bool is_live(const struct reading *r)
{
	return r->target.kind == TARGET_LIVE && !r->target.snapshot;
}

static bool is_root_file(const struct reading *r)
{
	struct stat st;

	return fstat(r->target.fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* The window of this name; where the root of the mount is one, it needs none. */
static const struct mapfs_window *find_window(const struct reading *r,
					      const struct window_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (strcmp(l->windows[i].name, r->path) == 0)
			return &l->windows[i];
	}
	return l->count == 1 && !*r->path && is_root_file(r) ? l->windows :
							       NULL;
}

/* The path of the window's file, as a comparison gives it. */
static int file_of(const struct reading *r, const struct mapfs_window *w,
		   char **out)
{
	return viewpath_normalize(*w->path ? w->path : base_name(r), out);
}

/* Any window of the file, which the mount itself does not show. */
static int find_part(const struct reading *r, const struct window_list *l,
		     const struct mapfs_window **out)
{
	for (size_t i = 0; i < l->count && !*out; i++) {
		char *file;
		int err = file_of(r, &l->windows[i], &file);

		if (err)
			return err;
		if (strcmp(file, r->path) == 0)
			*out = &l->windows[i];
		free(file);
	}
	if (*out)
		return 0;
	reason_set(r->why,
		   "%s: the store is mounted as windows, of which none is a "
		   "part of this file; name one of them, such as %s%s%s, or "
		   "unmount first",
		   r->s->file, r->target.shown, is_root_file(r) ? "" : "/",
		   is_root_file(r) ? "" : l->windows[0].name);
	return -ENOENT;
}

static int take_window(struct reading *r, const struct mapfs_window *w)
{
	if (!r->is_whole) {
		r->part.off_bytes = w->off_bytes;
		r->part.len_bytes = w->len_bytes;
	}
	r->at = strdup(is_root_file(r) ? "" : w->name);
	return r->at ? file_of(r, w, &r->below) : -ENOMEM;
}

/* A mount without windows, or a store. */
static int take_file(struct reading *r)
{
	const bool is_root = is_live(r) && is_root_file(r) &&
			     (!*r->path || strcmp(r->path, base_name(r)) == 0);

	r->at = strdup(is_root ? "" : r->path);
	r->below = strdup(is_root ? base_name(r) : r->path);
	return r->at && r->below ? 0 : -ENOMEM;
}

/*
 * A comparison knows files, and nothing of the windows that a mount shows.  The
 * path of a store may name either.
 */
static int find_below(struct reading *r)
{
	const struct target *t = &r->target;
	const struct mapfs_window *w = NULL;
	struct window_list l = { 0 };
	int err = 0;

	r->part = (struct mapfs_range){ .len_bytes = UINT64_MAX };
	if (is_live(r) && (r->s->is_compared || r->is_of_store))
		err = windows_read(&l, t->fd, t->shown, r->why);
	if (!err)
		w = find_window(r, &l);
	if (!err && l.count > 0 && !w && r->is_of_store && *r->path) {
		r->is_whole = true;
		err = find_part(r, &l, &w);
	}
	if (!err)
		err = w ? take_window(r, w) : take_file(r);
	window_list_fini(&l);
	return err;
}

/* --- its runs ------------------------------------------------------------- */

static int check_type(const struct reading *r, mode_t mode)
{
	if (S_ISREG(mode))
		return 0;
	if (S_ISLNK(mode)) {
		reason_set(r->why,
			   "%s: a symbolic link; name the file that it leads "
			   "to",
			   r->s->file);
		return -ELOOP;
	}
	if (S_ISDIR(mode)) {
		reason_set(r->why, "%s: a directory; name a file in it",
			   r->s->file);
		return -EISDIR;
	}
	reason_set(r->why,
		   "%s: not a regular file, so it has no pages; name another "
		   "one",
		   r->s->file);
	return -EINVAL;
}

static int refuse(const struct reading *r, int err)
{
	if (err == -ENOENT || err == -ENOTDIR)
		reason_set(r->why,
			   "%s: the view has no such file; see mapfs diff",
			   r->s->file);
	else if (err == -ELOOP)
		reason_set(r->why,
			   "%s: leads through a symbolic link; name the file "
			   "without it",
			   r->s->file);
	else if (reason_is_empty(r->why))
		reason_set(r->why, "%s: %s; see mapfs status", r->s->file,
			   strerror(-err));
	return err;
}

static int add_run(void *arg, const struct mapfs_run *run)
{
	const struct reading *r = arg;
	struct mapfs_run moved = *run;

	moved.off_bytes -= r->part.off_bytes;
	return page_map_add(r->map, &moved);
}

static int take_runs(const struct reading *r,
		     const struct control_result *result)
{
	struct wire_in in = control_result_wire(result);
	struct mapfs_run run;
	int err = 0;

	while (!err && !wire_is_over(&in)) {
		wire_take_run(&in, &run);
		err = in.is_bad ? -EBADMSG : page_map_add(r->map, &run);
	}
	if (err == -EBADMSG)
		reason_set(r->why,
			   "%s: the answer of its daemon, which is of another "
			   "version, cannot be read; unmount and mount again",
			   r->target.shown);
	return err;
}

static int ask_daemon(const struct reading *r, const struct stat *st)
{
	const struct control_call call = {
		.command = r->is_whole ? MAPFS_COMMAND_PAGES_OF_WHOLE :
					 MAPFS_COMMAND_PAGES,
		.flags = st->st_ino,
	};
	struct control_result result;
	int err = control_run(r->target.fd, r->target.shown, &call, &result,
			      r->why);

	if (!err)
		err = take_runs(r, &result);
	control_result_fini(&result);
	return err;
}

static int read_live(const struct reading *r)
{
	struct stat st;
	int fd = -1;
	int err = 0;

	if (!*r->at && is_root_file(r)) {
		fd = dup(r->target.fd);
		err = fd < 0 ? -errno : 0;
	} else {
		err = beneath_open(r->target.fd, *r->at ? r->at : ".", O_PATH,
				   &fd);
	}
	if (err)
		return refuse(r, err);
	err = fstat(fd, &st) < 0 ? refuse(r, -errno) :
				   check_type(r, st.st_mode);
	if (!err)
		err = ask_daemon(r, &st);
	close(fd);
	return err;
}

static int read_view(struct reading *r)
{
	struct mapfs_view *v;
	struct mapfs_entry e;
	struct reason lost;
	int err = target_open_store(&r->target, &v, &lost, r->why);

	if (err)
		return err;
	if (!reason_is_empty(&lost))
		say("%s", lost.text);
	reason_clear(r->why);
	err = viewpath_lookup(v, r->below, &e);
	if (err) {
		err = refuse(r, err);
		goto close_view;
	}
	err = check_type(r, e.attr.mode);
	if (!err) {
		err = mapfs_pages(v, mapfs_file_of(e.attr.ino), &r->part,
				  add_run, r);
		err = err ? refuse(r, err) : 0;
	}
	viewpath_put(v, &e);
close_view:
	/* A view that is only read has nothing to sync. */
	(void)!mapfs_view_close(v);
	return err;
}

/* --- what differs --------------------------------------------------------- */

/* The pages of the file below that have bytes of the range. */
static void add_range(struct reading *r, const struct mapfs_range *range)
{
	const uint64_t off = r->part.off_bytes;
	uint64_t from = range->off_bytes - range->off_bytes % PAGE_BYTES;
	uint64_t to =
		pages_of(range->off_bytes + range->len_bytes) * PAGE_BYTES;

	from = from < off ? 0 : from - off;
	to = to < off ? 0 : to - off;
	if (to > r->part.len_bytes)
		to = r->part.len_bytes;
	if (from < to)
		r->ranges[r->range_count++] =
			(struct mapfs_range){ from, to - from };
}

static int add_ranges(void *arg, const struct mapfs_diff_entry *e)
{
	struct reading *r = arg;
	int err;

	if (e->change == MAPFS_DELETED || strcmp(e->path, r->below) != 0)
		return 0;
	err = array_reserve(&r->ranges, &r->range_cap,
			    r->range_count + e->range_count);
	for (size_t i = 0; i < e->range_count && !err; i++)
		add_range(r, &e->ranges[i]);
	return err;
}

static int compare(struct reading *r)
{
	const char *const paths[] = { r->below };
	const struct mapfs_diff_options opt = {
		.want_ranges = true,
		.want_tree = true,
		.paths = paths,
		.path_count = 1,
	};
	const struct changes_query query = {
		.target = &r->target,
		.from = r->s->from,
		.opt = &opt,
		.fn = add_ranges,
		.arg = r,
	};
	int err = changes_iterate(&query, r->why);

	if (!err)
		err = page_map_compare(r->map, r->ranges, r->range_count);
	return err;
}

/* A..B can be compared; B becomes the snapshot that the target names. */
static int take_sides(struct reading *r)
{
	struct target *t = &r->target;

	if (!r->s->is_compared)
		return 0;
	if (t->snapshot) {
		reason_set(r->why,
			   "%s: names a snapshot already; give A..B without it",
			   r->s->file);
		return -EINVAL;
	}
	if (t->kind == TARGET_LIVE && t->info.mode != MAPFS_COPY) {
		reason_set(r->why,
			   "%s: a view in mode %s has no changes of its own; "
			   "name a view in copy mode",
			   t->shown,
			   mapfs_mode_name((enum mapfs_mode)t->info.mode));
		return -EINVAL;
	}
	if ((r->s->from || r->s->to) && !t->store) {
		reason_set(r->why,
			   "%s: has no kept store, and so no snapshots; mount "
			   "it with -s STORE",
			   t->shown);
		return -EINVAL;
	}
	if (r->s->to)
		t->snapshot = strdup(r->s->to);
	return r->s->to && !t->snapshot ? -ENOMEM : 0;
}

int page_source_read(struct page_map *out, const struct page_source *s,
		     struct reason *why)
{
	struct reading r = { .s = s, .map = out, .why = why };
	int err;

	*out = (struct page_map){ 0 };
	reason_clear(why);
	err = find_file(&r);
	if (!err)
		err = find_below(&r);
	if (!err)
		err = take_sides(&r);
	if (!err)
		err = is_live(&r) ? read_live(&r) : read_view(&r);
	if (!err && s->is_compared)
		err = compare(&r);
	if (err)
		page_map_fini(out);
	free(r.ranges);
	free(r.at);
	free(r.below);
	free(r.path);
	target_fini(&r.target);
	return err;
}
