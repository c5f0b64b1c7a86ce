/* SPDX-License-Identifier: MIT */
/*
 * The base's file system permits a change by the user and the capabilities of
 * the thread that asks, and these must not be the daemon's, which may be root.
 * The kernel has checked the caller already, but against the flags that it
 * knows: another process may have set +i since.  So the thread asks as the
 * caller, without any capability; for root with the two that the kernel has
 * found in the caller, and no others.
 */
#include "fileattr.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "change_cookie.h"
#include "inode.h"

_Static_assert(sizeof(struct mapfs_fsxattr) == sizeof(struct fsxattr) &&
		       offsetof(struct mapfs_fsxattr, cowextsize) ==
			       offsetof(struct fsxattr, fsx_cowextsize),
	       "the layout is the kernel's");

#define CAP_BIT(cap) (1U << (cap))

struct caps {
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static int caps_get(struct caps *c)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	return syscall(SYS_capget, &head, c->data) < 0 ? -errno : 0;
}

/* Of this thread only. */
static int caps_set(const struct caps *c)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	return syscall(SYS_capset, &head, c->data) < 0 ? -errno : 0;
}

static void caps_narrow(struct caps *c, uid_t uid)
{
	uint32_t kept =
		uid ? 0 : CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_LINUX_IMMUTABLE);

	c->data[0].effective &= kept;
	c->data[1].effective = 0;
}

/*
 * setfsuid(2) drops capabilities by itself when the user is no longer root;
 * it reports no error, only the previous user.
 */
static int ioctl_as(uid_t uid, int fd, unsigned int cmd, void *arg)
{
	uid_t daemon = geteuid();
	struct caps all;
	struct caps few;
	int err = caps_get(&all);

	if (err)
		return err;
	few = all;
	caps_narrow(&few, uid);
	if (uid != daemon)
		(void)setfsuid(uid);
	err = caps_set(&few);
	/* A daemon that cannot become the caller asks as itself: that user has
	   no more rights. */
	if (!err && ioctl(fd, cmd, arg) < 0)
		err = -errno;
	if (uid != daemon)
		(void)setfsuid(daemon);
	if (caps_set(&all) && !err)
		err = -EPERM;
	return err;
}

static int get(int fd, unsigned int what, union mapfs_fileattr *a)
{
	long number = 0;

	if (what == MAPFS_FILEATTR_FSXATTR)
		return ioctl(fd, FS_IOC_FSGETXATTR, &a->fsxattr) < 0 ? -errno :
								       0;
	/* The kernel writes an int, although the request's number says long. */
	if (ioctl(fd,
		  what == MAPFS_FILEATTR_FLAGS ? FS_IOC_GETFLAGS :
						 FS_IOC_GETVERSION,
		  &number) < 0)
		return -errno;
	memcpy(&a->flags, &number, sizeof(a->flags));
	return 0;
}

static int set(uid_t uid, int fd, unsigned int what,
	       const union mapfs_fileattr *a)
{
	union mapfs_fileattr copy = *a;
	long number = 0;

	if (what == MAPFS_FILEATTR_FSXATTR)
		return ioctl_as(uid, fd, FS_IOC_FSSETXATTR, &copy.fsxattr);
	memcpy(&number, &a->flags, sizeof(a->flags));
	return ioctl_as(uid, fd, FS_IOC_SETFLAGS, &number);
}

static int fileattr_fd(struct direct *d, struct mapfs_file file,
		       struct inode **i, struct direct_fd *f)
{
	int err = direct_get(d, file.ino, i);

	if (err)
		return err;
	if ((*i)->is_foreign || (!S_ISREG((*i)->type) && !S_ISDIR((*i)->type)))
		err = -ENOTTY;
	if (!err)
		err = direct_fd_get(d, *i, file.fh, DIRECT_READ, f);
	if (err)
		direct_put(d, *i);
	return err;
}

int direct_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			enum mapfs_fileattr_kind what,
			union mapfs_fileattr *out)
{
	struct direct *d = direct_of(v);
	struct direct_fd f;
	struct inode *i;
	int err = fileattr_fd(d, file, &i, &f);

	if (err)
		return err;
	err = get(f.fd, what, out);
	direct_fd_put(d, &f);
	direct_put(d, i);
	return err;
}

int direct_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			struct mapfs_file file, enum mapfs_fileattr_kind what,
			const union mapfs_fileattr *a)
{
	struct direct *d = direct_of(v);
	struct direct_fd f;
	struct inode *i;
	bool was_current;
	int err = fileattr_fd(d, file, &i, &f);

	if (err)
		return err;
	was_current = change_cookie_begin(i, f.fd);
	err = set(cred->uid, f.fd, what, a);
	change_cookie_end(i, f.fd, was_current);
	direct_fd_put(d, &f);
	direct_put(d, i);
	return err;
}
