/* recycle.pml: include/millrace/pool.h and lib/core/pool.c: a home, its owner, FREERS other cores that send chunks home by
 * recycle rings of their own, and a thread that is no core and uses the side list. For all time; at any moment it may be
 * asked to end, and then every chunk must be at home, once.
 *
 * The rings are those of ring.pml, access by access, indices modulo twice the size. A frame's way to the other cores, proven there, is
 * a channel here. LAZY above 1 stands for capacity/8 of larger rings: credits are owed while the owner gathers.
 *
 * Releasing the slots before their chunks are freed is no fault here, though it is one in ring.pml: a ring that holds all
 * chunks has no chunk left to fill them with.
 *
 * Checked: no chunk in two places, none lost, a push into a recycle ring never fails, the side list's lock protects it.
 *
 * true   CHUNKS=2 CAP=2 LAZY=2 FREERS=1
 * true   CHUNKS=2 CAP=2 LAZY=2 FREERS=2 STRANGER=0
 * true   CHUNKS=3 CAP=4 LAZY=2 FREERS=1 STRANGER=0
 * fault  CHUNK_KEPT          alloc: the list's count does not go down
 * fault  ONE_LOOK            gather: one look a ring instead of looks until it is empty; credits stay owed
 * fault  RING_TOO_SMALL      the recycle ring holds all chunks but one
 * fault  PUBLISH_FIRST       send: B before the slots are filled
 * fault  NOT_PUBLISHED       send: a burst's last chunk is advanced over and not published
 * fault  FREED_TWICE         a chunk is sent home and used again
 * fault  TAKEN_WITHOUT_LOCK  gather_side: the owner does not ask for the lock
 * fault  ADDED_WITHOUT_LOCK  side_free: the stranger does not ask for the lock
 * fault  CLEARED_LATE        gather_side: the count is cleared after the lock was given back
 * fault  UNLOCKED_EARLY      side_free: the lock is given back before the chunk is counted
 */
#ifndef CHUNKS
#define CHUNKS 2
#define CAP 2
#define LAZY 2
#define FREERS 1
#endif
#ifndef STRANGER
#define STRANGER 1
#endif
#ifdef FAULT_RING_TOO_SMALL
#undef CHUNKS
#define CHUNKS (CAP + 1)
#endif

#define W(i) ((i) & (2 * CAP - 1))
#define AT(i) ((i) & (CAP - 1))
#define LEAST(a, b) ((a) < (b) -> (a) : (b))
#define GATHER 2 /* elements a look; 256 in pool.c */

mtype = { HOME, TAKEN, AWAY, RING, SIDE };
mtype place[CHUNKS + 1]; /* of each chunk, as the holder knows it; 1 … CHUNKS, so that 0 in a slot is nobody */

typedef ring {
    byte slot[CAP];
    byte tail, limit, tail_published;
    byte head, seen, returned, head_published
}
ring recycle[FREERS];
chan wire[FREERS + 1] = [CHUNKS] of { byte }; /* frames, and for the last one chunks handed to the stranger */

byte list[CHUNKS + 1], count; /* struct mr_stack small */
byte side[CHUNKS + 1], side_count;
bit side_lock;
bool stopping, quiet[FREERS + 1];

/* mr_pool_free, one chunk: private to the owner */
inline pool_free(c, from)
{
    assert(c != 0 && place[c] == from);
    place[c] = HOME;
    assert(count < CHUNKS);
    list[count] = c;
    count++
}

/* mr_ring_return: D */
inline give_back(r)
{
    atomic {
        if
        :: recycle[r].returned != recycle[r].head ->
            recycle[r].returned = recycle[r].head;
            recycle[r].head_published = recycle[r].head
        :: else
        fi
    }
}

/* mr_ring_release */
inline release(r, k)
{
    recycle[r].head = W(recycle[r].head + k);
    if
    :: W(recycle[r].head - recycle[r].returned) >= LAZY -> give_back(r)
    :: else
    fi
}

/* mr_ring_peek: n out */
inline peek(r, n)
{
    atomic {
        n = GATHER;
        if
        :: W(recycle[r].seen - recycle[r].head) < n ->
            recycle[r].seen = recycle[r].tail_published; /* C */
            n = LEAST(W(recycle[r].seen - recycle[r].head), n)
        :: else
        fi;
        n = LEAST(CAP - AT(recycle[r].head), n)
    }
    if
    :: n == 0 -> give_back(r)
    :: else
    fi
}

/* mr_pool_gather */
inline gather()
{
    r = 0;
    do
    :: r < FREERS ->
        do
        :: peek(r, k);
            if
            :: k == 0 -> break
            :: else
            fi;
            i = 0;
            do
            :: i < k ->
                atomic { /* what was read is blanked: stale numbers would only multiply the states */
                    pool_free(recycle[r].slot[AT(recycle[r].head + i)], RING);
                    recycle[r].slot[AT(recycle[r].head + i)] = 0;
                    i++
                }
            :: else -> break
            od;
            release(r, k);
#ifdef FAULT_ONE_LOOK
            break
#endif
        od;
        r++
    :: else -> break
    od;
    atomic { r = 0; i = 0; k = 0 }
}

/* mr_pool_gather_side */
inline gather_side()
{
    if
    :: side_count == 0
    :: else ->
#ifdef FAULT_TAKEN_WITHOUT_LOCK
        got = 1;
#else
        atomic { got = !side_lock; side_lock = 1 } /* lock_try */
#endif
        if
        :: got ->
            k = side_count;
            i = 0;
            do
            :: i < k -> atomic { pool_free(side[i], SIDE); side[i] = 0; i++ }
            :: else -> break
            od;
#ifdef FAULT_CLEARED_LATE
            side_lock = 0;
            side_count = 0
#else
            side_count = 0;
            side_lock = 0
#endif
        :: else
        fi;
        atomic { i = 0; k = 0; got = 0 }
    fi
}

active proctype owner()
{
    byte r, i, k, n, c;
    bit got;
    atomic {
        r = 0;
        do
        :: r < FREERS -> recycle[r].limit = CAP; r++
        :: else -> break
        od;
        c = 1;
        do
        :: c <= CHUNKS -> place[c] = HOME; list[count] = c; count++; c++
        :: else -> break
        od;
        r = 0;
        c = 0
    }
    do
    :: atomic { n = 1; do :: n < 2 -> n++ :: break od } /* mr_pool_alloc */
        if
        :: count < n -> gather() /* mr_pool_take: it runs low */
        :: else
        fi;
        n = LEAST(count, n);
        do
        :: n > 0 ->
            atomic { /* one chunk of the burst, and what becomes of it: private until it is sent */
#ifdef FAULT_CHUNK_KEPT
                c = list[count - 1];
#else
                count--;
                c = list[count];
                list[count] = 0;
#endif
                assert(place[c] == HOME);
                place[c] = TAKEN;
                n--;
                if
                :: pool_free(c, TAKEN) /* dropped, or sent by this core itself */
                :: place[c] = AWAY; wire[0]!c
#if FREERS > 1
                :: place[c] = AWAY; wire[1]!c
#endif
#if STRANGER
                :: place[c] = AWAY; wire[FREERS]!c
#endif
                fi;
                c = 0
            }
        :: else -> break
        od
    :: skip; /* housekeeping; without the skip an `else` at its head would look at all options */
        gather_side()
    :: stopping = true; break
    od;
    atomic {
        r = 0;
        do
        :: r <= FREERS - 1 + STRANGER -> quiet[r]; r++
        :: else -> break
        od
    }
    gather();
    gather_side();
    assert(count == CHUNKS) /* each HOME once: pool_free has seen to it */
}

/* mr_ring_reserve, in mr_recycle_send */
inline reserve(n)
{
    atomic {
        if
        :: W(recycle[me].limit - recycle[me].tail) < n ->
            recycle[me].limit = W(recycle[me].head_published + CAP); /* A */
            n = LEAST(W(recycle[me].limit - recycle[me].tail), n)
        :: else
        fi;
        n = LEAST(CAP - AT(recycle[me].tail), n)
    }
}

/* mr_recycle_send: the burst of n chunks that is in hand */
inline send_home()
{
    done = 0;
    do
    :: done < n ->
        k = n - done;
        reserve(k);
        assert(k != 0); /* mr_recycle_overflow */
#ifdef FAULT_PUBLISH_FIRST
        recycle[me].tail_published = W(recycle[me].tail + k);
#endif
        do
        :: k > 0 ->
            atomic {
#ifndef FAULT_FREED_TWICE
                assert(place[hand[done]] == AWAY);
#endif
                place[hand[done]] = RING;
                recycle[me].slot[AT(recycle[me].tail)] = hand[done];
                recycle[me].tail = W(recycle[me].tail + 1); /* advance: private */
                done++;
                k--
            }
        :: else -> break
        od
    :: else -> break
    od;
#ifdef FAULT_NOT_PUBLISHED
    recycle[me].tail_published = W(recycle[me].tail - 1)
#else
    recycle[me].tail_published = recycle[me].tail /* B */
#endif
}

proctype freer(byte me)
{
    byte hand[2], n, k, done;
    do
    :: atomic {
            wire[me]?hand[0];
            n = 1;
            if
            :: wire[me]?hand[1] -> n = 2
            :: skip
            fi
        }
        send_home();
#ifdef FAULT_FREED_TWICE
        if
        :: wire[me]!hand[0]
        :: skip
        fi;
#endif
        atomic { hand[0] = 0; hand[1] = 0; n = 0; k = 0; done = 0 }
    :: atomic { stopping && empty(wire[me]) -> break }
    od;
    quiet[me] = true
}

#if STRANGER
/* mr_pool_side_free, by a thread that is no core */
active proctype stranger()
{
    byte c, had;
    do
    :: wire[FREERS]?c ->
#ifndef FAULT_ADDED_WITHOUT_LOCK
        atomic { !side_lock -> side_lock = 1 } /* while (!lock_try()) pause */
#endif
        atomic { assert(side_count < CHUNKS && place[c] == AWAY); place[c] = SIDE; side[side_count] = c }
        had = side_count; /* load, and a store later: only the lock makes it one */
#ifdef FAULT_UNLOCKED_EARLY
        side_lock = 0;
        side_count = had + 1;
#else
        side_count = had + 1;
        side_lock = 0;
#endif
        atomic { c = 0; had = 0 }
    :: atomic { stopping && empty(wire[FREERS]) -> break }
    od;
    quiet[FREERS] = true
}
#endif

init {
    atomic {
        run freer(0);
#if FREERS > 1
        run freer(1)
#endif
    }
}
