/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_MAPFS_H
#define MAPFS_CORE_MAPFS_H

/*
 * The only door into the core; mapfs_store.h and mapfs_change.h are parts of
 * it.  The *base* is a directory; a *view* is one picture of it, as a mount
 * shows it; a *store* keeps what a copy view changed.  Objects of a view are
 * addressed by inode number.
 *
 *	mapfs_view_open()
 *	mapfs_lookup(root, name, &e)	e.attr.ino can be used now
 *	mapfs_read(), mapfs_write(), ...
 *	mapfs_forget(e.attr.ino, 1)	... and no longer
 *	mapfs_view_close()
 *
 * Lifetime: mapfs_view_open() gives the caller the only reference to a view;
 *           mapfs_view_close() ends it and accepts NULL.  Each call that fills
 *           a struct mapfs_entry adds one to the lookup count of its inode;
 *           mapfs_forget() subtracts.  A number can be used while its count is
 *           not zero.  The root can always be used and is not counted.
 * Errors:   0 (or a count) or a negative errno.  On an error nothing changed,
 *           and out-parameters are untouched; calls that take a struct reason
 *           fill it with a sentence for people.
 * Locking:  every call may be made by any thread that holds no lock of the
 *           core; none is held on return.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "core/lib/reason.h"
#include "core/lib/types.h"
#include "mapfs_change.h"
#include "mapfs_store.h"

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

/*
 * A window is a part of a file that a view shows as a file of its own.  In a
 * view of windows the root shows the windows and nothing else, and no byte of a
 * file is in two windows, so that each byte has one page in the kernel's cache
 * [C1].
 */
struct mapfs_window {
	const char *name; /* in the root of the view */
	const char *path; /* of the file, from the root of the base; "": the
			     base is that file */
	uint64_t off_bytes;
	uint64_t len_bytes; /* or MAPFS_WINDOW_OPEN */
};

/* The window ends with its file, and grows and shrinks with it. */
#define MAPFS_WINDOW_OPEN UINT64_MAX

enum mapfs_base_kind {
	MAPFS_BASE_AT_PATH, /* a directory, a regular file or a block device */
	MAPFS_BASE_NONE,    /* an empty directory that exists nowhere */
};

/* Where others have the path of the base, which is absolute. */
#define MAPFS_NO_BASE "none"

/* `all_bytes` is an estimate. */
typedef void (*mapfs_progress_fn)(void *arg, uint64_t done_bytes,
				  uint64_t all_bytes);

struct mapfs_options {
	enum mapfs_mode mode;
	enum mapfs_store_kind store_kind; /* copy mode only */
	enum mapfs_base_kind base_kind;	  /* NONE: copy mode only */
	const char *base; /* its path; NULL: as the kept store recorded */
	/*
	 * Copy mode: the base is the one that this copy view has open, whatever
	 * is at its path by now; or NULL.
	 */
	struct mapfs_view *base_of;
	const char *store;   /* copy mode, else NULL */
	uint64_t size_bytes; /* copy mode: of all private pages; 0: no limit */
	/*
	 * A view of windows; none: of the whole base.  A base that is a file is
	 * shown as one open window, which has the name of the file.
	 */
	const struct mapfs_window *windows;
	size_t window_count;
	bool root_is_file; /* the root of the view is its only window */
	/* Only for a kept store: */
	bool is_trusted;      /* even if another user could have written it */
	const char *snapshot; /* show this snapshot, unchangeable, also while
				 the store is in use; or NULL */
	bool look_only;	      /* nothing changes; several views may look at one
				 store at once; -EBUSY: it is mounted */
	bool salvage;	      /* as look_only, also if the store is damaged:
				 shows what is sound, and writes nothing; the
				 log says what is missing */
	bool is_part;	      /* makes a new store, which counts as one only
				 after mapfs_store_finish() */
	bool without_base;    /* with one of the two above: the base is not
				 opened, and shows as if it were lost */
	/* Write mode: what reading does to access times of the base. */
	bool noatime;	 /* nothing, as far as possible */
	bool nodiratime; /* nothing to those of directories */
	bool relatime;	 /* as relatime of mount(8); else as the base's mount
			    does it */
	const char *mountpoint; /* recorded in the store's lock, or NULL */
	bool waits_to_start;	/* starts no thread before mapfs_view_start() */
	/*
	 * Receives one line without newline; the level is syslog's.  There is
	 * one for the whole process: NULL leaves it as it is.
	 */
	void (*log)(void *arg, int level, const char *line);
	void *log_arg;
	/*
	 * Called while a new journal is written (compaction, rollback, revert)
	 * and, with 0 of 0, when that has ended.  The calling thread holds
	 * locks, so no call of the view may be made.
	 */
	mapfs_progress_fn progress;
	void *progress_arg;
};

/* The user who makes the request; new objects belong to that user. */
struct mapfs_cred {
	uid_t uid;
	gid_t gid;
	mode_t umask; /* not yet applied to the modes of the request */
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

/* The members of a struct mapfs_setattr that are to be set. */
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
	MAPFS_SET_KILL_PRIV = 1 << 9, /* clear set-id bits as write(2) does */
	/* Also the set-gid bit of a file that its group may not execute. */
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
 * An inode, and the handle through which it is used, or 0 for none.  Stateless
 * views ignore the handle.
 */
struct mapfs_file {
	mapfs_ino ino;
	uint64_t fh;
};

static inline struct mapfs_file mapfs_file_of(mapfs_ino ino)
{
	return (struct mapfs_file){ .ino = ino };
}

/* A new object. */
struct mapfs_new {
	const struct mapfs_cred *cred;
	mapfs_ino dir;
	const char *name; /* ignored by mapfs_tmpfile() */
	mode_t mode;	  /* umask not applied; ignored by mapfs_symlink() */
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
	uint64_t cookie; /* a listing that starts there continues behind it */
	/*
	 * With `plus`: the looked-up object, and its lookup is counted.  NULL
	 * for "." and "..", and where the lookup failed.
	 */
	const struct mapfs_entry *entry;
};

/* 0: continue; 1: no room, so the name is neither listed nor counted. */
typedef int (*mapfs_dirent_fn)(void *arg, const struct mapfs_dirent *d);

/* The names after `cookie` (0: all), "." and ".." among them. */
struct mapfs_readdir {
	uint64_t cookie;
	bool plus; /* look each name up, as mapfs_lookup() does */
	mapfs_dirent_fn fn;
	void *arg;
};

enum mapfs_write_flags {
	/* Written back from the kernel's cache, not a write(2) that waits. */
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

/* What the delta of a view has, counted while it changes; nothing is compared. */
struct mapfs_counts {
	uint64_t inodes;      /* with a delta */
	uint64_t base_files;  /* files of the base that changed or moved */
	uint64_t names_added; /* of new objects, where the base has no name */
	uint64_t names_replaced; /* ... where it has one */
	uint64_t names_moved;	 /* new names of objects of the base */
	uint64_t names_hidden;	 /* names of the base that are gone */
};

/* The status of a view; strings live as long as the view. */
struct mapfs_info {
	enum mapfs_mode mode;
	const char *base;  /* absolute, or MAPFS_NO_BASE */
	const char *store; /* absolute, or NULL */
	uint64_t private_pages;
	uint64_t journal_bytes;
	uint64_t inodes_known; /* in memory */
	uint64_t inodes_changed;
	struct mapfs_counts counts;
	bool is_latched;     /* [D4] a sync failed: no change is possible */
	bool store_is_new;   /* the store was made when the view was opened */
	const char *warning; /* a sentence about the store for the user who
				opened it, or NULL */
	bool is_windows;     /* a view of windows: its root cannot be changed */
};

int must_check mapfs_view_open(struct mapfs_view **out,
			       const struct mapfs_options *opt,
			       struct reason *why);
/*
 * `fn` is called when a process that is closing a store must be waited for.
 * There is one for the whole process.
 */
void mapfs_tell_of_waits(void (*fn)(void *arg, const char *line), void *arg);
/*
 * For processes that want to open the store: the view is mounted now, as file
 * system `dev`; the mount is gone for good, and mapfs_view_close() follows.
 */
void mapfs_announce_mount(struct mapfs_view *v, dev_t dev);
void mapfs_announce_close(struct mapfs_view *v);
/*
 * Starts the thread of the view, if it has one: after mapfs_view_open() with
 * `waits_to_start`, before the first change.
 */
int must_check mapfs_view_start(struct mapfs_view *v);

/* Where the process opens files, as long as the view is open. */
enum mapfs_place {
	MAPFS_PLACE_BASE,	/* the directory, or the file */
	MAPFS_PLACE_STORE,	/* the directory of a kept store */
	MAPFS_PLACE_SCRATCH,	/* the directory in which files without a name
				are made */
	MAPFS_PLACE_READ_STORE, /* a kept store that is only read */
	MAPFS_PLACE_HOLDS,	/* a file of a store, which is locked */
};

/* `fd` is borrowed until the callback returns.  Non-zero stops with it. */
typedef int (*mapfs_place_fn)(void *arg, enum mapfs_place place, int fd);
int must_check mapfs_view_places(struct mapfs_view *v, mapfs_place_fn fn,
				 void *arg);
/* Syncs a kept store; returns the error of that, or 0. */
int mapfs_view_close(struct mapfs_view *v);
void mapfs_view_info(struct mapfs_view *v, struct mapfs_info *out);
mapfs_ino mapfs_root_ino(const struct mapfs_view *v);
/*
 * An O_PATH descriptor of the base, borrowed: of the base itself, also if a
 * mount covers its path by now.  -1: the view was opened without its base, or
 * has none.
 */
int mapfs_base_fd(const struct mapfs_view *v);
/* The kernel keeps the times of files itself; before the first request. */
void mapfs_set_kernel_times(struct mapfs_view *v, bool on);
/* False (write mode): files are opened with mapfs_open(), and need a handle. */
bool mapfs_is_stateless(const struct mapfs_view *v);

/*
 * Names.  `name` is one component of at most NAME_MAX bytes, without '/'.
 *
 * "." finds the inode `dir`, which may be of any type, by its number alone, as
 * file handles need it: its lookup count may be zero.  ".." finds the directory
 * above it; the root has none.  -ESTALE: the view shows no such inode any more.
 * -EAGAIN: only a walk over the base can find it.
 */
int must_check mapfs_lookup(struct mapfs_view *v, mapfs_ino dir,
			    const char *name, struct mapfs_entry *out);
/* "." and "..", with a walk over the base if need be. */
int must_check mapfs_lookup_far(struct mapfs_view *v, mapfs_ino ino,
				const char *name, struct mapfs_entry *out);
/* Ends such walks, and prevents new ones; before mapfs_view_close(). */
void mapfs_interrupt(struct mapfs_view *v);
void mapfs_forget(struct mapfs_view *v, mapfs_ino ino, uint64_t nlookup);
/* The regular files with a lookup count; the caller frees the array. */
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
/* -EINVAL: a flag other than RENAME_NOREPLACE and RENAME_EXCHANGE. */
int must_check mapfs_rename(struct mapfs_view *v,
			    const struct mapfs_rename *rename);
/*
 * RENAME_WHITEOUT of rename(2): the same step leaves a character device 0:0 of
 * mode 0 at the old name, owned by the caller.  To the view it is a device like
 * any other.  -EINVAL: a flag other than RENAME_NOREPLACE; or, in write mode,
 * the file system of the base makes no whiteouts.
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
/* Cookies stay valid while names are added and removed. */
int must_check mapfs_readdir(struct mapfs_view *v, mapfs_ino dir,
			     const struct mapfs_readdir *readdir);
/*
 * Opens a directory for one reader; mapfs_release() closes it.  -ENOSYS (copy
 * mode): mapfs_readdir() does as well.
 */
int must_check mapfs_opendir(struct mapfs_view *v, mapfs_ino dir, uint64_t *fh);
/* As mapfs_readdir(), but some names; none: the end is reached. */
int must_check mapfs_readdir_open(struct mapfs_view *v, uint64_t fh,
				  const struct mapfs_readdir *readdir);

/*
 * Handles exist only where mapfs_is_stateless() is false.  `flags` are those of
 * open(2).  `changed`: the file was changed in the base since the view last
 * showed it, so the kernel must drop its cached pages.
 */
int must_check mapfs_open(struct mapfs_view *v, mapfs_ino ino, int flags,
			  uint64_t *fh, bool *changed);
/* True: of a file with chattr +a, which takes no page of a mapping. */
bool mapfs_only_appends(struct mapfs_view *v, uint64_t fh);
/* True: the next read changes an access time, so no cache may answer it. */
bool mapfs_read_counts(struct mapfs_view *v, uint64_t fh);
int must_check mapfs_create(struct mapfs_view *v, const struct mapfs_new *new,
			    int flags, struct mapfs_entry *out, uint64_t *fh);
void mapfs_release(struct mapfs_view *v, uint64_t fh);

int must_check mapfs_getattr(struct mapfs_view *v, struct mapfs_file file,
			     struct mapfs_attr *out);
/* The same, but the answer is not shown to the kernel. */
int must_check mapfs_peek_attr(struct mapfs_view *v, struct mapfs_file file,
			       struct mapfs_attr *out);
int must_check mapfs_setattr(struct mapfs_view *v, struct mapfs_file file,
			     const struct mapfs_setattr *set,
			     struct mapfs_attr *out);
int must_check mapfs_statfs(struct mapfs_view *v, struct statvfs *out);

/* Data.  Counts are bytes; a short one means the end of the file. */
ssize_t must_check mapfs_read(struct mapfs_view *v, struct mapfs_file file,
			      void *buf, size_t len, uint64_t off);
ssize_t must_check mapfs_write(struct mapfs_view *v, struct mapfs_file file,
			       const struct mapfs_write *write);
int must_check mapfs_fsync(struct mapfs_view *v, struct mapfs_file file,
			   bool data_only);
/* -EOPNOTSUPP: a mode other than KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE. */
int must_check mapfs_fallocate(struct mapfs_view *v, struct mapfs_file file,
			       int mode, uint64_t off, uint64_t len);
/* whence: SEEK_DATA or SEEK_HOLE. */
int must_check mapfs_lseek(struct mapfs_view *v, struct mapfs_file file,
			   uint64_t off, int whence, uint64_t *out);
ssize_t must_check mapfs_copy_range(struct mapfs_view *v,
				    const struct mapfs_copy_range *copy);

/* Where bytes of a file are. */
enum mapfs_source {
	MAPFS_SOURCE_HOLE,     /* nowhere: they read as zeros */
	MAPFS_SOURCE_BASE,     /* in the file of the base */
	MAPFS_SOURCE_PARENT,   /* in a store that this one is a branch of */
	MAPFS_SOURCE_SNAPSHOT, /* in the store; a snapshot has them, too */
	MAPFS_SOURCE_PRIVATE,  /* in the store, and in no snapshot */
	MAPFS_SOURCES
};

struct mapfs_run {
	uint64_t off_bytes;
	uint64_t len_bytes;
	enum mapfs_source source;
};

/* Non-zero stops and is returned. */
typedef int (*mapfs_run_fn)(void *arg, const struct mapfs_run *run);

/*
 * Calls `fn` for the runs of a regular file that together are `range`, as far
 * as the file reaches: in order, without a gap, no two neighbours of the same
 * source.  A run is whole pages, but for the ends of the range and of the file.
 * They are those of one moment, and no lock is held when they are told.  A part
 * of the base whose holes cannot be found counts as data.
 */
int must_check mapfs_pages(struct mapfs_view *v, struct mapfs_file file,
			   const struct mapfs_range *range, mapfs_run_fn fn,
			   void *arg);
/*
 * The same for all of the file that the window `file` is a part of.  -EINVAL:
 * the view has no windows.
 */
int must_check mapfs_pages_of_whole(struct mapfs_view *v,
				    struct mapfs_file file, mapfs_run_fn fn,
				    void *arg);

/*
 * Extended attributes.  As in getxattr(2), `len` 0 asks for the size.  A list
 * is the names, each with its NUL.
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
 * Inode flags of files and directories: ioctl_iflags(2).  -ENOTTY: the object
 * is of another type, or the base has no flags.  A read or write view has those
 * of the base, which permits a change as it permits it to the user of `cred`.
 * A copy view shows some of them and changes none: -EOPNOTSUPP.
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
	uint32_t flags; /* or the version */
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

const char *mapfs_mode_name(enum mapfs_mode mode);

#endif
