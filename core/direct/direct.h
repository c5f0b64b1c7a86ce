/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_DIRECT_H
#define MAPFS_CORE_DIRECT_DIRECT_H

/*
 * Read and write mode: view operations straight onto the base.
 *
 * Both keep a listing per open directory.  Of files read mode keeps nothing;
 * write mode keeps a descriptor per open, because a file may be open for
 * writing that its mode no longer lets us open.
 *
 * Lifetime: direct_open() gives a view; its ops' close ends it.
 * Errors, locking: as mapfs.h.
 */
#include "core/view/view.h"

int must_check direct_open(struct mapfs_view **out,
			   const struct mapfs_options *opt, struct reason *why);

#endif
