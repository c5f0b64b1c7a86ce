/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_PLACES_H
#define MAPFS_CORE_STORE_PLACES_H

/*
 * Where files of a store are opened.
 *
 * Lifetime: descriptors are borrowed until the callback returns.
 * Errors:   0 or what the callback returned.
 * Locking:  none; called before the store is changed.
 */
#include "core/mapfs.h"

struct store;

/* The part of mapfs_view_places() that is the store's. */
int must_check store_places(const struct store *st, mapfs_place_fn fn,
			    void *arg);

#endif
