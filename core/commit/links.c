/* SPDX-License-Identifier: MIT */
/*
 * The walk for further hard links.  It ends as soon as each file that is
 * wanted was found once.
 */
#include "links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/lib/beneath.h"
#include "core/lib/path.h"
#include "lookup.h"

struct links_ctx {
	struct planning_ctx *c;
	uint32_t left; /* objects still to be found */
};

static bool is_wanted(const struct planning_ctx *c, const struct plan_object *o)
{
	uint32_t known = 0;

	if (!o->side[PLAN_BEFORE].exists || S_ISDIR(plan_type(o)) ||
	    o->first_name[PLAN_AFTER] != PLAN_NONE)
		return false;
	for (uint32_t i = o->first_name[PLAN_BEFORE]; i != PLAN_NONE;
	     i = c->plan->names[i]->next[PLAN_BEFORE])
		known++;
	return known > 0 && known < c->info[o->id].nlink;
}

/* Adds this name to the plan, unless it is there already. */
static int take_name(struct links_ctx *s, const char *path)
{
	struct planning_ctx *c = s->c;
	struct base_place place;
	struct plan_name *n;
	char *steps = strdup(path);
	int err = steps ? lookup_path(c, steps, &place) : -ENOMEM;

	if (!err && place.object &&
	    !plan_find_name(c->plan, place.dir, place.last)) {
		err = plan_get_name(c->plan, place.dir, place.last, &n);
		if (!err) {
			n->object[PLAN_BEFORE] = place.object->id;
			n->object[PLAN_AFTER] = place.object->id;
			c->info[place.object->id].is_found = true;
			s->left--;
		}
	}
	free(steps);
	return err;
}

static int search_below(struct links_ctx *s, int dirfd, const char *path);

/* In another subvolume the same inode numbers mean other files. */
static bool open_same_device(int dirfd, const char *name, int *fd)
{
	struct stat above;
	struct stat st;

	if (beneath_open(dirfd, name, O_RDONLY | O_DIRECTORY, fd))
		return false;
	if (fstat(dirfd, &above) == 0 && fstat(*fd, &st) == 0 &&
	    above.st_dev == st.st_dev)
		return true;
	close(*fd);
	return false;
}

static int look_at_entry(struct links_ctx *s, int dirfd, const char *path,
			 const struct dirent *e)
{
	const struct plan_object *o = plan_find_object(s->c->plan, e->d_ino);
	bool may_be_dir = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
	bool may_be_it = o && o->id < s->c->info_cap &&
			 s->c->info[o->id].is_wanted &&
			 !s->c->info[o->id].is_found;
	char *child;
	int err;
	int fd;

	if (!may_be_dir && !may_be_it)
		return 0;
	err = path_join(&child, path, e->d_name);
	if (err)
		return err;
	if (may_be_it)
		err = take_name(s, child);
	/* A name in a directory that may not be entered would be of no use. */
	else if (open_same_device(dirfd, e->d_name, &fd))
		err = search_below(s, fd, child);
	free(child);
	return err;
}

/* Takes `dirfd`. */
static int search_below(struct links_ctx *s, int dirfd, const char *path)
{
	DIR *dir = fdopendir(dirfd);
	const struct dirent *e;
	int err = 0;

	if (!dir) {
		close(dirfd);
		return -ENOMEM;
	}
	while (!err && s->left > 0 && (e = readdir(dir)))
		if (!path_is_dot(e->d_name))
			err = look_at_entry(s, dirfd, path, e);
	closedir(dir);
	return err;
}

int links_find(struct planning_ctx *c)
{
	struct links_ctx s = { .c = c };
	int fd;
	int err = 0;

	for (uint32_t i = 0; i < c->plan->object_count; i++) {
		c->info[i].is_wanted = is_wanted(c, c->plan->objects[i]);
		s.left += c->info[i].is_wanted;
	}
	if (s.left == 0)
		return 0;
	err = beneath_open(c->commit->fd.root, ".", O_RDONLY | O_DIRECTORY,
			   &fd);
	if (!err)
		err = search_below(&s, fd, "");
	return err ? err : plan_index(c->plan);
}
