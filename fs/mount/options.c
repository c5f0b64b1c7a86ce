/* SPDX-License-Identifier: MIT */
/*
 * Options as in mount(8): a list of words separated by commas, with a backslash
 * before a comma that is part of a value.  libfuse splits the list.  One table
 * says what each word does; the message about an unknown word is made from it,
 * so it names every known word.
 */
#include "options.h"

#include <errno.h>
#include <fuse_opt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/path.h"
#include "size.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256 /* Linux 5.10 */
#endif

#define THREADS_DEFAULT 4
#define THREADS_MAX 64
#define DEPTH_DEFAULT 8
#define DEPTH_MAX 256
#define PERCENT_MOST 100

enum word_action {
	WORD_MODE,
	WORD_STORE,
	WORD_SIZE,
	WORD_WINDOW,
	WORD_LOGFILE,
	WORD_THREADS,
	WORD_DEPTH,
	WORD_SANDBOX,
	WORD_SET, /* sets the bool at offset `at` */
	WORD_CLEAR,
	WORD_ON, /* sets the flags `at` of mount(2) */
	WORD_OFF,
	WORD_CONTEXT, /* is passed to the kernel, if it has SELinux */
	WORD_DROP,    /* has no effect: it is for mount(8) or systemd, or says
			 what is always so */
	WORD_REFUSE,
};

struct word {
	const char *name; /* ends in '=' when a value follows */
	enum word_action action;
	size_t at;
	const char *reason; /* WORD_REFUSE: "reason; next step" */
};

/*
 * As mount(8) has it: a mount that fstab allows users to make must not give
 * them privileges.
 */
#define USERS_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define OWNERS_FLAGS (MS_NOSUID | MS_NODEV)

#define AT(member) offsetof(struct fs_options, member)

static const struct word words[] = {
	{ "mode=", WORD_MODE, 0, NULL },
	{ "store=", WORD_STORE, 0, NULL },
	{ "size=", WORD_SIZE, 0, NULL },
	{ "window=", WORD_WINDOW, 0, NULL },
	{ "ro", WORD_SET, AT(read_only), NULL },
	{ "rw", WORD_CLEAR, AT(read_only), NULL },
	{ "allow_other", WORD_SET, AT(allow_other), NULL },
	{ "acl", WORD_SET, AT(acl), NULL },
	{ "noacl", WORD_CLEAR, AT(acl), NULL },
	{ "xattr", WORD_SET, AT(xattr), NULL },
	{ "noxattr", WORD_CLEAR, AT(xattr), NULL },
	{ "writeback", WORD_SET, AT(writeback), NULL },
	{ "nowriteback", WORD_CLEAR, AT(writeback), NULL },
	{ "uring", WORD_SET, AT(uring), NULL },
	{ "nouring", WORD_CLEAR, AT(uring), NULL },
	{ "uring_depth=", WORD_DEPTH, 0, NULL },
	{ "max_threads=", WORD_THREADS, 0, NULL },
	{ "logfile=", WORD_LOGFILE, 0, NULL },
	{ "debug", WORD_SET, AT(debug), NULL },
	{ "sandbox", WORD_SANDBOX, SANDBOX_ALL, NULL },
	{ "sandbox=", WORD_SANDBOX, 0, NULL },
	{ "nosandbox", WORD_SANDBOX, 0, NULL },
	{ "trust", WORD_SET, AT(is_trusted), NULL },
	{ "salvage", WORD_SET, AT(salvage), NULL },
	{ "remount", WORD_SET, AT(remount), NULL },
	{ "suid", WORD_OFF, MS_NOSUID, NULL },
	{ "nosuid", WORD_ON, MS_NOSUID, NULL },
	{ "dev", WORD_OFF, MS_NODEV, NULL },
	{ "nodev", WORD_ON, MS_NODEV, NULL },
	{ "exec", WORD_OFF, MS_NOEXEC, NULL },
	{ "noexec", WORD_ON, MS_NOEXEC, NULL },
	{ "sync", WORD_ON, MS_SYNCHRONOUS, NULL },
	{ "async", WORD_OFF, MS_SYNCHRONOUS, NULL },
	{ "dirsync", WORD_ON, MS_DIRSYNC, NULL },
	{ "atime", WORD_OFF, MS_NOATIME, NULL },
	{ "noatime", WORD_ON, MS_NOATIME, NULL },
	{ "relatime", WORD_OFF, MS_NOATIME, NULL },
	{ "diratime", WORD_OFF, MS_NODIRATIME, NULL },
	{ "nodiratime", WORD_ON, MS_NODIRATIME, NULL },
	{ "symfollow", WORD_OFF, MS_NOSYMFOLLOW, NULL },
	{ "nosymfollow", WORD_ON, MS_NOSYMFOLLOW, NULL },
	{ "context=", WORD_CONTEXT, 0, NULL },
	{ "fscontext=", WORD_CONTEXT, 0, NULL },
	{ "defcontext=", WORD_CONTEXT, 0, NULL },
	{ "rootcontext=", WORD_CONTEXT, 0, NULL },
	{ "user", WORD_ON, USERS_FLAGS, NULL },
	{ "user=", WORD_ON, USERS_FLAGS, NULL },
	{ "users", WORD_ON, USERS_FLAGS, NULL },
	{ "owner", WORD_ON, OWNERS_FLAGS, NULL },
	{ "group", WORD_ON, OWNERS_FLAGS, NULL },
	{ "nofail", WORD_SET, AT(may_be_missing), NULL },
	{ "defaults", WORD_DROP, 0, NULL },
	{ "default_permissions", WORD_DROP, 0, NULL },
	{ "auto", WORD_DROP, 0, NULL },
	{ "noauto", WORD_DROP, 0, NULL },
	{ "nouser", WORD_DROP, 0, NULL },
	{ "nousers", WORD_DROP, 0, NULL },
	{ "noowner", WORD_DROP, 0, NULL },
	{ "nogroup", WORD_DROP, 0, NULL },
	{ "_netdev", WORD_DROP, 0, NULL },
	{ "silent", WORD_DROP, 0, NULL },
	{ "loud", WORD_DROP, 0, NULL },
	{ "norelatime", WORD_DROP, 0, NULL },
	{ "nostrictatime", WORD_DROP, 0, NULL },
	{ "nolazytime", WORD_DROP, 0, NULL },
	{ "noiversion", WORD_DROP, 0, NULL },
	{ "nomand", WORD_DROP, 0, NULL },
	{ "comment=", WORD_DROP, 0, NULL },
	{ "helper=", WORD_DROP, 0, NULL },
	{ "uhelper=", WORD_DROP, 0, NULL },
	/* The kernel shows these of every FUSE mount; a remount repeats them. */
	{ "user_id=", WORD_DROP, 0, NULL },
	{ "group_id=", WORD_DROP, 0, NULL },
	{ "max_read=", WORD_DROP, 0, NULL },
	{ "strictatime", WORD_REFUSE, 0,
	  "mapfs does not see the reads that the kernel's cache answers, so it "
	  "cannot update the access time; drop the option" },
	{ "lazytime", WORD_REFUSE, 0,
	  "the times are kept by the base's file system or the store; mount "
	  "the base's file system with lazytime" },
	{ "iversion", WORD_REFUSE, 0,
	  "FUSE has no inode versions; drop the option" },
	{ "mand", WORD_REFUSE, 0,
	  "Linux no longer has mandatory locks; drop the option" },
	{ "bind", WORD_REFUSE, 0, "is for an existing mount; use mount(8)" },
	{ "rbind", WORD_REFUSE, 0, "is for an existing mount; use mount(8)" },
	{ "move", WORD_REFUSE, 0, "is for an existing mount; use mount(8)" },
};

#define WORDS (sizeof(words) / sizeof(*words))

struct parse {
	struct fs_options *opt;
	bool sloppy;
	int err;
	struct reason *why;
};

void options_init(struct fs_options *opt)
{
	*opt = (struct fs_options){
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_UNLINKED,
		.fuse_fd = -1,
		.sandbox = SANDBOX_ALL,
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
	window_list_fini(&opt->windows);
}

int options_set_mode(struct fs_options *opt, const char *name,
		     struct reason *why)
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
	reason_set(why, "mode %s: unknown; use read, write or copy", name);
	return -EINVAL;
}

/* Makes the path absolute: the daemon changes its working directory. */
static int set_path(char **at, const char *path)
{
	char cwd[PATH_MAX] = "";
	char *all;
	int err;

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return -errno;
	err = path_join(&all, cwd, path);
	if (err)
		return err;
	free(*at);
	*at = all;
	return 0;
}

/* STORE@SNAPSHOT; the name of a snapshot has no '@', so the last one counts. */
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

int options_set_store(struct fs_options *opt, const char *store,
		      struct reason *why)
{
	int err;

	if (!*store) {
		reason_set(why,
			   "option store: empty; give a directory, or memory");
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

int options_add_window(struct fs_options *opt, const char *window,
		       struct reason *why)
{
	return window_list_add(&opt->windows, window, why);
}

int options_set_base(struct fs_options *opt, const char *base)
{
	char path[PATH_MAX];

	opt->base_kind = MAPFS_BASE_AT_PATH;
	/* A directory of this name can be given as "./none". */
	if (strcmp(base, MAPFS_NO_BASE) == 0)
		opt->base_kind = MAPFS_BASE_NONE;
	else if (realpath(base, path))
		base = path;
	free(opt->base);
	opt->base = strdup(base);
	return opt->base ? 0 : -ENOMEM;
}

int options_set_logfile(struct fs_options *opt, const char *path)
{
	return set_path(&opt->logfile, path);
}

static uint64_t memory_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) *
	       (uint64_t)sysconf(_SC_PAGESIZE);
}

/* As tmpfs has it: N% is a part of memory. */
static int parse_size(const char *value, uint64_t *out)
{
	const size_t len = strlen(value);
	const bool is_percent = len > 0 && value[len - 1] == '%';
	uint64_t n;

	if (size_parse(value, len - is_percent, &n) ||
	    (is_percent && n > PERCENT_MOST))
		return -EINVAL;
	if (is_percent)
		n = memory_bytes() / 100 * n;
	if (n == 0 || n > MAPFS_MAX_SIZE)
		return -EINVAL;
	*out = n;
	return 0;
}

static int set_size(struct parse *p, const char *arg, const char *value)
{
	int err = parse_size(value, &p->opt->size_bytes);

	/*
	 * What the kernel collects it has accepted before the view is asked, so
	 * that close(2) or nobody would learn that there was no room [D5].
	 */
	p->opt->writeback = false;
	if (err)
		reason_set(
			p->why,
			"option %s: not a size; give bytes as 512M or 8G, or "
			"a part of memory as 25%%",
			arg);
	return err;
}

static int set_number(struct parse *p, const char *arg, const char *value,
		      unsigned int most, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!*value || *end || n < 1 || n > most) {
		reason_set(p->why,
			   "option %s: not allowed; give a number from 1 to %u",
			   arg, most);
		return -EINVAL;
	}
	*out = (unsigned int)n;
	return 0;
}

static const char *const part_names[] = {
	"no_new_privs",
	"caps",
	"seccomp",
	"landlock",
};

#define PARTS (sizeof(part_names) / sizeof(*part_names))

const char *sandbox_part_name(unsigned int n)
{
	return n < PARTS ? part_names[n] : NULL;
}

/* Parts joined by '+', because a comma ends the option. */
static int set_sandbox(struct parse *p, const char *arg, const char *value)
{
	unsigned int parts = SANDBOX_NO_NEW_PRIVS;

	for (;;) {
		const size_t len = strcspn(value, "+");
		unsigned int n = 0;

		while (n < PARTS && (strlen(part_names[n]) != len ||
				     strncmp(part_names[n], value, len) != 0))
			n++;
		if (n == PARTS) {
			reason_set(p->why,
				   "option %s: not a part of the sandbox; name "
				   "some of caps+seccomp+landlock, or use "
				   "nosandbox",
				   arg);
			return -EINVAL;
		}
		parts |= 1U << n;
		value += len;
		if (!*value)
			break;
		value++;
	}
	p->opt->sandbox = parts;
	return 0;
}

static int word_apply(struct parse *p, const struct word *w, const char *arg)
{
	const char *value = arg + strlen(w->name);
	struct fs_options *opt = p->opt;

	switch (w->action) {
	case WORD_MODE:
		return options_set_mode(opt, value, p->why);
	case WORD_STORE:
		return options_set_store(opt, value, p->why);
	case WORD_WINDOW:
		return options_add_window(opt, value, p->why);
	case WORD_SIZE:
		return set_size(p, arg, value);
	case WORD_LOGFILE:
		return set_path(&opt->logfile, value);
	case WORD_THREADS:
		return set_number(p, arg, value, THREADS_MAX,
				  &opt->max_threads);
	case WORD_DEPTH:
		return set_number(p, arg, value, DEPTH_MAX, &opt->uring_depth);
	case WORD_SANDBOX:
		if (w->name[strlen(w->name) - 1] == '=')
			return set_sandbox(p, arg, value);
		opt->sandbox = (unsigned int)w->at;
		return 0;
	case WORD_SET:
	case WORD_CLEAR:
		*(bool *)((char *)opt + w->at) = w->action == WORD_SET;
		if (w->at == AT(writeback))
			opt->wants_writeback = opt->writeback;
		return 0;
	case WORD_ON:
	case WORD_OFF:
		opt->flags_named |= w->at;
		opt->flags &= ~w->at;
		opt->flags |= w->action == WORD_ON ? w->at : 0;
		opt->is_relatime |= strcmp(w->name, "relatime") == 0;
		return 0;
	case WORD_CONTEXT:
		/* Without SELinux mount(8) drops it, too. */
		if (access("/sys/fs/selinux", F_OK) < 0)
			return 0;
		return fuse_opt_add_opt_escaped(&opt->passed_on, arg) ?
			       -ENOMEM :
			       0;
	case WORD_DROP:
		return 0;
	case WORD_REFUSE:
		reason_set(p->why, "option %s: %s", arg, w->reason);
		return -EINVAL;
	}
	abort();
}

static const struct word *word_find(const char *arg)
{
	for (size_t i = 0; i < WORDS; i++) {
		size_t n = strlen(words[i].name);

		/* A word without a value must match to its end. */
		if (words[i].name[n - 1] != '=')
			n++;
		if (strncmp(arg, words[i].name, n) == 0)
			return &words[i];
	}
	return NULL;
}

static void refuse_unknown(struct parse *p, const char *arg)
{
	reason_set(p->why, "option %s: unknown; known are", arg);
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].action != WORD_DROP &&
		    words[i].action != WORD_REFUSE)
			reason_add(p->why, " %s", words[i].name);
}

/* Called by libfuse for each option of the list. */
static int option_seen(void *arg, const char *option, int key,
		       struct fuse_args *out)
{
	struct parse *p = arg;
	const struct word *w;

	if (p->err || key != FUSE_OPT_KEY_OPT)
		return 0;
	/* Comments in fstab that are for other programs. */
	if (strncmp(option, "x-", 2) == 0 || strncmp(option, "X-", 2) == 0)
		return 0;
	w = word_find(option);
	if (w) {
		p->err = word_apply(p, w, option);
	} else if (!p->sloppy) {
		refuse_unknown(p, option);
		p->err = -EINVAL;
	}
	return 0;
}

int options_add(struct fs_options *opt, const char *list, bool sloppy,
		struct reason *why)
{
	static const struct fuse_opt none[] = { FUSE_OPT_END };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct parse p = {
		.opt = opt,
		.sloppy = sloppy,
		.why = why,
	};

	reason_set(why, "out of memory; try again later");
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

/*
 * The directory of the unlinked store: $TMPDIR, else /var/tmp, which unlike
 * /tmp is rarely in memory.
 */
static int set_temporary(struct fs_options *opt, struct reason *why)
{
	const char *const places[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (!is_directory(places[i]))
			continue;
		return set_path(&opt->store, places[i]);
	}
	reason_set(why, "/var/tmp, /tmp: no writable directory for temporary "
			"pages; set TMPDIR, or use --store");
	return -EINVAL;
}

/*
 * Does the map cover every user, as in the first user namespace and in one with
 * all of its users?
 */
static bool are_all_mapped(const char *map)
{
	unsigned int inside = 0;
	unsigned int outside = 0;
	unsigned int count = UINT32_MAX;
	FILE *f = fopen(map, "re");

	if (!f)
		return true;
	if (fscanf(f, "%u %u %u", &inside, &outside, &count) != 3)
		count = 0; /* an empty map covers no user */
	fclose(f);
	return inside == 0 && outside == 0 && count == UINT32_MAX;
}

static bool is_same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Passes the named flags on, in the words of libfuse and fusermount3. */
static int pass_flags(struct fs_options *opt)
{
	static const struct {
		unsigned long flag;
		const char *on;
		const char *off; /* NULL: off by default */
	} flags[] = {
		{ MS_NOSUID, "nosuid", "suid" },
		{ MS_NODEV, "nodev", "dev" },
		{ MS_NOEXEC, "noexec", "exec" },
		{ MS_SYNCHRONOUS, "sync", "async" },
		{ MS_DIRSYNC, "dirsync", NULL },
		{ MS_NOATIME, "noatime", NULL },
		{ MS_NODIRATIME, "nodiratime", NULL },
		{ MS_NOSYMFOLLOW, "nosymfollow", NULL },
	};

	/* Older versions of fusermount3 refuse it; the daemon applies it. */
	if (geteuid() != 0)
		opt->flags_named &= ~(unsigned long)MS_NODIRATIME;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		const char *word = opt->flags & flags[i].flag ? flags[i].on :
								flags[i].off;

		if ((opt->flags_named & flags[i].flag) && word &&
		    fuse_opt_add_opt(&opt->passed_on, word))
			return -ENOMEM;
	}
	return 0;
}

/* A view without a base: what it has is in its store. */
static int complete_none(struct fs_options *opt, struct reason *why)
{
	if (opt->mode != MAPFS_COPY) {
		reason_set(why,
			   "base none: mode %s shows or changes a base, and "
			   "there is none; use mode copy, or name a directory",
			   mapfs_mode_name(opt->mode));
		return -EINVAL;
	}
	if (opt->store_kind == MAPFS_STORE_UNLINKED)
		opt->store_kind = MAPFS_STORE_MEMORY;
	return 0;
}

static int complete_copy(struct fs_options *opt, struct reason *why)
{
	/* As tmpfs: what is in memory must not take all of it. */
	if (opt->store_kind == MAPFS_STORE_MEMORY && !opt->size_bytes)
		opt->size_bytes = memory_bytes() / 2;
	return opt->store_kind == MAPFS_STORE_UNLINKED ?
		       set_temporary(opt, why) :
		       0;
}

int options_complete(struct fs_options *opt, struct reason *why)
{
	const bool has_base = opt->base_kind != MAPFS_BASE_NONE;
	int err = window_list_check_names(&opt->windows, why);

	if (err)
		return err;
	reason_set(why, "out of memory; try again later");
	if (pass_flags(opt))
		return -ENOMEM;
	if (opt->salvage && opt->store_kind != MAPFS_STORE_DIR) {
		reason_set(why,
			   "option salvage: is for a kept store; name it with "
			   "-s STORE");
		return -EINVAL;
	}
	if (opt->read_only && !opt->has_mode && !opt->snapshot &&
	    !opt->salvage && has_base)
		opt->mode = MAPFS_READ;
	if (!has_base && complete_none(opt, why))
		return -EINVAL;
	if (opt->mode == MAPFS_READ || opt->snapshot || opt->salvage)
		opt->read_only = true;
	/* The kernel refuses ACLs that name a user outside its namespace. */
	if (!opt->xattr || !are_all_mapped("/proc/self/uid_map") ||
	    !are_all_mapped("/proc/self/gid_map"))
		opt->acl = false;
	if (opt->mode == MAPFS_COPY)
		return complete_copy(opt, why);
	if (opt->size_bytes) {
		reason_set(why,
			   "option size: only copy mode has private pages; "
			   "drop the option, or use mode copy");
		return -EINVAL;
	}
	if (opt->store_kind != MAPFS_STORE_UNLINKED) {
		reason_set(why, "option store: only copy mode has a store; "
				"drop the option, or use mode copy");
		return -EINVAL;
	}
	return 0;
}

int options_check_remount(const struct fs_options *was,
			  const struct fs_options *opt, struct reason *why)
{
	static const struct {
		const char *name;
		size_t at;
	} fixed[] = {
		{ "allow_other", AT(allow_other) },
		{ "acl", AT(acl) },
		{ "xattr", AT(xattr) },
		{ "writeback", AT(writeback) },
		{ "uring", AT(uring) },
		{ "debug", AT(debug) },
		{ "salvage", AT(salvage) },
	};
	const unsigned long changed = was->flags ^ opt->flags;
	const char *name = NULL;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		if (*(const bool *)((const char *)was + fixed[i].at) !=
		    *(const bool *)((const char *)opt + fixed[i].at))
			name = fixed[i].name;
	}
	if (was->max_threads != opt->max_threads)
		name = "max_threads";
	if (was->uring_depth != opt->uring_depth)
		name = "uring_depth";
	if (was->sandbox != opt->sandbox)
		name = "sandbox";
	if (!is_same_text(was->logfile, opt->logfile))
		name = "logfile";
	if (was->mode != opt->mode)
		name = "mode";
	if (was->store_kind != opt->store_kind ||
	    !is_same_text(was->store, opt->store) ||
	    !is_same_text(was->snapshot, opt->snapshot))
		name = "store";
	/* Without any in the list, those of the mount stay. */
	if (opt->windows.count > 0 &&
	    !window_list_is_same(&was->windows, &opt->windows))
		name = "window";
	if (was->size_bytes != opt->size_bytes)
		name = "size";
	if (changed & MS_SYNCHRONOUS)
		name = "sync";
	if (changed & MS_DIRSYNC)
		name = "dirsync";
	/* In write mode the daemon applies these two. */
	if (was->mode == MAPFS_WRITE && (changed & MS_NOATIME))
		name = "noatime";
	if (was->mode == MAPFS_WRITE && (changed & MS_NODIRATIME))
		name = "nodiratime";
	if (!name)
		return 0;
	reason_set(why,
		   "option %s: cannot change while mounted; unmount, then "
		   "mount again",
		   name);
	return -EINVAL;
}
