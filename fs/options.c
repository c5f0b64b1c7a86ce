/* SPDX-License-Identifier: MIT */
/*
 * Options as in mount(8): a list between commas, a backslash before a comma
 * that belongs to a value.  libfuse splits; this file knows the words.  One
 * table says what each word does, so the list of known words that a refusal
 * names cannot disagree with it.
 */
#include "options.h"

#include <errno.h>
#include <fuse_opt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS_DEFAULT 4
#define THREADS_MOST 64
#define DEPTH_DEFAULT 8
#define DEPTH_MOST 256

enum word_does {
	WORD_MODE,
	WORD_STORE,
	WORD_LOGFILE,
	WORD_THREADS,
	WORD_DEPTH,
	WORD_SET, /* the bool at `at` */
	WORD_CLEAR,
	WORD_PASS, /* goes to the kernel as it is */
	WORD_DROP, /* for mount(8), fstab and systemd */
};

struct word {
	const char *name; /* ends in '=' when a value follows */
	enum word_does does;
	size_t at;
};

#define AT(member) offsetof(struct fs_options, member)

static const struct word words[] = {
	{ "mode=", WORD_MODE, 0 },
	{ "store=", WORD_STORE, 0 },
	{ "ro", WORD_SET, AT(read_only) },
	{ "rw", WORD_CLEAR, AT(read_only) },
	{ "allow_other", WORD_SET, AT(allow_other) },
	{ "acl", WORD_SET, AT(acl) },
	{ "noacl", WORD_CLEAR, AT(acl) },
	{ "xattr", WORD_SET, AT(xattr) },
	{ "noxattr", WORD_CLEAR, AT(xattr) },
	{ "writeback", WORD_SET, AT(writeback) },
	{ "nowriteback", WORD_CLEAR, AT(writeback) },
	{ "uring", WORD_SET, AT(uring) },
	{ "nouring", WORD_CLEAR, AT(uring) },
	{ "uring_depth=", WORD_DEPTH, 0 },
	{ "max_threads=", WORD_THREADS, 0 },
	{ "logfile=", WORD_LOGFILE, 0 },
	{ "debug", WORD_SET, AT(debug) },
	{ "trust", WORD_SET, AT(is_trusted) },
	{ "suid", WORD_PASS, 0 },
	{ "nosuid", WORD_PASS, 0 },
	{ "dev", WORD_PASS, 0 },
	{ "nodev", WORD_PASS, 0 },
	{ "exec", WORD_PASS, 0 },
	{ "noexec", WORD_PASS, 0 },
	{ "sync", WORD_PASS, 0 },
	{ "async", WORD_PASS, 0 },
	{ "dirsync", WORD_PASS, 0 },
	{ "noatime", WORD_PASS, 0 },
	{ "nodiratime", WORD_PASS, 0 },
	{ "nosymfollow", WORD_PASS, 0 },
	{ "context=", WORD_PASS, 0 },
	{ "fscontext=", WORD_PASS, 0 },
	{ "defcontext=", WORD_PASS, 0 },
	{ "rootcontext=", WORD_PASS, 0 },
	{ "defaults", WORD_DROP, 0 },
	{ "default_permissions", WORD_DROP, 0 },
	{ "auto", WORD_DROP, 0 },
	{ "noauto", WORD_DROP, 0 },
	{ "user", WORD_DROP, 0 },
	{ "user=", WORD_DROP, 0 },
	{ "nouser", WORD_DROP, 0 },
	{ "users", WORD_DROP, 0 },
	{ "owner", WORD_DROP, 0 },
	{ "group", WORD_DROP, 0 },
	{ "nofail", WORD_DROP, 0 },
	{ "_netdev", WORD_DROP, 0 },
	{ "relatime", WORD_DROP, 0 },
	{ "atime", WORD_DROP, 0 },
	{ "diratime", WORD_DROP, 0 },
	{ "comment=", WORD_DROP, 0 },
};

#define WORDS (sizeof(words) / sizeof(*words))

struct parse {
	struct fs_options *opt;
	bool sloppy;
	int err;
	char *why;
	size_t why_bytes;
};

void options_init(struct fs_options *opt)
{
	*opt = (struct fs_options){
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_UNLINKED,
		.fuse_fd = -1,
		.max_threads = THREADS_DEFAULT,
		.uring_depth = DEPTH_DEFAULT,
		.allow_other = geteuid() == 0,
		.acl = true,
		.xattr = true,
		.writeback = true,
	};
}

void options_fini(struct fs_options *opt)
{
	free(opt->base);
	free(opt->mountpoint);
	free(opt->store);
	free(opt->snapshot);
	free(opt->logfile);
	free(opt->passed_on);
}

int options_set_mode(struct fs_options *opt, const char *name, char *why,
		     size_t why_bytes)
{
	static const enum mapfs_mode modes[] = {
		MAPFS_READ,
		MAPFS_WRITE,
		MAPFS_COPY,
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(name, mapfs_mode_name(modes[i])) != 0)
			continue;
		opt->mode = modes[i];
		opt->has_mode = true;
		return 0;
	}
	snprintf(why, why_bytes, "mode %s: unknown; use read, write or copy",
		 name);
	return -EINVAL;
}

/* Absolute, because the daemon leaves the working directory. */
static int set_path(char **at, const char *path)
{
	char cwd[PATH_MAX];
	char *all;

	if (path[0] == '/') {
		all = strdup(path);
	} else {
		if (!getcwd(cwd, sizeof(cwd)))
			return -errno;
		if (asprintf(&all, "%s/%s", cwd, path) < 0)
			all = NULL;
	}
	if (!all)
		return -ENOMEM;
	free(*at);
	*at = all;
	return 0;
}

/* STORE@NAME; a name has no '@', so the last one counts. */
static int split_snapshot(struct fs_options *opt)
{
	char *at = strrchr(opt->store, '@');

	free(opt->snapshot);
	opt->snapshot = NULL;
	if (!at || !at[1] || strchr(at, '/') || access(opt->store, F_OK) == 0)
		return 0;
	opt->snapshot = strdup(at + 1);
	if (!opt->snapshot)
		return -ENOMEM;
	*at = '\0';
	return 0;
}

int options_set_store(struct fs_options *opt, const char *store, char *why,
		      size_t why_bytes)
{
	int err;

	if (!*store) {
		snprintf(why, why_bytes,
			 "store: empty; name a directory, or say memory");
		return -EINVAL;
	}
	if (strcmp(store, "memory") == 0) {
		free(opt->store);
		opt->store = NULL;
		opt->store_kind = MAPFS_STORE_MEMORY;
		return 0;
	}
	opt->store_kind = MAPFS_STORE_DIR;
	err = set_path(&opt->store, store);
	return err ? err : split_snapshot(opt);
}

int options_set_logfile(struct fs_options *opt, const char *path)
{
	return set_path(&opt->logfile, path);
}

static int set_number(struct parse *p, const char *arg, const char *value,
		      unsigned int most, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!*value || *end || n < 1 || n > most) {
		snprintf(p->why, p->why_bytes,
			 "option %s: not a number from 1 to %u", arg, most);
		return -EINVAL;
	}
	*out = (unsigned int)n;
	return 0;
}

static int word_apply(struct parse *p, const struct word *w, const char *arg)
{
	const char *value = arg + strlen(w->name);
	struct fs_options *opt = p->opt;

	switch (w->does) {
	case WORD_MODE:
		return options_set_mode(opt, value, p->why, p->why_bytes);
	case WORD_STORE:
		return options_set_store(opt, value, p->why, p->why_bytes);
	case WORD_LOGFILE:
		return set_path(&opt->logfile, value);
	case WORD_THREADS:
		return set_number(p, arg, value, THREADS_MOST,
				  &opt->max_threads);
	case WORD_DEPTH:
		return set_number(p, arg, value, DEPTH_MOST, &opt->uring_depth);
	case WORD_SET:
		*(bool *)((char *)opt + w->at) = true;
		return 0;
	case WORD_CLEAR:
		*(bool *)((char *)opt + w->at) = false;
		return 0;
	case WORD_PASS:
		if (fuse_opt_add_opt_escaped(&opt->passed_on, arg))
			return -ENOMEM;
		return 0;
	case WORD_DROP:
		return 0;
	}
	abort();
}

static const struct word *word_find(const char *arg)
{
	for (size_t i = 0; i < WORDS; i++) {
		size_t n = strlen(words[i].name);

		/* Without a value the end of the word counts, too. */
		if (words[i].name[n - 1] != '=')
			n++;
		if (strncmp(arg, words[i].name, n) == 0)
			return &words[i];
	}
	return NULL;
}

static void say_unknown(struct parse *p, const char *arg)
{
	int n = snprintf(p->why, p->why_bytes, "option %s: unknown; known are",
			 arg);

	for (size_t i = 0; i < WORDS; i++) {
		if (words[i].does == WORD_DROP || n < 0 ||
		    (size_t)n >= p->why_bytes)
			continue;
		n += snprintf(p->why + n, p->why_bytes - (size_t)n, " %s",
			      words[i].name);
	}
}

/* libfuse calls this for each option of the list. */
static int option_seen(void *arg, const char *option, int key,
		       struct fuse_args *out)
{
	struct parse *p = arg;
	const struct word *w;

	if (p->err || key != FUSE_OPT_KEY_OPT)
		return 0;
	/* Notes of other programs in fstab. */
	if (strncmp(option, "x-", 2) == 0 || strncmp(option, "X-", 2) == 0)
		return 0;
	w = word_find(option);
	if (w) {
		p->err = word_apply(p, w, option);
	} else if (!p->sloppy) {
		say_unknown(p, option);
		p->err = -EINVAL;
	}
	return 0;
}

int options_add(struct fs_options *opt, const char *list, bool sloppy,
		char *why, size_t why_bytes)
{
	static const struct fuse_opt none[] = { FUSE_OPT_END };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct parse p = {
		.opt = opt,
		.sloppy = sloppy,
		.why = why,
		.why_bytes = why_bytes,
	};

	snprintf(why, why_bytes, "out of memory; try again later");
	if (fuse_opt_add_arg(&args, "mapfs") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, list) ||
	    fuse_opt_parse(&args, &p, none, option_seen))
		p.err = -ENOMEM;
	fuse_opt_free_args(&args);
	return p.err;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return path && *path == '/' && stat(path, &st) == 0 &&
	       S_ISDIR(st.st_mode) && access(path, W_OK | X_OK) == 0;
}

/* Where unlinked pages go: $TMPDIR, or a place that is no memory. */
static int set_temporary(struct fs_options *opt, char *why, size_t why_bytes)
{
	const char *const places[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (!is_directory(places[i]))
			continue;
		return set_path(&opt->store, places[i]);
	}
	snprintf(why, why_bytes,
		 "no directory for temporary pages; set "
		 "TMPDIR, or use --store");
	return -EINVAL;
}

/* Of the first user namespace, or one with all of its users. */
static bool are_all_mapped(const char *map)
{
	unsigned int inside = 0;
	unsigned int outside = 0;
	unsigned int count = UINT32_MAX;
	FILE *f = fopen(map, "re");

	if (!f)
		return true;
	if (fscanf(f, "%u %u %u", &inside, &outside, &count) != 3)
		count = 0; /* nobody yet */
	fclose(f);
	return inside == 0 && outside == 0 && count == UINT32_MAX;
}

int options_settle(struct fs_options *opt, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "out of memory; try again later");
	if (opt->read_only && !opt->has_mode && !opt->snapshot)
		opt->mode = MAPFS_READ;
	if (opt->mode == MAPFS_READ || opt->snapshot)
		opt->read_only = true;
	/* The kernel refuses ACLs, and their files, that name strangers. */
	if (!opt->xattr || !are_all_mapped("/proc/self/uid_map") ||
	    !are_all_mapped("/proc/self/gid_map"))
		opt->acl = false;
	if (opt->mode == MAPFS_COPY) {
		if (opt->store_kind == MAPFS_STORE_UNLINKED)
			return set_temporary(opt, why, why_bytes);
		return 0;
	}
	if (opt->store_kind != MAPFS_STORE_UNLINKED) {
		snprintf(why, why_bytes,
			 "option store: only copy mode keeps "
			 "a store; drop it, or use mode copy");
		return -EINVAL;
	}
	return 0;
}
