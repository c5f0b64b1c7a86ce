/* SPDX-License-Identifier: MIT */
/*
 * The order matters: Landlock's rules are made with system calls and rights
 * that the other two do not take away, and no_new_privs allows both it and the
 * filter to an ordinary user.
 */
#include "sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "caps.h"
#include "fs/mount/logfile.h"
#include "landlock.h"
#include "seccomp.h"

/* Notes that a part is in force, or why it is not. */
static void note(struct mount *m, enum sandbox_part part, const char *name,
		 int err)
{
	if (!err)
		m->sandbox |= part;
	else
		logfile_say(m->log, LOG_NOTICE,
			    "the sandbox lacks %s, which this system refuses: "
			    "%s",
			    name, strerror(-err));
}

void sandbox_enter(struct mount *m)
{
	const unsigned int wanted = m->opt->sandbox;

	if (!wanted || !m->broker)
		return;
	/*
	 * libc loads this library when a thread is cancelled, as libfuse does
	 * with threads of a ring, and ends the process if it cannot.
	 */
	if (m->opt->uring)
		(void)dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_GLOBAL);
	note(m, SANDBOX_NO_NEW_PRIVS, "no_new_privs",
	     prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	if (wanted & SANDBOX_LANDLOCK)
		note(m, SANDBOX_LANDLOCK, "Landlock", landlock_enter(m));
	if (wanted & SANDBOX_CAPS)
		note(m, SANDBOX_CAPS, "the drop of capabilities",
		     caps_drop(m->opt->mode));
	if (wanted & SANDBOX_SECCOMP)
		note(m, SANDBOX_SECCOMP, "the seccomp filter",
		     seccomp_enter(m->opt->uring));
}
