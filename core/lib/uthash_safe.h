/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_UTHASH_SAFE_H
#define MAPFS_CORE_LIB_UTHASH_SAFE_H

/*
 * uthash that reports a failed allocation instead of ending the process:
 * after a failed HASH_ADD the element is not in the table, and its hh.tbl is
 * NULL.
 *
 * Lifetime, locking: whoever owns the table.  Errors: see above.
 */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
