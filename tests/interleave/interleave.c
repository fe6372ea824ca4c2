#include "interleave.h"

#include <millrace/atomic.h>

#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

enum { POINTS_MAX = 512, STACK_BYTES = 65536, MAIN = 2 };

static const struct il_scene *scene;
static jmp_buf at[3]; /* where each side, and the main thread, goes on */
static ucontext_t entry[2];
static unsigned char stacks[2][STACK_BYTES] MR_ALIGNED(64);
static bool done[2];
static int current = MAIN;

static unsigned char choices[POINTS_MAX]; /* 0: stay, 1: switch; of this schedule, and where to begin the next */
static uint32_t given, decided;           /* choices that are given; that were asked for so far */
static uint32_t random_state;             /* 0: choices beyond the given ones are 0 */
static struct {
    int side;
    const char *name;
} told[POINTS_MAX]; /* the points passed, for a failure */
static uint32_t n_told;

void il_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\nscene \"%s\", points:", file, line, what, scene->name);
    for (uint32_t i = 0; i < n_told && i < POINTS_MAX; i++) {
        fprintf(stderr, " %d:%s", told[i].side, told[i].name);
    }
    fprintf(stderr, "\nchoices:");
    for (uint32_t i = 0; i < decided; i++) {
        fprintf(stderr, " %d", choices[i]);
    }
    fprintf(stderr, "\n");
    exit(1);
}

static void go_to(int side)
{
    static bool entered[2];
    int from = current;
    current = side;
    if (_setjmp(at[from]) != 0) {
        return;
    }
    if (side != MAIN && !entered[side]) {
        entered[side] = true;
        setcontext(&entry[side]);
    }
    _longjmp(at[side], 1);
}

static unsigned char choose(void)
{
    if (decided >= given) {
        IL_EXPECT(decided < POINTS_MAX);
        unsigned char random = 0;
        if (random_state != 0) {
            random_state ^= random_state << 13;
            random_state ^= random_state >> 17;
            random_state ^= random_state << 5;
            random = random_state & 1;
        }
        choices[decided] = random;
    }
    return choices[decided++];
}

void mr_point(const char *name)
{
    if (current == MAIN) {
        return;
    }
    if (n_told < POINTS_MAX) {
        told[n_told].side = current;
        told[n_told++].name = name;
    }
    scene->check(scene->arg);
    if (!done[1 - current] && choose() != 0) {
        go_to(1 - current);
    }
}

/* A side waits for the other one, in a loop: staying would lead back here. */
void mr_point_wait(void)
{
    IL_EXPECT(current != MAIN && !done[1 - current]);
    go_to(1 - current);
}

/* A side for all schedules: it comes back here at the end of each, and begins the next when it is switched to again. */
static void coroutine(void)
{
    for (;;) {
        int me = current;
        scene->side[me](scene->arg);
        done[me] = true;
        go_to(done[1 - me] ? MAIN : 1 - me);
    }
}

static void make_coroutines(void)
{
    static bool made;
    for (int i = 0; i < 2 && !made; i++) {
        getcontext(&entry[i]);
        entry[i].uc_stack.ss_sp = stacks[i];
        entry[i].uc_stack.ss_size = STACK_BYTES;
        makecontext(&entry[i], coroutine, 0);
    }
    made = true;
}

static void play(void)
{
    decided = 0;
    n_told = 0;
    done[0] = done[1] = false;
    scene->begin(scene->arg);
    go_to(choose());
    scene->end(scene->arg);
}

uint64_t il_explore(const struct il_scene *s)
{
    uint64_t schedules = 0;
    scene = s;
    make_coroutines();
    random_state = 0;
    given = 0;
    do {
        play();
        schedules++;
        for (given = decided; given != 0 && choices[given - 1] == 1; given--) { // the last 0 becomes a 1
        }
        choices[given - (given != 0)] = 1;
    } while (given != 0);
    return schedules;
}

uint64_t il_random(const struct il_scene *s, uint32_t seed, uint32_t times)
{
    scene = s;
    make_coroutines();
    given = 0;
    random_state = seed != 0 ? seed : 1;
    for (uint32_t i = 0; i < times; i++) {
        play();
    }
    return times;
}
