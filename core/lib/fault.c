/* SPDX-License-Identifier: MIT */
/*
 * One atomic flag says whether a point is armed or counted.  Only if it is set
 * is the lock taken and the state read.
 */
#include "fault.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum fault_mode {
	FAULT_NONE,
	FAULT_ORDINAL,
	FAULT_NAME,
	FAULT_KILL,
};

static struct {
	atomic_bool active;
	pthread_mutex_t lock;
	enum fault_mode mode; /* by lock */
	unsigned int left;    /* points before the armed one; by lock */
	unsigned int passed;  /* by lock */
	int err;	      /* by lock */
	char name[64];	      /* by lock */
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Is this the armed ordinal?  Consumes it. */
static bool ordinal_is_due(void)
{
	if (fault.left > 0) {
		fault.left--;
		return false;
	}
	return true;
}

static int fault_judge(const char *name)
{
	switch (fault.mode) {
	case FAULT_NONE:
		return 0;
	case FAULT_NAME:
		return strcmp(name, fault.name) == 0 ? -fault.err : 0;
	case FAULT_ORDINAL:
		if (!ordinal_is_due())
			return 0;
		fault.mode = FAULT_NONE;
		return -fault.err;
	case FAULT_KILL:
		if (ordinal_is_due())
			(void)kill(getpid(), SIGKILL);
		return 0;
	}
	return 0;
}

/* A short count is no error here, but shortens *len. */
static int fault_shorten(int err, size_t *len)
{
	if (err > -FAULT_SHORT)
		return err;
	if (!len || *len < 2)
		return 0;
	*len /= 2;
	if (err == -FAULT_FULL) {
		fault.mode = FAULT_ORDINAL;
		fault.left = 0;
		fault.err = ENOSPC;
	}
	return 0;
}

static int fault_pass(const char *name, size_t *len)
{
	int err;

	if (!atomic_load_explicit(&fault.active, memory_order_relaxed))
		return 0;
	pthread_mutex_lock(&fault.lock);
	/* A short count is armed at a point with bytes. */
	if (fault.err >= FAULT_SHORT && !len) {
		pthread_mutex_unlock(&fault.lock);
		return 0;
	}
	fault.passed++;
	err = fault_shorten(fault_judge(name), len);
	pthread_mutex_unlock(&fault.lock);
	return err;
}

int fault_point(const char *name)
{
	return fault_pass(name, NULL);
}

int fault_transfer(const char *name, size_t *len)
{
	return fault_pass(name, len);
}

static void fault_set(enum fault_mode mode, unsigned int n, const char *name,
		      int err)
{
	pthread_mutex_lock(&fault.lock);
	fault.mode = mode;
	fault.left = n;
	fault.err = err;
	(void)snprintf(fault.name, sizeof(fault.name), "%s", name);
	atomic_store(&fault.active, true);
	pthread_mutex_unlock(&fault.lock);
}

void fault_arm(unsigned int n, int err)
{
	assert(err > 0);
	fault_set(FAULT_ORDINAL, n, "", err);
}

void fault_arm_name(const char *name, int err)
{
	assert(err > 0);
	assert(strlen(name) < sizeof(fault.name));
	fault_set(FAULT_NAME, 0, name, err);
}

void fault_arm_kill(unsigned int n)
{
	fault_set(FAULT_KILL, n, "", 0);
}

void fault_disarm(void)
{
	pthread_mutex_lock(&fault.lock);
	fault.mode = FAULT_NONE;
	atomic_store(&fault.active, false);
	pthread_mutex_unlock(&fault.lock);
}

unsigned int fault_passed(void)
{
	unsigned int n;

	pthread_mutex_lock(&fault.lock);
	n = fault.passed;
	pthread_mutex_unlock(&fault.lock);
	return n;
}

void fault_reset(void)
{
	pthread_mutex_lock(&fault.lock);
	fault.passed = 0;
	fault.err = 0;
	atomic_store(&fault.active, true);
	pthread_mutex_unlock(&fault.lock);
}
