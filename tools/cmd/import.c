/* SPDX-License-Identifier: MIT */
/*
 * mapfs import: makes a store from a layer of an OCI image.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/mapfs.h"
#include "tools/layer/apply.h"
#include "tools/layer/format.h"
#include "tools/lib/progress.h"
#include "tools/lib/registry.h"
#include "tools/lib/stream.h"
#include "tools/lib/text.h"

struct import_args {
	const char *base;
	const char *store;
};

/* Bytes of the input; 0: not known. */
static uint64_t input_bytes(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return (uint64_t)st.st_size;
}

/* An interruption is not a fault of the input. */
static int input_failed(struct archive *a)
{
	if (archive_errno(a) == EINTR)
		return -EINTR;
	say("standard input: %s; give a tar of an image layer",
	    layer_read_error(a));
	return -EINVAL;
}

/*
 * Two blocks of zeros end a tar.  If no byte of them could be read, the tar may
 * have been cut off between two entries.
 */
static int check_end(struct archive *a)
{
	if (archive_filter_bytes(a, 0) > archive_read_header_position(a))
		return 0;
	say("standard input: ends without an end mark, so it may be cut off; if "
	    "it is complete, append 1024 zero bytes");
	return -EINVAL;
}

/*
 * A layer holds ACLs as extended attributes; the records of tar --acls are not
 * part of the format.
 */
static bool acl_is_lost(struct archive_entry *entry)
{
	if (!(archive_entry_acl_types(entry) & ARCHIVE_ENTRY_ACL_TYPE_POSIX1E))
		return false;
	say("layer, entry %s: the access control lists of tar --acls are left "
	    "out; make the tar with --xattrs-include='*' instead",
	    archive_entry_pathname(entry));
	return true;
}

static int entries_apply(struct layer_apply *l, struct archive *a)
{
	struct archive_entry *entry;
	bool is_said = false;
	int err = 0;

	while (!err) {
		int got = archive_read_next_header(a, &entry);

		if (got == ARCHIVE_EOF)
			return check_end(a);
		if (got < ARCHIVE_WARN)
			return input_failed(a);
		if (progress_interrupted())
			return -EINTR;
		is_said = is_said || acl_is_lost(entry);
		err = layer_apply_entry(l, a, entry);
	}
	return err;
}

static int archive_apply(struct mapfs_view *view, struct archive *a)
{
	struct layer_apply *l;
	int err = layer_apply_begin(&l, view);
	int end_err;

	if (err)
		return err;
	err = entries_apply(l, a);
	progress_hide();
	end_err = layer_apply_end(l, !err);
	return err ? err : end_err;
}

static int input_apply(struct mapfs_view *view)
{
	struct archive *a = archive_read_new();
	struct stream in = { 0 };
	int err;

	if (!a || archive_read_support_format_tar(a) < ARCHIVE_WARN ||
	    archive_read_support_format_empty(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_all(a) < ARCHIVE_WARN) {
		say("out of memory; try again later");
		err = -ENOMEM;
	} else if (stream_read_begin(&in, a, STDIN_FILENO)) {
		err = input_failed(a);
	} else {
		err = archive_apply(view, a);
	}
	archive_read_free(a);
	stream_fini(&in);
	return err;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Makes the store `store`, which may be left incomplete on an error. */
static int store_fill(const char *base, const char *store)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base_kind = strcmp(base, MAPFS_NO_BASE) == 0 ?
				     MAPFS_BASE_NONE :
				     MAPFS_BASE_AT_PATH,
		.base = base,
		.store = store,
		.is_part = true,
	};
	struct mapfs_view *view;
	struct reason why;
	int close_err;
	int err = mapfs_view_open(&view, &opt, &why);

	if (err) {
		say("%s", why.text);
		return err;
	}
	err = input_apply(view);
	close_err = mapfs_view_close(view);
	progress_hide();
	if (!err && close_err)
		say("store %s: not everything reached the disk: %s; run it again",
		    store, strerror(-close_err));
	if (err == -EINTR)
		say("layer: interrupted, and nothing was imported; run it again");
	return err ? err : close_err;
}

/* Only what this import made: the path may be another store by now. */
static void store_drop(const char *store)
{
	enum mapfs_leftover left;
	struct reason why;

	registry_drop(store);
	if (!is_there(store) || mapfs_leftover(store, &left, &why) || !left)
		return;
	if (mapfs_discard(store, &why))
		say("%s", why.text);
}

/* It counts as a store when it is complete, even if this is killed. */
static int store_make(const char *base, const char *store)
{
	struct reason why;
	int err;

	/* Before it is made, so that what a killed import leaves is found. */
	registry_add(store, base);
	err = store_fill(base, store);

	if (!err) {
		err = mapfs_store_finish(store, &why);
		if (err)
			say("%s", why.text);
	}
	if (err)
		store_drop(store);
	return err;
}

static int refuse_old(const char *store)
{
	enum mapfs_leftover left;
	struct reason why;

	if (!mapfs_leftover(store, &left, &why) && left)
		say("%s", why.text);
	else
		say("store %s: exists already; name a new one", store);
	return COMMAND_FAILED;
}

static int import_run(const struct import_args *args)
{
	int err;

	if (isatty(STDIN_FILENO)) {
		say("standard input: a terminal; redirect it from a layer");
		return COMMAND_USAGE;
	}
	if (is_there(args->store))
		return refuse_old(args->store);
	/* From here on a signal must not leave an incomplete store behind. */
	progress_begin("importing", input_bytes());
	err = store_make(args->base, args->store);
	progress_end();
	return err ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct import_args *args = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!args->base)
			args->base = arg;
		else if (!args->store)
			args->store = arg;
		else
			argp_error(state, "too many arguments");
		return 0;
	case ARGP_KEY_END:
		if (!args->store)
			argp_error(state, "BASE and STORE are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp import_argp = {
	.parser = parse_option,
	.args_doc = "BASE STORE",
	.doc = "Makes a store for the directory BASE, or without a base if "
	       "that is `none', from a layer of an OCI image, a tar that is "
	       "read from standard input.\v"
	       "The "
	       "tar may be compressed. Whiteouts (.wh.NAME), opaque "
	       "directories (.wh..wh..opq), hard links and extended "
	       "attributes are understood. STORE must not exist. If the "
	       "layer cannot be read to its end, no store is made; what a "
	       "killed import leaves is no store, and mapfs discard removes "
	       "it.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is "
	       "wrong.\n\n"
	       "Example: mapfs import rootfs changes <layer.tar.gz",
};

int cmd_import(int argc, char **argv)
{
	struct import_args args = { 0 };

	/* libarchive takes names as UTF-8, and other bytes as they are. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argp_parse(&import_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return import_run(&args);
}
