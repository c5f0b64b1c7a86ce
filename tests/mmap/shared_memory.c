/* SPDX-License-Identifier: MIT */
/*
 * shared_memory FILE
 *
 * Memory with a name, once a segment of shm_open and once a file: two processes
 * open it by that name and pass numbers through a ring, guarded by a mutex and a
 * condition that lie in the same memory.
 */
#include <pthread.h>
#include <stdio.h>

#include "check.h"

#define SLOTS 16U
#define NUMBERS 5000U

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int head, tail; /* by lock; tail: the next to be taken */
	unsigned int slot[SLOTS];
};

static void ring_init(struct ring *r)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;

	memset(r, 0, sizeof(*r));
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	assert(pthread_mutex_init(&r->lock, &mutex) == 0);
	assert(pthread_cond_init(&r->changed, &cond) == 0);
}

static void ring_put(struct ring *r, unsigned int number)
{
	pthread_mutex_lock(&r->lock);
	while (r->head - r->tail == SLOTS)
		pthread_cond_wait(&r->changed, &r->lock);
	r->slot[r->head++ % SLOTS] = number;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static unsigned int ring_take(struct ring *r)
{
	unsigned int number;

	pthread_mutex_lock(&r->lock);
	while (r->head == r->tail)
		pthread_cond_wait(&r->changed, &r->lock);
	number = r->slot[r->tail++ % SLOTS];
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return number;
}

static struct ring *map_ring(int fd)
{
	return (void *)check_map(fd, sizeof(struct ring),
				 PROT_READ | PROT_WRITE, MAP_SHARED);
}

static int open_segment(const char *name)
{
	int fd = shm_open(name, O_RDWR, 0);

	if (fd < 0)
		err(1, "shm_open %s", name);
	return fd;
}

static int open_file(const char *path)
{
	return check_open(path, O_RDWR);
}

/* Parent and child each open the memory for themselves. */
static void pass_numbers(const char *name, int (*open_memory)(const char *))
{
	struct ring *r = map_ring(open_memory(name));
	pid_t pid;

	ring_init(r);
	pid = fork();
	if (pid == 0) {
		struct ring *mine = map_ring(open_memory(name));

		for (unsigned int n = 0; n < NUMBERS; n++)
			ring_put(mine, n * n);
		_exit(0);
	}
	for (unsigned int n = 0; n < NUMBERS; n++)
		assert(ring_take(r) == n * n);
	check_wait(pid);
}

int main(int argc, char **argv)
{
	unsigned int number;
	char name[64];
	int fd;

	close(open_file(argv[argc - 1]));
	/* Not the pid: pid namespaces may share their segments. */
	if (getentropy(&number, sizeof(number)) != 0)
		err(1, "getentropy");
	(void)snprintf(name, sizeof(name), "/mapfs-test-%08x", number);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct ring)) != 0)
		err(1, "shm_open %s", name);
	pass_numbers(name, open_segment);
	assert(shm_unlink(name) == 0);
	pass_numbers(argv[argc - 1], open_file);
	return 0;
}
