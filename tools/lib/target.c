/* SPDX-License-Identifier: MIT */
/*
 * A path lies in the mount whose mount point is its longest leading part.
 * mounts_ask(), which cannot hang, asks the daemon of a mount before anything
 * here opens it.
 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/path.h"
#include "fs/mount/root.h"
#include "progress.h"
#include "registry.h"
#include "text.h"
#include "viewpath.h"

struct find {
	struct target *out;
	const char *arg; /* of the command line */
	struct mounts *table;
	struct reason *why;
};

static int out_of_memory(struct find *f)
{
	reason_set(f->why, "out of memory; try again later");
	return -ENOMEM;
}

/* Finds the longest leading part of `path` that is a mount point. */
static bool find_mount(struct mounts *table, const char *path,
		       struct mount_row *row)
{
	char start[PATH_MAX];
	char *slash;

	snprintf(start, sizeof(start), "%s", path);
	while (!mounts_find(table, start, row)) {
		slash = strrchr(start, '/');
		if (!slash || strcmp(start, "/") == 0)
			return false;
		slash[slash == start ? 1 : 0] = '\0';
	}
	return true;
}

static int refuse_mount(struct find *f, const struct mount_row *row, int err)
{
	const char *words;

	switch (err) {
	case -ENOTCONN:
	case -ECONNABORTED:
		words = "its daemon is dead; run mapfs umount on it and mount "
			"again";
		break;
	case -ETIMEDOUT:
		words = "its daemon does not answer; try again later";
		break;
	case -EXDEV:
		words = "another mount covers it; unmount that first";
		break;
	case -EACCES:
	case -EPERM:
		/* The kernel lets root into no other user's mount either. */
		words = geteuid() == 0 ?
				"another user's mount, which only that user "
				"may read; run this as that user" :
				"another user's mount; ask its owner or root";
		break;
	default:
		words = strerror(-err);
		break;
	}
	reason_set(f->why, "%s: %s", row->target, words);
	return err;
}

/* The path is in this mount of mapfs. */
static int found_live(struct find *f, const struct mount_row *row,
		      const char *path)
{
	struct target *t = f->out;
	size_t root = strcmp(row->target, "/") ? strlen(row->target) : 0;
	int err = mounts_ask(row, &t->info);

	if (!err)
		err = root_open(row->target, row->dev, &t->fd);
	if (err)
		return refuse_mount(f, row, err);
	t->kind = TARGET_LIVE;
	t->shown = strdup(row->target);
	t->inside = strdup(path[root] == '/' ? path + root + 1 : path + root);
	t->store = t->info.store[0] ? strdup(t->info.store) : NULL;
	if (!t->shown || !t->inside || (t->info.store[0] && !t->store))
		return out_of_memory(f);
	return 0;
}

/* Has it a directory "journal"?  If not, errno says why. */
static bool is_store(const char *path)
{
	char journal[PATH_MAX + sizeof("/journal")];
	struct stat st;

	snprintf(journal, sizeof(journal), "%s/journal", path);
	if (stat(journal, &st) < 0)
		return false;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

/* Does this mount show the store at `path`? */
static bool shows_store(const struct mount_row *row, const char *path)
{
	struct mapfs_control_info *info = calloc(1, sizeof(*info));
	bool shows = info && mounts_is_mapfs(row) &&
		     mounts_ask(row, info) == 0 &&
		     strcmp(info->store, path) == 0;

	free(info);
	return shows;
}

/* The mount that shows the store; `hint` is where the store says it is. */
static bool find_mount_of(struct find *f, const char *path, const char *hint,
			  struct mount_row *row)
{
	if (hint && mounts_find(f->table, hint, row) && shows_store(row, path))
		return true;
	mounts_rewind(f->table);
	while (mounts_next(f->table, row)) {
		if (shows_store(row, path))
			return true;
	}
	return false;
}

static int found_store(struct find *f, const char *path)
{
	struct target *t = f->out;
	struct mapfs_store_info info;
	struct mount_row row;
	bool is_live;
	int err = mapfs_store_describe(path, &info, f->why);

	if (err)
		return err;
	/* A store that is in use in another namespace, or by a subcommand, has
	   no mount here. */
	is_live = info.pid && find_mount_of(f, path, info.mountpoint, &row);
	mapfs_store_info_fini(&info);
	if (is_live)
		return found_live(f, &row, row.target);
	t->kind = TARGET_STORE;
	t->shown = strdup(path);
	t->store = strdup(path);
	t->inside = strdup("");
	return t->shown && t->store && t->inside ? 0 : out_of_memory(f);
}

/* What a killed command left is named as such. */
static int refuse_leftover(const char *path, struct reason *why)
{
	enum mapfs_leftover left;

	if (mapfs_leftover(path, &left, why) || !left ||
	    left == MAPFS_LEFTOVER_EMPTY)
		return 0;
	return -EINVAL;
}

static int find_path(struct find *f, const char *path)
{
	struct mount_row row;

	if (find_mount(f->table, path, &row) && mounts_is_mapfs(&row))
		return found_live(f, &row, path);
	if (refuse_leftover(path, f->why))
		return -EINVAL;
	if (is_store(path))
		return found_store(f, path);
	if (errno == EACCES) {
		reason_set(f->why,
			   "%s: permission denied; ask its owner or root",
			   f->arg);
		return -EACCES;
	}
	reason_set(f->why,
		   "%s: neither in a mapfs mount nor a store; see mapfs list",
		   f->arg);
	return -EINVAL;
}

/* STORE@NAME; no name has an '@', so the last one separates. */
static int find_snapshot(struct find *f)
{
	char path[PATH_MAX];
	char *store = strdup(f->arg);
	char *at = store ? strrchr(store, '@') : NULL;
	int err = 0;

	if (!store)
		return out_of_memory(f);
	if (!at || at == store || !at[1])
		err = -ENOENT;
	if (!err) {
		*at = '\0';
		err = realpath(store, path) ? 0 : -errno;
	}
	if (err) {
		reason_set(f->why, "%s: %s; see mapfs list", f->arg,
			   strerror(-err));
	} else {
		err = find_path(f, path);
	}
	if (!err) {
		f->out->snapshot = strdup(at + 1);
		err = f->out->snapshot ? 0 : out_of_memory(f);
	}
	free(store);
	return err;
}

int target_find(struct target *out, const char *arg, struct reason *why)
{
	struct find f = {
		.out = out,
		.arg = arg,
		.why = why,
	};
	char path[PATH_MAX];
	int err;

	*out = (struct target){ .fd = -1 };
	if (*arg == '\0') {
		reason_set(why,
			   "'': an empty name; give a mount point or a store");
		return -EINVAL;
	}
	err = mounts_read(&f.table);
	if (err) {
		reason_set(why,
			   "/proc/self/mountinfo: cannot be read; mount proc");
		return err;
	}
	if (realpath(arg, path))
		err = find_path(&f, path);
	else if (errno == ENOENT || errno == ENOTDIR)
		err = find_snapshot(&f);
	else
		reason_set(why, "%s: %s; see mapfs list", arg,
			   strerror(-(err = -errno)));
	mounts_free(f.table);
	if (err)
		target_fini(out);
	return err;
}

/* The rest of an absolute path behind the mount point; NULL: not in it. */
static const char *below(const struct target *t, const char *path)
{
	size_t n = strlen(t->shown);

	if (t->kind != TARGET_LIVE || strncmp(path, t->shown, n) != 0)
		return NULL;
	return path[n] == '\0' || path[n] == '/' ? path + n : NULL;
}

int target_path(const struct target *t, const char *arg, char **out,
		struct reason *why)
{
	const bool is_absolute = arg[0] == '/';
	const char *path = is_absolute ? below(t, arg) : arg;
	char *all = NULL;
	int err;

	/* The value of an unset variable must not mean everything. */
	if (arg[0] == '\0') {
		reason_set(why, "'': an empty path; say . for everything");
		return -EINVAL;
	}
	/* A path that leads out is refused below. */
	err = path_join(&all, is_absolute ? "" : t->inside, path ? path : "..");
	if (!err)
		err = viewpath_normalize(all, out);
	free(all);
	if (err)
		reason_set(
			why,
			"%s: not a path in the view; give it from the root of "
			"the view, without ..",
			arg);
	return err;
}

int target_refuse_snapshot(const struct target *t, struct reason *why)
{
	if (!t->snapshot)
		return 0;
	reason_set(why,
		   "%s@%s: a snapshot cannot be changed; name the store alone",
		   t->store ? t->store : t->shown, t->snapshot);
	return -EINVAL;
}

int target_look(const struct target *t, const char *snapshot,
		struct mapfs_view **out, struct reason *why)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = t->store,
		.snapshot = snapshot,
		.is_trusted = t->is_trusted,
		.look_only = true,
	};

	return mapfs_view_open(out, &opt, why);
}

int target_open_view(const struct target *t, bool look_only,
		     struct mapfs_view **out, struct reason *why)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = t->store,
		.snapshot = t->snapshot,
		.is_trusted = t->is_trusted,
		.look_only = look_only,
		.progress = progress_note,
		.progress_arg = PROGRESS_COMPACTION,
	};

	if (t->store && !look_only)
		registry_add(t->store, NULL);
	if (t->store)
		return mapfs_view_open(out, &opt, why);
	reason_set(why,
		   "%s: this view has no kept store; mount it with -s STORE",
		   t->shown);
	return -EINVAL;
}

int target_open_store(const struct target *t, struct mapfs_view **out,
		      struct reason *lost, struct reason *why)
{
	const struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.store = t->store,
		.snapshot = t->snapshot,
		.is_trusted = t->is_trusted,
		.look_only = true,
		.without_base = true,
	};
	enum mapfs_base_state state = MAPFS_BASE_FITS;
	int err = 0;

	reason_clear(lost);
	if (t->store)
		err = mapfs_base_state(t->store, &state, why);
	if (err)
		return err;
	if (state == MAPFS_BASE_FITS)
		return target_open_view(t, true, out, why);
	*lost = *why;
	return mapfs_view_open(out, &opt, why);
}

void target_fini(struct target *t)
{
	/* Never 0, which the standard input has: the target may be zeroed. */
	if (t->fd > 0)
		close(t->fd);
	free(t->shown);
	free(t->inside);
	free(t->store);
	free(t->snapshot);
	*t = (struct target){ .fd = -1 };
}
