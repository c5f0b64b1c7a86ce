/* SPDX-License-Identifier: MIT */
#include "chain.h"

#include <endian.h>
#include <string.h>

#define RECORD_BYTES 512
#define RECORDS_MOST 128 /* libfdisk reads 60 partitions at most */
#define ENTRIES 4

/* A boot record from its table on. */
struct record_disk {
	struct {
		uint8_t flag;
		uint8_t first_chs[3];
		uint8_t type;
		uint8_t last_chs[3];
		uint8_t first_lba[4]; /* little-endian, not aligned */
		uint8_t sectors[4];
	} entries[ENTRIES];
	uint8_t magic[2];
};

#define TABLE_OFFSET 446

static_assert(TABLE_OFFSET + sizeof(struct record_disk) == RECORD_BYTES,
	      "the table ends a record");

static uint32_t number(const uint8_t bytes[4])
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* Sectors from the start of the chain to the next record; 0: none follows. */
static uint32_t next_record(const struct record_disk *r)
{
	for (int i = 0; i < ENTRIES; i++) {
		if (is_extended(r->entries[i].type) &&
		    number(r->entries[i].sectors))
			return number(r->entries[i].first_lba);
	}
	return 0;
}

bool chain_is_sound(const struct image *im, uint64_t start_bytes,
		    unsigned int sector_bytes, uint64_t *broken_bytes)
{
	struct record_disk r;
	uint64_t at = start_bytes;

	for (int i = 0; i < RECORDS_MOST; i++) {
		uint32_t next;

		if (!image_read(im, &r, sizeof(r), at + TABLE_OFFSET) ||
		    r.magic[0] != 0x55 || r.magic[1] != 0xaa)
			break;
		next = next_record(&r);
		if (next == 0)
			return true;
		at = start_bytes + (uint64_t)next * sector_bytes;
	}
	*broken_bytes = at;
	return false;
}
