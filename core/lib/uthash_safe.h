/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_UTHASH_SAFE_H
#define MAPFS_CORE_LIB_UTHASH_SAFE_H

/*
 * uthash, set to report a failed allocation instead of ending the process.
 *
 * Lifetime: tables and elements are the caller's.
 * Errors:   after a failed HASH_ADD the element is not in the table, and its
 *           hh.tbl is NULL.
 * Locking:  the caller's.
 */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
