/* SPDX-License-Identifier: MIT */
/*
 * main() of a fuzzer without libFuzzer:
 *
 *	fuzz_NAME ROUNDS	mutates the seeds
 *	fuzz_NAME --seeds DIR	writes them there, for libFuzzer
 *	fuzz_NAME FILE		one input
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_MOST 256

static struct seed {
	uint8_t *data;
	size_t size;
} seeds[SEEDS_MOST];
static size_t seed_count;

static void keep_seed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy || seed_count == SEEDS_MOST)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	seeds[seed_count].data = copy;
	seeds[seed_count++].size = size;
}

static size_t any(size_t below)
{
	return below > 0 ? (size_t)random() % below : 0;
}

/* Of the kinds that a fuzzer has: a bit, a byte, a number, a move, a cut. */
static void mutate(uint8_t *p, size_t *size)
{
	static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	size_t at = any(*size);
	size_t len = any(16);

	if (*size < 2)
		return;
	if (len > *size - at)
		len = *size - at;
	switch (random() % 6) {
	case 0:
		p[at] ^= (uint8_t)(1U << random() % 8);
		break;
	case 1:
		p[at] = (uint8_t)random();
		break;
	case 2:
		p[at] = (uint8_t)(p[at] + random() % 9 - 4);
		break;
	case 3:
		memset(p + at, edges[any(sizeof(edges))], len);
		break;
	case 4:
		memmove(p + at, p + any(*size - len), len);
		break;
	case 5:
		/* Seldom: most of what follows would be the same. */
		if (random() % 8 == 0)
			*size = at;
		break;
	}
}

static void play(long rounds)
{
	srandom(1);
	for (size_t n = 0; n < seed_count; n++)
		(void)LLVMFuzzerTestOneInput(seeds[n].data, seeds[n].size);
	for (long n = 0; n < rounds; n++) {
		const struct seed *s = &seeds[any(seed_count)];
		uint8_t *copy = malloc(s->size + 1);
		size_t size = s->size;

		fuzz_must(copy);
		memcpy(copy, s->data, size);
		for (long times = 1 + random() % 4; times > 0; times--)
			mutate(copy, &size);
		(void)LLVMFuzzerTestOneInput(copy, size);
		free(copy);
	}
}

int main(int argc, char **argv)
{
	char *end = NULL;
	long rounds = argc > 1 ? strtol(argv[1], &end, 10) : 1000;

	if (end && *end && argc == 2) {
		size_t size;
		const char *dir = *argv[1] == '/' ? "" : ".";
		uint8_t *data = fuzz_get(dir, argv[1], &size);

		fuzz_must(data);
		(void)LLVMFuzzerTestOneInput(data, size);
		free(data);
		return 0;
	}
	fuzz_seeds(keep_seed);
	for (size_t n = 0; argc == 3 && n < seed_count; n++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "seed%02zu", n);
		fuzz_put(argv[2], name, seeds[n].data, seeds[n].size);
	}
	if (argc != 3) {
		play(rounds);
		printf("1..1\nok 1 - mutations of %zu inputs\n", seed_count);
		printf("# counted %ld hostile inputs\n",
		       rounds + (long)seed_count);
	}
	for (size_t n = 0; n < seed_count; n++)
		free(seeds[n].data);
	return 0;
}
