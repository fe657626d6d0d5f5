/* Threads, locks and signals of the system: POSIX or Windows. */
#ifndef EEW_SYSTEM_H
#define EEW_SYSTEM_H

#include "atomic.h"

#include <stdlib.h>

/* What a thread runs. */
typedef struct eew_start_argument {
    void (*function)(void *argument);
    void *argument;
} eew_start_argument;

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef HANDLE eew_thread;
typedef SRWLOCK eew_lock;
typedef CONDITION_VARIABLE eew_signal;

EEW_FUNCTION DWORD WINAPI eew_started(LPVOID given)
{
    const eew_start_argument start = *(eew_start_argument *)given;

    free(given);
    start.function(start.argument);
    return 0;
}

#else

#include <pthread.h>
#include <sched.h>

typedef pthread_t eew_thread;
typedef pthread_mutex_t eew_lock;
typedef pthread_cond_t eew_signal;

EEW_FUNCTION void *eew_started(void *given)
{
    const eew_start_argument start = *(eew_start_argument *)given;

    free(given);
    start.function(start.argument);
    return NULL;
}

#endif

/* Whether a thread was started. */
EEW_FUNCTION int eew_start(eew_thread *thread, void (*function)(void *argument), void *argument)
{
    eew_start_argument *given = (eew_start_argument *)malloc(sizeof *given);
    int started;

    if (given == NULL) {
        return 0;
    }
    given->function = function;
    given->argument = argument;
#if defined(_WIN32)
    *thread = CreateThread(NULL, 0, eew_started, given, 0, NULL);
    started = *thread != NULL;
#else
    started = pthread_create(thread, NULL, eew_started, given) == 0;
#endif
    if (!started) {
        free(given);
    }
    return started;
}

/* Let another thread have the processor. */
EEW_FUNCTION void eew_yield(void)
{
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

EEW_FUNCTION void eew_join(eew_thread thread)
{
#if defined(_WIN32)
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
#else
    pthread_join(thread, NULL);
#endif
}

EEW_FUNCTION void eew_lock_open(eew_lock *lock, eew_signal *wake)
{
#if defined(_WIN32)
    InitializeSRWLock(lock);
    InitializeConditionVariable(wake);
#else
    pthread_mutex_init(lock, NULL);
    pthread_cond_init(wake, NULL);
#endif
}

EEW_FUNCTION void eew_lock_close(eew_lock *lock, eew_signal *wake)
{
#if defined(_WIN32)
    (void)lock;
    (void)wake;
#else
    pthread_cond_destroy(wake);
    pthread_mutex_destroy(lock);
#endif
}

EEW_FUNCTION void eew_acquire(eew_lock *lock)
{
#if defined(_WIN32)
    AcquireSRWLockExclusive(lock);
#else
    pthread_mutex_lock(lock);
#endif
}

EEW_FUNCTION void eew_release(eew_lock *lock)
{
#if defined(_WIN32)
    ReleaseSRWLockExclusive(lock);
#else
    pthread_mutex_unlock(lock);
#endif
}

/* Wait for the signal, with the lock held before and after. */
EEW_FUNCTION void eew_wait(eew_signal *wake, eew_lock *lock)
{
#if defined(_WIN32)
    SleepConditionVariableSRW(wake, lock, INFINITE, 0);
#else
    pthread_cond_wait(wake, lock);
#endif
}

EEW_FUNCTION void eew_broadcast(eew_signal *wake)
{
#if defined(_WIN32)
    WakeAllConditionVariable(wake);
#else
    pthread_cond_broadcast(wake);
#endif
}

#endif
