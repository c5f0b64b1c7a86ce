/* SPDX-License-Identifier: MIT */
/*
 * libfuse and fusermount3 give their reasons in words only, so words are what
 * is compared; unmount.c does the same for unmounting.
 */
#include "mount_error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void mount_error_capture(struct mount_error *r)
{
	*r = (struct mount_error){ .kept = -1 };
	r->fd = memfd_create("stderr", MFD_CLOEXEC);
	if (r->fd < 0)
		return;
	r->kept = dup(STDERR_FILENO);
	if (r->kept < 0)
		return;
	/* dup(2) does not copy FD_CLOEXEC, which mount_error_end() restores. */
	fcntl(r->kept, F_SETFD, fcntl(STDERR_FILENO, F_GETFD));
	dup2(r->fd, STDERR_FILENO);
}

void mount_error_end(struct mount_error *r)
{
	ssize_t n = -1;

	if (r->kept >= 0) {
		dup3(r->kept, STDERR_FILENO,
		     fcntl(r->kept, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0);
		close(r->kept);
	}
	if (r->fd >= 0) {
		n = pread(r->fd, r->words, sizeof(r->words) - 1, 0);
		close(r->fd);
	}
	r->words[n < 0 ? 0 : n] = '\0';
}

static const struct {
	const char *words;
	const char *sentence; /* %s at its start is the mount point */
} known[] = {
	{ "user_allow_other",
	  "option allow_other: not allowed to ordinary users; ask root for "
	  "user_allow_other in /etc/fuse.conf, or drop the option" },
	{ "/dev/fuse not found",
	  "/dev/fuse: not found; load the kernel module (modprobe fuse)" },
	{ "fuse device not found",
	  "/dev/fuse: not found; load the kernel module (modprobe fuse)" },
	{ "open /dev/fuse: Permission denied",
	  "/dev/fuse: permission denied; ask root to give it mode 0666, or "
	  "mount as root" },
	{ "open /dev/fuse: Operation not permitted",
	  "/dev/fuse: not permitted; give this container access to the "
	  "device" },
	{ "posix_spawn",
	  "fusermount3: not found; install the package fuse3, or mount as "
	  "root" },
	{ "Failed to call",
	  "fusermount3: not found; install the package fuse3, or mount as "
	  "root" },
	{ "could not determine username",
	  "fusermount3: your user ID has no name; add it to /etc/passwd, or "
	  "mount as root" },
	{ "too many FUSE filesystems",
	  "fusermount3: too many FUSE mounts; unmount some, or raise "
	  "mount_max in /etc/fuse.conf" },
	{ "user has no write access",
	  "%s: you may not write to this directory; mount on one that you "
	  "own" },
	{ "failed to chdir to mountpoint",
	  "%s: you may not enter this directory; mount on one that you own" },
	{ "mount failed: Operation not permitted",
	  "fusermount3: not permitted to mount; give the container "
	  "CAP_SYS_ADMIN (--cap-add SYS_ADMIN), or fusermount3 its set-uid "
	  "bit (reinstall the package fuse3), or mount as root" },
	{ "mount failed: Permission denied",
	  "%s: the system's security policy refused fusermount3 (Ubuntu "
	  "allows $HOME, /tmp, /mnt, /media and $XDG_RUNTIME_DIR); mount "
	  "there" },
};

/* An option that only root may pass on: fusermount3 names it. */
static bool explain_option(const char *said, struct reason *why)
{
	static const char words[] = "unknown option '";
	const char *at = strstr(said, words);

	if (!at)
		return false;
	at += strlen(words);
	reason_set(why,
		   "option %.*s: not known to the fusermount3 of this system; "
		   "mount as root, or drop the option",
		   (int)strcspn(at, "'"), at);
	return true;
}

/* fusermount3 mounts on a file only if the user may write to it. */
static bool explain_file(const char *said, const char *mountpoint,
			 struct reason *why)
{
	static const char words[] = "failed to open ";
	const char *at = strstr(said, words);
	size_t len = strlen(mountpoint);

	if (!at)
		return false;
	at += strlen(words);
	if (strncmp(at, mountpoint, len) != 0 ||
	    strncmp(at + len, ": ", 2) != 0)
		return false;
	at += len + 2;
	reason_set(why,
		   "%s: you cannot write to this file: %.*s; mount on one that "
		   "you can write to, or as root",
		   mountpoint, (int)strcspn(at, "\n"), at);
	return true;
}

void mount_error_explain(const struct mount_error *r, const char *mountpoint,
			 struct reason *why)
{
	const char *said = r->words;
	size_t line = strcspn(said, "\n");

	if (explain_option(said, why) || explain_file(said, mountpoint, why))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const char *s = known[i].sentence;

		if (!strstr(said, known[i].words))
			continue;
		if (strncmp(s, "%s", 2) == 0)
			reason_set(why, "%s%s", mountpoint, s + 2);
		else
			reason_set(why, "%s", s);
		return;
	}
	reason_set(why, "%s: mounting failed; libfuse says: %.*s", mountpoint,
		   line ? (int)line : 7, line ? said : "nothing");
}
