/* SPDX-License-Identifier: MIT */
/*
 * mapfs export: writes the changes of a view as a layer of an OCI image.
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
#include "tools/layer/format.h"
#include "tools/layer/write.h"
#include "tools/lib/control.h"
#include "tools/lib/progress.h"
#include "tools/lib/stream.h"
#include "tools/lib/target.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"

struct export_args {
	const char *source;
	const char *file; /* or NULL: standard output */
	bool is_trusted;
};

/* A view that does not change while it is exported. */
struct source {
	struct target target;
	struct mapfs_view *view;
	char moment[64]; /* the snapshot that was made for this, or "" */
	bool has_base;	 /* false: it lost its base */
	bool is_partial; /* something was left out */
};

static int snapshot_call(const struct target *t, enum mapfs_command command,
			 const char *name, struct reason *why)
{
	const struct control_call call = {
		.command = command,
		.name = name,
		.message = "mapfs export",
	};
	struct control_result none = { 0 };
	int err = control_run(t->fd, t->shown, &call, &none, why);

	control_result_fini(&none);
	return err;
}

/* Makes a snapshot of a mounted view. */
static int moment_make(struct source *s, struct reason *why)
{
	char name[sizeof(s->moment)];
	int err;

	if (!s->target.store)
		return 0; /* target_open_view() will refuse it */
	snprintf(name, sizeof(name), "export-%d", (int)getpid());
	err = snapshot_call(&s->target, MAPFS_COMMAND_SNAPSHOT, name, why);
	if (err)
		return err;
	memcpy(s->moment, name, sizeof(name));
	s->target.snapshot = strdup(name);
	return s->target.snapshot ? 0 : -ENOMEM;
}

static void moment_delete(struct source *s)
{
	struct reason why = { "out of memory" };

	if (*s->moment &&
	    snapshot_call(&s->target, MAPFS_COMMAND_SNAPSHOT_DELETE, s->moment,
			  &why))
		say("snapshot %s: was made for the export and cannot be "
		    "deleted: %s",
		    s->moment, why.text);
}

static int source_close(struct source *s)
{
	int err = s->view ? mapfs_view_close(s->view) : 0;

	moment_delete(s);
	target_fini(&s->target);
	return err;
}

static int source_open(struct source *s, const struct export_args *args)
{
	struct reason why = { "out of memory; try again later" };
	struct reason lost;
	int err = target_find(&s->target, args->source, &why);

	if (err) {
		say("%s", why.text);
		return err;
	}
	s->target.is_trusted = args->is_trusted;
	/* Before a snapshot is made for it. */
	if (s->target.store)
		err = mapfs_store_trust_check(s->target.store, args->is_trusted,
					      &why);
	if (!err && s->target.kind == TARGET_LIVE && !s->target.snapshot)
		err = moment_make(s, &why);
	if (!err)
		err = target_open_store(&s->target, &s->view, &lost, &why);
	if (!err) {
		s->has_base = reason_is_empty(&lost);
		if (!s->has_base)
			say("%s", lost.text);
		return 0;
	}
	say("%s", why.text);
	/* It was not opened. */
	s->view = NULL;
	(void)source_close(s);
	return err;
}

static int archive_begin(struct archive *a, struct stream *out, int fd)
{
	if (archive_write_set_format_pax(a) < ARCHIVE_WARN ||
	    archive_write_set_format_option(a, "pax", "xattrheader", "SCHILY") <
		    ARCHIVE_WARN ||
	    archive_write_set_bytes_per_block(a, (int)LAYER_IO_BYTES) <
		    ARCHIVE_WARN ||
	    archive_write_set_bytes_in_last_block(a, 1) < ARCHIVE_WARN ||
	    stream_write_begin(out, a, fd)) {
		say("layer: %s; write it to another file",
		    archive_error_string(a));
		return -EIO;
	}
	return 0;
}

static int export_to(struct source *s, int fd)
{
	struct archive *a = archive_write_new();
	struct stream out = { 0 };
	int err = a ? archive_begin(a, &out, fd) : -ENOMEM;

	if (!err)
		err = layer_write(s->view, s->has_base, a, &s->is_partial);
	progress_hide();
	if (!err && archive_write_close(a) < ARCHIVE_WARN) {
		err = archive_errno(a) == EINTR ? -EINTR : -EIO;
		if (err != -EINTR)
			say("layer: %s; write it to another file",
			    strerror(archive_errno(a)));
	}
	/* Closing would write an end mark, as if the tar were complete. */
	if (err)
		archive_write_fail(a);
	archive_write_free(a);
	stream_fini(&out);
	if (err == -EINTR)
		say("layer: interrupted; run it again");
	return err;
}

/* A device or a pipe is written to: rename(2) would replace it by a file. */
static int export_into(struct source *s, const char *file)
{
	int fd;
	int err = stream_open_file(file, &fd);

	if (err == -EINTR)
		say("layer: interrupted; run it again");
	else if (err)
		say("%s: %s; choose another file", file, strerror(-err));
	if (err)
		return err;
	err = export_to(s, fd);
	if (close(fd) < 0 && !err) {
		err = -errno;
		say("%s: %s; choose another file", file, strerror(-err));
	}
	return err;
}

/* A regular file: it gets its name when it is complete. */
static int export_whole(struct source *s, const char *file)
{
	mode_t mask = umask(0);
	char *part;
	int err = 0;
	int fd;

	umask(mask);
	if (asprintf(&part, "%s.XXXXXX", file) < 0)
		return -ENOMEM;
	fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		say("%s: %s; choose another file", file, strerror(-err));
		free(part);
		return err;
	}
	err = export_to(s, fd);
	if (!err && (fchmod(fd, 0666 & ~mask) < 0 || close(fd) < 0 ||
		     rename(part, file) < 0)) {
		err = -errno;
		say("%s: %s; choose another file", file, strerror(-err));
	}
	if (err)
		unlink(part);
	free(part);
	return err;
}

static int export_to_file(struct source *s, const char *file)
{
	struct stat st;
	char *path;
	int err;

	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode))
		return export_into(s, file);
	/* A symbolic link is kept, and its target is written. */
	path = realpath(file, NULL);
	if (!path && lstat(file, &st) == 0) {
		say("%s: a link to nothing; choose another file", file);
		return -ENOENT;
	}
	err = export_whole(s, path ? path : file);
	free(path);
	return err;
}

static int export_run(const struct export_args *args)
{
	struct source s = { 0 };
	int err;

	if (!args->file && isatty(STDOUT_FILENO)) {
		say("standard output: a terminal; redirect it, or name a file "
		    "with --output");
		return COMMAND_USAGE;
	}
	/* From here on a signal must not leave the snapshot behind. */
	progress_begin("exporting", 0);
	if (source_open(&s, args)) {
		progress_end();
		return COMMAND_FAILED;
	}
	err = args->file ? export_to_file(&s, args->file) :
			   export_to(&s, STDOUT_FILENO);
	/* A view that is only read has nothing to sync. */
	if (source_close(&s) && !err)
		err = -EIO;
	progress_end();
	return err || s.is_partial ? COMMAND_FAILED : COMMAND_OK;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct export_args *args = state->input;

	switch (key) {
	case 'o':
		args->file = arg;
		return 0;
	case TRUST_KEY:
		args->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->source)
			argp_error(state, "too many arguments");
		args->source = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->source)
			argp_error(state, "MOUNTPOINT or STORE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option export_options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE instead of standard output",
	  0 },
	TRUST_OPTION,
	{ 0 }
};

static const struct argp export_argp = {
	.options = export_options,
	.parser = parse_option,
	.args_doc = "MOUNTPOINT|STORE[@NAME]",
	.doc = "Writes the changes of a view, or of a snapshot of it, as a "
	       "layer of an OCI image: an uncompressed tar.\v"
	       "For a view "
	       "that is in use the current state is written. The same "
	       "changes give the same bytes. A changed file is written as "
	       "a whole, a deletion as .wh.NAME, a renamed directory with "
	       "all that is in it. Sockets are left out.\n\n"
	       "If the base of a store was replaced or is gone, the "
	       "command writes what the store has: objects that are new or "
	       "were written completely, and deletions. An object of which "
	       "the store has only a part is named and left out, and then "
	       "the exit status is 1.\n\n"
	       "Exit status: 0 done, 1 failed or not all was written, 2 "
	       "the command line is wrong.\n\n"
	       "Example: mapfs export -o layer.tar changes",
};

int cmd_export(int argc, char **argv)
{
	struct export_args args = { 0 };

	/* libarchive takes names as UTF-8, and other bytes as they are. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argp_parse(&export_argp, argc, argv, 0, NULL, &args))
		return COMMAND_USAGE;
	return export_run(&args);
}
