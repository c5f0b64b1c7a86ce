/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DIFF_DIFF_PRIV_H
#define MAPFS_CORE_DIFF_DIFF_PRIV_H

/*
 * What the files of the comparison share.
 *
 *   diff_side.c     copies the delta of each side, then no lock is needed
 *   diff_dir.c      directories as things that both sides have, by identity
 *   diff_edge.c     edges (directory, name) at which the sides may differ
 *   diff_expand.c   which edges there are to look at
 *   diff_links.c    names of a changed file that only the base knows
 *   diff_content.c  bytes compared, only where they can differ
 *   diff_object.c   one object compared with another
 *   diff.c          edges become entries, in order
 *
 * Words: a *side* is the old or the new tree.  A *dnode* is one directory,
 * wherever either side has it.  Two directories that only one side has each,
 * under the same name, are *twins*: their names are compared.
 *
 * Lifetime: everything lives until mapfs_diff() returns.
 * Errors:   0 or a negative errno; -EUCLEAN: the delta contradicts itself.
 * Locking:  each overlay's ns_lock while its delta is copied; then only what
 *           reading needs.
 */
#include "core/mapfs.h"
#include "core/overlay/overlay_priv.h"

enum side {
	OLD,
	NEW
};
#define SIDES 2

/* A name in the delta of one side. */
struct side_dentry {
	UT_hash_handle hh;
	struct side_dentry *next_in_dir;
	struct side_dentry *next_of_object;
	mapfs_ino id; /* 0: whiteout */
	uint16_t type;
	bool over_base;
	mapfs_ino dir; /* the key: this and the name behind it */
	char name[];
};

/* An inode in the delta of one side, as it was when that was copied. */
struct side_inode {
	UT_hash_handle hh;
	UT_hash_handle hh_place; /* by base_path, if it was not removed */
	mapfs_ino id;	     /* the key: same object, same id on both sides */
	struct inode *inode; /* with a hold */
	struct record_attr attr;
	uint64_t rdev;
	struct timespec btime;
	char *base_path; /* NULL: a new inode */
	bool owns_xattrs;
	struct side_dentry *dentries; /* in it, if it is a directory */
	struct side_dentry *names;    /* that mean it */
};

struct diff_side {
	struct overlay *o; /* NULL: the side is the base itself */
	struct side_inode *inodes;
	struct side_inode *places;
	struct side_dentry *dentries;
};

/* What the base says of a name. */
struct base_facts {
	mapfs_ino ino; /* 0: it has no such name */
	uint64_t generation;
	uint64_t rdev;
	uint64_t size_bytes;
	mode_t mode;
	uint32_t nlink;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	bool is_foreign;
};

struct dnode;

struct place {
	bool is_known;
	bool is_present;
	struct dnode *parent; /* NULL: the root, or not present */
	const char *name;     /* borrowed from dentry or base_path */
};

struct dnode {
	UT_hash_handle hh_id;
	UT_hash_handle hh_path;
	struct dnode *next;   /* all of them */
	struct dnode *queued; /* waiting to be looked into */
	mapfs_ino id;	      /* 0: not known and not needed */
	char *base_path;      /* NULL: not a directory of the base */
	struct inode *inode;  /* base directories, with a hold, or NULL */
	struct dnode *twin;   /* what the other side has in its place */
	struct place place[SIDES];
	bool is_foreign;
	bool is_queued;
};

struct object {
	mapfs_ino id; /* 0: nothing */
	uint16_t type;
	struct dnode *dir; /* what it is if it is a directory */
};

struct edge {
	UT_hash_handle hh;
	struct object object[SIDES];
	struct base_facts facts[SIDES]; /* of the name where that side's
					   directory is in the base */
	struct edge *from; /* what is new here was renamed from there */
	bool is_source;	   /* the old file was renamed away */
	struct dnode *dir; /* the key: this and the name behind it; NULL: the
			      edge to the root */
	char name[];
};

/* The number of an object of the base that no side has in its delta. */
#define ANOTHER_OBJECT (1ULL << 61)

struct differ {
	const struct mapfs_diff_options *opt;
	mapfs_diff_fn fn;
	void *arg;
	struct overlay *to;
	bool shares_pages; /* both sides' are of one arena */
	struct diff_side side[SIDES];
	struct dnode *by_id;
	struct dnode *by_path;
	struct dnode *dnodes;
	struct dnode *root;
	struct dnode *queue; /* of directories to look into */
	struct edge *edges;
	uint64_t unseen; /* objects of a base that is absent, so far */
	uint64_t done_bytes;
};

/* diff_side.c */
int must_check side_load(struct differ *d, enum side s, struct overlay *o);
void side_unload(struct diff_side *side);
struct side_inode *side_inode(const struct diff_side *side, mapfs_ino id);
/* What the side changed of the base's object of this path; or NULL. */
struct side_inode *side_place(const struct diff_side *side, const char *path);
struct side_dentry *side_dentry(const struct diff_side *side, mapfs_ino dir,
				const char *name, size_t name_bytes);

/* diff_dir.c */
int must_check dnodes_load(struct differ *d);
void dnodes_unload(struct differ *d);
int must_check dnode_of_path(struct differ *d, const char *path, size_t bytes,
			     struct dnode **out);
struct dnode *dnode_of_id(const struct differ *d, mapfs_ino id);
/* Where the side has it; is_present false: nowhere. */
int must_check dnode_place(struct differ *d, struct dnode *dir, enum side s,
			   const struct place **out);
int must_check dnode_is_present(struct differ *d, struct dnode *dir,
				enum side s, bool *present);
/* The directory that side has there: itself, its twin, or NULL. */
int must_check dnode_on(struct differ *d, struct dnode *dir, enum side s,
			struct dnode **out);
/* Is it in other places on the two sides? */
int must_check dnode_is_moved(struct differ *d, struct dnode *dir, bool *moved);
/* The inode of a directory of the base, borrowed. */
int must_check dnode_inode(struct differ *d, struct dnode *dir,
			   struct inode **out);
/* Path on a side of `name` in `dir`; where it is not there: as if. */
int must_check dnode_path(struct differ *d, struct dnode *dir, const char *name,
			  enum side s, char **out);
/* What the base has under that name; facts->ino 0: nothing. */
int must_check dnode_base_lookup(struct differ *d, struct dnode *dir,
				 const char *name, struct base_facts *facts);

/* diff_edge.c */
/* Finds or adds; `dir` as any side has it. */
int must_check edge_add(struct differ *d, struct dnode *dir, const char *name,
			size_t name_bytes, struct edge **out);
int must_check edge_add_root(struct differ *d);
void edges_unload(struct differ *d);
/* The edge's object, but for a directory that moved here or away. */
int must_check edge_object(struct differ *d, const struct edge *e, enum side s,
			   struct object *out);

/* diff_expand.c */
int must_check diff_expand(struct differ *d);
/* The entry of a directory above stands for what is in this one. */
int must_check dnode_is_covered(struct differ *d, struct dnode *dir,
				bool *covered);

/* diff_links.c */
int must_check diff_find_links(struct differ *d);

/* diff_object.c */
/* One side of a comparison. */
struct subject {
	struct overlay *o;	    /* whose delta has it; or NULL: the base */
	struct side_inode *changed; /* or NULL: as in the base */
	struct inode *inode;	    /* with a hold if `held` */
	bool held;
	mapfs_ino id;
	uint64_t rdev;
	struct mapfs_diff_side shown;
};

struct difference {
	unsigned int what;
	uint64_t pages;
	uint64_t bytes;
	struct mapfs_range *ranges;
	size_t range_count;
	size_t range_cap;
};

/*
 * An object of a side.  Where its delta has nothing of it, it is what the
 * base has at `e`, in the directory that side `where` has there.
 */
int must_check subject_init(struct differ *d, enum side s, const struct edge *e,
			    enum side where, const struct object *object,
			    struct subject *out);
/* The object as entries show it. */
struct mapfs_diff_side subject_show(struct differ *d, const struct subject *s);
void subject_fini(struct differ *d, struct subject *s);
int must_check subject_compare(struct differ *d, const struct subject *a,
			       const struct subject *b, struct difference *out);
void difference_fini(struct difference *diff);

/* diff_content.c */
int must_check content_compare(struct differ *d, const struct subject *a,
			       const struct subject *b, struct difference *out);
/* Counts a span as different from end to end. */
int must_check difference_add(struct difference *diff, bool want_ranges,
			      uint64_t off, uint64_t len);
ssize_t must_check subject_read(struct differ *d, const struct subject *s,
				void *buf, size_t len, uint64_t off);

#endif
