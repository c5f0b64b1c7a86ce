/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_OPTIONS_H
#define MAPFS_FS_MOUNT_OPTIONS_H

/*
 * What to mount, where, and how.
 *
 * Calling sequence: options_init(), options_add() for each -o, then
 * options_settle() once, which fills in what was left open.
 *
 * Lifetime: init/fini; all strings are the struct's own.
 * Errors:   0 or -EINVAL (-ENOMEM), and one sentence in `why`.
 * Locking:  none; read-only once settled.
 */
#include <stdbool.h>

#include "core/mapfs.h"

struct fs_options {
	char *base;
	char *mountpoint; /* absolute */
	char *store;	  /* a directory, or NULL */
	char *snapshot;	  /* of the store, or NULL: the store as it is */
	char *logfile;	  /* or NULL */
	char *passed_on;  /* the kernel's, comma-separated, or NULL */
	enum mapfs_mode mode;
	enum mapfs_store_kind store_kind;
	int fuse_fd;	/* -1, or the connection of a mount that was made in
			another namespace: only serve it */
	dev_t fuse_dev; /* the file system of that mount, or 0 */
	unsigned long flags;	   /* of the mount: MS_... of mount(2) */
	unsigned long flags_named; /* these of them were said */
	unsigned int max_threads;
	unsigned int uring_depth;
	bool own_place; /* the mount point is removed after unmounting */
	bool has_mode;
	bool read_only;	 /* the kernel refuses changes */
	bool is_trusted; /* the store, whoever made it */
	bool allow_other;
	bool acl;
	bool xattr;
	bool writeback;
	bool uring;
	bool debug;
	bool remount;	     /* changes a mount that is there */
	bool may_be_missing; /* without a base there is nothing to do */
	bool is_relatime;    /* that was said */
};

void options_init(struct fs_options *opt);
void options_fini(struct fs_options *opt);
/* `sloppy`: ignore what is unknown, as mount(8) -s asks. */
int must_check options_add(struct fs_options *opt, const char *list,
			   bool sloppy, struct reason *why);
int must_check options_set_mode(struct fs_options *opt, const char *name,
				struct reason *why);
/* A directory, "memory", or STORE@NAME; an existing path is meant as it is. */
int must_check options_set_store(struct fs_options *opt, const char *store,
				 struct reason *why);
/* Leaves `why` alone: only memory can fail. */
int must_check options_set_logfile(struct fs_options *opt, const char *path);
int must_check options_settle(struct fs_options *opt, struct reason *why);

/*
 * A mount made with `was` is to become `opt`: -EINVAL for what only a new
 * mount can change.
 */
int must_check options_check_remount(const struct fs_options *was,
				     const struct fs_options *opt,
				     struct reason *why);

#endif
