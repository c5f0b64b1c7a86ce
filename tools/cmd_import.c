/* SPDX-License-Identifier: MIT */
/*
 * mapfs import: a store from a layer of an OCI image.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/mapfs.h"
#include "layer.h"
#include "progress.h"
#include "remove.h"
#include "text.h"

#define WHY_BYTES 1024

struct import_args {
	const char *base;
	const char *store;
};

/* Bytes of the input, or 0 when nobody knows. */
static uint64_t input_bytes(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return (uint64_t)st.st_size;
}

static int entries_apply(struct layer_apply *l, struct archive *a)
{
	struct archive_entry *entry;
	int err = 0;

	while (!err) {
		int got = archive_read_next_header(a, &entry);

		if (got == ARCHIVE_EOF)
			return 0;
		if (got < ARCHIVE_WARN) {
			say("standard input: %s; give a tar of an image layer",
			    archive_error_string(a));
			return -EINVAL;
		}
		if (progress_interrupted())
			return -EINTR;
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
	progress_begin("importing", input_bytes());
	err = entries_apply(l, a);
	progress_end();
	end_err = layer_apply_end(l, !err);
	return err ? err : end_err;
}

static int input_apply(struct mapfs_view *view)
{
	struct archive *a = archive_read_new();
	int err;

	if (!a || archive_read_support_format_tar(a) < ARCHIVE_WARN ||
	    archive_read_support_format_empty(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_all(a) < ARCHIVE_WARN) {
		say("out of memory; try again later");
		err = -ENOMEM;
	} else if (archive_read_open_fd(a, STDIN_FILENO, LAYER_IO_BYTES) <
		   ARCHIVE_WARN) {
		say("standard input: %s; give a tar of an image layer",
		    archive_error_string(a));
		err = -EINVAL;
	} else {
		err = archive_apply(view, a);
	}
	archive_read_free(a);
	return err;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int import_run(const struct import_args *args)
{
	struct mapfs_options opt = {
		.mode = MAPFS_COPY,
		.store_kind = MAPFS_STORE_DIR,
		.base = args->base,
		.store = args->store,
	};
	struct mapfs_view *view;
	char why[WHY_BYTES];
	int close_err;
	int err;

	if (isatty(STDIN_FILENO)) {
		say("standard input: a terminal; redirect it from a layer");
		return COMMAND_USAGE;
	}
	if (is_there(args->store)) {
		say("store %s: is there already; name a new one", args->store);
		return COMMAND_FAILED;
	}
	if (mapfs_view_open(&view, &opt, why, sizeof(why))) {
		say("%s", why);
		return COMMAND_FAILED;
	}
	err = input_apply(view);
	close_err = mapfs_view_close(view);
	if (!err && close_err)
		say("store %s: not everything reached the disk: %s",
		    args->store, strerror(-close_err));
	if (err == -EINTR)
		say("interrupted; nothing was imported, run it again");
	if (!err && !close_err)
		return COMMAND_OK;
	remove_store(args->store);
	return COMMAND_FAILED;
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
	.doc = "Makes a store over the directory BASE from a layer of an OCI "
	       "image, a tar that is read from standard input.\v"
	       "The tar may be compressed. Whiteouts (.wh.NAME), opaque "
	       "directories (.wh..wh..opq), hard links and extended attributes "
	       "are understood. STORE must not be there yet; of a layer that "
	       "cannot be read to its end nothing is left.\n\n"
	       "Exit status: 0 done, 1 failed, 2 the command line is wrong.",
};

int cmd_import(int argc, char **argv)
{
	struct import_args args = { 0 };

	/* Names in a tar are UTF-8, or whatever bytes they are. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argp_parse(&import_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return import_run(&args);
}
