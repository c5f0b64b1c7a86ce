/* SPDX-License-Identifier: MIT */
/*
 * An image file does not tell the size of its sectors.  A GPT does: its header
 * is in the second sector.  An MBR does not either, so the size is chosen with
 * which more of the table fits the image; mostly both fit equally, and then it
 * is 512.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gpt.h"
#include "image.h"
#include "label.h"
#include "probe.h"
#include "rest.h"

#define SECTOR_LEAST 512
#define SECTOR_MOST 4096

struct read_ctx {
	const struct partition_options *opt;
	const struct image *im;
	struct reason *why;
};

bool partition_sector_is_valid(uint64_t bytes)
{
	return bytes >= SECTOR_LEAST && bytes <= SECTOR_MOST &&
	       (bytes & (bytes - 1)) == 0;
}

static int say_read(const struct read_ctx *ctx, int err)
{
	reason_set(ctx->why, "%s: %s", ctx->im->path, reason_of(err));
	return err;
}

static bool ends_inside(const struct partition_table *t,
			const struct partition *p)
{
	return p->start_bytes <= t->size_bytes &&
	       p->size_bytes <= t->size_bytes - p->start_bytes;
}

/* --- which table ---------------------------------------------------------- */

static void replace(struct partition_table *t, struct partition_table *by)
{
	partition_table_fini(t);
	*t = *by;
	*by = (struct partition_table){ 0 };
}

/* What cannot be read does not hide the rest of the table. */
static void set_unreadable(const struct read_ctx *ctx,
			   struct partition_table *t, const struct partition *p)
{
	char file[PARTITION_FILE_SIZE];

	partition_file(file, p);
	if (reason_is_empty(&t->fault))
		reason_set(&t->fault, "%s: %s cannot be read: %s",
			   ctx->im->path, file, reason_of(-EIO));
}

static int probe_all(const struct read_ctx *ctx, struct partition_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct partition *p = &t->list[i];
		int err = 0;

		if (p->kind != PARTITION_TABLE && !p->fs)
			err = probe_file_system(ctx->im, p);
		if (err == -EIO)
			set_unreadable(ctx, t, p);
		else if (err)
			return say_read(ctx, err);
	}
	return 0;
}

/* File systems at the starts of partitions, and parts of the chain. */
static int rate(const struct read_ctx *ctx, struct partition_table *t,
		size_t *out)
{
	int err = probe_all(ctx, t);

	if (err)
		return err;
	*out = t->own_count;
	for (size_t i = 0; i < t->count; i++) {
		if (!ends_inside(t, &t->list[i])) {
			*out = 0;
			break;
		}
		*out += t->list[i].fs != NULL;
	}
	return 0;
}

/*
 * The chain of boot records cannot be followed with the sectors of `t`, but with
 * those of `other`.
 */
static bool is_sounder(const struct partition_table *other,
		       const struct partition_table *t)
{
	return reason_is_empty(&other->note) && !reason_is_empty(&t->note);
}

/* An MBR of an image file: replaces `t` if another size of sectors fits it. */
static int choose_dos(const struct read_ctx *ctx, struct partition_table *t)
{
	struct partition_table other = { 0 };
	size_t rating = 0;
	size_t other_rating = 0;
	int err;

	err = label_read(&other, ctx->im, SECTOR_MOST, ctx->why);
	if (!err && other.kind == TABLE_DOS)
		err = rate(ctx, &other, &other_rating);
	if (!err)
		err = rate(ctx, t, &rating);
	if (!err && (other_rating > rating ||
		     (other_rating > 0 && other_rating == rating &&
		      is_sounder(&other, t))))
		replace(t, &other);
	partition_table_fini(&other);
	return err;
}

/* One file system without a table is shown as partition 1. */
static int choose_bare(const struct read_ctx *ctx, struct partition_table *t,
		       struct partition *whole)
{
	struct partition_table bare = {
		.kind = TABLE_NONE,
		.sector_bytes = t->sector_bytes,
		.size_bytes = t->size_bytes,
	};
	int err = partition_table_add(&bare, whole);

	if (err)
		return say_read(ctx, err);
	replace(t, &bare);
	return 0;
}

static int refuse(const struct read_ctx *ctx, const struct partition_table *t)
{
	const char *path = ctx->im->path;

	if (t->kind == TABLE_GPT_LOST || gpt_has_header(ctx->im))
		gpt_explain(ctx->im, ctx->why);
	else if (t->kind == TABLE_OTHER)
		reason_set(ctx->why,
			   "%s: its partition table is neither a GPT nor an "
			   "MBR; fdisk -l %s may list it",
			   path, path);
	else
		reason_set(ctx->why,
			   "%s: no partition table and no file system is "
			   "recognized; name a raw image (qemu-img convert -O "
			   "raw makes one)",
			   path);
	return -EUCLEAN;
}

/* There is no GPT: an MBR, or one file system, or neither. */
static int choose_without_gpt(const struct read_ctx *ctx,
			      struct partition_table *t)
{
	struct partition whole = {
		.number = 1,
		.size_bytes = ctx->im->size_bytes,
	};
	bool is_record = true;
	int err;

	if (t->kind == TABLE_GPT_LOST)
		return refuse(ctx, t);
	err = probe_file_system(ctx->im, &whole);
	if (!err && t->kind == TABLE_DOS)
		err = probe_boot_record(ctx->im, &is_record);
	if (err) {
		err = say_read(ctx, err);
	} else if (t->kind == TABLE_DOS && is_record &&
		   (t->count > 0 || !whole.fs)) {
		if (!ctx->opt->sector_bytes && !ctx->im->sector_bytes)
			err = choose_dos(ctx, t);
	} else if (whole.fs) {
		err = choose_bare(ctx, t, &whole);
	} else {
		err = refuse(ctx, t);
	}
	partition_fini(&whole);
	return err;
}

/* The sizes to try: the one that was named, or the device's one first. */
static int choose(const struct read_ctx *ctx, struct partition_table *t)
{
	unsigned int sectors[] = { SECTOR_LEAST, SECTOR_MOST, 0 };
	struct partition_table other = { 0 };
	int err;

	if (ctx->opt->sector_bytes) {
		sectors[0] = ctx->opt->sector_bytes;
		sectors[1] = 0;
	} else if (ctx->im->sector_bytes > SECTOR_LEAST) {
		sectors[0] = ctx->im->sector_bytes;
		sectors[1] = SECTOR_LEAST;
	}
	err = label_read(t, ctx->im, sectors[0], ctx->why);
	for (int i = 1; !err && t->kind != TABLE_GPT && sectors[i]; i++) {
		err = label_read(&other, ctx->im, sectors[i], ctx->why);
		if (!err && other.kind == TABLE_GPT)
			replace(t, &other);
		partition_table_fini(&other);
	}
	if (!err && t->kind != TABLE_GPT)
		err = choose_without_gpt(ctx, t);
	return err;
}

/* --- what is wrong with it ------------------------------------------------ */

static void judge_ends(const struct read_ctx *ctx, struct partition_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct partition *p = &t->list[i];

		if (p->size_bytes == 0) {
			reason_set(&t->fault,
				   "%s: partition %u ends before it starts; "
				   "repair a view of the image with sfdisk",
				   ctx->im->path, p->number);
			return;
		}
		if (!ends_inside(t, p)) {
			reason_set(&t->fault,
				   "%s: partition %u ends behind the image, "
				   "which has %" PRIu64
				   " bytes; copy the image completely, or "
				   "enlarge a view of it with truncate(1)",
				   ctx->im->path, p->number, t->size_bytes);
			return;
		}
	}
}

/* The partitions are sorted by their start. */
static void judge_overlaps(const struct read_ctx *ctx,
			   struct partition_table *t)
{
	for (size_t i = 1; i < t->count; i++) {
		const struct partition *p = &t->list[i - 1];
		const struct partition *q = &t->list[i];

		if (q->start_bytes - p->start_bytes >= p->size_bytes)
			continue;
		reason_set(&t->fault,
			   "%s: partitions %u and %u overlap; repair a view of "
			   "the image with sfdisk",
			   ctx->im->path, p->number, q->number);
		return;
	}
}

/* What is wrong with an MBR may be that its sectors are of another size. */
static void take_note(const struct read_ctx *ctx, struct partition_table *t)
{
	const bool is_guess = !ctx->opt->sector_bytes &&
			      !ctx->im->sector_bytes &&
			      t->sector_bytes == SECTOR_LEAST;
	const char *step = strstr(t->note.text, "; ");

	if (is_guess && step)
		reason_set(&t->fault,
			   "%.*s; if the sectors of the disk have %d bytes, "
			   "say --sector-size %d, else %s",
			   (int)(step - t->note.text), t->note.text,
			   SECTOR_MOST, SECTOR_MOST, step + 2);
	else
		t->fault = t->note;
	reason_clear(&t->note);
}

static void judge(const struct read_ctx *ctx, struct partition_table *t)
{
	judge_ends(ctx, t);
	if (reason_is_empty(&t->fault)) {
		partition_table_sort(t, partition_by_start);
		judge_overlaps(ctx, t);
		partition_table_sort(t, partition_by_number);
	}
	/* An MBR has no second copy: what was damaged is lost. */
	if (reason_is_empty(&t->fault) && t->kind == TABLE_DOS)
		take_note(ctx, t);
}

static int complete(const struct read_ctx *ctx, struct partition_table *t)
{
	int err = 0;

	judge(ctx, t);
	if (ctx->opt->has_rest)
		err = rest_add(t);
	if (err)
		return say_read(ctx, err);
	return ctx->opt->has_file_systems ? probe_all(ctx, t) : 0;
}

int partition_table_read(struct partition_table *out, const char *path,
			 const struct partition_options *opt,
			 struct reason *why)
{
	struct partition_table t = { 0 };
	struct image im;
	struct read_ctx ctx = { .opt = opt, .im = &im, .why = why };
	int err;

	reason_clear(why);
	err = image_open(&im, path, why);
	if (err)
		return err;
	err = choose(&ctx, &t);
	if (!err)
		err = complete(&ctx, &t);
	image_close(&im);
	if (err)
		partition_table_fini(&t);
	else
		*out = t;
	return err;
}
