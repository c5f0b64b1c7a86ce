/* SPDX-License-Identifier: MIT */
/*
 * mapfs umount: unmounts a view, and waits until its daemon has closed the
 * store, so that the store can be used at once.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "fs/session/unmount.h"
#include "tools/lib/mounts.h"
#include "tools/lib/text.h"

#define BUSY_TRIES 5
#define SOON_MS 1000
#define CLOSE_MS 60000

struct umount_args {
	const char *target;
	bool lazy;
};

/* A descriptor of the daemon; -1: `pid` is another process here. */
static int daemon_fd(pid_t pid)
{
	char path[64];
	char name[32] = "";
	FILE *f;
	int fd;

	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -1;
	/* Read after opening: from now on no other process gets the number. */
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
	}
	if (strcmp(name, "mapfs\n") == 0)
		return fd;
	close(fd);
	return -1;
}

static bool daemon_ends(int fd, int timeout_ms)
{
	struct pollfd p = {
		.fd = fd,
		.events = POLLIN,
	};
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static int daemon_wait(const char *target, dev_t dev, int fd)
{
	struct mount_seen by;

	if (daemon_ends(fd, SOON_MS))
		return COMMAND_OK;
	/* Then the daemon does not end: it serves the other mount. */
	if (mounts_seen(dev, &by)) {
		if (by.pid == getpid())
			say("%s: unmounted, but it is mounted on %s, too; "
			    "unmount that before using the store again",
			    target, by.target);
		else
			say("%s: unmounted, but process %d has it in a mount "
			    "namespace of its own; end that before using the "
			    "store again",
			    target, (int)by.pid);
		return COMMAND_FAILED;
	}
	if (daemon_ends(fd, CLOSE_MS))
		return COMMAND_OK;
	say("%s: unmounted, but its daemon is still running; wait until it "
	    "ends before using the store again",
	    target);
	return COMMAND_FAILED;
}

/* A program may use the mount for a moment only, so this tries again. */
static int unmount_patiently(const char *target, bool lazy,
			     struct reason *words)
{
	static const struct timespec tick = { .tv_nsec = 50000000 };
	int err;

	for (int i = 0; i < BUSY_TRIES; i++) {
		err = unmount_path(target, lazy, words);
		if (err != -EBUSY)
			break;
		nanosleep(&tick, NULL);
	}
	return err;
}

static void say_refusal(const char *target, int err, const struct reason *words)
{
	switch (err) {
	case -EBUSY:
		say("%s: in use; end the programs that use it (fuser -vm "
		    "names them), or use --lazy",
		    target);
		break;
	case -EPERM:
		say("%s: another user's mount; ask its owner or root to unmount it",
		    target);
		break;
	case -ENOENT:
		say("fusermount3: not found; install the package fuse3, or "
		    "unmount as root");
		break;
	case -EIO:
		say("%s: fusermount3 refused: %.*s; try as root", target,
		    (int)strcspn(words->text, "\n"), words->text);
		break;
	default:
		say("%s: %s; see mapfs list", target, strerror(-err));
		break;
	}
}

static int umount_row(const struct mount_row *row, bool lazy)
{
	struct mapfs_control_info *info = calloc(1, sizeof(*info));
	int status = COMMAND_OK;
	struct reason words;
	int fd = -1;
	int err;

	if (info && mounts_ask(row, info) == 0)
		fd = daemon_fd(info->pid);
	free(info);
	err = unmount_patiently(row->target, lazy, &words);
	if (err) {
		say_refusal(row->target, err, &words);
		status = COMMAND_FAILED;
	} else if (fd >= 0 && !lazy) {
		status = daemon_wait(row->target, row->dev, fd);
	}
	if (fd >= 0)
		close(fd);
	return status;
}

static int umount_target(const char *arg, bool lazy)
{
	char path[PATH_MAX];
	struct mounts *table;
	struct mount_row row;
	int status = COMMAND_FAILED;

	if (!realpath(arg, path)) {
		say("%s: %s; see mapfs list", arg, strerror(errno));
		return COMMAND_FAILED;
	}
	if (mounts_read(&table)) {
		say("/proc/self/mountinfo: cannot be read; mount proc");
		return COMMAND_FAILED;
	}
	if (!mounts_find(table, path, &row))
		say("%s: nothing is mounted here; see mapfs list", arg);
	else if (!mounts_is_mapfs(&row))
		say("%s: not a mapfs mount but %s; use umount", arg, row.type);
	else
		status = umount_row(&row, lazy);
	mounts_free(table);
	return status;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct umount_args *args = state->input;

	switch (key) {
	case 'l':
		args->lazy = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->target)
			argp_error(state, "too many arguments");
		args->target = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->target)
			argp_error(state, "MOUNTPOINT is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option umount_options[] = {
	{ "lazy", 'l', NULL, 0,
	  "Make the view disappear now; it ends when no process uses it "
	  "any more",
	  0 },
	{ 0 }
};

static const struct argp umount_argp = {
	.options = umount_options,
	.parser = parse_option,
	.args_doc = "MOUNTPOINT",
	.doc = "Unmounts a view, and waits until its store is closed, so "
	       "that the store can be used at once.\v"
	       "The mount of a "
	       "daemon that has died is unmounted, too. A view that is in "
	       "use is not unmounted without --lazy.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs umount view",
};

int cmd_umount(int argc, char **argv)
{
	struct umount_args args = { 0 };

	if (argp_parse(&umount_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return umount_target(args.target, args.lazy);
}
