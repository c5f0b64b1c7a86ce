/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_BASE_RECORD_H
#define MAPFS_CORE_STORE_BASE_RECORD_H

/*
 * Which directory is the base of a store: recorded, and compared with the one
 * that the store is opened with.
 *
 * Lifetime: the path of a struct store_base is the caller's to free.
 * Errors:   0 or a negative errno and a sentence in `why`.  -EXDEV: another
 *           directory.
 * Locking:  none; store_recorded_base() may be called while another process
 *           uses the store.
 */
#include "options.h"

/*
 * Is the base that a store is opened with the recorded one (`path`, `id`)?
 * A base that was moved to another path is still the same directory.
 */
int must_check store_check_base(const struct store_options *opt,
				const char *store, const char *path,
				const struct base_identity *id,
				struct reason *why);
/* The refusal of a base that is known to be another one: -EXDEV. */
int must_check store_refuse_base(const struct store_options *opt,
				 const char *store, const char *path,
				 const struct base_identity *id,
				 struct reason *why);

struct store_base {
	char *path;		 /* allocated */
	struct base_identity id; /* ino 0: unknown */
};

int must_check store_recorded_base(const char *path, struct store_base *out,
				   struct reason *why);

#endif
