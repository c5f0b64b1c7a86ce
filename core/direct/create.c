/* SPDX-License-Identifier: MIT */
/*
 * A new object is made by the daemon and then given to the caller.  Set-id
 * bits are set last, so that no program is ever set-id to the daemon.  Before
 * an object is given away it is examined: another user of the base may have
 * replaced it.
 */
#include "create.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attr.h"
#include "core/lib/acl.h"
#include "lookup.h"

#define SET_ID_BITS (S_ISUID | S_ISGID)

struct birth {
	struct direct *d;
	const struct mapfs_cred *cred;
	struct inode *dir; /* with a hold */
	struct base_fd *f; /* of dir */
	int dirfd;	   /* of f */
	const char *name;  /* NULL: O_TMPFILE */
	mode_t mode;	   /* wanted, umask applied */
	mode_t type;
};

static int birth_begin(struct direct *d, const struct mapfs_new *new,
		       mode_t type, struct birth *out)
{
	int err = direct_dir_get(d, new->dir, true, &out->dir);

	if (err)
		return err;
	err = base_hold(d->base, out->dir, BASE_PATH, &out->f);
	if (err) {
		direct_put(d, out->dir);
		return err;
	}
	out->d = d;
	out->cred = new->cred;
	out->dirfd = base_fd_of(out->f);
	out->name = new->name;
	out->type = type;
	out->mode = new->mode & ~(mode_t)S_IFMT;
	/* A default ACL takes the place of the umask: acl(5). */
	if (base_getxattr(d->base, out->dir, ACL_DEFAULT_NAME, NULL, 0) <= 0)
		out->mode &= ~new->cred->umask;
	return 0;
}

static void birth_end(struct birth *b)
{
	base_put(b->d->base, b->f);
	direct_put(b->d, b->dir);
}

static void undo(const struct birth *b)
{
	if (b->name)
		(void)unlinkat(b->dirfd, b->name,
			       S_ISDIR(b->type) ? AT_REMOVEDIR : 0);
}

/* The mode for the system call that makes the object. */
static mode_t first_mode(const struct birth *b)
{
	return b->mode & ~(mode_t)SET_ID_BITS;
}

static int give_owner(const struct birth *b, int fd, const struct stat *st)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	struct stat dir;

	if (st->st_uid != b->cred->uid)
		uid = b->cred->uid;
	if (st->st_gid != b->cred->gid) {
		if (fstat(b->dirfd, &dir) < 0)
			return -errno;
		/* In a set-gid directory a new object has its group. */
		if (!(dir.st_mode & S_ISGID))
			gid = b->cred->gid;
	}
	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		return 0;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0)
		return 0;
	/* With the right owner, a group that must not be set is accepted. */
	return errno == EPERM && uid == (uid_t)-1 ? 0 : -errno;
}

/* Gives the new object its owner and its set-id bits. */
static int give(const struct birth *b, const struct direct_fd *f)
{
	mode_t set_id = b->mode & SET_ID_BITS;
	struct stat st;
	int err;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != b->type ||
	    (!S_ISDIR(b->type) && st.st_nlink > 1))
		return -ESTALE;
	err = give_owner(b, f->fd, &st);
	if (!err && set_id && !S_ISDIR(b->type))
		err = direct_chmod(f, (st.st_mode & 07777) | set_id);
	return err;
}

static int open_made(const struct birth *b, struct direct_fd *f)
{
	*f = (struct direct_fd){ .is_path = true };
	do
		f->fd = openat(b->dirfd, b->name,
			       O_PATH | O_NOFOLLOW | O_CLOEXEC);
	while (f->fd < 0 && base_may_try_again(b->d->base, -errno));
	return f->fd < 0 ? -errno : 0;
}

/* Opens, gives away and looks up the object made under its name. */
static int finish(struct birth *b, struct mapfs_entry *out)
{
	struct direct_fd f;
	int err = open_made(b, &f);

	if (!err) {
		err = give(b, &f);
		close(f.fd);
	}
	if (!err)
		err = direct_enter(b->d, b->dir, b->name, out);
	/* -ESTALE: another process put this object there; it stays. */
	if (err && err != -ESTALE)
		undo(b);
	return err;
}

/*
 * The rename has happened and cannot be undone, because the object that it
 * replaced is gone.  So a whiteout that must not be given away stays the
 * daemon's.
 */
void direct_give_whiteout(struct direct *d, const struct mapfs_cred *cred,
			  int dirfd, const char *name)
{
	const struct birth b = {
		.d = d,
		.cred = cred,
		.dirfd = dirfd,
		.name = name,
		.type = S_IFCHR,
	};
	struct direct_fd f;
	struct stat st;

	if (open_made(&b, &f))
		return;
	/* Another user of the base may have put a real device there. */
	if (fstat(f.fd, &st) == 0 && st.st_rdev == 0)
		(void)!give(&b, &f);
	close(f.fd);
}

int direct_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out)
{
	const mode_t type = new->mode &S_IFMT;
	struct birth b;
	int err = birth_begin(direct_of(v), new, type ? type : S_IFREG, &b);

	if (err)
		return err;
	if (mknodat(b.dirfd, b.name, b.type | first_mode(&b), new->rdev) < 0)
		err = -errno;
	else
		err = finish(&b, out);
	birth_end(&b);
	return err;
}

int direct_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out)
{
	struct birth b;
	int err = birth_begin(direct_of(v), new, S_IFDIR, &b);

	if (err)
		return err;
	if (mkdirat(b.dirfd, b.name, first_mode(&b)) < 0)
		err = -errno;
	else
		err = finish(&b, out);
	birth_end(&b);
	return err;
}

int direct_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		   const char *target, struct mapfs_entry *out)
{
	struct birth b;
	int err = birth_begin(direct_of(v), new, S_IFLNK, &b);

	if (err)
		return err;
	b.mode = 0; /* a symbolic link has none of its own */
	if (symlinkat(target, b.dirfd, b.name) < 0)
		err = -errno;
	else
		err = finish(&b, out);
	birth_end(&b);
	return err;
}

static int open_new(struct birth *b, const char *name, int flags, int *fd)
{
	int got;

	do
		got = openat(b->dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC,
			     first_mode(b));
	while (got < 0 && base_may_try_again(b->d->base, -errno));
	if (got < 0)
		return -errno;
	/* Not by openat(), which would create the file and then refuse. */
	if (base_is_noatime(b->d->base))
		(void)fcntl(got, F_SETFL, flags | O_NOATIME);
	*fd = got;
	return 0;
}

/* The same for a file that is open; takes `fd`. */
static int finish_open(struct birth *b, int fd, struct mapfs_entry *out,
		       uint64_t *fh)
{
	const struct direct_fd f = { .fd = fd };
	struct mapfs_entry e;
	int err = give(b, &f);

	if (!err)
		err = direct_enter(b->d, b->dir, b->name, &e);
	if (err) {
		close(fd);
	} else {
		err = handle_add(b->d->handles,
				 (struct handle_object){ e.attr.ino,
							 e.generation },
				 fd, fh);
		if (err)
			direct_forget(&b->d->view, e.attr.ino, 1);
	}
	if (err)
		undo(b);
	else
		*out = e;
	return err;
}

/*
 * The kernel asks for a new file because it knows none of this name.  If
 * another process has created it meanwhile, -ESTALE makes the kernel look the
 * name up again and decide itself whether the caller may open the file.
 */
int direct_create(struct mapfs_view *v, const struct mapfs_new *new, int flags,
		  struct mapfs_entry *out, uint64_t *fh)
{
	int kept = flags & (O_ACCMODE | O_SYNC | O_DSYNC);
	struct birth b;
	int fd;
	int err = birth_begin(direct_of(v), new, S_IFREG, &b);

	if (err)
		return err;
	err = open_new(&b, b.name, kept | O_CREAT | O_EXCL, &fd);
	if (!err)
		err = finish_open(&b, fd, out, fh);
	else if (err == -EEXIST && !(flags & O_EXCL))
		err = -ESTALE;
	birth_end(&b);
	return err;
}

/* Takes `fd`: it is the only way to the file until that has a name. */
static int finish_tmpfile(struct birth *b, int fd, struct mapfs_entry *out)
{
	const struct direct_fd f = { .fd = fd };
	struct statx stx;
	struct inode *i;
	int err = give(b, &f);

	if (!err && statx(fd, "", AT_EMPTY_PATH, DIRECT_STAT_MASK, &stx) < 0)
		err = -errno;
	if (!err) {
		const struct inode_facts facts = {
			.ino = stx.stx_ino,
			.generation =
				base_generation_of_fd(b->d->base, fd, &stx),
			.type = S_IFREG,
		};

		err = itable_get_or_add(b->d->itable, &facts, &i);
	}
	if (err) {
		close(fd);
		return err;
	}
	inode_pin(b->d->itable, i, fd);
	direct_fill_entry(b->d, i, &stx, out);
	direct_put(b->d, i);
	return 0;
}

int direct_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		   struct mapfs_entry *out)
{
	struct birth b;
	int fd = -1;
	int err = birth_begin(direct_of(v), new, S_IFREG, &b);

	if (err)
		return err;
	b.name = NULL;
	err = open_new(&b, ".", O_TMPFILE | O_RDWR, &fd);
	if (!err)
		err = finish_tmpfile(&b, fd, out);
	birth_end(&b);
	return err;
}
