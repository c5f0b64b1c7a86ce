/* SPDX-License-Identifier: MIT */
/*
 * Whether touching a byte of a map raises SIGBUS.
 *
 * Lifetime: nothing is kept; the handler stays installed.
 * Errors:   a signal that is not expected ends the program.
 * Locking:  for programs of one thread.
 */
#ifndef MAPFS_TESTS_MMAP_FAULT_H
#define MAPFS_TESTS_MMAP_FAULT_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

static sigjmp_buf fault_return;

static void fault_caught(int sig)
{
	siglongjmp(fault_return, sig);
}

static inline bool fault_on(volatile char *byte, bool is_store)
{
	struct sigaction act = { .sa_handler = fault_caught };

	sigaction(SIGBUS, &act, NULL);
	if (sigsetjmp(fault_return, 1) != 0)
		return true;
	if (is_store)
		*byte = 'x';
	else
		(void)*byte;
	return false;
}

static inline bool fault_on_read(char *byte)
{
	return fault_on(byte, false);
}

static inline bool fault_on_store(char *byte)
{
	return fault_on(byte, true);
}

#endif
