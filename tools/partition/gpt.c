/* SPDX-License-Identifier: MIT */
#include "gpt.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

/* The start of a header: UEFI specification, 5.3.2. */
struct gpt_header_disk {
	char signature[8];
	uint8_t unused[24];
	uint64_t alternate_lba; /* where the other copy is; little-endian */
};

static_assert(sizeof(struct gpt_header_disk) == 40, "header has no padding");

/*
 * Bytes that an image needs to have both copies; 0: no first copy is there.
 * The header is in the second sector, whose size is not known.
 */
static uint64_t bytes_needed(const struct image *im)
{
	static const unsigned int sectors[] = { 512, 4096 };
	struct gpt_header_disk h;
	uint64_t needed;

	for (size_t i = 0; i < sizeof(sectors) / sizeof(*sectors); i++) {
		if (!image_read(im, &h, sizeof(h), sectors[i]) ||
		    memcmp(h.signature, "EFI PART", sizeof(h.signature)) != 0)
			continue;
		needed = le64toh(h.alternate_lba);
		if (needed >= UINT64_MAX / sectors[i])
			return UINT64_MAX;
		return (needed + 1) * sectors[i];
	}
	return 0;
}

bool gpt_has_header(const struct image *im)
{
	return bytes_needed(im) > 0;
}

void gpt_explain(const struct image *im, struct reason *why)
{
	const uint64_t needed = bytes_needed(im);

	/* A damaged number would be no size of a disk. */
	if (needed > im->size_bytes && needed <= INT64_MAX)
		reason_set(
			why,
			"%s: the image ends at byte %" PRIu64
			", but its GPT is for %" PRIu64
			" bytes; copy it completely, or enlarge a view of it "
			"with truncate(1)",
			im->path, im->size_bytes, needed);
	else
		reason_set(why,
			   "%s: its GPT is damaged, and so is the backup; "
			   "repair a view of the image with gdisk or testdisk",
			   im->path);
}
