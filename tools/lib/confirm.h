/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_CONFIRM_H
#define MAPFS_TOOLS_LIB_CONFIRM_H

/*
 * The question before something that cannot be taken back.
 *
 * Errors: none; without a terminal nobody can be asked, so the answer is no,
 *         and says which option means yes.
 */
#include <stdbool.h>

/* `object` is what a refusal is about. */
bool confirm(const char *object, const char *question);
/* Just asks, on a terminal; yes only in words. */
bool confirm_ask(const char *question);

#endif
