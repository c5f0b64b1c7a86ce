/* SPDX-License-Identifier: MIT */
/*
 * Every command waits first for the requests that the kernel sent before it:
 * so it sees the view as programs saw it when the command was started.
 */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cache/invalidate.h"
#include "fs/mount/logfile.h"
#include "fs/mount/mount.h"

bool commands_has(uint32_t command)
{
	return command > MAPFS_COMMAND_MARK && command < MAPFS_COMMAND_COUNT;
}

uint64_t commands_flags(uint32_t command)
{
	if (command == MAPFS_COMMAND_PAGES ||
	    command == MAPFS_COMMAND_PAGES_OF_WHOLE)
		return UINT64_MAX; /* an inode number is in their place */
	return command == MAPFS_COMMAND_DIFF ?
		       MAPFS_CONTROL_RANGES | MAPFS_CONTROL_TREE :
		       0;
}

bool commands_free_much(const struct mapfs_control_start *ask)
{
	return ask->command == MAPFS_COMMAND_ROLLBACK ||
	       ask->command == MAPFS_COMMAND_REVERT ||
	       (ask->command == MAPFS_COMMAND_DIFF && ask->name[0]);
}

static int put_snapshot(void *arg, const struct mapfs_snapshot *s)
{
	struct job *job = arg;

	wire_put_snapshot(&job->result, s);
	return job->result.err;
}

static int put_drift(void *arg, const char *path, bool is_gone)
{
	struct job *job = arg;

	wire_put_drift(&job->result, path, is_gone);
	return job_is_wanted(job) ? job->result.err : -ECANCELED;
}

static int status(struct mount *m, struct job *job)
{
	struct mapfs_info info;

	mapfs_view_info(m->view, &info);
	wire_put(&job->result, info.is_latched);
	return mapfs_drift(m->view, put_drift, job);
}

static int counts(struct mount *m, struct job *job)
{
	struct mapfs_info info;

	mapfs_view_info(m->view, &info);
	wire_put(&job->result, info.is_latched);
	wire_put_counts(&job->result, &info.counts);
	return job->result.err;
}

static int rollback(struct mount *m, struct job *job)
{
	struct kernel_refresh refresh;
	int err;

	kernel_refresh_begin(&refresh, m);
	err = mapfs_rollback(m->view, job->ask.name, kernel_refresh_apply,
			     &refresh, &job->why);
	kernel_refresh_end(&refresh);
	return err;
}

static int revert(struct mount *m, struct job *job)
{
	struct kernel_refresh refresh;
	int err;

	kernel_refresh_begin(&refresh, m);
	err = mapfs_revert(m->view, job->ask.path, kernel_refresh_apply,
			   &refresh, &job->why);
	kernel_refresh_end(&refresh);
	return err;
}

static int put_entry(void *arg, const struct mapfs_diff_entry *e)
{
	struct job *job = arg;

	wire_put_entry(&job->result, e);
	job_offer(job);
	return job_is_wanted(job) ? job->result.err : -ECANCELED;
}

static int on_progress(void *arg, uint64_t done_bytes)
{
	struct job *job = arg;

	atomic_store(&job->done, done_bytes);
	return job_is_wanted(job) ? 0 : -ECANCELED;
}

/* `out` has room for as many paths as the list can hold. */
static size_t split_paths(const char *path, const char **out)
{
	size_t count = 0;

	while (*path) {
		out[count++] = path;
		path += strlen(path) + 1;
	}
	return count;
}

static int diff(struct mount *m, struct job *job, struct mapfs_view *from)
{
	const size_t most = sizeof(job->ask.path) / 2;
	const char **paths = calloc(most, sizeof(*paths));
	struct mapfs_diff_options opt = {
		.want_ranges = job->ask.flags & MAPFS_CONTROL_RANGES,
		.want_tree = job->ask.flags & MAPFS_CONTROL_TREE,
		.progress = on_progress,
		.progress_arg = job,
	};
	int err;

	if (!paths)
		return -ENOMEM;
	opt.path_count = split_paths(job->ask.path, paths);
	opt.paths = opt.path_count ? paths : NULL;
	err = mapfs_diff(from, m->view, &opt, put_entry, job);
	free(paths);
	return err;
}

/* The snapshot is opened as a second view, which changes nothing. */
static int diff_from(struct mount *m, struct job *job)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base_kind = m->opt->base_kind,
		.base_of = m->opt->base_kind == MAPFS_BASE_NONE ? NULL :
								  m->view,
		.snapshot = job->ask.name,
		.look_only = true,
		.is_trusted = m->opt->is_trusted,
		/* The core has one log for all views of a process. */
		.log = logfile_line,
		.log_arg = m->log,
	};
	struct mapfs_view *from;
	struct mapfs_info info;
	int err;

	mapfs_view_info(m->view, &info);
	opt.store = info.store;
	opt.base = info.base;
	if (!info.store)
		return -EINVAL;
	err = mapfs_view_open(&from, &opt, &job->why);
	if (err)
		return err;
	err = diff(m, job, from);
	/* The view changed nothing, so closing it has nothing to sync. */
	(void)!mapfs_view_close(from);
	return err;
}

static int windows(struct mount *m, struct job *job)
{
	const struct window_list *l = &m->opt->windows;

	for (size_t i = 0; i < l->count; i++)
		wire_put_window(&job->result, &l->windows[i]);
	return job->result.err;
}

static int put_run(void *arg, const struct mapfs_run *run)
{
	struct job *job = arg;

	wire_put_run(&job->result, run);
	return job_is_wanted(job) ? job->result.err : -ECANCELED;
}

static int put_damage(void *arg, const struct mapfs_bad_page *d)
{
	struct job *job = arg;

	wire_put_damage(&job->result, d);
	return job_is_wanted(job) ? job->result.err : -ECANCELED;
}

static int pages(struct mount *m, struct job *job)
{
	const struct mapfs_range all = { .len_bytes = UINT64_MAX };

	return mapfs_pages(m->view, mapfs_file_of(job->ask.ino), &all, put_run,
			   job);
}

int commands_run(struct mount *m, struct job *job)
{
	int err = barrier_wait(m, &job->barrier);

	if (err)
		return err;
	switch ((enum mapfs_command)job->ask.command) {
	case MAPFS_COMMAND_FLUSH:
		return 0;
	case MAPFS_COMMAND_LOG:
		return mapfs_snapshot_iterate(m->view, put_snapshot, job);
	case MAPFS_COMMAND_STATUS:
		return status(m, job);
	case MAPFS_COMMAND_SNAPSHOT:
		return mapfs_snapshot_create(m->view, job->ask.name,
					     job->ask.message, &job->why);
	case MAPFS_COMMAND_SNAPSHOT_DELETE:
		return mapfs_snapshot_delete(m->view, job->ask.name, &job->why);
	case MAPFS_COMMAND_ROLLBACK:
		return rollback(m, job);
	case MAPFS_COMMAND_REVERT:
		return revert(m, job);
	case MAPFS_COMMAND_DIFF:
		return job->ask.name[0] ? diff_from(m, job) :
					  diff(m, job, NULL);
	case MAPFS_COMMAND_BASE:
		wire_put(&job->result, (uint64_t)mapfs_base_fd(m->view));
		return job->result.err;
	case MAPFS_COMMAND_WINDOWS:
		return windows(m, job);
	case MAPFS_COMMAND_PAGES:
		return pages(m, job);
	case MAPFS_COMMAND_PAGES_OF_WHOLE:
		return mapfs_pages_of_whole(
			m->view, mapfs_file_of(job->ask.ino), put_run, job);
	case MAPFS_COMMAND_DAMAGE:
		return mapfs_bad_pages(m->view, put_damage, job);
	case MAPFS_COMMAND_COUNTS:
		return counts(m, job);
	case MAPFS_COMMAND_MARK:
	case MAPFS_COMMAND_COUNT:
		break;
	}
	return -EINVAL;
}
