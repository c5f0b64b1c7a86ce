/* SPDX-License-Identifier: MIT */
#include "array.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAP 16

/* The caller's pointer to elements of any type. */
typedef void *__attribute__((may_alias)) any_pointer;

int array_reserve_bytes(void *array, size_t element_bytes, size_t *cap,
			size_t want)
{
	any_pointer *elements = array;
	/* What malloc(3) accepts at most. */
	const size_t most = PTRDIFF_MAX / element_bytes;
	size_t next = *cap <= most / 2 ? *cap * 2 : most;
	void *more;

	if (want <= *cap)
		return 0;
	if (want > most)
		return -ENOMEM;
	if (next < FIRST_CAP)
		next = FIRST_CAP;
	if (next < want)
		next = want;
	more = realloc(*elements, next * element_bytes);
	if (!more)
		return -ENOMEM;
	*elements = more;
	*cap = next;
	return 0;
}
