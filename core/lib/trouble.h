/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_LIB_TROUBLE_H
#define MAPFS_CORE_LIB_TROUBLE_H

/*
 * The end of a sentence for people, "OBJECT: reason; next step", where an
 * error number is all that is known.
 *
 * Lifetime: the text is borrowed, and valid until the thread's next call of
 *           this or of strerror().
 * Errors:   none.
 * Locking:  none.
 */

/* `err` is a negative errno. */
const char *trouble_text(int err);

#endif
