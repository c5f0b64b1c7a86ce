/* SPDX-License-Identifier: MIT */
/*
 * Where the time stamps of the base tell everything there is nothing to ask.
 */
#include "writer.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/lib/log.h"
#include "lost.h"

int overlay_guard(struct overlay *o, struct inode *i)
{
	enum base_writer writer;
	int err = 0;

	if (i->is_guarded || base_hides_stores(o->base))
		return 0;
	err = base_find_writer(o->base, i, &writer);
	if (!err && writer != BASE_WRITER_NONE)
		err = base_guard(o->base, i);
	if (!err)
		i->is_guarded = true;
	return err;
}

int overlay_check_writer(struct overlay *o, struct inode *i)
{
	enum base_writer writer;
	int err;

	if (!base_hides_stores(o->base) || !S_ISREG(i->type) ||
	    !i->delta->base || !overlay_has_own_bytes(i->delta) ||
	    !overlay_needs_base(i->delta))
		return 0;
	err = base_find_writer(o->base, i, &writer);
	if (err || writer != BASE_WRITER_SOME)
		return err;
	log_line(
		LOG_WARNING,
		"base file %s of a changed file is open for writing, and its file system does not tell when it changes: reading it fails until the program that has it open ends",
		i->base_name);
	return -EIO;
}
