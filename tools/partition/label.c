/* SPDX-License-Identifier: MIT */
#include "label.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libfdisk/libfdisk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

#define GPT_PROTECTIVE 0xee /* type of the MBR's entry that covers a GPT */

/* One reading of a table. */
struct label_ctx {
	struct partition_table *t;
	const struct image *im;
	struct fdisk_context *fdisk;
};

/*
 * Keeps the first warning of libfdisk as a sentence.  Nothing is written, so
 * nothing "will be corrected by write" or "deleted if you save".  The size in a protective MBR is that
 * of the disk for which it was made, and says nothing about the GPT.
 */
static int label_ask(struct fdisk_context *fdisk, struct fdisk_ask *ask,
		     void *data)
{
	struct label_ctx *ctx = data;
	struct reason *note = &ctx->t->note;
	const char *text;
	const char *end;

	if (!fdisk_is_ask(ask, WARNX) && !fdisk_is_ask(ask, WARN))
		return fdisk_is_ask(ask, INFO) ? 0 : -EINVAL;
	text = fdisk_ask_print_get_mesg(ask);
	if (!text || !*text || strstr(text, "PMBR") || !reason_is_empty(note))
		return 0;
	end = strstr(text, " will be corrected");
	if (!end)
		end = strstr(text, ". ");
	if (!end || end == text)
		end = text + strlen(text);
	if (end[-1] == '.')
		end--;
	reason_set(
		note,
		"%s: %c%.*s; repair a view of the image with sfdisk or gdisk",
		ctx->im->path, tolower((unsigned char)text[0]),
		(int)(end - text) - 1, text + 1);
	return 0;
}

/* Bytes; too many for a number become the largest one. */
static uint64_t bytes_of(const struct label_ctx *ctx, uint64_t sectors)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(sectors, ctx->t->sector_bytes, &bytes))
		return UINT64_MAX;
	return bytes;
}

/* The UUID that the kernel gives to a partition of an MBR. */
static int set_dos_uuid(struct partition *p, const char *disk_id)
{
	const char *hex = disk_id;
	char uuid[32];

	if (!hex)
		return 0;
	if (strncmp(hex, "0x", 2) == 0)
		hex += 2;
	snprintf(uuid, sizeof(uuid), "%.16s-%02x", hex, p->number);
	return partition_set(&p->uuid, uuid);
}

static int set_type(struct partition *p, struct fdisk_parttype *type)
{
	char code[16];
	int err;

	if (!type)
		return 0;
	err = partition_set(&p->type, fdisk_parttype_get_name(type));
	if (err)
		return err;
	if (fdisk_parttype_get_string(type))
		return partition_set(&p->type_id,
				     fdisk_parttype_get_string(type));
	snprintf(code, sizeof(code), "0x%02x", fdisk_parttype_get_code(type));
	return partition_set(&p->type_id, code);
}

static int label_add(struct label_ctx *ctx, struct fdisk_partition *from)
{
	struct fdisk_parttype *type = fdisk_partition_get_type(from);
	struct partition p = {
		.kind = PARTITION_USED,
		.number = (unsigned int)fdisk_partition_get_partno(from) + 1,
		.start_bytes = bytes_of(ctx, fdisk_partition_get_start(from)),
		.size_bytes = bytes_of(ctx, fdisk_partition_get_size(from)),
	};
	const bool is_dos = ctx->t->kind == TABLE_DOS;
	int err;

	/* An MBR keeps the type of an entry that is not used. */
	if (is_dos && p.size_bytes == 0)
		return 0;
	err = set_type(&p, type);
	if (!err)
		err = partition_set(&p.name, fdisk_partition_get_name(from));
	if (!err)
		err = is_dos ? set_dos_uuid(&p, ctx->t->id) :
			       partition_set(&p.uuid,
					     fdisk_partition_get_uuid(from));
	if (!err)
		return partition_table_add(ctx->t, &p);
	partition_fini(&p);
	return err;
}

/* The container of the logical partitions. */
static void judge_container(struct label_ctx *ctx,
			    struct fdisk_partition *container)
{
	struct partition_table *t = ctx->t;
	const uint64_t start =
		bytes_of(ctx, fdisk_partition_get_start(container));
	uint64_t at;

	if (chain_is_sound(ctx->im, start, t->sector_bytes, &at))
		return;
	reason_set(&t->note,
		   "%s: the boot record of a logical partition at byte %" PRIu64
		   " is damaged, so partitions may be missing; repair a view "
		   "of the image with sfdisk or testdisk",
		   ctx->im->path, at);
}

static bool is_protective(struct fdisk_partition *p)
{
	struct fdisk_parttype *type = fdisk_partition_get_type(p);

	return type && fdisk_parttype_get_code(type) == GPT_PROTECTIVE;
}

static int label_add_all(struct label_ctx *ctx)
{
	struct fdisk_iter *iter = fdisk_new_iter(FDISK_ITER_FORWARD);
	struct fdisk_table *table = NULL;
	struct fdisk_partition *p;
	int err = iter ? 0 : -ENOMEM;

	if (!err)
		err = fdisk_get_partitions(ctx->fdisk, &table);
	while (!err && fdisk_table_next_partition(table, iter, &p) == 0) {
		if (!fdisk_partition_is_used(p))
			continue;
		if (fdisk_partition_is_container(p)) {
			judge_container(ctx, p);
			continue;
		}
		if (ctx->t->kind == TABLE_DOS && is_protective(p)) {
			ctx->t->kind = TABLE_GPT_LOST;
			break;
		}
		err = label_add(ctx, p);
	}
	fdisk_unref_table(table);
	fdisk_free_iter(iter);
	return err;
}

/* A part of the table takes whole sectors. */
static int label_add_own(struct label_ctx *ctx)
{
	const uint64_t sector = ctx->t->sector_bytes;
	const char *name;
	uint64_t start;
	size_t size;
	int err = 0;

	for (int i = 0; !err; i++) {
		if (fdisk_locate_disklabel(ctx->fdisk, i, &name, &start, &size))
			break;
		err = partition_table_add_own(
			ctx->t, start, (size + sector - 1) / sector * sector);
	}
	return err;
}

static enum partition_table_kind kind_of(struct fdisk_context *fdisk)
{
	if (!fdisk_has_label(fdisk))
		return TABLE_NONE;
	if (fdisk_is_label(fdisk, GPT))
		return TABLE_GPT;
	return fdisk_is_label(fdisk, DOS) ? TABLE_DOS : TABLE_OTHER;
}

static int label_take(struct label_ctx *ctx)
{
	struct partition_table *t = ctx->t;
	int err = 0;

	t->kind = kind_of(ctx->fdisk);
	t->sector_bytes = (unsigned int)fdisk_get_sector_size(ctx->fdisk);
	if (t->kind != TABLE_GPT && t->kind != TABLE_DOS)
		return 0;
	fdisk_get_disklabel_id(ctx->fdisk, &t->id);
	err = label_add_all(ctx);
	if (!err)
		err = label_add_own(ctx);
	if (!err)
		partition_table_sort(t, partition_by_number);
	return err;
}

int label_read(struct partition_table *t, const struct image *im,
	       unsigned int sector_bytes, struct reason *why)
{
	struct label_ctx ctx = { .t = t, .im = im };
	int err;

	t->size_bytes = im->size_bytes;
	t->sector_bytes = sector_bytes;
	if (im->size_bytes < sector_bytes)
		return 0;
	ctx.fdisk = fdisk_new_context();
	err = ctx.fdisk ? 0 : -ENOMEM;
	if (!err)
		err = fdisk_save_user_sector_size(ctx.fdisk, sector_bytes,
						  sector_bytes);
	if (!err)
		err = fdisk_set_ask(ctx.fdisk, label_ask, &ctx);
	if (!err)
		err = fdisk_assign_device_by_fd(ctx.fdisk, im->fd, im->path, 1);
	if (!err)
		err = label_take(&ctx);
	fdisk_unref_context(ctx.fdisk);
	if (err)
		reason_set(why, "%s: the partition table cannot be read: %s",
			   im->path, reason_of(err));
	return err;
}
