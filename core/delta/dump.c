/* SPDX-License-Identifier: MIT */
/*
 * Inodes with their pages and xattrs first, names last, so that each record
 * finds what it builds on.  A group may end between any two records, because
 * the groups of a dump count only all together.
 */
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_GROUP_BYTES (256U << 10)

struct dump {
	struct delta_set *set;
	unsigned int rank; /* of the inodes that this pass dumps */
	bool has_higher_rank;
	struct group group;
	int (*emit)(void *arg, const struct group *g);
	void *arg;
};

static int dump_flush(struct dump *d, size_t above)
{
	int err = group_error(&d->group);

	if (err || d->group.len_bytes <= above)
		return err;
	err = d->emit(d->arg, &d->group);
	group_reset(&d->group);
	return err;
}

/* A file with a million runs must not make a group that is too long. */
static int dump_pages(struct dump *d, const struct delta *delta)
{
	struct pt_run run;
	mapfs_pgno at = 0;
	int err = 0;

	while (!err && pagetable_next(&delta->pages, at, &run)) {
		group_add(&d->group, &(struct record){
			.type = RECORD_PAGES,
			.pages = {
				.ino = delta->attr.ino,
				.first = run.first,
				.count = run.count,
				.kind = run.kind,
				.apage = run.kind == PT_ARENA ? run.apage : 0,
			},
		});
		at = run.first + run.count;
		err = dump_flush(d, DUMP_GROUP_BYTES);
	}
	return err;
}

static int dump_xattrs(struct dump *d, const struct delta *delta)
{
	int err = 0;

	if (!delta->owns_xattrs)
		return 0;
	group_add(&d->group, &(struct record){
				     .type = RECORD_XATTR_OWN,
				     .ino = delta->attr.ino,
			     });
	for (const struct xattr *x = delta->xattrs; x && !err; x = x->next) {
		group_add(&d->group, &(struct record){
			.type = RECORD_XATTR,
			.xattr = {
				.ino = delta->attr.ino,
				.name = x->name,
				.value = xattr_value(x),
				.value_bytes = x->value_bytes,
			},
		});
		err = dump_flush(d, DUMP_GROUP_BYTES);
	}
	return err;
}

/*
 * Inodes that were at one place, one after the other, are dumped in that order,
 * in one pass each: so a replay finds the newest one again.
 */
static bool is_of_pass(struct dump *d, const struct inode *i, const char *path)
{
	unsigned int rank = 0;

	if (path && !origins_are_simple(&d->set->origins))
		rank = origins_rank(&d->set->origins, path, i->ino);
	if (rank > d->rank)
		d->has_higher_rank = true;
	return rank == d->rank;
}

static int dump_inode(struct dump *d, struct inode *i)
{
	const struct delta *delta = i->delta;
	struct record r = {
		.type = RECORD_INODE,
		.inode = {
			.attr = delta->attr,
			.has_base = delta->base != NULL,
			.generation = delta->generation,
			.rdev = delta->rdev,
			.btime = delta->btime,
			.text = delta->target ? delta->target : "",
		},
	};
	char *path = NULL;
	int err = 0;

	if (delta->base) {
		err = inode_base_path(d->set->itable, i, &path);
		if (err)
			return err;
		r.inode.sig = delta->base->sig;
		r.inode.base_blocks_512 = delta->base->blocks_512;
		r.inode.text = path;
	}
	if (!is_of_pass(d, i, path)) {
		free(path);
		return 0;
	}
	d->set->dumped++;
	r.inode.text_bytes = strlen(r.inode.text);
	group_add(&d->group, &r);
	free(path);
	err = dump_pages(d, delta);
	if (!err)
		err = dump_xattrs(d, delta);
	return err ? err : dump_flush(d, DUMP_GROUP_BYTES);
}

static int dump_dentry(void *arg, const struct dentry *e)
{
	struct dump *d = arg;

	d->set->dumped++;
	group_add(&d->group, &(struct record){
		.type = RECORD_DENTRY,
		.dentry = {
			.dir = e->dir,
			.ino = e->ino,
			.type = e->type,
			.over_base = e->over_base,
			.name = e->name,
			.name_bytes = e->name_bytes,
		},
	});
	if (e->hidden != 0)
		group_add(&d->group, &(struct record){
			.type = RECORD_HIDDEN,
			.hidden = {
				.dir = e->dir,
				.sum = e->hidden,
				.name = e->name,
				.name_bytes = e->name_bytes,
			},
		});
	return dump_flush(d, DUMP_GROUP_BYTES);
}

static int dump_pass(struct dump *d, const mapfs_ino *inos, size_t count)
{
	int err = 0;

	d->has_higher_rank = false;
	for (size_t n = 0; !err && n < count; n++) {
		struct inode *i = itable_get(d->set->itable, inos[n]);

		err = dump_inode(d, i);
		(void)inode_put(d->set->itable, i);
	}
	return err;
}

int delta_set_dump(struct delta_set *s,
		   int (*emit)(void *arg, const struct group *g), void *arg)
{
	struct dump d = { .set = s, .emit = emit, .arg = arg };
	mapfs_ino *inos = NULL;
	size_t count = 0;
	int err;

	group_init(&d.group);
	err = itable_list_kept(s->itable, &inos, &count);
	s->dumped = 0;
	s->dump_all = count + s->names.dentries.count;
	do {
		if (!err)
			err = dump_pass(&d, inos, count);
		d.rank++;
	} while (!err && d.has_higher_rank);
	if (!err)
		err = namespace_iterate(&s->names, dump_dentry, &d);
	if (!err)
		err = dump_flush(&d, 0);
	group_fini(&d.group);
	free(inos);
	return err;
}
