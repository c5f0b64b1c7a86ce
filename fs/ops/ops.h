/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_OPS_OPS_H
#define MAPFS_FS_OPS_OPS_H

/*
 * The operations of FUSE, one file for each family.  Each translates the
 * request, calls the core and replies once.  libfuse's struct fuse_lowlevel_ops
 * says what each must do and why its parameters are these; the table of
 * fs/session/session.c lists them all.
 *
 * Lifetime: all arguments are borrowed; a request ends with its reply.
 * Errors:   an errno is the answer to the request.
 * Locking:  called by any worker thread; no lock is held during a reply.
 */
#include <fuse_lowlevel.h>

/* namei.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets);
void op_readlink(fuse_req_t req, fuse_ino_t node);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name);
void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t newparent,
	     const char *newname);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned int flags);

/* attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *st, int valid,
		struct fuse_file_info *fi);
void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask,
	      struct fuse_file_info *fi);
void op_statfs(fuse_req_t req, fuse_ino_t node);

/* file.c */
void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode,
		struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
	     struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t node, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t node, off_t off, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_off,
			struct fuse_file_info *in_fi, fuse_ino_t out,
			off_t out_off, struct fuse_file_info *out_fi,
			size_t len, int flags);

/* dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t node, int datasync,
		 struct fuse_file_info *fi);

/* xattr.c */
void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name,
		 size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name,
		 const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);

#endif
