/* interleave.h: every order of two sides' steps, on the real code.
 *
 * A step ends at a named point: MR_POINT(name) in a header of include/millrace, compiled with -DMR_INTERLEAVE, or a call
 * of mr_point in a test. The two sides are coroutines of one thread, so that each schedule is exactly repeatable. A
 * schedule is a row of bits, one for each point at which both sides could go on: stay or switch. il_explore plays them
 * all, by depth; il_random plays some that a seed chooses, where all are too many. What the code does between two points
 * is one step: a point stands before each access to memory that the other side may touch.
 */
#ifndef MILLRACE_TESTS_INTERLEAVE_H
#define MILLRACE_TESTS_INTERLEAVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* One scene: what is played, from a fresh start each time. The functions get arg. */
struct il_scene {
    const char *name;
    void (*begin)(void *arg);
    void (*side[2])(void *arg);
    void (*check)(void *arg); /* at each point: invariants; both sides stand still */
    void (*end)(void *arg);   /* both sides have returned */
    void *arg;
};

/* Play all schedules; returns how many there were. Exits with 1, and tells the schedule, when a check fails. */
uint64_t il_explore(const struct il_scene *scene);

/* Play `times` schedules by the seed. */
uint64_t il_random(const struct il_scene *scene, uint32_t seed, uint32_t times);

/* il_failed: tells which schedule it was, point by point, and exits. */
void il_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#define IL_EXPECT(cond)                                                                                                \
    do {                                                                                                               \
        if (__builtin_expect(!(cond), 0)) {                                                                            \
            il_failed(__FILE__, __LINE__, #cond);                                                                      \
        }                                                                                                              \
    } while (0)

#endif
