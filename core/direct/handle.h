/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIRECT_HANDLE_H
#define MAPFS_CORE_DIRECT_HANDLE_H

/*
 * The table of open files (write mode) and open directories.
 *
 * A file may be open for writing that its mode no longer lets us open, or
 * that has no name any more; so each open keeps a descriptor.  Descriptors
 * for reading are shared by all handles of an inode; one for writing belongs
 * to its opener alone, because a failed writeback is reported once to each
 * descriptor.  The handle of a directory keeps its listing.
 *
 * The kernel's handle is a number in a table, so a wrong one is an error and
 * not a crash.
 *
 * Lifetime: handles_create() .. handles_destroy() (accepts NULL); a handle
 *           from handle_add() to handle_remove().  An open file is counted: it
 *           is closed when neither a handle nor a caller uses it.
 * Errors:   0 or a negative errno.
 * Locking:  RANK_DIRECT, taken by every call; not held across a system call.
 */
#include "core/base/base.h"
#include "core/lib/types.h"

struct handles;

/* The use that a caller has for a descriptor. */
enum direct_use {
	DIRECT_PATH, /* name it: O_PATH is enough */
	DIRECT_READ,
	DIRECT_WRITE,
};

/* Which object a descriptor is of. */
struct handle_object {
	mapfs_ino ino;
	uint64_t generation;
};

struct open_file {
	struct handle_object of; /* fixed at birth */
	int fd;			 /* fixed at birth */
	int access;		 /* fixed at birth: O_ACCMODE part */
	bool appends;		 /* fixed at birth: writes go to the end */
	bool is_shared;		 /* fixed at birth */
	unsigned int users;	 /* by handles.lock */
	struct open_file *prev;	 /* of the inode, by handles.lock */
	struct open_file *next;
};

/* The base is borrowed.  Call it when the process has its final limits. */
int must_check handles_create(struct handles **out, struct base *b);
void handles_destroy(struct handles *t);

/*
 * A handle of an open file; takes `fd`, also on an error.  -EMFILE: the
 * descriptors that are left are reserved for other purposes.
 */
int must_check handle_add(struct handles *t, struct handle_object of, int fd,
			  uint64_t *fh);
/* A handle of a directory, to list it. */
int must_check handle_add_dir(struct handles *t, mapfs_ino dir, uint64_t *fh);
void handle_remove(struct handles *t, uint64_t fh);

/*
 * The listing of the directory as the last reader left it, or a new one.  It
 * belongs to the caller until handle_give_listing().  -EBADF: `fh` is no open
 * directory.
 */
int must_check handle_take_listing(struct handles *t, uint64_t fh,
				   mapfs_ino *dir, struct base_listing **out);
/* Destroys it if the handle is gone, or has one of another reader. */
void handle_give_listing(struct handles *t, uint64_t fh,
			 struct base_listing *l);

/*
 * The handle's open file.  NULL: it is a directory, or (*is_known is false)
 * there is no such handle.
 */
struct open_file *open_file_get(struct handles *t, uint64_t fh, bool *is_known);
/* Any open file of the inode that allows this use, or NULL. */
struct open_file *open_file_find(struct handles *t, const struct inode *i,
				 enum direct_use use);
void open_file_put(struct handles *t, struct open_file *f);
/* Does a descriptor of this access mode allow the use? */
bool direct_access_allows(int access, enum direct_use use);

#endif
