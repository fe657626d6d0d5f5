/* libedgeemb_threads: a pool of threads behind a flat interface, for Python (edgeemb/native/threads.py). */
#include "pool.h"

#if defined(_WIN32)
#define EEW_EXPORT __declspec(dllexport)
#else
#define EEW_EXPORT __attribute__((visibility("default")))
#endif

/* Version of this interface; raised with every change of it. */
EEW_EXPORT int32_t edgeemb_threads_abi_version(void);
EEW_EXPORT void *edgeemb_threads_open(uint32_t threads);
EEW_EXPORT void edgeemb_threads_close(void *pool);
EEW_EXPORT void edgeemb_threads_run(void *pool, size_t count, eew_task task, void *context);

int32_t edgeemb_threads_abi_version(void)
{
    return 1;
}

void *edgeemb_threads_open(uint32_t threads)
{
    return eew_open(threads);
}

void edgeemb_threads_close(void *pool)
{
    eew_close((eew_pool *)pool);
}

void edgeemb_threads_run(void *pool, size_t count, eew_task task, void *context)
{
    eew_run(pool, count, task, context);
}
