/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_PARTITION_GPT_H
#define MAPFS_TOOLS_PARTITION_GPT_H

/*
 * What is left of a GPT that libfdisk does not accept.
 *
 * Errors:   none.
 * Locking:  none.
 */
#include "image.h"

/* Is there a header of a GPT where the first copy belongs? */
bool gpt_has_header(const struct image *im);
/* Why the image has no sound GPT: it was cut off, or both copies are damaged. */
void gpt_explain(const struct image *im, struct reason *why);

#endif
