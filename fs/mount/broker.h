/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_BROKER_H
#define MAPFS_FS_MOUNT_BROKER_H

/*
 * The broker is a small process that stays outside of the daemon's sandbox and
 * does for the daemon what the sandbox refuses: a fixed list of services, none
 * of which takes a path or a command from the daemon.
 *
 *   broker_start()      forks it, before the daemon has a store, a lock, a
 *                       thread or a mount
 *   broker_unmount(), ...
 *   broker_end()        closes the connection and waits until it has ended
 *
 * It ends by itself when the daemon has died.
 *
 * Lifetime: broker_start() gives the only reference; broker_end() accepts NULL.
 * Errors:   0 or a negative errno; -EPIPE: the broker has died.
 * Locking:  any thread may ask, without a lock of rank RANK_FS; one question is
 *           answered after the other.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

struct broker;

/* The services, called in the broker. */
struct broker_services {
	int (*unmount)(void *arg, bool lazy, struct reason *words);
	int (*remove_place)(void *arg);
	bool (*has_fsetid)(void *arg, pid_t pid);
	bool (*has_group)(void *arg, pid_t pid, gid_t gid);
	void (*log)(void *arg, int level, const char *line);
	void *arg;
};

int must_check broker_start(struct broker **out,
			    const struct broker_services *services);
void broker_end(struct broker *b);

/* Unmounts the view; as unmount_path() of fs/session. */
int must_check broker_unmount(struct broker *b, bool lazy,
			      struct reason *words);
/* Removes the mount point that was made for the view. */
int must_check broker_remove_place(struct broker *b);
/* As caller_has_fsetid() and caller_has_group() of fs/ops. */
bool broker_has_fsetid(struct broker *b, pid_t pid);
bool broker_has_group(struct broker *b, pid_t pid, gid_t gid);
/* Does not wait, and asks nothing: a line that has no room is lost. */
void broker_log(struct broker *b, int level, const char *line);

#endif
