/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_DIRECT_PRIV_H
#define MAPFS_CORE_DIRECT_DIRECT_PRIV_H

/*
 * What the files of read and write mode share.
 *
 * Lifetime: as direct.h.  direct_get() gives a hold that direct_put() ends; a
 *           borrowed descriptor lasts from direct_fd_get() to direct_fd_put().
 * Errors:   0 or a negative errno; -ESTALE: no such inode any more.
 * Locking:  RANK_DIRECT guards the table of handles and nothing else; no lock
 *           is held across a system call on the base.
 */
#include "core/base/base.h"
#include "core/lib/lock.h"
#include "direct.h"

struct handle; /* direct_handle.c */
struct open_file;
struct opened;

struct direct {
	struct mapfs_view view;
	struct base *base;	/* fixed while open */
	struct itable *itable;	/* fixed while open */
	struct rmutex lock;	/* RANK_DIRECT */
	struct handle *handles; /* by lock */
	struct opened *opened;	/* by lock */
	uint64_t open_count;	/* by lock: descriptors of open files */
	uint64_t open_max;	/* fixed while open */
	uint64_t last_fh;	/* by lock */
};

/* What a call may want to do with a descriptor. */
enum direct_use {
	DIRECT_PATH, /* name it: O_PATH is enough */
	DIRECT_READ,
	DIRECT_WRITE,
};

/* A descriptor for the time of one call; exactly one of its sources. */
struct direct_fd {
	int fd;
	bool is_path; /* it may be an O_PATH descriptor */
	bool appends; /* writes go to the end, whatever offset they name */
	struct base_fd *cached;
	struct open_file *file;
	bool is_owned;
};

static inline struct direct *direct_of(struct mapfs_view *v)
{
	return (struct direct *)v; /* view is the first member */
}

/* direct.c */
int must_check direct_get(struct direct *d, mapfs_ino ino, struct inode **out);
/* As above; -ENOTDIR, and -EROFS for a foreign one if it is to change. */
int must_check direct_dir_get(struct direct *d, mapfs_ino ino, bool change,
			      struct inode **out);
void direct_put(struct direct *d, struct inode *i);

/* direct_handle.c */
/* Once the process has the limits that it will have. */
void handles_init(struct direct *d);
void handles_fini(struct direct *d);
/*
 * Takes `fd`, of the object with the number and generation of `of`; on error
 * it is closed.  -EMFILE: the rest of the descriptors is for other things.
 */
int must_check handle_add(struct direct *d, const struct mapfs_entry *of,
			  int fd, uint64_t *fh);
/* A directory to be listed. */
int must_check handle_add_dir(struct direct *d, mapfs_ino dir, uint64_t *fh);
/*
 * The directory's listing where the last reader left it, or a new one; the
 * caller's until it gives it back.  -EBADF: no such directory is open.
 */
int must_check handle_take_listing(struct direct *d, uint64_t fh,
				   mapfs_ino *dir, struct base_listing **out);
/* Destroys it if the handle is gone or another reader was faster. */
void handle_give_listing(struct direct *d, uint64_t fh, struct base_listing *l);
/* The handle's descriptor where it will do, else one of the inode. */
int must_check direct_fd_get(struct direct *d, struct inode *i, uint64_t fh,
			     enum direct_use use, struct direct_fd *out);
void direct_fd_put(struct direct *d, struct direct_fd *f);
int direct_open_file(struct mapfs_view *v, mapfs_ino ino, int flags,
		     uint64_t *fh, bool *changed);
bool direct_only_appends(struct mapfs_view *v, uint64_t fh);
bool direct_read_counts(struct mapfs_view *v, uint64_t fh);
void direct_release(struct mapfs_view *v, uint64_t fh);

/* direct_shown.c */
/* The kernel is being shown these attributes of the inode. */
void change_cookie_set(struct inode *i, const struct statx *stx);
/* Is this not what was shown last? */
bool change_cookie_differs(const struct inode *i, const struct statx *stx);
/*
 * Around a change of our own: if nobody else changed the file before, then
 * what it is afterwards counts as shown, for the kernel knows of our change.
 */
bool change_cookie_begin(const struct inode *i, int fd);
void change_cookie_end(struct inode *i, int fd, bool was_current);

/* direct_attr.c */
#define DIRECT_STAT_MASK (STATX_BASIC_STATS | STATX_BTIME)
void direct_attr_of(const struct statx *stx, mapfs_ino ino,
		    struct mapfs_attr *out);
int direct_peek_attr(struct mapfs_view *v, struct mapfs_file file,
		     struct mapfs_attr *out);
int direct_getattr(struct mapfs_view *v, struct mapfs_file file,
		   struct mapfs_attr *out);
int direct_setattr(struct mapfs_view *v, struct mapfs_file file,
		   const struct mapfs_setattr *set, struct mapfs_attr *out);
/* Set-id bits go as write(2) takes them. */
int must_check direct_chmod(const struct direct_fd *f, mode_t mode);

/* direct_fileattr.c */
int direct_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
			enum mapfs_fileattr_kind what,
			union mapfs_fileattr *out);
int direct_set_fileattr(struct mapfs_view *v, const struct mapfs_cred *cred,
			struct mapfs_file file, enum mapfs_fileattr_kind what,
			const union mapfs_fileattr *a);

/* direct_xattr.c */
ssize_t direct_getxattr(struct mapfs_view *v, mapfs_ino ino, const char *name,
			void *buf, size_t len);
ssize_t direct_listxattr(struct mapfs_view *v, mapfs_ino ino, char *buf,
			 size_t len);
int direct_setxattr(struct mapfs_view *v, mapfs_ino ino,
		    const struct mapfs_setxattr *set);
int direct_removexattr(struct mapfs_view *v, mapfs_ino ino, const char *name);

/* direct_name.c */
/* The inode as an entry of the view, counted. */
void direct_fill_entry(struct direct *d, struct inode *i,
		       const struct statx *stx, struct mapfs_entry *out);
/* The object of this name, with a hold and what the base says of it. */
int must_check direct_see(struct direct *d, struct inode *dir, const char *name,
			  struct statx *stx, struct inode **out);
/* The object of this name as an entry of the view, counted. */
int must_check direct_enter(struct direct *d, struct inode *dir,
			    const char *name, struct mapfs_entry *out);
int direct_lookup(struct mapfs_view *v, mapfs_ino dir, const char *name,
		  struct mapfs_entry *out);
void direct_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);
int direct_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
		const char *name, struct mapfs_entry *out);
int direct_unlink(struct mapfs_view *v, mapfs_ino dir, const char *name);
int direct_rmdir(struct mapfs_view *v, mapfs_ino dir, const char *name);
int direct_rename(struct mapfs_view *v, const struct mapfs_cred *whiteout,
		  const struct mapfs_rename *rename);

/* direct_reach.c */
int direct_reach(struct mapfs_view *v, mapfs_ino ino, bool may_walk,
		 struct mapfs_entry *out);
int direct_above(struct mapfs_view *v, mapfs_ino dir, bool may_walk,
		 mapfs_ino *above);
void direct_interrupt(struct mapfs_view *v);

/* direct_dir.c */
int direct_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh);
int direct_readdir_open(struct mapfs_view *v, uint64_t fh,
			const struct mapfs_readdir *readdir);
int direct_readdir(struct mapfs_view *v, mapfs_ino dir,
		   const struct mapfs_readdir *readdir);

/* direct_create.c */
/* What a rename left at `name` becomes the caller's, as far as we may. */
void direct_give_whiteout(struct direct *d, const struct mapfs_cred *cred,
			  int dirfd, const char *name);
int direct_mknod(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out);
int direct_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
		 struct mapfs_entry *out);
int direct_symlink(struct mapfs_view *v, const struct mapfs_new *new,
		   const char *target, struct mapfs_entry *out);
int direct_create(struct mapfs_view *v, const struct mapfs_new *new, int flags,
		  struct mapfs_entry *out, uint64_t *fh);
int direct_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
		   struct mapfs_entry *out);

/* direct_data.c */
ssize_t direct_read(struct mapfs_view *v, struct mapfs_file file, void *buf,
		    size_t len, uint64_t off);
ssize_t direct_write(struct mapfs_view *v, struct mapfs_file file,
		     const struct mapfs_write *write);
int direct_fsync(struct mapfs_view *v, struct mapfs_file file, bool data_only);
int direct_fallocate(struct mapfs_view *v, struct mapfs_file file, int mode,
		     uint64_t off, uint64_t len);
int direct_lseek(struct mapfs_view *v, struct mapfs_file file, uint64_t off,
		 int whence, uint64_t *out);
ssize_t direct_copy_range(struct mapfs_view *v,
			  const struct mapfs_copy_range *copy);
ssize_t direct_readlink(struct mapfs_view *v, mapfs_ino ino, char *buf,
			size_t len);

#endif
