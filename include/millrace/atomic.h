/* atomic.h: the few words about compilers and memory order that all rooms share.
 *
 * Built on the __atomic builtins, so that the same headers compile as C17 and as C++17 and so that
 * ThreadSanitizer sees every shared access. No fences, no volatile. Pure: no OS call, no state.
 */
#ifndef MILLRACE_ATOMIC_H
#define MILLRACE_ATOMIC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MR_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define MR_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

#define MR_CACHE_LINE       64u
#define MR_LINE_PAIR        128u /* what one core's prefetcher may fetch together: shared blocks keep this distance */
#define MR_ALIGNED(bytes)   __attribute__((aligned(bytes)))
#define MR_LIKELY(x)        __builtin_expect(!!(x), 1)
#define MR_UNLIKELY(x)      __builtin_expect(!!(x), 0)
#define MR_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Named points in front of what another thread may see or change: tests/interleave compiles with MR_INTERLEAVE and plays
 * every order of two sides' steps. Otherwise they are nothing. MR_POINT_WAIT: where a thread waits for another, in a loop. */
#ifdef MR_INTERLEAVE
void mr_point(const char *name);
void mr_point_wait(void);
#define MR_POINT(name)  mr_point(name)
#define MR_POINT_WAIT() mr_point_wait()
#else
#define MR_POINT(name)  ((void)0)
#define MR_POINT_WAIT() ((void)0)
#endif

/* Acquire and release on 32-bit indices and flags. */
static inline uint32_t mr_load_acquire(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void mr_store_release(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* mr_count: add to a counter that one thread writes and others may read at any time. Compiles to a plain add: there is
 * one writer, so nothing can be lost between the load and the store; the relaxed store only forbids tearing. */
static inline void mr_count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* mr_counted: read such a counter from another thread. */
static inline uint64_t mr_counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void mr_pause(void)
{
    MR_POINT_WAIT();
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
