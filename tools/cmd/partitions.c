/* SPDX-License-Identifier: MIT */
/*
 * mapfs partitions: the partitions of a disk image, as a list, or as the files
 * of a view.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "fs/mount/options.h"
#include "tools/lib/mounting.h"
#include "tools/lib/text.h"
#include "tools/lib/trust.h"
#include "tools/partition/print.h"
#include "tools/partition/table.h"
#include "tools/partition/windows.h"

struct partitions_args {
	const char *image;
	const char *target; /* NULL: only list */
	struct partition_options opt;
	struct fs_options mount;
	bool json;
	bool foreground;
	bool has_mount_option;
	struct reason why;
};

/* --- listing -------------------------------------------------------------- */

static int list(const struct partitions_args *a,
		const struct partition_table *t)
{
	int err = a->json ? print_json(t, a->image) : print_people(t, a->image);

	if (err == -ENOMEM)
		say("out of memory; try again later");
	if (reason_is_empty(&t->fault))
		return err ? COMMAND_FAILED : COMMAND_OK;
	fflush(stdout);
	say("%s", t->fault.text);
	return COMMAND_FAILED;
}

/* --- mounting ------------------------------------------------------------- */

/* Does each partition have bytes that only it has? */
static int mountable_check(const struct partitions_args *a,
			   const struct partition_table *t)
{
	if (!reason_is_empty(&t->fault)) {
		say("%s", t->fault.text);
		return -EINVAL;
	}
	if (t->count == 0) {
		say("%s: its table has no partitions; mount all of it with "
		    "mapfs mount %s %s",
		    a->image, a->image, a->target);
		return -ENOENT;
	}
	return 0;
}

static int options_prepare(struct partitions_args *a,
			   const struct partition_table *t)
{
	struct fs_options *opt = &a->mount;
	int err;

	opt->base = realpath(a->image, NULL);
	if (!opt->base) {
		err = -errno;
		reason_set(&a->why, "%s: %s", a->image, reason_of(err));
		return err;
	}
	err = windows_add(opt, t, &a->why);
	return err ? err : options_complete(opt, &a->why);
}

static int mount_windows(struct partitions_args *a,
			 const struct partition_table *t)
{
	if (mountable_check(a, t))
		return COMMAND_FAILED;
	if (options_prepare(a, t)) {
		say("%s", a->why.text);
		return COMMAND_USAGE;
	}
	return mounting_start(&a->mount, a->target, a->foreground) ?
		       COMMAND_FAILED :
		       COMMAND_OK;
}

/* -------------------------------------------------------------------------- */

static int partitions_run(struct partitions_args *a)
{
	struct partition_table t = { 0 };
	int status;

	a->opt.has_file_systems = !a->target;
	if (partition_table_read(&t, a->image, &a->opt, &a->why)) {
		say("%s", a->why.text);
		return COMMAND_FAILED;
	}
	if (!reason_is_empty(&t.note))
		say("%s", t.note.text);
	status = a->target ? mount_windows(a, &t) : list(a, &t);
	partition_table_fini(&t);
	return status;
}

static unsigned int sector_bytes(const char *arg)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || *end || !partition_sector_is_valid(value)) {
		say("sector size %s: is not 512, 1024, 2048 or 4096; choose "
		    "one of them",
		    arg);
		exit(COMMAND_USAGE);
	}
	return (unsigned int)value;
}

static void add_argument(struct partitions_args *a, struct argp_state *state,
			 const char *arg)
{
	if (!a->image)
		a->image = arg;
	else if (!a->target)
		a->target = arg;
	else
		argp_error(state, "too many arguments");
}

static void check_arguments(const struct partitions_args *a,
			    struct argp_state *state)
{
	if (!a->image)
		argp_error(state, "IMAGE is missing");
	if (a->has_mount_option && !a->target)
		argp_error(state, "MOUNTPOINT is missing");
	if (a->json && a->target)
		argp_error(state, "--json lists, and MOUNTPOINT mounts; give "
				  "one of them");
	if (a->mount.remount)
		argp_error(state, "option remount is for mapfs mount");
}

/* The options of mapfs mount. */
static int parse_mount_option(struct partitions_args *a, int key,
			      const char *arg)
{
	a->has_mount_option = true;
	switch (key) {
	case 'm':
		return options_set_mode(&a->mount, arg, &a->why);
	case 's':
		return options_set_store(&a->mount, arg, &a->why);
	case 'o':
		return options_add(&a->mount, arg, false, &a->why);
	case 'L':
		return options_set_logfile(&a->mount, arg);
	case 'f':
		a->foreground = true;
		return 0;
	case TRUST_KEY:
		a->mount.is_trusted = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct partitions_args *a = state->input;
	int err;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'a':
		a->opt.has_rest = true;
		return 0;
	case 'b':
		a->opt.sector_bytes = sector_bytes(arg);
		return 0;
	case ARGP_KEY_ARG:
		add_argument(a, state, arg);
		return 0;
	case ARGP_KEY_END:
		check_arguments(a, state);
		return 0;
	case 'm':
	case 's':
	case 'o':
	case 'L':
	case 'f':
	case TRUST_KEY:
		err = parse_mount_option(a, key, arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (err) {
		say("%s", reason_text(&a->why, err));
		exit(COMMAND_USAGE);
	}
	return 0;
}

static const struct argp_option partitions_options[] = {
	{ "all", 'a', NULL, 0,
	  "Every byte of the image: the table itself and the gaps, too", 0 },
	{ "json", 'j', NULL, 0, "Print a JSON object", 0 },
	{ "sector-size", 'b', "BYTES", 0,
	  "The sectors of the disk, if they cannot be told from the image", 0 },
	{ "mode", 'm', "MODE", 0, "read, write, or copy (the default)", 0 },
	{ "store", 's', "STORE", 0,
	  "Keep the changes of copy mode in the directory STORE", 0 },
	{ "options", 'o', "OPTIONS", 0, "Options, as for mapfs mount", 0 },
	{ "foreground", 'f', NULL, 0,
	  "Serve the view in this process, and log to stderr", 0 },
	{ "log", 'L', "FILE", 0, "Log to FILE instead of syslog", 0 },
	TRUST_OPTION,
	{ 0 },
};

static const struct argp partitions_argp = {
	.options = partitions_options,
	.parser = parse_option,
	.args_doc = "IMAGE [MOUNTPOINT]",
	.doc = "Lists the partitions of a disk image: a file or a block "
	       "device. With MOUNTPOINT, mounts a view of IMAGE there, in "
	       "which each partition is a file: p1, p2, ... `mapfs umount` "
	       "ends it.\v"
	       "In copy mode, the default, changes of the files go to a "
	       "store, and IMAGE never changes. The changes belong to IMAGE "
	       "as a whole: `mapfs mount -s STORE IMAGE FILE` shows it with "
	       "all of them. A file has the size of its partition and keeps "
	       "it.\n\n"
	       "The table is a GPT or an MBR with its logical partitions; "
	       "an image of one file system without a table is listed as p1. "
	       "START and BYTES are bytes of the image. An extended partition "
	       "is not listed, because its logical partitions are.\n\n"
	       "With --all, `table', `table2', ... are the bytes of the "
	       "partition table, its backup and the boot records of logical "
	       "partitions; `gap1', `gap2', ... are those that belong to "
	       "nothing. Each byte is in one entry.\n\n"
	       "A GPT tells the size of its sectors. Without --sector-size, "
	       "those of an MBR in a file are taken to be 512 bytes, unless "
	       "only 4096 fits the boot records or what is in the "
	       "partitions.\n\n"
	       "With --json the object has image, table (gpt, dos or none), "
	       "id, sector_bytes, size_bytes, and partitions: objects with "
	       "name, kind (partition, table or gap), number, start_bytes, "
	       "size_bytes, type, type_id, partlabel and partuuid (from the "
	       "table), fs, label and uuid (of the file system). Unknown "
	       "values are null; fs is `ambiguous' if several signatures "
	       "are found.\n\n"
	       "Exit status: 0 done, 1 failed, or the table contradicts "
	       "itself or the image, 2 the command line is wrong.\n\n"
	       "Example: mapfs partitions -s changes disk.img parts; "
	       "e2fsck -f parts/p2",
};

int cmd_partitions(int argc, char **argv)
{
	struct partitions_args a = { 0 };
	int status = COMMAND_USAGE;

	options_init(&a.mount);
	if (argp_parse(&partitions_argp, argc, argv, 0, NULL, &a) == 0)
		status = partitions_run(&a);
	options_fini(&a.mount);
	return status;
}
