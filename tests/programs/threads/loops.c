/* Loops on a pool of threads, one after another and of several callers at once: each turn is taken once.
 * Arguments: threads of the pool, callers. */
#include "../../../runtimes/threads/pool.h"

#include <stdio.h>
#include <unistd.h>

enum { MOST = 300, LOOPS = 3000, CALLERS = 3 };

typedef struct caller {
    eew_pool *pool;
    uint32_t turns[MOST];
    int wrong;
} caller;

static void turn(void *context, size_t index)
{
    ++((caller *)context)->turns[index];
}

static void call(void *argument)
{
    caller *own = (caller *)argument;
    uint32_t random = 1, loop;
    size_t index;

    for (loop = 0; loop < LOOPS; ++loop) {
        const size_t count = (random = random * 1664525u + 1013904223u) >> 24;

        eew_run(own->pool, count, turn, own);
        for (index = 0; index < MOST; ++index) {
            own->wrong |= own->turns[index] != (index < count);
            own->turns[index] = 0;
        }
        if (loop % 1000 == 500) {
            usleep(2000); /* long enough for the threads to fall asleep */
        }
    }
}

int main(int argc, char **argv)
{
    eew_pool *pool = eew_open(argc > 1 ? (uint32_t)atoi(argv[1]) : 1);
    const int count = argc > 2 ? atoi(argv[2]) : 1;
    static caller callers[CALLERS];
    eew_thread threads[CALLERS];
    int number, wrong = count > CALLERS;

    for (number = 0; number < count; ++number) {
        callers[number].pool = pool;
        wrong |= pool == NULL || !eew_start(&threads[number], call, &callers[number]);
    }
    for (number = 0; number < count; ++number) {
        eew_join(threads[number]);
        wrong |= callers[number].wrong;
    }
    eew_close(pool);
    printf(wrong ? "a turn was left out or taken twice\n" : "every turn was taken once\n");
    return wrong;
}
