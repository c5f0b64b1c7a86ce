/* SPDX-License-Identifier: MIT */
/* What cppcheck must know of uthash, whose own macros are beyond it. */
#define HASH_ITER(hh, head, e, t) DL_FOREACH_SAFE(head, e, t)
#define DL_FOREACH(head, e) for ((e) = (head); (e); (e) = (e)->next)
#define LL_FOREACH(head, e) DL_FOREACH(head, e)
#define LL_FOREACH_SAFE(head, e, t) DL_FOREACH_SAFE(head, e, t)
#define DL_FOREACH_SAFE(head, e, t) \
	for ((e) = (head), (t) = (e); (e); (e) = (t))
