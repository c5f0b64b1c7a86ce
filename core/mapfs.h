/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_MAPFS_H
#define MAPFS_CORE_MAPFS_H

/*
 * The only door into the core: one mounted picture ("view") of a directory,
 * its objects addressed by inode number.
 *
 * Lifetime: mapfs_view_open() hands the caller the only reference to a view;
 *           mapfs_view_close() ends it and accepts NULL.  Every call that
 *           fills a struct mapfs_entry raises the lookup count of its inode
 *           by one; mapfs_forget() lowers it.  An inode number may be used
 *           from then until its count is zero again.  The root is always
 *           known and never counted.
 * Errors:   0 (or a count) or a negative errno; on error nothing changed and
 *           the out-parameters are untouched.  mapfs_view_open() also fills
 *           a sentence for people.
 * Locking:  every call may be made from any thread; none is held on return.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"

struct mapfs_view;

enum mapfs_mode {
	MAPFS_READ,  /* nothing can be changed: EROFS */
	MAPFS_WRITE, /* changes go through to the base */
	MAPFS_COPY,  /* changes go to the store; the base never changes */
};

/* Where a copy view keeps its private pages. */
enum mapfs_store_kind {
	MAPFS_STORE_DIR,      /* the directory `store`, kept */
	MAPFS_STORE_UNLINKED, /* unlinked files in `store` or $TMPDIR */
	MAPFS_STORE_MEMORY,   /* memory of the daemon */
};

/* `all_bytes` is an estimate. */
typedef void (*mapfs_progress_fn)(void *arg, uint64_t done_bytes,
				  uint64_t all_bytes);

struct mapfs_options {
	enum mapfs_mode mode;
	enum mapfs_store_kind store_kind; /* copy mode only */
	const char *base;     /* directory to show; NULL: the one the kept store
			     was made for */
	const char *store;    /* copy mode, else NULL */
	bool is_trusted;      /* kept store: even if another user could have
				   written what is in it */
	const char *snapshot; /* kept store: show what it was then, for
				   looking only; beside whoever else uses the
				   store; or NULL */
	bool without_base;    /* look_only: whatever became of the base, which
				   shows nothing then, as if lost */
	bool look_only;	      /* kept store: nothing of it changes, others
				   may look too; -EBUSY while it is mounted */
	/* Write mode: what reading does to access times of the base. */
	bool noatime;	 /* nothing, as far as that can be */
	bool nodiratime; /* of directories nothing */
	bool relatime;	 /* what relatime says, whatever the base's mount does;
			    else as the base's mount has it */
	const char *mountpoint; /* named in the store's lock, or NULL */
	/*
	 * Receives one line without newline; level is syslog's.  One for the
	 * whole process: NULL leaves it as it is.
	 */
	void (*log)(void *arg, int level, const char *line);
	void *log_arg;
	/*
	 * Told how far the journal of the store is written anew (compaction,
	 * rollback, revert) and, with 0 of 0, that this has ended; by the
	 * thread that does it, which holds locks: no call of the view.
	 */
	mapfs_progress_fn progress;
	void *progress_arg;
};

/* Who asks; new objects belong to them. */
struct mapfs_cred {
	uid_t uid;
	gid_t gid;
	mode_t umask; /* not yet applied to any mode passed along */
};

struct mapfs_attr {
	mapfs_ino ino;
	mode_t mode; /* type and permissions */
	uint32_t nlink;
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	uint64_t size_bytes;
	uint64_t blocks_512;
	struct timespec atime;
	struct timespec mtime;
	struct timespec ctime;
	struct timespec btime; /* tv_nsec < 0: unknown */
};

struct mapfs_entry {
	struct mapfs_attr attr;
	uint64_t generation; /* (ino, generation) is never reused */
};

/* Which members of a struct mapfs_setattr count. */
enum mapfs_set {
	MAPFS_SET_MODE = 1 << 0,
	MAPFS_SET_UID = 1 << 1,
	MAPFS_SET_GID = 1 << 2,
	MAPFS_SET_SIZE = 1 << 3,
	MAPFS_SET_ATIME = 1 << 4,
	MAPFS_SET_MTIME = 1 << 5,
	MAPFS_SET_CTIME = 1 << 6,
	MAPFS_SET_ATIME_NOW = 1 << 7,
	MAPFS_SET_MTIME_NOW = 1 << 8,
	MAPFS_SET_KILL_PRIV = 1 << 9, /* drop set-id bits as write(2) does */
	/* The set-gid bit, too, of a file that its group may not execute. */
	MAPFS_SET_KILL_SGID = 1 << 10,
};

struct mapfs_setattr {
	unsigned int valid; /* enum mapfs_set, or-ed */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size_bytes;
	struct timespec atime;
	struct timespec mtime;
	struct timespec ctime;
};

/*
 * An inode, and the handle it is used through, or 0 for none.  Stateless views
 * ignore the handle.
 */
struct mapfs_file {
	mapfs_ino ino;
	uint64_t fh;
};

static inline struct mapfs_file mapfs_file_of(mapfs_ino ino)
{
	return (struct mapfs_file){ .ino = ino };
}

/* A new object: where its name is to be, and what it is made of. */
struct mapfs_new {
	const struct mapfs_cred *cred;
	mapfs_ino dir;
	const char *name; /* ignored by mapfs_tmpfile() */
	mode_t mode;	  /* ignored by mapfs_symlink() */
	dev_t rdev;	  /* mapfs_mknod(): of a device */
};

struct mapfs_rename {
	mapfs_ino dir;
	const char *name;
	mapfs_ino newdir;
	const char *newname;
	unsigned int flags; /* RENAME_NOREPLACE, RENAME_EXCHANGE */
};

/* One name of a directory; borrowed until the callback returns. */
struct mapfs_dirent {
	const char *name;
	mapfs_ino ino;
	mode_t type;	 /* S_IFMT bits */
	uint64_t cookie; /* continues behind this name */
	/*
	 * Only with `plus`, and then counted; NULL for "." and "..", and for a
	 * name whose object cannot be looked at now.
	 */
	const struct mapfs_entry *entry;
};

/* 0: goes on; 1: no room, and the name is neither consumed nor counted. */
typedef int (*mapfs_dirent_fn)(void *arg, const struct mapfs_dirent *d);

/* Names behind `cookie` (0: from the start), "." and ".." included. */
struct mapfs_readdir {
	uint64_t cookie;
	bool plus; /* look each name up, as mapfs_lookup() does */
	mapfs_dirent_fn fn;
	void *arg;
};

enum mapfs_write_flags {
	/* From the kernel's cache, not from a write(2) that waits for it. */
	MAPFS_WRITE_CACHED = 1 << 0,
};

struct mapfs_write {
	const void *buf;
	size_t len;
	uint64_t off;
	unsigned int flags; /* enum mapfs_write_flags, or-ed */
};

struct mapfs_copy_range {
	struct mapfs_file from;
	uint64_t from_off;
	struct mapfs_file to;
	uint64_t to_off;
	size_t len;
};

struct mapfs_setxattr {
	const char *name;
	const void *value;
	size_t len;
	int flags;	/* XATTR_CREATE, XATTR_REPLACE */
	bool kill_sgid; /* the caller loses the set-gid bit when it sets an ACL */
};

/* What the status of a view says; strings live as long as the view. */
struct mapfs_info {
	enum mapfs_mode mode;
	const char *base;  /* absolute */
	const char *store; /* absolute, or NULL */
	uint64_t private_pages;
	uint64_t journal_bytes;
	uint64_t inodes_known; /* that this process holds in memory */
	uint64_t inodes_changed;
	bool is_latched; /* [D4] a sync failed: no more changes */
};

/* On error `why` holds one sentence for people. */
int must_check mapfs_view_open(struct mapfs_view **out,
			       const struct mapfs_options *opt,
			       struct reason *why);
/*
 * One for the process: told when opening or discarding a store waits for
 * whoever closes it, and that lasts longer than a moment.
 */
void mapfs_tell_of_waits(void (*fn)(void *arg, const char *line), void *arg);
/*
 * What who wants the view's store next goes by: it is mounted as the file
 * system `dev` now; its mount is gone for good, mapfs_view_close() follows.
 */
void mapfs_announce_mount(struct mapfs_view *v, dev_t dev);
void mapfs_announce_close(struct mapfs_view *v);
/* Syncs what a kept store still owes; that error, or 0. */
int mapfs_view_close(struct mapfs_view *v);
void mapfs_view_info(struct mapfs_view *v, struct mapfs_info *out);
mapfs_ino mapfs_root_ino(const struct mapfs_view *v);
/*
 * An O_PATH descriptor of the base's root, borrowed: the base itself, though
 * its path may lead to a mount over it by now.  -1: there is none.
 */
int mapfs_base_fd(const struct mapfs_view *v);
/*
 * The kernel's writeback cache is on: it keeps the times of files itself and
 * sends them.  Called once, before the first request.
 */
void mapfs_set_kernel_times(struct mapfs_view *v, bool on);
/* False: opens need mapfs_open() and its handle (write mode). */
bool mapfs_is_stateless(const struct mapfs_view *v);

/*
 * Names. `name` is one component of at most NAME_MAX bytes, no '/'.  "." is
 * the inode `dir` itself, of any type, by its number alone: its lookup count
 * may have been zero for long.  -EAGAIN: that takes a walk over the base.  ".." is
 * the directory above, of all but the root.  -ESTALE for both: no such inode shows any more.
 */
int must_check mapfs_lookup(struct mapfs_view *v, mapfs_ino dir,
			    const char *name, struct mapfs_entry *out);
/* As for "." and "..", with the walk, if that is what it takes. */
int must_check mapfs_lookup_far(struct mapfs_view *v, mapfs_ino ino,
				const char *name, struct mapfs_entry *out);
/* Ends walks, and lets none begin: the view is about to be closed. */
void mapfs_interrupt(struct mapfs_view *v);
void mapfs_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);
/* Regular files with a lookup count; the caller's to free. */
int must_check mapfs_known_files(struct mapfs_view *v, mapfs_ino **out,
				 size_t *count);
/* Files, fifos, sockets, devices; new->mode carries the type. */
int must_check mapfs_mknod(struct mapfs_view *v, const struct mapfs_new *new,
			   struct mapfs_entry *out);
int must_check mapfs_mkdir(struct mapfs_view *v, const struct mapfs_new *new,
			   struct mapfs_entry *out);
int must_check mapfs_symlink(struct mapfs_view *v, const struct mapfs_new *new,
			     const char *target, struct mapfs_entry *out);
int must_check mapfs_link(struct mapfs_view *v, mapfs_ino ino, mapfs_ino dir,
			  const char *name, struct mapfs_entry *out);
int must_check mapfs_unlink(struct mapfs_view *v, mapfs_ino dir,
			    const char *name);
int must_check mapfs_rmdir(struct mapfs_view *v, mapfs_ino dir,
			   const char *name);
/* Flags other than those two are -EINVAL. */
int must_check mapfs_rename(struct mapfs_view *v,
			    const struct mapfs_rename *rename);
/*
 * RENAME_WHITEOUT of rename(2): at once there is a character device 0:0 of
 * mode 0 at the old name, the caller's; to the view it is a device like any
 * other.  Flags other than RENAME_NOREPLACE are -EINVAL, as in write mode
 * everything is where the base's file system makes no whiteouts.
 */
int must_check mapfs_rename_whiteout(struct mapfs_view *v,
				     const struct mapfs_cred *cred,
				     const struct mapfs_rename *rename);
/* An unnamed file (O_TMPFILE) that mapfs_link() may name later. */
int must_check mapfs_tmpfile(struct mapfs_view *v, const struct mapfs_new *new,
			     struct mapfs_entry *out);
/* Bytes of the target, at most `len`, no NUL. */
ssize_t must_check mapfs_readlink(struct mapfs_view *v, mapfs_ino ino,
				  char *buf, size_t len);
/* Cookies stay valid while names come and go. */
int must_check mapfs_readdir(struct mapfs_view *v, mapfs_ino dir,
			     const struct mapfs_readdir *readdir);
/*
 * One reader's listing, ended by mapfs_release().  -ENOSYS (copy mode):
 * mapfs_readdir() is as good.
 */
int must_check mapfs_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh);
/* Some names behind `cookie`; none, if there are no more. */
int must_check mapfs_readdir_open(struct mapfs_view *v, uint64_t fh,
				  const struct mapfs_readdir *readdir);

/*
 * Handles: only where mapfs_is_stateless() is false.  `flags` are open(2)'s.
 * `changed`: the base's file differs from what this view last showed, so
 * what the kernel cached of it must go.
 */
int must_check mapfs_open(struct mapfs_view *v, mapfs_ino ino, int flags,
			  uint64_t *fh, bool *changed);
/*
 * Of an append-only file (chattr +a): what is written through the handle must
 * be what a program appended, never a page of a mapping.
 */
bool mapfs_only_appends(struct mapfs_view *v, uint64_t fh);
/*
 * Would the next read move the access time of the base's file?  Then the
 * kernel must not answer it from its cache.
 */
bool mapfs_read_counts(struct mapfs_view *v, uint64_t fh);
/* A regular file, opened; `flags` are open(2)'s. */
int must_check mapfs_create(struct mapfs_view *v, const struct mapfs_new *new,
			    int flags, struct mapfs_entry *out, uint64_t *fh);
void mapfs_release(struct mapfs_view *v, uint64_t fh);

int must_check mapfs_getattr(struct mapfs_view *v, struct mapfs_file file,
			     struct mapfs_attr *out);
/* The same for the caller's own use: the kernel does not learn of it. */
int must_check mapfs_peek_attr(struct mapfs_view *v, struct mapfs_file file,
			       struct mapfs_attr *out);
int must_check mapfs_setattr(struct mapfs_view *v, struct mapfs_file file,
			     const struct mapfs_setattr *set,
			     struct mapfs_attr *out);
int must_check mapfs_statfs(struct mapfs_view *v, struct statvfs *out);

/* Data.  Counts are bytes; a short count is the end of the file. */
ssize_t must_check mapfs_read(struct mapfs_view *v, struct mapfs_file file,
			      void *buf, size_t len, uint64_t off);
ssize_t must_check mapfs_write(struct mapfs_view *v, struct mapfs_file file,
			       const struct mapfs_write *write);
int must_check mapfs_fsync(struct mapfs_view *v, struct mapfs_file file,
			   bool data_only);
/* mode: fallocate(2)'s KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; else EOPNOTSUPP. */
int must_check mapfs_fallocate(struct mapfs_view *v, struct mapfs_file file,
			       int mode, uint64_t off, uint64_t len);
/* whence: SEEK_DATA or SEEK_HOLE. */
int must_check mapfs_lseek(struct mapfs_view *v, struct mapfs_file file,
			   uint64_t off, int whence, uint64_t *out);
ssize_t must_check mapfs_copy_range(struct mapfs_view *v,
				    const struct mapfs_copy_range *copy);

/*
 * Extended attributes; sizes as getxattr(2): `len` 0 asks for the size.  A list
 * is names, each ended by NUL.
 */
ssize_t must_check mapfs_getxattr(struct mapfs_view *v, mapfs_ino ino,
				  const char *name, void *buf, size_t len);
ssize_t must_check mapfs_listxattr(struct mapfs_view *v, mapfs_ino ino,
				   char *buf, size_t len);
int must_check mapfs_setxattr(struct mapfs_view *v, mapfs_ino ino,
			      const struct mapfs_setxattr *set);
int must_check mapfs_removexattr(struct mapfs_view *v, mapfs_ino ino,
				 const char *name);

/*
 * Inode flags of files and directories, as ioctl_iflags(2) has them; -ENOTTY
 * for other types, and where the base has none.  A read or write view has
 * the base's, and the base judges a change as one of `cred`.  A copy view
 * shows some of them and changes none: -EOPNOTSUPP.
 */
enum mapfs_fileattr_kind {
	MAPFS_FILEATTR_FLAGS,	/* FS_IOC_GETFLAGS, FS_IOC_SETFLAGS */
	MAPFS_FILEATTR_FSXATTR, /* FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR */
	MAPFS_FILEATTR_VERSION, /* FS_IOC_GETVERSION, which cannot be set */
};

struct mapfs_fsxattr { /* struct fsxattr of <linux/fs.h> */
	uint32_t xflags;
	uint32_t extsize;
	uint32_t nextents;
	uint32_t projid;
	uint32_t cowextsize;
	uint8_t unused[8];
};

union mapfs_fileattr {
	uint32_t flags; /* the version, too */
	struct mapfs_fsxattr fsxattr;
};

int must_check mapfs_get_fileattr(struct mapfs_view *v, struct mapfs_file file,
				  enum mapfs_fileattr_kind what,
				  union mapfs_fileattr *out);
int must_check mapfs_set_fileattr(struct mapfs_view *v,
				  const struct mapfs_cred *cred,
				  struct mapfs_file file,
				  enum mapfs_fileattr_kind what,
				  const union mapfs_fileattr *a);

/* What became of the base of a kept store. */
enum mapfs_base_state {
	MAPFS_BASE_FITS,     /* it is where it was */
	MAPFS_BASE_REPLACED, /* another directory has its path */
	MAPFS_BASE_GONE,     /* nothing has its path */
};
/* `why` says what to do about it, unless it fits. */
int must_check mapfs_base_state(const char *store, enum mapfs_base_state *out,
				struct reason *why);

const char *mapfs_mode_name(enum mapfs_mode mode);

/*
 * Snapshots: moments of a kept store that stay as they were.  They are made
 * of, and by, a copy view that is open for writing (-EINVAL: not a kept
 * store, -EROFS: opened for looking); `why` holds a sentence on error.  What
 * the kernel of a mount still holds back must have been sent before.
 */
struct mapfs_snapshot {
	uint64_t id;	     /* never used again in this store */
	const char *name;    /* as a file name, without '@' */
	const char *message; /* "" if none was given */
	struct timespec time;
	uint64_t private_pages;
	bool is_reachable; /* false: the base was committed to since */
};

/* Strings are borrowed until the call returns; non-zero stops with it. */
typedef int (*mapfs_snapshot_fn)(void *arg, const struct mapfs_snapshot *s);

/* Durable on return [D1].  -EEXIST: the name is taken. */
int must_check mapfs_snapshot_create(struct mapfs_view *v, const char *name,
				     const char *message, struct reason *why);
/* Its pages are free again.  -EBUSY: branches or mounts of it, named. */
int must_check mapfs_snapshot_delete(struct mapfs_view *v, const char *name,
				     struct reason *why);
/* Oldest first; works for views opened for looking too. */
int must_check mapfs_snapshot_iterate(struct mapfs_view *v,
				      mapfs_snapshot_fn fn, void *arg);
/* ... of a store, whatever became of its base; no lock needed. */
int must_check mapfs_store_snapshots(const char *path, mapfs_snapshot_fn fn,
				     void *arg, struct reason *why);

/*
 * What a kernel that shows this view may believe wrongly after a change that
 * did not come through it.  Either a name (dir, name), or an inode (name is
 * NULL): its attributes and pages.
 */
struct mapfs_invalidation {
	mapfs_ino dir;
	const char *name;
	mapfs_ino ino;
	uint64_t generation; /* of ino, as in its struct mapfs_entry */
	mode_t type;	     /* S_IFMT bits of ino */
	bool is_gone;	     /* the inode is no more: -ESTALE from now on */
	uint64_t size_bytes; /* what it is now */
	uint64_t was_bytes;  /* what it was before */
};
typedef void (*mapfs_invalidation_fn)(void *arg,
				      const struct mapfs_invalidation *s);

/*
 * After a change behind the kernel's back, pages that it had cached before
 * are worth nothing: MAPFS_WRITE_CACHED of an inode told to a mapfs_invalidation_fn
 * is answered as done and dropped, until its caches were invalidated and this
 * was called.
 */
void mapfs_invalidated(struct mapfs_view *v, mapfs_ino ino);

/*
 * One path of the inode, from the root, without leading '/'; the caller's to
 * free.  A good guess: directories above may have moved, so look whether it
 * leads to the inode.  -ENOENT: it has no name that is known.
 */
int must_check mapfs_find_path(struct mapfs_view *v, mapfs_ino ino, char **out);

/*
 * Drift: base files that were changed below the view after they had been
 * changed in it.  Of those the view shows its own pages only, and reading
 * others fails.  `path` is the file's in the base; non-zero stops with it.
 */
typedef int (*mapfs_drift_fn)(void *arg, const char *path, bool is_gone);
int must_check mapfs_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg);

/* How much of an object there is where the base lost its own. */
enum mapfs_held {
	MAPFS_HELD_ALL,	    /* it can be read from end to end */
	MAPFS_HELD_PARTS,   /* some bytes, or names, were the base's only */
	MAPFS_HELD_NOTHING, /* a directory that stands for a lost one: what it
			       says of itself is made up */
};
int must_check mapfs_held(struct mapfs_view *v, mapfs_ino ino,
			  enum mapfs_held *out);

/*
 * Back to a snapshot; what came after it is gone unless another snapshot
 * holds it.  `fn` is called for everything that is not what it was, after
 * the change, with no lock held.
 */
int must_check mapfs_rollback(struct mapfs_view *v, const char *name,
			      mapfs_invalidation_fn fn, void *arg,
			      struct reason *why);
/*
 * `path` (from the view's root, "" is the root) and everything below it are
 * again what the base has there.
 */
int must_check mapfs_revert(struct mapfs_view *v, const char *path,
			    mapfs_invalidation_fn fn, void *arg,
			    struct reason *why);

/*
 * A new store that begins as a snapshot of another one, which may be in use.  Constant time and space: the pages stay the parent's.
 */
struct mapfs_branch_options {
	const char *from;     /* a store */
	const char *snapshot; /* of it */
	const char *to;	      /* the new store */
	bool is_trusted;      /* as in struct mapfs_options */
};
int must_check mapfs_branch(const struct mapfs_branch_options *opt,
			    struct reason *why);

/*
 * A store of another user, or one that others may write to, could have been
 * made to do harm in the base: opening one is -EPERM unless it is trusted.
 * This asks the same and opens nothing; 0 also where there is no store.
 */
int must_check mapfs_store_trust_check(const char *path, bool is_trusted,
				       struct reason *why);

/*
 * Waits for a process that only ends to close the store; -EBUSY as opening it
 * would be.  For who mounts before the store is opened: the new mount may get
 * the device number of the old one, and then nobody can tell them apart.
 */
int must_check mapfs_store_await(const char *path, struct reason *why);

/* What a store says of itself to anybody who may read it; no lock needed. */
struct mapfs_store_info {
	char *path;	  /* absolute */
	char *base;	  /* path of the base */
	char *mountpoint; /* where it is mounted now, or NULL */
	pid_t pid;	  /* of the process that uses it, or 0 */
	char *parent;	  /* the store it is a branch of, or NULL */
	char *parent_snapshot;
	char **branches;      /* stores that are branches of it; NULL ends */
	char **branches_of;   /* ... and of which snapshot, side by side */
	bool commit_is_open;  /* `mapfs commit` must finish first */
	unsigned int commits; /* that can be undone */
	struct timespec created;
};
int must_check mapfs_store_describe(const char *path,
				    struct mapfs_store_info *out,
				    struct reason *why);
void mapfs_store_info_fini(struct mapfs_store_info *info);
/* What refuses mapfs_discard() now: 0, or -EBUSY and a sentence. */
int must_check mapfs_may_discard(const char *path, struct reason *why);
/*
 * Removes a store with all that is in it.  -EBUSY: it is mounted, or a branch
 * of it needs it; `why` names that.  Files that are no store's stay, and then
 * so does the directory: -ENOTEMPTY.  Nothing in it needs to be believed, so
 * anybody's may be removed; but then a parent of yet another user is not told.
 */
int must_check mapfs_discard(const char *path, struct reason *why);

/*
 * What differs between a copy view and its base, or between two views of the
 * same base.  The cost grows with what is in the delta, never with the base
 * (but when a changed file has hard links in the base that the view never
 * met: finding their names takes a walk).
 *
 * Lifetime: entries and their strings are borrowed until the callback
 *           returns.
 * Errors:   0 or a negative errno; what `fn` returns other than 0 stops and
 *           is returned.
 * Locking:  both views stay usable; changes of `to` wait while names are
 *           compared.
 */

enum mapfs_change {
	MAPFS_ADDED = 'A',
	MAPFS_MODIFIED = 'M',
	MAPFS_DELETED = 'D',
	MAPFS_RENAMED = 'R', /* the same inode under another name */
	MAPFS_RETYPED = 'T', /* the name means another type of object */
};

/* In what an object differs that is there on both sides. */
enum mapfs_what {
	MAPFS_WHAT_CONTENT = 1 << 0, /* bytes, size, link target, device */
	MAPFS_WHAT_MODE = 1 << 1,
	MAPFS_WHAT_OWNER = 1 << 2,
	MAPFS_WHAT_TIME = 1 << 3, /* modification time */
	MAPFS_WHAT_XATTR = 1 << 4,
};

struct mapfs_range {
	uint64_t off_bytes;
	uint64_t len_bytes;
};

/* One side of an entry; all zero where the object is not there. */
struct mapfs_diff_side {
	mapfs_ino ino;
	mode_t mode; /* type and permissions */
	uid_t uid;
	gid_t gid;
	uint32_t nlink;
	uint64_t size_bytes;
	struct timespec mtime;
	uint64_t rdev;	     /* of devices; major in the high half */
	bool has_capability; /* a file with security.capability */
};

struct mapfs_diff_entry {
	enum mapfs_change change;
	unsigned int what;    /* enum mapfs_what, or-ed; M, R and T */
	const char *path;     /* without leading '/'; "" is the root */
	const char *old_path; /* R: where it was; else the same as path,
				 which differs below a renamed directory */
	struct mapfs_diff_side old_side;
	struct mapfs_diff_side new_side;
	uint64_t pages; /* pages of 4096 bytes that really differ */
	uint64_t bytes; /* bytes that really differ, counted singly */
	const struct mapfs_range *ranges; /* with want_ranges */
	size_t range_count;
};

typedef int (*mapfs_diff_fn)(void *arg, const struct mapfs_diff_entry *e);

struct mapfs_diff_options {
	bool want_ranges;	  /* fill `ranges` */
	bool want_tree;		  /* one entry for each object below an added,
				  deleted or retyped directory; else A and D
				  of a directory stand for all below it only
				  where the directory is one of the base */
	const char *const *paths; /* only these, what is below, and a directory
				     above whose entry stands for them;
				     NULL: all */
	size_t path_count;
	/* Called now and then with bytes compared; non-zero: stop with it. */
	int (*progress)(void *arg, uint64_t done_bytes);
	void *progress_arg;
};

/*
 * Each difference once, in order of path (bytes compared).  `from` NULL: the
 * base of `to`.  Content is compared, so a page written with the bytes it had
 * is no change, and neither is an object that ends as it began.  Both are
 * copy views (-EINVAL) of one base (-EXDEV).
 *
 * Of a view opened without its base: what it hides or replaced there is D or T
 * without a side before, and all that is in its delta is M at least.
 *
 * No object of either side is in two entries.  A directory is followed by
 * identity: in another place it is one R, also where something else had that
 * place (which is then D, or R itself), and what is in it is only listed if
 * it changed on its own.  Everything else belongs to its name: names on both
 * sides are M or T; of a file that lost one name and got another both make an
 * R.  So two files exchanged are M and M, a file moved over another is D and
 * M, and a hard link is A.  A directory that was removed and made again is
 * compared name by name.  A file that changed is M under each of its names.
 *
 * Access and change times, link counts and the modification time of a
 * directory never count.  pages, bytes and ranges of A, D and T are those of
 * the whole file; ranges are whole pages, but for the end of a file and what
 * one side has beyond the end of the other.
 */
int must_check mapfs_diff(struct mapfs_view *from, struct mapfs_view *to,
			  const struct mapfs_diff_options *opt,
			  mapfs_diff_fn fn, void *arg);

/*
 * Applying the delta of a resting kept store to its base, so that nothing is
 * lost whatever happens in between.
 *
 *   open -> conflicts? -> run -> close          a commit
 *   open (finds one begun) -> run -> close      finishing it after a crash
 *   undo                                        the newest one, taken back
 *
 * Lifetime: mapfs_commit_open() locks the store until mapfs_commit_close(),
 *           which accepts NULL.
 * Errors:   0 or a negative errno and a sentence in `why`.  -EBUSY: the
 *           store is mounted.  An interrupted run (-EINTR from `progress`, a
 *           kill, a power cut) leaves a commit that the next open finds.
 * Locking:  one thread.
 */

struct mapfs_commit;

/* Who wins where base and view changed the same object. */
enum mapfs_resolution {
	MAPFS_STOP,   /* nobody: nothing is written */
	MAPFS_OURS,   /* the view */
	MAPFS_THEIRS, /* the base as it is now; the view's change is dropped */
};

struct mapfs_commit_options {
	const char *store;
	const char *base;	  /* NULL: as recorded */
	bool is_trusted;	  /* as in struct mapfs_options */
	const char *const *paths; /* only these and below; NULL: all */
	size_t path_count;
	enum mapfs_resolution resolution;
	void (*log)(void *arg, int level, const char *line);
	void *log_arg;
	/* Now and then; non-zero (-EINTR) stops at a safe place. */
	int (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *progress_arg;
	/*
	 * Undoing: when it is known what will change, and before that does;
	 * non-zero stops with it.  Or NULL.
	 */
	int (*confirm)(void *arg, struct mapfs_commit *c);
	void *confirm_arg;
};

enum mapfs_conflict_kind {
	MAPFS_CONFLICT_CONTENT,	  /* changed here, changed there */
	MAPFS_CONFLICT_DELETED,	  /* deleted here, changed there */
	MAPFS_CONFLICT_MISSING,	  /* changed here, gone there */
	MAPFS_CONFLICT_ADDED,	  /* added on both sides */
	MAPFS_CONFLICT_TYPE,	  /* another type of object there now */
	MAPFS_CONFLICT_NOT_EMPTY, /* directory removed here, filled there; or
				     directory against file */
};

struct mapfs_conflict {
	enum mapfs_conflict_kind kind;
	const char *path;	       /* in the base */
	struct mapfs_diff_side ours;   /* zero: not there */
	struct mapfs_diff_side theirs; /* zero: not there */
};

struct mapfs_commit_totals {
	uint64_t added;
	uint64_t modified;
	uint64_t deleted;
	uint64_t renamed;
	uint64_t bytes; /* to be written */
};

int must_check mapfs_commit_open(struct mapfs_commit **out,
				 const struct mapfs_commit_options *opt,
				 struct reason *why);
/* A commit that was begun earlier: mapfs_commit_run() finishes it. */
bool mapfs_commit_is_begun(const struct mapfs_commit *c);
/* ... and was being taken back: mapfs_commit_run() goes on with that. */
bool mapfs_commit_is_undo(const struct mapfs_commit *c);
/*
 * Nothing of what was asked for is in the delta.  (What is there may still be
 * no difference worth a line of the plan, as a directory's times.)
 */
bool mapfs_commit_is_empty(const struct mapfs_commit *c);
/* What would be done, in the order of mapfs_diff(). */
int must_check mapfs_commit_plan(struct mapfs_commit *c, mapfs_diff_fn fn,
				 void *arg, struct mapfs_commit_totals *totals);
/* Each conflict, whatever the resolution; their number, or an error. */
int must_check mapfs_commit_conflicts(
	struct mapfs_commit *c,
	int (*fn)(void *arg, const struct mapfs_conflict *conflict), void *arg);
/*
 * What finishing (or undoing) makes of the base, where that is not compared:
 * each object that the plan in the store has on that side, A or M.
 */
int must_check mapfs_commit_review(struct mapfs_commit *c, bool undo,
				   mapfs_diff_fn fn, void *arg);
int must_check mapfs_commit_run(struct mapfs_commit *c, struct reason *why);
void mapfs_commit_close(struct mapfs_commit *c);

/*
 * Takes the newest commit of the store back: base and store are again what
 * they were before it.  An undo that was interrupted is finished by the next.
 */
int must_check mapfs_commit_undo(const struct mapfs_commit_options *opt,
				 struct reason *why);

#endif
