/* SPDX-License-Identifier: MIT */
/*
 * RECORD_STORE has the path of the base, RECORD_BASE what identifies it.  A
 * store written before there was RECORD_BASE knows its base from the root in
 * its delta, if that was changed.  A base that only moved is accepted at its
 * new path, which is then recorded.  If another directory is at its path, it is
 * refused: nothing of the delta would fit.
 */
#include "base_record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/lib/reason.h"
#include "peek.h"
#include "reasons.h"

static void reason_base_replaced(const char *store, const char *base,
				 enum base_kind kind, struct reason *why)
{
	/* An export would have only the parts of the file that were changed. */
	if (kind == BASE_KIND_FILE)
		reason_set(
			why,
			"store %s: its base %s was replaced by another file, which the changes do not fit; put the old file back",
			store, base);
	else
		reason_set(
			why,
			"store %s: its base %s was replaced; put the old one back, or export this store and import it onto the new one",
			store, base);
}

int store_refuse_base(const struct store_options *opt, const char *store,
		      const char *path, const struct base_identity *id,
		      struct reason *why)
{
	if (id->kind == BASE_KIND_NONE)
		reason_set(
			why,
			"store %s has no base, so %s does not fit; mount it with `mapfs mount -s %s none MOUNTPOINT`",
			store, opt->base, store);
	else if (opt->base_id.kind == BASE_KIND_NONE)
		reason_set(
			why,
			"store %s holds changes of %s, so it needs that base; mount it with `mapfs mount -s %s %s MOUNTPOINT`",
			store, path, store, path);
	else if (strcmp(path, opt->base) == 0)
		reason_base_replaced(store, path, id->kind, why);
	else if (base_is_same(id, &opt->base_id, false))
		reason_set(
			why,
			"store %s holds changes of a file that was called %s, and knows it by this name; rename %s back",
			store, strrchr(path, '/') + 1, opt->base);
	else
		reason_set(
			why,
			"store %s holds changes of %s, not of %s; mount it with that base",
			store, path, opt->base);
	return -EXDEV;
}

/* The delta knows a base that is a file by its name in the root. */
static bool has_same_name(const struct base_identity *id, const char *was,
			  const char *is)
{
	return id->kind != BASE_KIND_FILE ||
	       strcmp(strrchr(was, '/'), strrchr(is, '/')) == 0;
}

int store_check_base(const struct store_options *opt, const char *store,
		     const char *path, const struct base_identity *id,
		     struct reason *why)
{
	const bool is_there = strcmp(path, opt->base) == 0;

	if (opt->base_id.ino == 0)
		return 0;
	if (id->ino ? base_is_same(id, &opt->base_id, !is_there) &&
			      has_same_name(id, path, opt->base) :
		      is_there)
		return 0;
	return store_refuse_base(opt, store, path, id, why);
}

int store_recorded_base(const char *path, struct store_base *out,
			struct reason *why)
{
	struct store_facts f;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0) {
		err = -errno;
		reason_set(why, "store %s: %s", path, reason_of(err));
		return err;
	}
	err = store_peek(&f, fd, path, why);
	close(fd);
	if (err)
		return err;
	*out = (struct store_base){ .path = f.base, .id = f.base_id };
	f.base = NULL;
	store_facts_fini(&f);
	return 0;
}

/* Which directory is at the path now?  An `id` with ino 0 fits every one. */
static int look_at_base(const char *path, const struct base_identity *id,
			enum mapfs_base_state *out)
{
	struct base_identity now;
	int err = 0;
	int fd;

	*out = MAPFS_BASE_FITS;
	if (id->kind == BASE_KIND_NONE)
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return -errno;
	*out = MAPFS_BASE_GONE;
	if (fd < 0)
		return 0;
	err = base_identify(fd, &now);
	close(fd);
	if (!err)
		*out = id->ino == 0 || base_is_same(id, &now, false) ?
			       MAPFS_BASE_FITS :
			       MAPFS_BASE_REPLACED;
	return err;
}

int mapfs_base_state(const char *store, enum mapfs_base_state *out,
		     struct reason *why)
{
	struct store_base base = { 0 };
	int err = store_recorded_base(store, &base, why);

	if (err)
		return err;
	assert(base.path);
	err = look_at_base(base.path, &base.id, out);
	if (err)
		reason_set(why, "base %s: %s", base.path, reason_of(err));
	else if (*out == MAPFS_BASE_REPLACED)
		reason_base_replaced(store, base.path, base.id.kind, why);
	else if (*out == MAPFS_BASE_GONE)
		reason_base_gone(why, store, base.path);
	free(base.path);
	return err;
}
