/* SPDX-License-Identifier: MIT */
/*
 * The tables of planning, which live beside those of the plan.
 */
#include "planning.h"

#include <stdlib.h>

#include "core/lib/array.h"

void planning_init(struct planning_ctx *c, struct overlay *o,
		   struct commit_ctx *commit, enum mapfs_resolution resolution)
{
	*c = (struct planning_ctx){
		.overlay = o,
		.commit = commit,
		.plan = commit->plan,
		.resolution = resolution,
	};
}

void planning_fini(struct planning_ctx *c)
{
	for (size_t i = 0; i < c->conflict_count; i++)
		free(c->conflicts[i].path);
	free(c->conflicts);
	free(c->info);
	free(c->inodes);
	*c = (struct planning_ctx){ 0 };
}

int planning_add_object(struct planning_ctx *c, mapfs_ino ino,
			struct plan_object **out)
{
	struct plan_object *o;
	int err = plan_add_object(c->plan, ino, &o);

	if (err)
		return err;
	err = array_reserve(&c->info, &c->info_cap, (size_t)o->id + 1);
	if (err)
		return err;
	c->info[o->id] = (struct object_info){ 0 };
	*out = o;
	return 0;
}

bool planning_is_empty(const struct planning_ctx *c)
{
	for (uint32_t i = 0; i < c->plan->name_count; i++)
		if (plan_name_changes(c->plan->names[i]))
			return false;
	for (uint32_t i = 0; i < c->plan->object_count; i++)
		if (c->info[i].delta && !c->info[i].keeps_base)
			return false;
	return true;
}
