/* SPDX-License-Identifier: MIT */
/*
 * A copy view shows the flags of the base that are true of the view as well:
 * nodump and noatime.  Flags that describe the blocks of the base are not
 * true of the view; +i and +a are not enforced in it.  The store keeps no
 * flags, so none can be changed.  Setting the flags that are set already
 * succeeds, because chattr(1) and rsync(1) do that.
 */
#include "fileattr.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "inode.h"

#define SHOWN_FLAGS (FS_NODUMP_FL | FS_NOATIME_FL)
#define SHOWN_XFLAGS (FS_XFLAG_NODUMP | FS_XFLAG_NOATIME)

/* The base's flags; none if it has no flags, or must not be asked. */
static int base_flags(struct overlay *o, struct inode *i, uint32_t *flags)
{
	struct base_fd *f;
	long number = 0;
	int err;

	*flags = 0;
	if (i->is_foreign || !overlay_has_base(o, i))
		return 0;
	err = base_hold(o->base, i, BASE_READ, &f);
	/* The base lost it, or does not let us open it: no flags. */
	if (err == -ESTALE || err == -EACCES)
		return 0;
	if (err)
		return err;
	if (ioctl(base_fd_of(f), FS_IOC_GETFLAGS, &number) == 0)
		memcpy(flags, &number, sizeof(*flags));
	base_put(o->base, f);
	*flags &= SHOWN_FLAGS;
	return 0;
}

static uint32_t xflags_of(uint32_t flags)
{
	return (flags & FS_NODUMP_FL ? FS_XFLAG_NODUMP : 0) |
	       (flags & FS_NOATIME_FL ? FS_XFLAG_NOATIME : 0);
}

int overlay_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			 enum mapfs_fileattr_kind what,
			 union mapfs_fileattr *out)
{
	struct overlay *o = overlay_of(v);
	struct inode *i;
	uint32_t flags = 0;
	int err = overlay_get(o, file.ino, &i);

	if (err)
		return err;
	if (!S_ISREG(i->type) && !S_ISDIR(i->type))
		err = -ENOTTY;
	if (!err)
		err = base_flags(o, i, &flags);
	if (!err && what == MAPFS_FILEATTR_FSXATTR)
		out->fsxattr = (struct mapfs_fsxattr){
			.xflags = xflags_of(flags),
		};
	else if (!err)
		out->flags = what == MAPFS_FILEATTR_FLAGS ?
				     flags :
				     (uint32_t)i->generation;
	overlay_put(o, i);
	return err;
}

int overlay_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			 struct mapfs_file file, enum mapfs_fileattr_kind what,
			 const union mapfs_fileattr *a)
{
	union mapfs_fileattr now;
	int err = overlay_get_fileattr(v, file, what, &now);
	bool is_same;

	(void)cred;
	if (err)
		return err;
	if (what == MAPFS_FILEATTR_FSXATTR)
		is_same = now.fsxattr.xflags == a->fsxattr.xflags &&
			  a->fsxattr.extsize == 0 && a->fsxattr.projid == 0 &&
			  a->fsxattr.cowextsize == 0;
	else
		is_same = now.flags == a->flags;
	return is_same ? 0 : -EOPNOTSUPP;
}
