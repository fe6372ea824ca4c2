/* stress.h: what the stress programs share. Plain main, no framework, so that they also run under ThreadSanitizer.
 * Two threads may have one CPU: whoever finds nothing to do yields, and an alarm ends a test that hangs. */
#ifndef MILLRACE_TESTS_STRESS_H
#define MILLRACE_TESTS_STRESS_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECT(cond, ...)                                                                                              \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            fprintf(stderr, "%s:%d: " #cond ": ", __FILE__, __LINE__);                                                 \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { STRESS_DEADLINE_S = 100 };

/* stress_random: xorshift; each thread has its own state, never 0. */
static inline uint32_t stress_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline pthread_t stress_start(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, body, arg);
    EXPECT(rc == 0, "%s", strerror(rc));
    return thread;
}

static inline void *stress_memory(size_t alignment, size_t bytes)
{
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    EXPECT(memory != NULL, "%zu bytes", bytes);
    memset(memory, 0, bytes);
    return memory;
}

#endif
