/* SPDX-License-Identifier: MIT */
#include "revert_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lookup.h"
#include "lost.h"

/* strsep() has cut `path` up to `name`, which is no directory. */
static void say_no_directory(struct reason *why, char *path, const char *name)
{
	for (char *p = path; p < name; p++) {
		if (!*p)
			*p = '/';
	}
	reason_set(
		why,
		"%s: no directory of the view, so nothing in it can be reverted; if the base has it, revert it itself first",
		path);
}

/*
 * The directory of the path's last name, with a hold; ns_lock held.  t->name is
 * borrowed from `path`, which is cut.
 */
static int walk(struct revert_target *t, char *path, struct reason *why)
{
	struct overlay *o = t->o;
	struct lookup_result f = { 0 };
	char *rest = path;
	char *name = strsep(&rest, "/");
	int err = overlay_get(o, o->view.root_ino, &t->dir);

	while (!err && rest) {
		if (name[0] == '\0' || strcmp(name, ".") == 0) {
			name = strsep(&rest, "/");
			continue;
		}
		err = strcmp(name, "..") == 0 ?
			      -EINVAL :
			      overlay_find(o, t->dir, name, &f);
		if (!err && (!f.inode || !S_ISDIR(f.inode->type)))
			err = f.inode ? -ENOTDIR : -ENOENT;
		if (err == -ENOENT || err == -ENOTDIR)
			say_no_directory(why, path, name);
		if (err)
			break;
		(void)inode_put(o->itable, t->dir);
		t->dir = f.inode;
		f.inode = NULL;
		name = strsep(&rest, "/");
	}
	if (f.inode)
		(void)inode_put(o->itable, f.inode);
	t->name = name;
	return err;
}

/* Finds what the base has at the path, or has lost there. */
static int find_base(struct revert_target *t)
{
	struct statx stx;
	char *path;
	bool foreign;
	int asked;
	int err;

	if (!overlay_has_base(t->o, t->dir))
		return 0;
	asked = base_stat(t->o->base, t->dir, t->name, &stx, &foreign);
	if (asked && asked != -ENOENT && !overlay_lost_dir(t->o, t->dir, asked))
		return asked;
	err = overlay_base_path(t->o, t->dir, t->name, &path);
	if (err)
		return err;
	if (asked && !origins_get(&t->o->set.origins, path, 0) &&
	    !origins_below(&t->o->set.origins, path)) {
		free(path);
		return 0;
	}
	t->base_path = path;
	if (asked)
		return 0;
	t->base_ino = stx.stx_ino;
	t->base_generation = base_generation(&stx);
	t->base_is_dir = S_ISDIR(stx.stx_mode) && !foreign;
	return 0;
}

int revert_target_find(struct revert_target *t, const char *path,
		       struct reason *why)
{
	char *copy = strdup(path);
	const char *name;
	int err = copy ? walk(t, copy, why) : -ENOMEM;

	if (!err)
		err = find_base(t);
	name = t->name;
	t->name = NULL;
	if (!err) {
		t->name = strdup(name);
		err = t->name ? 0 : -ENOMEM;
	}
	free(copy);
	return err;
}

void revert_target_fini(struct revert_target *t)
{
	if (t->dir)
		overlay_put(t->o, t->dir);
	free(t->name);
	free(t->base_path);
	*t = (struct revert_target){ .o = t->o };
}
