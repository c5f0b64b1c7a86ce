/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <string.h>

/* Results of blkid_do_safeprobe(3). */
enum probe_result {
	PROBE_AMBIVALENT = -2,
	PROBE_FAILED = -1,
	PROBE_FOUND = 0,
	PROBE_NOTHING = 1,
};

static int probe_open(blkid_probe *out, const struct image *im, uint64_t start,
		      uint64_t size)
{
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		return -ENOMEM;
	if (blkid_probe_set_device(pr, im->fd, (blkid_loff_t)start,
				   (blkid_loff_t)size)) {
		blkid_free_probe(pr);
		return -EIO;
	}
	*out = pr;
	return 0;
}

static int probe_take(blkid_probe pr, const char *name, char **field)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(pr, name, &value, NULL))
		return 0;
	return partition_set(field, value);
}

static int probe_take_all(blkid_probe pr, struct partition *p)
{
	int err = probe_take(pr, "TYPE", &p->fs);

	if (!err)
		err = probe_take(pr, "LABEL", &p->fs_label);
	if (!err)
		err = probe_take(pr, "UUID", &p->fs_uuid);
	return err;
}

int probe_file_system(const struct image *im, struct partition *p)
{
	uint64_t size = p->size_bytes;
	blkid_probe pr;
	int err;

	if (p->start_bytes >= im->size_bytes)
		return 0;
	if (size > im->size_bytes - p->start_bytes)
		size = im->size_bytes - p->start_bytes;
	if (size == 0) /* would mean: up to the end */
		return 0;
	err = probe_open(&pr, im, p->start_bytes, size);
	if (err)
		return err;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(
		pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	switch ((enum probe_result)blkid_do_safeprobe(pr)) {
	case PROBE_FOUND:
		err = probe_take_all(pr, p);
		break;
	case PROBE_AMBIVALENT:
		err = partition_set(&p->fs, PARTITION_AMBIGUOUS);
		break;
	case PROBE_FAILED:
		err = -EIO;
		break;
	case PROBE_NOTHING:
		break;
	}
	blkid_free_probe(pr);
	return err;
}

int probe_boot_record(const struct image *im, bool *out)
{
	const char *type = NULL;
	blkid_probe pr;
	int err = probe_open(&pr, im, 0, im->size_bytes);

	if (err)
		return err;
	blkid_probe_enable_superblocks(pr, 0);
	blkid_probe_enable_partitions(pr, 1);
	*out = blkid_do_probe(pr) == PROBE_FOUND &&
	       blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL) == 0 &&
	       strcmp(type, "dos") == 0;
	blkid_free_probe(pr);
	return 0;
}
