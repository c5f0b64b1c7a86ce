/* SPDX-License-Identifier: MIT */
/*
 * Mapped windows: the right bytes from any place of any file, few mappings,
 * and a process that survives it when the file is truncated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/lib/fault.h"
#include "core/lib/io.h"
#include "core/lib/mapping.h"

#define GIB (1ULL << 30)
#define FILE_NAME "mapping"

static int file_of(uint64_t bytes)
{
	int fd = memfd_create(FILE_NAME, MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static struct mapping *mapping_of(int fd)
{
	struct mapping *m = NULL;

	assert_int_equal(mapping_guard_init(), 0);
	assert_int_equal(mapping_create(&m, fd), 0);
	return m;
}

static void test_mapping__reads_what_was_written(void **state)
{
	int fd = file_of(8192);
	struct mapping *m = mapping_of(fd);
	char buf[64];

	for (int i = 0; i < 10; i++) {
		char want[8];

		(void)snprintf(want, sizeof(want), "v%d", i);
		assert_int_equal(io_pwrite_all("t", fd, want, 3, 4094), 0);
		assert_int_equal(mapping_read(m, buf, 3, 4094), 0);
		assert_memory_equal(buf, want, 3);
	}
	assert_int_equal(mapping_read(m, buf, 0, 0), 0);
	mapping_destroy(m);
	close(fd);
}

static void test_mapping__grown_file_needs_no_new_mapping(void **state)
{
	int fd = file_of(0);
	struct mapping *m = mapping_of(fd);
	char c;

	assert_int_equal(mapping_read(m, &c, 1, 0), -EIO);
	assert_int_equal(io_pwrite_all("t", fd, "x", 1, 100000), 0);
	assert_int_equal(mapping_read(m, &c, 1, 100000), 0);
	assert_int_equal(c, 'x');
	mapping_destroy(m);
	close(fd);
}

static void test_mapping__beyond_the_end_is_eio(void **state)
{
	int fd = file_of(4096);
	struct mapping *m = mapping_of(fd);
	char buf[8192];

	assert_int_equal(mapping_read(m, buf, 4096, 0), 0);
	assert_int_equal(mapping_read(m, buf, 8192, 0), -EIO);
	assert_int_equal(mapping_read(m, buf, 1, 4096), -EIO);
	assert_int_equal(mapping_read(m, buf, 1, 5 * GIB), -EIO);
	assert_int_equal(mapping_read(m, buf, 1, INT64_MAX), -EIO);
	assert_int_equal(mapping_read(m, buf, 2, UINT64_MAX), -EIO);
	assert_int_equal(mapping_read(m, buf, 4096, 0), 0);
	mapping_destroy(m);
	close(fd);
}

/* The number of mappings of the file in the process. */
static int windows_mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "memfd:" FILE_NAME) != NULL;
	(void)fclose(f);
	return n;
}

static void test_mapping__many_windows_stay_bounded(void **state)
{
	int fd = file_of(64 * GIB);
	struct mapping *m = mapping_of(fd);

	for (uint64_t i = 1; i < 64; i++) {
		uint64_t off = i * GIB - 4;

		assert_int_equal(io_pwrite_all("t", fd, &off, sizeof(off), off),
				 0);
	}
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 1; i < 64; i++) {
			uint64_t off = i * GIB - 4;
			uint64_t got = 0;

			/* Half in one window, half in the next. */
			assert_int_equal(
				mapping_read(m, &got, sizeof(got), off), 0);
			assert_true(got == off);
		}
		assert_in_range(windows_mapped(), 1, 16);
	}
	mapping_destroy(m);
	assert_int_equal(windows_mapped(), 0);
	close(fd);
}

static void test_mapping__used_windows_stay(void **state)
{
	int fd = file_of(64 * GIB);
	struct mapping *m = mapping_of(fd);
	unsigned int maps;
	char c;

	/* Window 0 is used again after each of the others. */
	fault_reset();
	for (uint64_t i = 1; i < 64; i++) {
		assert_int_equal(mapping_read(m, &c, 1, 0), 0);
		assert_int_equal(mapping_read(m, &c, 1, i * GIB), 0);
	}
	maps = fault_passed();
	fault_disarm();
	assert_int_equal(maps, 64);
	mapping_destroy(m);
	close(fd);
}

static void test_mapping__without_a_mapping_it_reads(void **state)
{
	int fd = file_of(4096);
	struct mapping *m = mapping_of(fd);
	char c;

	assert_int_equal(io_pwrite_all("t", fd, "x", 1, 7), 0);
	fault_arm_name("mapping.map", ENOMEM);
	assert_int_equal(mapping_read(m, &c, 1, 7), 0);
	assert_int_equal(c, 'x');
	assert_int_equal(mapping_read(m, &c, 1, 4096), -EIO);
	fault_disarm();
	mapping_destroy(m);
	close(fd);
}

struct shaker {
	int fd;
	atomic_bool stop;
};

#define SHAKEN_BYTES (64 * 4096)

static void *shake(void *arg)
{
	struct shaker *s = arg;
	static char x[SHAKEN_BYTES];

	memset(x, 'x', sizeof(x));
	while (!atomic_load(&s->stop)) {
		if (ftruncate(s->fd, 4096) < 0 ||
		    io_pwrite_all("t", s->fd, x, sizeof(x), 0) != 0)
			abort();
	}
	return NULL;
}

/* Only bytes of the file, or zeros of pages that it grew by. */
static void assert_plausible(const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_true(buf[i] == 'x' || buf[i] == 0);
}

static void *read_shaken(void *arg)
{
	struct mapping *m = arg;
	char *buf = malloc(SHAKEN_BYTES);
	unsigned int failed = 0;

	assert_non_null(buf);
	for (int i = 0; i < 3000 || (failed == 0 && i < 1000000); i++) {
		int err = mapping_read(m, buf, SHAKEN_BYTES, 0);

		assert_true(err == 0 || err == -EIO);
		failed += err != 0;
		if (!err && i % 100 == 0)
			assert_plausible(buf, SHAKEN_BYTES);
	}
	free(buf);
	return (void *)(uintptr_t)failed;
}

/*
 * Goal: if a file is truncated in the middle of a copy, the copy fails with
 * -EIO and nothing else happens.
 * Method: one thread truncates and writes in turn, two threads read.
 */
static void test_mapping__survives_truncation_below_it(void **state)
{
	struct shaker s = { .fd = file_of(SHAKEN_BYTES) };
	struct mapping *m = mapping_of(s.fd);
	pthread_t shaker;
	pthread_t reader;
	void *failed;

	assert_int_equal(pthread_create(&shaker, NULL, shake, &s), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_shaken, m), 0);
	assert_true((uintptr_t)read_shaken(m) > 0);
	pthread_join(reader, &failed);
	assert_true((uintptr_t)failed > 0);
	atomic_store(&s.stop, true);
	pthread_join(shaker, NULL);
	mapping_destroy(m);
	close(s.fd);
}

static void touch_own_mapping(void)
{
	int fd = file_of(0);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	(void)p[0];
}

/* In the middle of a guarded copy, but not at an address of the window. */
static void copy_to_bad_place(void)
{
	int fd = file_of(4096);
	struct mapping *m = mapping_of(fd);
	int none = file_of(0);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, none, 0);

	(void)!mapping_read(m, p, 4096, 0);
}

static void send_sigbus(void)
{
	(void)raise(SIGBUS);
}

/* The signal that ends a process that did `fn`, with the guard in place. */
static int signal_of(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = file_of(4096);
		struct mapping *m = mapping_of(fd);
		char c;

		/* A guard that fired once must be disarmed again. */
		if (mapping_read(m, &c, 1, 0) != 0 ||
		    mapping_read(m, &c, 1, 4096) != -EIO)
			_exit(1);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_mapping__foreign_sigbus_is_still_fatal(void **state)
{
	assert_int_equal(signal_of(touch_own_mapping), SIGBUS);
	assert_int_equal(signal_of(copy_to_bad_place), SIGBUS);
	assert_int_equal(signal_of(send_sigbus), SIGBUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping__reads_what_was_written),
		cmocka_unit_test(test_mapping__grown_file_needs_no_new_mapping),
		cmocka_unit_test(test_mapping__beyond_the_end_is_eio),
		cmocka_unit_test(test_mapping__many_windows_stay_bounded),
		cmocka_unit_test(test_mapping__used_windows_stay),
		cmocka_unit_test(test_mapping__without_a_mapping_it_reads),
		cmocka_unit_test(test_mapping__survives_truncation_below_it),
		cmocka_unit_test(test_mapping__foreign_sigbus_is_still_fatal),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
