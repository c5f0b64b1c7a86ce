/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a copy view, and the way back to one.
 */
#include "overlay_priv.h"
#include "trouble.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int overlay_snapshot_create(struct mapfs_view *v, const char *name,
			    const char *message, char *why, size_t why_bytes)
{
	if (name[0] == '.') {
		(void)snprintf(
			why, why_bytes,
			"snapshot name '%s': names with a dot in front are mapfs's own; choose another",
			name);
		return -EINVAL;
	}
	return store_snapshot_create(overlay_of(v)->store, name, message, why,
				     why_bytes);
}

int overlay_snapshot_delete(struct mapfs_view *v, const char *name, char *why,
			    size_t why_bytes)
{
	return store_snapshot_delete(overlay_of(v)->store, name, why,
				     why_bytes);
}

int overlay_snapshot_iterate(struct mapfs_view *v, mapfs_snapshot_fn fn,
			     void *arg)
{
	struct overlay *o = overlay_of(v);
	const struct snapshots *all = &o->set.snapshots;
	int ret = 0;

	rwlock_read(&o->ns_lock);
	for (const struct snapshot *one = all->list; one && !ret;
	     one = one->next) {
		/* Those with a dot are mapfs's own, of a commit. */
		if (one->rec.name[0] == '.')
			continue;
		ret = fn(arg, &(struct mapfs_snapshot){
				      .id = one->rec.id,
				      .name = one->rec.name,
				      .message = one->rec.message,
				      .time = one->rec.time,
				      .private_pages = one->rec.private_pages,
				      .is_reachable =
					      snapshots_is_reachable(all, one),
			      });
	}
	rwlock_unlock(&o->ns_lock);
	return ret;
}
