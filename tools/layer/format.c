/* SPDX-License-Identifier: MIT */
#include "format.h"

const char *layer_read_error(struct archive *a)
{
	const char *words = archive_error_string(a);

	return words ? words : "damaged, or cut off";
}
