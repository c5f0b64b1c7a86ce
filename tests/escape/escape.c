/* SPDX-License-Identifier: MIT */
/*
 * Loaded into a daemon with LD_PRELOAD.  When the daemon asks for the
 * attribute "user.mapfs-escape" of a base file, the thread that does so tries
 * what the sandbox refuses, and writes a line "WHAT ERRNO" for each attempt to the file
 * $MAPFS_ESCAPE_LOG, which was opened when the program started.  0: it worked.
 *
 * Where there is no sandbox, no attempt does harm.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRIGGER "user.mapfs-escape"
#define NOWHERE "/nonexistent/place"
#define EXPORT __attribute__((visibility("default")))

static int log_fd = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("MAPFS_ESCAPE_LOG");

	if (path)
		log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
			      0666);
}

static void note(const char *what, long result)
{
	dprintf(log_fd, "%s %d\n", what, result < 0 ? errno : 0);
}

static void note_open(const char *what, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	note(what, fd);
	if (fd >= 0)
		close(fd);
}

/* In a child: what works would end the daemon, or change it. */
static void note_in_child(const char *what, int (*attempt)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(attempt() < 0 ? errno : 0);
	waitpid(pid, &status, 0);
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	note(what, errno ? -1 : 0);
}

static int try_exec(void)
{
	char *argv[] = { (char *)"true", NULL };

	return execv("/bin/true", argv);
}

static int try_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_clone_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int try_setuid(void)
{
	return setuid(getuid());
}

static int try_rise(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, sets) < 0)
		return -1;
	sets[0].permitted |= 1U << CAP_NET_ADMIN;
	sets[0].effective |= 1U << CAP_NET_ADMIN;
	return (int)syscall(SYS_capset, &head, sets);
}

static void try_calls(void)
{
	char byte;
	struct iovec here = { &byte, 1 };
	struct iovec there = { &byte, 1 };

	note_in_child("exec", try_exec);
	note_in_child("unshare", try_user_namespace);
	note_in_child("clone", try_clone_namespace);
	note_in_child("setuid", try_setuid);
	note_in_child("capset", try_rise);
	note("socket", socket(AF_UNIX, SOCK_DGRAM, 0));
	note("socket-inet", socket(AF_INET, SOCK_STREAM, 0));
	note("ptrace", ptrace(PTRACE_ATTACH, -1, NULL, NULL));
	note("process_vm_readv",
	     process_vm_readv(getppid(), &here, 1, &there, 1, 0));
	note("kill", kill(getppid(), 0));
	note("mount", mount("none", NOWHERE, "tmpfs", 0, NULL));
	note("umount", umount2(NOWHERE, 0));
	note("fsopen", syscall(SYS_fsopen, NOWHERE, 0));
	note("move_mount", syscall(SYS_move_mount, -1, "", -1, "", 0));
	note("pivot_root", syscall(SYS_pivot_root, NOWHERE, NOWHERE));
	note("chroot", chroot(NOWHERE));
	note("setns", setns(-1, 0));
	note("bpf", syscall(SYS_bpf, -1, NULL, 0));
	note("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	note("module", syscall(SYS_finit_module, -1, "", 0));
	note("kexec", syscall(SYS_kexec_load, 0, 0, NULL, ~0UL));
	note("keyring", syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
	note("userfaultfd", syscall(SYS_userfaultfd, ~0U));
	note("io_uring", syscall(SYS_io_uring_setup, 0, NULL));
}

static void try_files(void)
{
	const char *base = getenv("MAPFS_ESCAPE_BASE");
	char file[4096];
	char name[4096];

	note_open("read-outside", "/etc/passwd", O_RDONLY);
	note_open("list-outside", "/", O_RDONLY | O_DIRECTORY);
	note_open("write-outside", getenv("MAPFS_ESCAPE_OUTSIDE"), O_WRONLY);
	note("truncate-outside", truncate(getenv("MAPFS_ESCAPE_OUTSIDE"), 0));
	snprintf(file, sizeof(file), "%s/file", base);
	note_open("read-base", file, O_RDONLY);
	note_open("write-base", file, O_WRONLY);
	snprintf(name, sizeof(name), "%s/escaped", base);
	note("mkdir-base", mkdir(name, 0755));
	rmdir(name);
	note("link-base", link(file, name));
	unlink(name);
}

static void try_all(void)
{
	try_calls();
	try_files();
	dprintf(log_fd, "bounding-set %d\n",
		prctl(PR_CAPBSET_READ, CAP_NET_ADMIN, 0, 0, 0) ? 0 : EPERM);
}

EXPORT ssize_t getxattr(const char *path, const char *name, void *value,
			size_t bytes)
{
	static ssize_t (*real)(const char *, const char *, void *, size_t);

	if (!real)
		real = (__typeof__(real))dlsym(RTLD_NEXT, "getxattr");
	if (log_fd >= 0 && strcmp(name, TRIGGER) == 0)
		try_all();
	return real(path, name, value, bytes);
}
