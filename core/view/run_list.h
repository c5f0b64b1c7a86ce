/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_VIEW_RUN_LIST_H
#define MAPFS_CORE_VIEW_RUN_LIST_H

/*
 * The runs of a file in the making: collected under a lock, told without one.
 *
 *	struct run_list l = { 0 };
 *
 *	err = run_list_add(&l, off, end, MAPFS_SOURCE_HOLE);
 *	err = run_list_add_base(&l, ...);
 *	err = run_list_tell(&l, fn, arg);
 *	run_list_fini(&l);
 *
 * Lifetime: a zeroed list is empty; run_list_fini() frees it.
 * Errors:   0 or -ENOMEM.
 * Locking:  none; the caller's.
 */
#include "core/mapfs.h"

struct run_list {
	struct mapfs_run *runs;
	size_t count;
	size_t cap;
};

/* Adds bytes off .. end - 1, which follow those that were added before. */
int must_check run_list_add(struct run_list *l, uint64_t off, uint64_t end,
			    enum mapfs_source source);
/* lseek(2) with SEEK_DATA or SEEK_HOLE; -ENXIO as there. */
struct run_seek {
	int (*fn)(void *arg, uint64_t off, int whence, uint64_t *out);
	void *arg;
};
/* The same for bytes of the base: data, and holes of whole pages. */
int must_check run_list_add_base(struct run_list *l, uint64_t off, uint64_t end,
				 const struct run_seek *seek);
/* Calls fn for each run; a non-zero result stops and is returned. */
int must_check run_list_tell(const struct run_list *l, mapfs_run_fn fn,
			     void *arg);
void run_list_fini(struct run_list *l);

#endif
