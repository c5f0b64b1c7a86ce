/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_FS_MOUNT_OPTIONS_H
#define MAPFS_FS_MOUNT_OPTIONS_H

/*
 * The options of a mount: what to mount, where, and how.
 *
 *   options_init()        the defaults
 *   options_add()         once for each -o
 *   options_complete()    once: decides what no option has decided, and
 *                         refuses options that contradict each other
 *
 * Lifetime: init/fini; the struct owns its strings.
 * Errors:   0, -EINVAL, -ENOMEM, or the errno of getcwd(3); and one sentence
 *           in `why`.
 * Locking:  none; nothing changes after options_complete().
 */
#include <stdbool.h>

#include "core/mapfs.h"
#include "window.h"

/* What the daemon drops once the view is mounted; see fs/sandbox. */
enum sandbox_part {
	SANDBOX_NO_NEW_PRIVS = 1 << 0, /* with any of the others */
	SANDBOX_CAPS = 1 << 1,
	SANDBOX_SECCOMP = 1 << 2,
	SANDBOX_LANDLOCK = 1 << 3,
	SANDBOX_ALL = (1 << 4) - 1,
};

/* As in the option sandbox=; NULL: no further part. */
const char *sandbox_part_name(unsigned int n);

struct fs_options {
	char *base;	  /* or MAPFS_NO_BASE */
	char *mountpoint; /* absolute */
	char *store;	  /* a directory, or NULL */
	char *snapshot;	  /* of the store; NULL: its present state */
	char *logfile;	  /* or NULL */
	char *passed_on;  /* for libfuse and the kernel, as a list; or NULL */
	struct window_list windows; /* none: a view of the whole base */
	enum mapfs_mode mode;
	enum mapfs_base_kind base_kind;
	enum mapfs_store_kind store_kind;
	int fuse_fd;	/* -1, or the connection of a mount that was made in
			another namespace, and is only to be served */
	dev_t fuse_dev; /* st_dev of that mount, or 0 */
	unsigned long flags;	   /* MS_... of mount(2) */
	unsigned long flags_named; /* those that an option set or cleared */
	uint64_t size_bytes;	   /* of private pages; 0: no limit */
	unsigned int sandbox;	   /* enum sandbox_part, or-ed; 0: none */
	unsigned int max_threads;
	unsigned int uring_depth;
	bool own_place;	   /* remove the mount point after unmounting */
	bool root_is_file; /* the mount point is a regular file */
	bool has_mode;	   /* an option named the mode */
	bool read_only;	   /* the kernel refuses every change */
	bool is_trusted;   /* use the store whoever owns it */
	bool salvage;	   /* show what is sound of a damaged store */
	bool allow_other;
	bool acl;
	bool xattr;
	bool writeback;
	bool wants_writeback; /* an option named it */
	bool uring;
	bool debug;
	bool remount;	     /* change an existing mount */
	bool may_be_missing; /* succeed without a mount if the base is missing */
	bool is_relatime;    /* an option said relatime */
};

void options_init(struct fs_options *opt);
void options_fini(struct fs_options *opt);
/* `list` is as in mount(8).  `sloppy`: ignore unknown options (mount(8) -s). */
int must_check options_add(struct fs_options *opt, const char *list,
			   bool sloppy, struct reason *why);
int must_check options_set_mode(struct fs_options *opt, const char *name,
				struct reason *why);
/*
 * `store` is a directory, STORE@SNAPSHOT, or "memory".  A path that exists is
 * taken as a directory even if it has an '@'.
 */
int must_check options_set_store(struct fs_options *opt, const char *store,
				 struct reason *why);
/* `window` is NAME=PATH:OFFSET[:LENGTH]; adds one to those there are. */
int must_check options_add_window(struct fs_options *opt, const char *window,
				  struct reason *why);
/* Sets no reason: -ENOMEM, or the errno of getcwd(3). */
int must_check options_set_logfile(struct fs_options *opt, const char *path);
/*
 * `base` is a path, or "none".  It becomes absolute; if that fails, the core
 * explains it better.
 */
int must_check options_set_base(struct fs_options *opt, const char *base);
int must_check options_complete(struct fs_options *opt, struct reason *why);

/* -EINVAL if the change from `was` to `opt` needs a new mount. */
int must_check options_check_remount(const struct fs_options *was,
				     const struct fs_options *opt,
				     struct reason *why);

#endif
