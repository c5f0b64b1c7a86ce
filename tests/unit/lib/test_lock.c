/* SPDX-License-Identifier: MIT */
/*
 * Ranked locks: they exclude, writers come first, and a step down the ranks
 * ends the process before it can become a deadlock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/lock.h"

#define THREADS 4
#define ROUNDS 20000

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* The signal that ended fn() in a process of its own; 0: none. */
static int signal_of(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(null, STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static struct rmutex counter_lock;
static struct rwlock table_lock;
static unsigned int counter;

static void *count_up(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		rmutex_lock(&counter_lock);
		rmutex_assert_held(&counter_lock);
		counter++;
		rmutex_unlock(&counter_lock);
	}
	return arg;
}

static void *count_up_rw(void *arg)
{
	unsigned int last = 0;

	for (int i = 0; i < ROUNDS; i++) {
		rwlock_read(&table_lock);
		assert_true(counter >= last);
		last = counter;
		rwlock_unlock(&table_lock);
		rwlock_write(&table_lock);
		counter++;
		rwlock_unlock(&table_lock);
	}
	return arg;
}

static void run_threads(void *(*fn)(void *arg))
{
	pthread_t t[THREADS];

	counter = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fn, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, THREADS * ROUNDS);
}

static void test_lock__mutex_excludes(void **state)
{
	rmutex_init(&counter_lock, RANK_ARENA);
	run_threads(count_up);
	rmutex_fini(&counter_lock);
}

static void test_lock__rwlock_excludes_writers(void **state)
{
	rwlock_init(&table_lock, RANK_NAMESPACE);
	run_threads(count_up_rw);
	rwlock_fini(&table_lock);
}

static atomic_int events;
static int writer_came;
static int reader_came;

static void *write_once(void *arg)
{
	rwlock_write(&table_lock);
	writer_came = atomic_fetch_add(&events, 1);
	pause_ms(5);
	rwlock_unlock(&table_lock);
	return arg;
}

static void *read_once(void *arg)
{
	rwlock_read(&table_lock);
	reader_came = atomic_fetch_add(&events, 1);
	rwlock_unlock(&table_lock);
	return arg;
}

/*
 * Goal: a stream of readers cannot starve a writer.
 * Method: while a reader holds the lock, a writer asks for it, then a reader.
 */
static void test_lock__waiting_writer_comes_before_new_readers(void **state)
{
	pthread_t writer;
	pthread_t reader;

	rwlock_init(&table_lock, RANK_NAMESPACE);
	atomic_store(&events, 0);
	rwlock_read(&table_lock);
	assert_int_equal(pthread_create(&writer, NULL, write_once, NULL), 0);
	pause_ms(100);
	assert_int_equal(pthread_create(&reader, NULL, read_once, NULL), 0);
	pause_ms(100);
	assert_int_equal(atomic_load(&events), 0);
	rwlock_unlock(&table_lock);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	assert_int_equal(writer_came, 0);
	assert_int_equal(reader_came, 1);
	rwlock_fini(&table_lock);
}

static void test_lock__climbing_and_any_unlock_order(void **state)
{
	struct rmutex sync;
	struct rwlock names;
	struct rmutex leaf;

	rmutex_init(&sync, RANK_SYNC);
	rwlock_init(&names, RANK_NAMESPACE);
	rmutex_init(&leaf, RANK_LEAF);
	for (int i = 0; i < 2; i++) {
		rmutex_lock(&sync);
		rwlock_read(&names);
		rmutex_lock(&leaf);
		rmutex_unlock(&sync);
		rmutex_unlock(&leaf);
		rwlock_unlock(&names);
		lock_assert_none();
	}
	rmutex_fini(&leaf);
	rwlock_fini(&names);
	rmutex_fini(&sync);
}

static void step_down(void)
{
	struct rmutex low;
	struct rwlock high;

	rmutex_init(&low, RANK_SYNC);
	rwlock_init(&high, RANK_ITABLE);
	rwlock_read(&high);
	rmutex_lock(&low);
}

static void same_rank_twice(void)
{
	struct rwlock a;
	struct rwlock b;

	rwlock_init(&a, RANK_INODE);
	rwlock_init(&b, RANK_INODE);
	rwlock_write(&a);
	rwlock_write(&b);
}

static void unlock_other(void)
{
	struct rmutex a;
	struct rmutex b;

	rmutex_init(&a, RANK_INODE);
	rmutex_init(&b, RANK_INODE);
	rmutex_lock(&a);
	rmutex_unlock(&b);
}

static void reply_with_lock(void)
{
	struct rmutex m;

	rmutex_init(&m, RANK_FS);
	rmutex_lock(&m);
	lock_assert_none();
}

static void claim_not_held(void)
{
	struct rmutex a;
	struct rmutex b;

	rmutex_init(&a, RANK_INODE);
	rmutex_init(&b, RANK_INODE);
	rmutex_lock(&a);
	rmutex_assert_held(&b);
}

static void wait_with_one_above(void)
{
	pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
	struct rmutex low;
	struct rmutex high;

	rmutex_init(&low, RANK_FS);
	rmutex_init(&high, RANK_SYNC);
	rmutex_lock(&low);
	rmutex_lock(&high);
	rmutex_wait(&low, &wake);
}

static struct rmutex door_lock;
static pthread_cond_t door_opened = PTHREAD_COND_INITIALIZER;
static bool is_door_open; /* by door_lock */

static void *open_door(void *arg)
{
	rmutex_lock(&door_lock);
	is_door_open = true;
	pthread_cond_signal(&door_opened);
	rmutex_unlock(&door_lock);
	return arg;
}

/*
 * Goal: the lock is free during a wait and held again afterwards.
 * Method: the other thread can only signal while it holds the lock.
 */
static void test_lock__wait_frees_the_lock_and_takes_it_again(void **state)
{
	pthread_t opener;

	rmutex_init(&door_lock, RANK_FS);
	is_door_open = false;
	rmutex_lock(&door_lock);
	assert_int_equal(pthread_create(&opener, NULL, open_door, NULL), 0);
	while (!is_door_open)
		rmutex_wait(&door_lock, &door_opened);
	rmutex_assert_held(&door_lock);
	rmutex_unlock(&door_lock);
	lock_assert_none();
	pthread_join(opener, NULL);
	rmutex_fini(&door_lock);
}

static void
test_lock__wait_until_a_past_moment_returns_with_the_lock(void **state)
{
	const struct timespec past = { 0 };

	rmutex_init(&door_lock, RANK_FS);
	rmutex_lock(&door_lock);
	rmutex_wait_until(&door_lock, &door_opened, &past);
	rmutex_assert_held(&door_lock);
	rmutex_unlock(&door_lock);
	rmutex_fini(&door_lock);
}

static void test_lock__misuse_aborts(void **state)
{
#ifdef NDEBUG
	skip();
#endif
	assert_int_equal(signal_of(step_down), SIGABRT);
	assert_int_equal(signal_of(same_rank_twice), SIGABRT);
	assert_int_equal(signal_of(unlock_other), SIGABRT);
	assert_int_equal(signal_of(reply_with_lock), SIGABRT);
	assert_int_equal(signal_of(claim_not_held), SIGABRT);
	assert_int_equal(signal_of(wait_with_one_above), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock__mutex_excludes),
		cmocka_unit_test(test_lock__rwlock_excludes_writers),
		cmocka_unit_test(
			test_lock__waiting_writer_comes_before_new_readers),
		cmocka_unit_test(test_lock__climbing_and_any_unlock_order),
		cmocka_unit_test(
			test_lock__wait_frees_the_lock_and_takes_it_again),
		cmocka_unit_test(
			test_lock__wait_until_a_past_moment_returns_with_the_lock),
		cmocka_unit_test(test_lock__misuse_aborts),
	};

	if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
