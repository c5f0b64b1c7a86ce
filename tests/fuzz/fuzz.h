/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TESTS_FUZZ_FUZZ_H
#define MAPFS_TESTS_FUZZ_FUZZ_H

/*
 * What the fuzzers share.  A fuzzer has LLVMFuzzerTestOneInput() and
 * fuzz_seeds().  With -Dfuzzer=true the compiler provides main(); otherwise
 * fuzz_main.c does, which mutates the seeds as often as its argument says, the
 * same way each time, or writes them to a directory.
 *
 * Lifetime: inputs are borrowed.
 * Errors:   what must hold and does not ends the process.
 * Locking:  one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void (*fuzz_seed_fn)(const uint8_t *data, size_t size);
void fuzz_seeds(fuzz_seed_fn fn);

void fuzz_must(bool held);
/* A directory in memory, removed at the end; for the whole process. */
const char *fuzz_dir(void);
/* DIR/NAME gets these bytes. */
void fuzz_put(const char *dir, const char *name, const uint8_t *data,
	      size_t size);
/* Its bytes, to be freed; NULL: there is no such file. */
uint8_t *fuzz_get(const char *dir, const char *name, size_t *size);

/*
 * Checksums of a file of a store that was changed, as far as its parts can be
 * told: without them no change would be looked at.
 */
void fuzz_sum_segment(uint8_t *data, size_t size);
void fuzz_sum_anchor(uint8_t *data, size_t size);
/* Of the commit's: open, plan, inos, after, sums. */
void fuzz_sum_saved_file(uint8_t *data, size_t size);

#endif
