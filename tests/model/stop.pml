/* stop.pml: how a run ends: lib/engine/control.c, drain.c and core_loop.c with three stages (stop_cores.inc) on two or three
 * cores, a receiving device or a source, a sending device that may be dead, a core that may hang, and a user who asks to
 * end, perhaps twice, at any moment.
 *
 * A poll is one step: what it moves is seen by the next core at once (ring.pml has the rings). Frames are counted, not
 * told apart. Epochs are 32 bits wide in the code; here each core counts its rounds since `then` and since `now` were
 * looked at, up to the two that are asked for. Patience is a number of looks without a frame moving; that a core has been
 * silent for too long (stuck.c) is seen at once.
 *
 * What the model found when it was written, and what drain.c does since: asking whether cores are quiet after their counters
 * were read (QUIET_AFTER_LOOK), and one look that found nothing inside after one that found something (ONE_EMPTY_LOOK).
 *
 * Checked: what is declared drained has no frame inside and gets none afterwards; whatever the end, every frame that came
 * in was sent or is counted as stopped; every core is joined, also when one failed to start; no deadlock. That it ends at
 * all (`live`): no fair run in which control goes on for ever, with a dead device or a core that hangs, too.
 *
 * true   CORES=2 WORK_CORE=0 TX_CORE=1 FINE=1
 * true   CORES=2 WORK_CORE=1 TX_CORE=1 START=1 SOURCE=1
 * true   CORES=2 WORK_CORE=0 TX_CORE=1 FRAMES=2 CAP=1
 * night  CORES=2 WORK_CORE=1 TX_CORE=1 FINE=1
 * night  CORES=3 WORK_CORE=1 TX_CORE=2 CAP=1
 * live   CORES=2 WORK_CORE=0 TX_CORE=1
 * live   CORES=2 WORK_CORE=0 TX_CORE=1 DEAD=1 START=1
 * live   CORES=2 WORK_CORE=0 TX_CORE=1 HANG=1
 * fault  NOT_QUIET            drain: cores are not asked whether anything may still come
 * fault  QUIET_TOO_EARLY      rx_quiesce: says yes when the cancel is on its way
 * fault  QUIET_AFTER_LOOK     drain: cores are asked after their counters were read
 * fault  ONE_EMPTY_LOOK       drain: nothing inside at one look, and nothing moved since one at which something was
 * fault  ONE_ROUND            drain: one round of each core between two looks is enough
 * fault  NO_ROUNDS            drain: two looks, whether or not every core has been round meanwhile
 * fault  HELD_FORGOTTEN       stage_work: holding without what is held back in the output
 * fault  IN_FLIGHT_FORGOTTEN  stage_tx: holding without what the device has
 * fault  FAILED_NOT_JOINED    start: a core that failed leaves the others waiting for RUN
 * nightfault  MOVED_UNSEEN    drain: it does not compare what has moved (it takes three cores to notice)
 * lives  NOT_STOPPED          join: a core is not told to stop
 * lives  NO_PATIENCE          drain: a dead device is waited for
 * lives  SILENCE_UNHEARD      drain: while it waits for rounds only, it does not ask whether a core came back at all
 * lives  STOP_NOT_SEEN        core: STOP is looked at while frames are inside only
 */
#ifndef FRAMES
#define FRAMES 1
#endif
#ifdef FAULT_FAILED_NOT_JOINED
#define START 1
#endif
#ifdef FAULT_SILENCE_UNHEARD
#define HANG 1
#endif
#ifdef FAULT_QUIET_AFTER_LOOK
#define FINE 1
#endif
#ifndef FINE
#define FINE 0   /* 1: each store of a housekeeping, and each load of a look, is a step of its own; 0: those of one core are one */
#endif
#ifndef START
#define START 0  /* 1: from the start of the cores on, one of which may fail to attach; 0: they run */
#endif
#ifndef HANG
#define HANG 0   /* 1: the last core may never come back from a pass */
#endif
#ifndef SOURCE
#define SOURCE 0 /* 1: the receiving side makes frames itself, and SOURCES_OFF ends it */
#endif
#ifndef DEAD
#define DEAD 0   /* 1: the sending device takes frames and never completes one */
#endif

/* On which core each stage is, by WORK_CORE and TX_CORE; RX is on core 0. */
#ifdef FAULT_MOVED_UNSEEN
#define CORES 3
#define WORK_CORE 1
#define TX_CORE 2
#define CAP 1
#endif
#ifndef CORES
#define CORES 2
#define WORK_CORE 0
#define TX_CORE 1
#endif
#ifndef CAP
#define CAP 2
#endif
#define RX_CORE 0
#define RX 0
#define WORK 1
#define TX 2
#define PATIENCE 2
#define LEAST(a, b) ((a) < (b) -> (a) : (b))
#define INSIDE (ready + ring1 + held + ring2 + in_flight)

mtype:command = { WAIT, RUN, SOURCES_OFF, RX_OFF, STOP };
mtype:state = { NEW, RUNNING, QUIET, ENDED, FAILED };
mtype:ending = { NOT_YET, DRAINED, GAVE_UP, LEFT_BEHIND, SECOND_SIGNAL, NOT_STARTED };
mtype:ending ending = NOT_YET;

/* struct mr_core: control writes command; the core writes the rest */
#if START
mtype:command command[CORES] = WAIT;
mtype:state state[CORES] = NEW;
#else
mtype:command command[CORES] = RUN;
mtype:state state[CORES] = RUNNING;
#endif
byte holding[CORES], moved[CORES];
byte since_then[CORES], since_now[CORES]; /* the epoch, counted from two moments */
bool gone[CORES];                         /* the thread has returned, or is left behind */
bool hangs;                               /* what mr_stuck_over finds out by time */

/* where frames are */
byte outside = FRAMES, ready, ring1, held, ring2, in_flight, sent, came;
byte frames[3]; /* counters.frames of each stage: private to its core */
bool armed = true, cancelled; /* the receiving request */
bool draining, looked[CORES]; /* which counts run */

#include "stop_cores.inc"

#if CORES > 2
#define EACH_CORE(what) what(0); what(1); what(2)
#else
#define EACH_CORE(what) what(0); what(1)
#endif

#define RUN_CORE(i) run core(i)
#define TELL_RUN(i) command[i] = RUN
#define TELL_SOURCES_OFF(i) command[i] = SOURCES_OFF
#define TELL_RX_OFF(i) command[i] = RX_OFF
#define NOT_COUNTED(i) since_then[i] = 0
#define TELL_STOP(i) command[i] = STOP

#ifdef FAULT_NO_ROUNDS
#define ROUNDS 0
#elif defined(FAULT_ONE_ROUND)
#define ROUNDS 1
#else
#define ROUNDS 2
#endif

/* look(): of each core the epoch first, then what belongs to it or is newer */
inline look_at(core_no)
{
#if FINE
    atomic { rounds_later = rounds_later && since_then[core_no] >= ROUNDS; since_now[core_no] = 0; looked[core_no] = true }
    now_holding = now_holding + holding[core_no];
    now_moved = now_moved + moved[core_no]
#else
    atomic {
        rounds_later = rounds_later && since_then[core_no] >= ROUNDS;
        since_now[core_no] = 0;
        looked[core_no] = true;
        now_holding = now_holding + holding[core_no];
        now_moved = now_moved + moved[core_no]
    }
#endif
}

/* What was `now` goes, or becomes `then`. */
inline forget(core_no, becomes_then)
{
    if
    :: becomes_then -> since_then[core_no] = since_now[core_no]
    :: else
    fi;
    since_now[core_no] = 0;
    looked[core_no] = false
}

inline forget_now(becomes_then)
{
    {
        forget(0, becomes_then);
        forget(1, becomes_then);
#if CORES > 2
        forget(2, becomes_then);
#endif
        if
        :: becomes_then -> then_moved = now_moved; then_empty = now_empty
        :: else
        fi;
        now_moved = 0;
        now_empty = false;
        rounds_later = true
    }
}

/* mr_cores_reached: states only go up, so that all at once sees no less than one after another */
#define UP(i) (state[i] != NEW)
#define NO_MORE_IN(i) (state[i] != NEW && state[i] != RUNNING)
#if CORES > 2
#define ALL(what) (what(0) && what(1) && what(2))
#else
#define ALL(what) (what(0) && what(1))
#endif
#define GONE(i) gone[i]


#ifdef FAULT_MOVED_UNSEEN
#define NOT_MOVED true
#else
#define NOT_MOVED (now_moved == then_moved)
#endif

#ifdef FAULT_NOT_QUIET
#define NO_MORE true
#else
#define NO_MORE ALL(NO_MORE_IN)
#endif

#ifdef FAULT_ONE_EMPTY_LOOK
#define THEN_EMPTY true
#else
#define THEN_EMPTY then_empty
#endif

/* look() */
inline look()
{
#ifndef FAULT_QUIET_AFTER_LOOK
    quiet = NO_MORE; /* first: what came in before is in what follows */
#endif
    EACH_CORE(look_at);
#ifdef FAULT_SILENCE_UNHEARD
#define HANG 1
#endif
#ifdef FAULT_QUIET_AFTER_LOOK
    quiet = NO_MORE;
#endif
    atomic { now_empty = quiet && now_holding == 0; quiet = false; now_holding = 0 }
}

/* mr_drain */
inline drain()
{
    EACH_CORE(TELL_RX_OFF);
    draining = true;
    look();
    atomic { forget_now(true) }
    do
    :: ending = SECOND_SIGNAL; break /* the user asks again, at any moment or never */
    :: skip;
        look();
        atomic { /* private to control from here */
            if
            :: now_empty && THEN_EMPTY && NOT_MOVED ->
                if
                :: rounds_later -> ending = DRAINED; break
#ifndef FAULT_SILENCE_UNHEARD
                :: !rounds_later && hangs -> ending = LEFT_BEHIND; break
#endif
                :: else -> forget_now(false) /* `then` stays */
                fi
            :: else ->
                still = (now_moved == then_moved -> LEAST(still + 1, PATIENCE) : 0);
                if
                :: hangs -> ending = LEFT_BEHIND; break
                :: else
                fi;
#ifndef FAULT_NO_PATIENCE
                if
                :: still >= PATIENCE -> ending = GAVE_UP; break
                :: else
                fi;
#endif
                forget_now(true)
            fi
        }
    od;
    atomic { still = 0; forget_now(true); EACH_CORE(NOT_COUNTED); then_moved = 0; then_empty = false; draining = false }
}

active proctype control()
{
    byte now_holding, now_moved, then_moved, still;
    bool rounds_later = true;
    bool quiet, now_empty, then_empty;
    atomic { EACH_CORE(RUN_CORE) }
#if START
    ALL(UP); /* start_cores */
    if
    :: state[1] == FAILED -> ending = NOT_STARTED; goto join_all
    :: else -> EACH_CORE(TELL_RUN)
    fi;
#endif
    /* mr_watch: the user asks, now or later */
#if SOURCE
    if
    :: EACH_CORE(TELL_SOURCES_OFF) /* mr_linger: as long as it likes */
    :: skip
    fi;
#endif
    drain();
    assert(ending != DRAINED || INSIDE == 0);
join_all:
#ifdef FAULT_NOT_STOPPED
    command[0] = STOP;
#elif defined(FAULT_FAILED_NOT_JOINED)
    if
    :: ending == NOT_STARTED
    :: else -> EACH_CORE(TELL_STOP)
    fi;
#else
    EACH_CORE(TELL_STOP);
#endif
    ALL(GONE);
    assert(ending != DRAINED || INSIDE == 0);
    assert(came == sent + INSIDE) /* count_stopped: INSIDE, place by place */
over:
    skip
}

#ifdef LIVE
ltl it_ends { <> control@over }
#endif
