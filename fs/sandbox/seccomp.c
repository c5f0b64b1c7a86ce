/* SPDX-License-Identifier: MIT */
/*
 * A list of what is refused, not of what is allowed.  An errno or a SIGSYS from
 * a call that a new libc, libfuse or sanitizer makes would be a lost write in a
 * mounted file system, and a list that allows all that any of them may call
 * refuses little more than this one.  A call that is refused fails with EPERM,
 * as it would for a user without privileges, and kills nothing.
 *
 * A name that this libseccomp or this architecture does not know is skipped.
 */
#include "seccomp.h"

#include <errno.h>

#ifdef MAPFS_HAVE_SECCOMP

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#define BINARY_TREE 2

static const char *const refused[] = {
	/* other programs */
	"execve",
	"execveat",
	"uselib",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"pidfd_getfd",
	"kcmp",
	"kill",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	"pidfd_send_signal",
	/* the network, and other daemons */
	"socket",
	"socketpair",
	"bind",
	"connect",
	"listen",
	"accept",
	"accept4",
	/* mounts and namespaces */
	"mount",
	"umount",
	"umount2",
	"pivot_root",
	"chroot",
	"open_tree",
	"open_tree_attr",
	"move_mount",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"mount_setattr",
	"unshare",
	"setns",
	"swapon",
	"swapoff",
	"quotactl",
	"quotactl_fd",
	"fanotify_init",
	/* other users */
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setgroups",
	/* the kernel */
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"kexec_load",
	"kexec_file_load",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"add_key",
	"request_key",
	"keyctl",
	"reboot",
	"syslog",
	"acct",
	"iopl",
	"ioperm",
	"modify_ldt",
	"personality",
	"settimeofday",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"stime",
	"sethostname",
	"setdomainname",
	"vhangup",
	"nfsservctl",
	"lookup_dcookie",
	"move_pages",
	"migrate_pages",
};

/* Operations of a ring are system calls that no filter sees. */
static const char *const uring_calls[] = {
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
};

static int refuse(scmp_filter_ctx ctx, const char *name)
{
	int call = seccomp_syscall_resolve_name(name);
	int err;

	if (call == __NR_SCMP_ERROR)
		return 0;
	err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 0);
	/* -EDOM: the architecture has no such call. */
	return err == -EDOM ? 0 : err;
}

static int refuse_all(scmp_filter_ctx ctx, const char *const *names,
		      size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = refuse(ctx, names[i]);
	return err;
}

/*
 * A thread and a child process may be made, but no namespace.  No filter sees
 * the flags of clone3(2): for ENOSYS libc takes clone(2).
 */
static int refuse_namespaces(scmp_filter_ctx ctx)
{
	static const unsigned int flags[] = {
		CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET,
		CLONE_NEWIPC, CLONE_NEWUTS,  CLONE_NEWCGROUP,
	};
#if defined(__s390__) || defined(__CRIS__)
	const unsigned int at = 1;
#else
	const unsigned int at = 0;
#endif
	int clone3 = seccomp_syscall_resolve_name("clone3");
	int err = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags) && !err; i++)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
			SCMP_CMP(at, SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	if (err || clone3 == __NR_SCMP_ERROR)
		return err;
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
}

/* A terminal must not be given input that its shell would run. */
static int refuse_typing(scmp_filter_ctx ctx)
{
	static const unsigned int commands[] = { TIOCSTI, TIOCLINUX };
	int err = 0;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands) && !err;
	     i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
				       SCMP_SYS(ioctl), 1,
				       SCMP_CMP(1, SCMP_CMP_MASKED_EQ,
						UINT32_MAX, commands[i]));
	return err;
}

static int filter_fill(scmp_filter_ctx ctx, bool uring)
{
	int err = refuse_all(ctx, refused, sizeof(refused) / sizeof(*refused));

	if (!err && !uring)
		err = refuse_all(ctx, uring_calls,
				 sizeof(uring_calls) / sizeof(*uring_calls));
	if (!err)
		err = refuse_namespaces(ctx);
	return err ? err : refuse_typing(ctx);
}

int seccomp_enter(bool uring)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int err;

	if (!ctx)
		return -ENOMEM;
	/* Calls of another architecture, such as int 0x80 of x86-64. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			       SCMP_ACT_ERRNO(EPERM));
	/* Whether no_new_privs is set, sandbox_enter() has decided. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	/* An old libseccomp has no tree, and compares one by one. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	if (!err)
		err = filter_fill(ctx, uring);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	/* -ECANCELED, -EINVAL, ...: the kernel refused. */
	return err;
}

#else

int seccomp_enter(bool uring)
{
	(void)uring;
	return -ENOSYS;
}

#endif
