/* A pool of threads for loops whose turns may run at the same time: eep_parallel of panels/panels.h, and model.h of a C export.
 *
 * CALL      eew_pool *pool = eew_open(4); model_parallel parallel = {eew_run, pool}; ...; eew_close(pool);
 * WAITING   Between two loops of one inference lie microseconds, fewer than it takes to wake a thread. A thread that finds nothing to do
 *           looks EEW_SPINS times, for about 50 microseconds, and then sleeps until the next loop; the caller, who waits for the turns of
 *           others, lets them have its processor after as many.
 * SHARING   Loops of several callers do not mix: while one runs, another runs on its caller's thread alone.
 * SYSTEM    POSIX threads, or those of Windows; C11 atomics, or the like of GCC, Clang and MSVC. */
#ifndef EEW_POOL_H
#define EEW_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "atomic.h"
#include "system.h"

#define EEW_SPINS 2000u
#define EEW_MOST 64u

typedef void (*eew_task)(void *context, size_t index);

typedef struct eew_pool {
    /* The number of the loop in the upper half, its next turn in the lower: one word, so that no thread takes a turn of a loop that it does
     * not know. EEW_NOTHING is no turn. */
    eew_word next;
    eew_word finished; /* turns of the loop */
    eew_word sleeping; /* threads that have to be woken */
    eew_word busy;     /* 1 while a loop runs */
    eew_word stop;
    eew_word count; /* turns; with task and context what a loop is */
    eew_word task;
    eew_word context;
    eew_lock lock;
    eew_signal wake;
    uint32_t workers;
    eew_thread worker[EEW_MOST];
} eew_pool;

#define EEW_NOTHING 0xffffffffu

/* Take turns of the loop that is there until none is left. */
EEW_FUNCTION void eew_take(eew_pool *pool)
{
    for (;;) {
        const uint64_t seen = eew_get(&pool->next);
        const uint64_t count = eew_get(&pool->count);
        const eew_task task = (eew_task)(uintptr_t)eew_get(&pool->task);
        void *context = (void *)(uintptr_t)eew_get(&pool->context);

        if ((uint32_t)seen >= count) {
            return;
        }
        /* Fails where another thread took the turn, or another loop has begun. */
        if (eew_exchange_if(&pool->next, seen, seen + 1)) {
            task(context, (uint32_t)seen);
            eew_add(&pool->finished, 1);
        }
    }
}

EEW_FUNCTION void eew_work(void *argument)
{
    eew_pool *pool = (eew_pool *)argument;
    uint32_t known = 0, spins = 0;

    while (!eew_get(&pool->stop)) {
        const uint32_t loop = (uint32_t)(eew_get(&pool->next) >> 32);

        if (loop != known) {
            known = loop;
            spins = 0;
            eew_take(pool);
        } else if (++spins < EEW_SPINS) {
            eew_pause();
        } else {
            eew_acquire(&pool->lock);
            eew_add(&pool->sleeping, 1);
            while ((uint32_t)(eew_get(&pool->next) >> 32) == known && !eew_get(&pool->stop)) {
                eew_wait(&pool->wake, &pool->lock);
            }
            eew_add(&pool->sleeping, (uint64_t)-1);
            eew_release(&pool->lock);
            spins = 0;
        }
    }
}

EEW_FUNCTION void eew_wake_all(eew_pool *pool)
{
    eew_acquire(&pool->lock);
    eew_broadcast(&pool->wake);
    eew_release(&pool->lock);
}

/* Call task(context, index) once for each index below count, and return when all are done. */
EEW_FUNCTION void eew_run(void *argument, size_t count, eew_task task, void *context)
{
    eew_pool *pool = (eew_pool *)argument;
    uint64_t loop;
    uint32_t spins;
    size_t index;

    if (count < 2 || count >= EEW_NOTHING || !eew_exchange_if(&pool->busy, 0, 1)) {
        for (index = 0; index < count; ++index) {
            task(context, index);
        }
        return;
    }
    loop = ((eew_get(&pool->next) >> 32) + 1) << 32;
    eew_set(&pool->next, loop | EEW_NOTHING); /* no turn, while the loop is described */
    eew_set(&pool->finished, 0);
    eew_set(&pool->count, count);
    eew_set(&pool->task, (uint64_t)(uintptr_t)task);
    eew_set(&pool->context, (uint64_t)(uintptr_t)context);
    loop += (uint64_t)1 << 32;
    eew_set(&pool->next, loop);
    if (eew_get(&pool->sleeping)) {
        eew_wake_all(pool);
    }
    eew_take(pool);
    for (spins = 0; eew_get(&pool->finished) != count; ++spins) {
        if (spins < EEW_SPINS) {
            eew_pause();
        } else {
            eew_yield();
        }
    }
    eew_set(&pool->busy, 0);
}

EEW_FUNCTION void eew_close(eew_pool *pool)
{
    uint32_t number;

    if (pool == NULL) {
        return;
    }
    eew_set(&pool->stop, 1);
    eew_wake_all(pool);
    for (number = 0; number < pool->workers; ++number) {
        eew_join(pool->worker[number]);
    }
    eew_lock_close(&pool->lock, &pool->wake);
    free(pool);
}

/* A pool of so many threads, the caller's one of them; NULL where the system gives none. */
EEW_FUNCTION eew_pool *eew_open(uint32_t threads)
{
    eew_pool *pool = (eew_pool *)calloc(1, sizeof *pool);

    if (pool == NULL) {
        return NULL;
    }
    eew_lock_open(&pool->lock, &pool->wake);
    while (pool->workers + 1 < threads && pool->workers < EEW_MOST) {
        if (!eew_start(&pool->worker[pool->workers], eew_work, pool)) {
            eew_close(pool);
            return NULL;
        }
        ++pool->workers;
    }
    return pool;
}

#endif
