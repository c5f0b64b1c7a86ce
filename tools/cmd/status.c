/* SPDX-License-Identifier: MIT */
/*
 * mapfs status: the state of one view or store, on one screen.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "command.h"
#include "core/lib/array.h"
#include "fs/mount/options.h"
#include "tools/lib/changes.h"
#include "tools/lib/control.h"
#include "tools/lib/history.h"
#include "tools/lib/json.h"
#include "tools/lib/damaged.h"
#include "tools/lib/lookargs.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"
#include "tools/lib/windows.h"
#include "tools/lib/writers.h"

/*
 * Comparing so many changed objects takes a second at most.  With more of them
 * the counters of the delta are shown, unless the caller asks for more.
 */
#define COMPARED_MOST 20000

enum depth {
	DEPTH_AUTO,
	DEPTH_COUNT,   /* show counters */
	DEPTH_COMPARE, /* compare, however many there are */
};

struct status_args {
	struct look_args look;
	enum depth depth;
};

struct drifted {
	char *path;
	bool is_gone;
};

struct status {
	struct target t;
	struct mapfs_store_info store; /* of a kept store */
	struct mapfs_info view;	       /* of a store that is not mounted */
	struct history history;
	struct changes changes;
	struct mapfs_counts counts;
	enum depth depth;
	struct window_list windows; /* of a mount */
	struct drifted *drift;
	size_t drift_count;
	size_t drift_cap;
	struct writers writers;
	struct damaged damaged; /* of a mount */
	bool is_unreadable;	/* a file cannot be compared */
	bool is_copy;		/* there can be changes, snapshots and drift */
	bool is_latched;
	unsigned int sandbox; /* of a mount: enum sandbox_part, or-ed */
	enum mapfs_base_state base_state;
	struct reason lost; /* a sentence about a lost base; empty: the base
			       fits, or a mount still has it */
	bool has_space;
	uint64_t space_bytes; /* left for private pages */
	uint64_t private_pages;
	struct reason why;
};

__attribute__((format(printf, 2, 3))) static void row(const char *name,
						      const char *fmt, ...)
{
	char *text = NULL;
	char *shown;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	shown = text_escape(text ? text : "");
	printf("%-12s %s\n", name, shown);
	free(shown);
	free(text);
}

static void row_bytes(const char *name, uint64_t bytes)
{
	char size[TEXT_SIZE];

	text_size(size, bytes);
	row(name, "%s", size);
}

static uint64_t requests_sum(const struct mapfs_control_info *info)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < CONTROL_OPS; i++)
		sum += info->requests[i];
	return sum;
}

static void look_at_space(struct status *s)
{
	struct statvfs st;
	int err;

	if (s->t.store)
		err = statvfs(s->t.store, &st);
	else
		err = fstatvfs(s->t.fd, &st);
	if (err < 0)
		return;
	s->has_space = true;
	s->space_bytes = (uint64_t)st.f_bavail * st.f_frsize;
}

static int add_drift(void *arg, const char *path, bool is_gone)
{
	struct status *s = arg;
	struct drifted one = { .is_gone = is_gone };
	int err = array_reserve(&s->drift, &s->drift_cap, s->drift_count + 1);

	if (err)
		return err;
	one.path = strdup(path);
	if (!one.path)
		return -ENOMEM;
	s->drift[s->drift_count++] = one;
	return 0;
}

static bool is_compared(const struct status *s)
{
	const struct mapfs_counts *c = &s->counts;

	return s->depth == DEPTH_COMPARE ||
	       (s->depth == DEPTH_AUTO &&
		c->inodes + c->names_hidden <= COMPARED_MOST);
}

static int look_at_counts(struct status *s)
{
	const struct control_call call = { .command = MAPFS_COMMAND_COUNTS };
	struct control_result result;
	struct wire_in in;
	int err = control_run(s->t.fd, s->t.shown, &call, &result, &s->why);

	if (err)
		return err;
	in = control_result_wire(&result);
	s->is_latched = wire_take(&in) != 0;
	wire_take_counts(&in, &s->counts);
	s->private_pages = s->t.info.private_pages;
	control_result_fini(&result);
	return 0;
}

static int look_for_drift(struct status *s)
{
	const struct control_call call = { .command = MAPFS_COMMAND_STATUS };
	struct control_result result;
	struct wire_in in;
	int err = control_run(s->t.fd, s->t.shown, &call, &result, &s->why);

	if (err)
		return err;
	in = control_result_wire(&result);
	s->is_latched = wire_take(&in) != 0;
	while (!err && !wire_is_over(&in)) {
		const char *path;
		bool is_gone;

		wire_take_drift(&in, &path, &is_gone);
		if (!in.is_bad)
			err = add_drift(s, path, is_gone);
	}
	control_result_fini(&result);
	return err;
}

static int look_live(struct status *s)
{
	int err = look_at_counts(s);

	return err || !is_compared(s) ? err : look_for_drift(s);
}

/* A daemon of an older version has no sandbox. */
static void look_at_sandbox(struct status *s)
{
	struct mapfs_control_options *o = calloc(1, sizeof(*o));

	if (o && ioctl(s->t.fd, MAPFS_IOC_OPTIONS, o) == 0)
		s->sandbox = (o->flags & MAPFS_CONTROL_SANDBOX) >>
			     CONTROL_SANDBOX_SHIFT;
	free(o);
}

static int look_resting(struct status *s)
{
	struct mapfs_view *v;
	int err = target_open_store(&s->t, &v, &s->lost, &s->why);

	if (err)
		return err;
	mapfs_view_info(v, &s->view);
	s->private_pages = s->view.private_pages;
	s->counts = s->view.counts;
	/* Without the base there is nothing to compare. */
	if (reason_is_empty(&s->lost) && is_compared(s))
		err = mapfs_drift(v, add_drift, s);
	/* A view that is only read has nothing to sync. */
	(void)!mapfs_view_close(v);
	return err;
}

/* A mount keeps its base, also if that was moved. */
static int look_at_base(struct status *s)
{
	struct stat shown;
	struct stat now;

	if (s->t.store)
		return mapfs_base_state(s->t.store, &s->base_state, &s->why);
	if (strcmp(s->t.info.base, MAPFS_NO_BASE) == 0)
		return 0;
	/* A view's root has the inode number of its base, unless it shows windows. */
	if (stat(s->t.info.base, &now) < 0)
		s->base_state = errno == ENOENT || errno == ENOTDIR ?
					MAPFS_BASE_GONE :
					MAPFS_BASE_FITS;
	else if (S_ISDIR(now.st_mode) && s->windows.count == 0 &&
		 fstat(s->t.fd, &shown) == 0 && shown.st_ino != now.st_ino)
		s->base_state = MAPFS_BASE_REPLACED;
	return 0;
}

static void look_for_writers(struct status *s)
{
	const bool is_live = s->t.kind == TARGET_LIVE;
	const char *base = is_live ? s->t.info.base : s->store.base;
	struct stat st;

	if (!base || strcmp(base, MAPFS_NO_BASE) == 0)
		return;
	if (!is_live)
		writers_find(&s->writers, base, 0);
	else if (fstat(s->t.fd, &st) == 0)
		writers_find(&s->writers, base, st.st_dev);
}

/* A file that is damaged is no reason to show nothing of the others. */
static int count_changes(struct status *s)
{
	int err = changes_count(&s->changes, &s->t, NULL, &s->why);

	if (err != -EIO)
		return err;
	s->is_unreadable = true;
	reason_clear(&s->why);
	return 0;
}

static int look(struct status *s)
{
	bool is_live = s->t.kind == TARGET_LIVE;
	int err = 0;

	s->is_copy = !is_live || s->t.info.mode == MAPFS_COPY;
	if (!is_live)
		err = mapfs_store_trust_check(s->t.store, s->t.is_trusted,
					      &s->why);
	if (!err && s->t.store)
		err = mapfs_store_describe(s->t.store, &s->store, &s->why);
	if (is_live)
		look_at_sandbox(s);
	if (!err && is_live)
		err = windows_read(&s->windows, s->t.fd, s->t.shown, &s->why);
	if (!err)
		err = look_at_base(s);
	/* A commit that was interrupted must be finished before. */
	if (err || !s->is_copy || s->store.commit_is_open)
		return err;
	look_for_writers(s);
	err = is_live ? look_live(s) : look_resting(s);
	if (!err)
		err = history_read(&s->history, &s->t, &s->why);
	if (!is_compared(s))
		changes_of_counts(&s->changes, &s->counts);
	else if (!err && (is_live || reason_is_empty(&s->lost)))
		err = count_changes(s);
	/* The last one: comparing meets what is damaged. */
	if (!err && is_live)
		err = damaged_read(&s->damaged, s->t.fd, s->t.shown, &s->why);
	return err;
}

static void print_drift(const struct status *s)
{
	if (!is_compared(s))
		row("drift", "not looked for; mapfs status --all does");
	if (s->drift_count == 0)
		return;
	row("drift",
	    "%zu changed or gone in the base since they were changed here:",
	    s->drift_count);
	for (size_t i = 0; i < s->drift_count; i++)
		row("", "%s%s", s->drift[i].path,
		    s->drift[i].is_gone ? " (gone)" : "");
}

/* A few of them; --json has all. */
static void print_writers(const struct status *s)
{
	const size_t most = 5;
	const size_t count = s->writers.count;

	for (size_t i = 0; i < count && i < most; i++) {
		const struct writer *w = &s->writers.writers[i];

		row(i ? "" : "in use", "%s %s by %s (process %d)",
		    *w->path ? w->path : "the base", writer_text(w), w->program,
		    (int)w->pid);
	}
	if (count > most)
		row("", "and %zu more", count - most);
}

static void print_damaged(const struct status *s)
{
	for (size_t i = 0; i < s->damaged.count; i++) {
		const struct damaged_page *d = &s->damaged.page[i];

		row(i ? "" : "damaged",
		    "%s, bytes %" PRIu64 " to %" PRIu64 " (page %" PRIu64
		    " of %s/pages)",
		    d->path, d->off_bytes, d->off_bytes + MAPFS_PAGE_SIZE - 1,
		    d->store_page, d->store);
	}
}

static void print_store(const struct status *s)
{
	const struct mapfs_store_info *st = &s->store;

	if (st->parent)
		row("branch of", "%s@%s", st->parent,
		    st->parent_snapshot ? st->parent_snapshot : "?");
	for (size_t i = 0; st->branches && st->branches[i]; i++)
		row(i ? "" : "branches", "%s, of %s", st->branches[i],
		    st->branches_of[i]);
	if (st->commits)
		row("commits", "%u can be undone (mapfs commit --undo)",
		    st->commits);
	if (st->commit_is_open)
		row("commit",
		    "%s interrupted; finish it with mapfs commit %s%s",
		    st->commit_is_undo ? "its undo was" : "it was",
		    st->commit_is_undo ? "--undo " : "", st->path);
}

static void print_changes(const struct status *s)
{
	char text[CHANGES_TEXT];
	char size[TEXT_SIZE];

	text_size(size, s->private_pages * MAPFS_PAGE_SIZE);
	row("private", "%" PRIu64 " pages, %s", s->private_pages, size);
	snprintf(text, sizeof(text), "unknown without the base");
	if (s->is_unreadable)
		snprintf(text, sizeof(text), "unknown: a file cannot be read");
	else if (reason_is_empty(&s->lost))
		changes_text(&s->changes, text);
	row("changes", "%s%s", text,
	    is_compared(s) || !reason_is_empty(&s->lost) ?
		    "" :
		    " (counted; mapfs status --all compares)");
	row("snapshots", "%zu", s->history.count);
	print_drift(s);
	print_writers(s);
	print_damaged(s);
}

static const char *const base_words[] = {
	[MAPFS_BASE_FITS] = "",
	[MAPFS_BASE_REPLACED] = " (was replaced: another object is there)",
	[MAPFS_BASE_GONE] = " (is gone: moved or removed)",
};

static void print_windows(const struct status *s)
{
	for (size_t i = 0; i < s->windows.count; i++) {
		const struct mapfs_window *w = &s->windows.windows[i];
		char length[32] = "";

		if (w->len_bytes != MAPFS_WINDOW_OPEN)
			snprintf(length, sizeof(length), ":%" PRIu64,
				 w->len_bytes);
		row(i ? "" : "windows", "%s=%s:%" PRIu64 "%s", w->name, w->path,
		    w->off_bytes, length);
	}
}

static void print_sandbox(const struct status *s)
{
	char parts[128] = "";
	size_t len = 0;
	const char *name;

	for (unsigned int n = 0; (name = sandbox_part_name(n)); n++) {
		if (s->sandbox >> n & 1)
			len += (size_t)snprintf(parts + len,
						sizeof(parts) - len, "%s%s",
						len ? ", " : "", name);
	}
	row("sandbox", "%s", len ? parts : "none");
}

static void print_people(const struct status *s)
{
	const struct mapfs_control_info *info = &s->t.info;
	bool is_live = s->t.kind == TARGET_LIVE;

	row("mounted on", "%s", is_live ? s->t.shown : "nothing");
	row("mode", "%s", is_live ? info_mode_name(info) : "copy");
	row("base", "%s%s", is_live ? info->base : s->store.base,
	    base_words[s->base_state]);
	print_windows(s);
	if (s->is_copy)
		row("store", "%s",
		    s->t.store ? s->t.store : "temporary, gone when unmounted");
	if (s->is_latched)
		row("state",
		    "a sync failed, changes are refused; unmount and mount "
		    "again");
	if (s->is_copy && !s->store.commit_is_open)
		print_changes(s);
	print_store(s);
	if (is_live && s->t.store)
		row_bytes("journal", info->journal_bytes);
	if (is_live)
		print_sandbox(s);
	if (is_live)
		row("requests", "%" PRIu64, requests_sum(info));
	if (s->has_space)
		row_bytes("space left", s->space_bytes);
}

static void json_add_store(cJSON *o, const struct status *s)
{
	const struct mapfs_store_info *st = &s->store;
	cJSON *list = cJSON_AddArrayToObject(o, "branches");

	for (size_t i = 0; st->branches && st->branches[i]; i++) {
		cJSON *one = cJSON_CreateObject();

		cJSON_AddItemToArray(list, one);
		json_add_string(one, "store", st->branches[i]);
		json_add_string(one, "snapshot", st->branches_of[i]);
	}
	json_add_string(o, "parent", st->parent);
	json_add_string(o, "parent_snapshot", st->parent_snapshot);
	cJSON_AddNumberToObject(o, "commits", st->commits);
	cJSON_AddBoolToObject(o, "commit_interrupted", st->commit_is_open);
	cJSON_AddBoolToObject(o, "undo_interrupted", st->commit_is_undo);
}

static void json_add_windows(cJSON *o, const struct status *s)
{
	cJSON *list = cJSON_AddArrayToObject(o, "windows");

	for (size_t i = 0; i < s->windows.count; i++) {
		const struct mapfs_window *w = &s->windows.windows[i];
		cJSON *one = cJSON_CreateObject();

		cJSON_AddItemToArray(list, one);
		json_add_string(one, "name", w->name);
		json_add_string(one, "path", w->path);
		cJSON_AddNumberToObject(one, "offset", (double)w->off_bytes);
		if (w->len_bytes == MAPFS_WINDOW_OPEN)
			cJSON_AddNullToObject(one, "length");
		else
			cJSON_AddNumberToObject(one, "length",
						(double)w->len_bytes);
	}
}

static void json_add_counts(cJSON *o, const struct status *s)
{
	cJSON_AddNumberToObject(o, "added", (double)s->changes.added);
	cJSON_AddNumberToObject(o, "modified", (double)s->changes.modified);
	cJSON_AddNumberToObject(o, "deleted", (double)s->changes.deleted);
	cJSON_AddNumberToObject(o, "renamed", (double)s->changes.renamed);
	cJSON_AddNumberToObject(o, "retyped", (double)s->changes.retyped);
	if (is_compared(s))
		cJSON_AddNumberToObject(o, "changed_bytes",
					(double)s->changes.bytes);
}

static void json_add_writers(cJSON *o, const struct status *s)
{
	cJSON *list = cJSON_AddArrayToObject(o, "in_use");

	for (size_t i = 0; i < s->writers.count; i++) {
		const struct writer *w = &s->writers.writers[i];
		cJSON *one = cJSON_CreateObject();

		cJSON_AddItemToArray(list, one);
		json_add_string(one, "path", w->path);
		json_add_string(one, "program", w->program);
		cJSON_AddNumberToObject(one, "pid", w->pid);
		cJSON_AddBoolToObject(one, "mapped", w->is_mapped);
	}
}

static void json_add_changes(cJSON *o, const struct status *s)
{
	cJSON *drift;

	/* Changes are counted by comparing with the base. */
	if (reason_is_empty(&s->lost) && !s->is_unreadable)
		json_add_counts(o, s);
	cJSON_AddNumberToObject(o, "snapshots", (double)s->history.count);
	cJSON_AddBoolToObject(o, "latched", s->is_latched);
	cJSON_AddBoolToObject(o, "compared", is_compared(s));
	if (!is_compared(s)) {
		cJSON_AddNullToObject(o, "drift");
		return;
	}
	drift = cJSON_AddArrayToObject(o, "drift");
	for (size_t i = 0; i < s->drift_count; i++) {
		cJSON *one = cJSON_CreateObject();

		cJSON_AddItemToArray(drift, one);
		json_add_string(one, "path", s->drift[i].path);
		cJSON_AddBoolToObject(one, "gone", s->drift[i].is_gone);
	}
	json_add_writers(o, s);
}

static void json_add_sandbox(cJSON *o, const struct status *s)
{
	cJSON *parts = cJSON_AddObjectToObject(o, "sandbox");
	const char *name;

	for (unsigned int n = 0; (name = sandbox_part_name(n)); n++)
		cJSON_AddBoolToObject(parts, name, s->sandbox >> n & 1);
}

static void json_add_damaged(cJSON *o, const struct status *s)
{
	cJSON *all = cJSON_AddArrayToObject(o, "damaged");

	for (size_t i = 0; i < s->damaged.count; i++) {
		const struct damaged_page *d = &s->damaged.page[i];
		cJSON *one = cJSON_CreateObject();

		cJSON_AddItemToArray(all, one);
		json_add_string(one, "path", d->path);
		cJSON_AddNumberToObject(one, "offset", (double)d->off_bytes);
		cJSON_AddNumberToObject(one, "bytes", MAPFS_PAGE_SIZE);
		json_add_string(one, "store", d->store);
		cJSON_AddNumberToObject(one, "page", (double)d->store_page);
	}
}

static const char *const state_names[] = {
	[MAPFS_BASE_FITS] = "fits",
	[MAPFS_BASE_REPLACED] = "replaced",
	[MAPFS_BASE_GONE] = "gone",
};

static int print_json(const struct status *s)
{
	cJSON *o = cJSON_CreateObject();

	if (s->t.kind == TARGET_LIVE) {
		json_add_string(o, "mountpoint", s->t.shown);
		json_add_string(o, "base", s->t.info.base);
		json_add_info(o, &s->t.info);
		json_add_windows(o, s);
		json_add_sandbox(o, s);
	} else {
		json_add_string(o, "mountpoint", NULL);
		json_add_string(o, "base", s->store.base);
		json_add_string(o, "mode", "copy");
		json_add_string(o, "store", s->t.store);
		cJSON_AddNumberToObject(o, "private_pages",
					(double)s->private_pages);
		cJSON_AddNumberToObject(o, "inodes_changed",
					(double)s->view.inodes_changed);
	}
	json_add_string(o, "base_state", state_names[s->base_state]);
	if (s->is_copy && !s->store.commit_is_open) {
		cJSON_AddNumberToObject(o, "private_bytes",
					(double)s->private_pages *
						MAPFS_PAGE_SIZE);
		json_add_changes(o, s);
		json_add_damaged(o, s);
	}
	if (s->t.store)
		json_add_store(o, s);
	if (s->has_space)
		cJSON_AddNumberToObject(o, "space_left_bytes",
					(double)s->space_bytes);
	return json_print(o) ? COMMAND_FAILED : COMMAND_OK;
}

static void status_fini(struct status *s)
{
	for (size_t i = 0; i < s->drift_count; i++)
		free(s->drift[i].path);
	free(s->drift);
	writers_fini(&s->writers);
	history_fini(&s->history);
	window_list_fini(&s->windows);
	damaged_fini(&s->damaged);
	mapfs_store_info_fini(&s->store);
	target_fini(&s->t);
	free(s);
}

static int status_run(const struct status_args *all)
{
	const struct look_args *args = &all->look;
	struct status *s = calloc(1, sizeof(*s));
	int status = COMMAND_FAILED;
	int err;

	if (!s) {
		say("out of memory; try again later");
		return COMMAND_FAILED;
	}
	err = target_find(&s->t, args->target, &s->why);
	s->t.is_trusted = args->is_trusted;
	s->depth = all->depth;
	if (!err)
		err = target_refuse_snapshot(&s->t, &s->why);
	if (!err) {
		reason_clear(&s->why);
		err = look(s);
	}
	if (err) {
		say("%s", reason_text(&s->why, err));
	} else {
		look_at_space(s);
		status = COMMAND_OK;
		if (args->json)
			status = print_json(s);
		else
			print_people(s);
		fflush(stdout);
		if (!reason_is_empty(&s->lost)) {
			say("%s", s->lost.text);
			status = COMMAND_FAILED;
		}
	}
	status_fini(s);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct status_args *args = state->input;
	error_t err;

	switch (key) {
	case 'a':
		args->depth = DEPTH_COMPARE;
		return 0;
	case 'c':
		args->depth = DEPTH_COUNT;
		return 0;
	default:
		break;
	}
	state->input = &args->look;
	err = look_args_parse(key, arg, state);
	state->input = args;
	return err;
}

static const struct argp_option status_options[] = {
	{ "all", 'a', NULL, 0,
	  "Compare all changes with the base, and look for drift, however many "
	  "changes there are",
	  0 },
	{ "count", 'c', NULL, 0, "Only count the changes, at once", 0 },
	{ "json", 'j', NULL, 0, "Print a JSON object", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp status_argp = {
	.options = status_options,
	.parser = parse,
	.args_doc = "MOUNTPOINT|STORE",
	.doc = "Shows the state of a view or a store: mode, base, changes, "
	       "drift, space.\v"
	       "Drift is a change that others made in the "
	       "base to an object after the view had changed it. Of such a "
	       "file only the pages that the view itself has can be read, "
	       "and mapfs commit reports a conflict. A view with more than "
	       "20000 changed objects is not compared unless --all asks for "
	       "it: then the changes are counted as they were made, and drift "
	       "is not looked for. If the base of a "
	       "store was replaced or is gone, its changes cannot be "
	       "counted.\n\n"
	       "Damaged are pages that a mounted view has met whose bytes "
	       "on the disk are not those that were written; reading them "
	       "fails until they are written once more.\n\n"
	       "With --json it is an object with mountpoint (or null), "
	       "base, base_state (fits, replaced or gone), mode, store, "
	       "private_pages, private_bytes, added, modified, deleted, "
	       "renamed, retyped, changed_bytes, snapshots, latched (a sync "
	       "failed, so the store takes no more changes), drift "
	       "(path, gone), in_use (path, program, pid, mapped: files of the "
	       "base that others can change, as far as /proc shows it), "
	       "damaged (path, offset, bytes, store, page), "
	       "branches (store, snapshot), parent, "
	       "parent_snapshot, commits, commit_interrupted, "
	       "undo_interrupted, "
	       "space_left_bytes, compared (false: the changes are "
	       "counted only, drift is null, and changed_bytes is missing); a "
	       "mount also has what mapfs list --json "
	       "has, windows (name, path, offset, length or null), and "
	       "sandbox (no_new_privs, caps, seccomp, landlock: whether the "
	       "daemon has it in force).\n\n"
	       "Exit status: 0 done, 1 failed, or the store has lost its "
	       "base, 2 the command line is wrong.\n\n"
	       "Example: mapfs status view",
};

int cmd_status(int argc, char **argv)
{
	struct status_args args = { 0 };

	if (argp_parse(&status_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return status_run(&args);
}
