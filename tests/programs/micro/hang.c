/* A firmware that never ends. */
#include <stdint.h>

__attribute__((noinline, used)) void eem_mark(void)
{
}

__attribute__((noinline)) static void wait_for_ever(void)
{
    volatile uint32_t turns = 0;

    for (;;) {
        ++turns;
    }
}

int main(void)
{
    wait_for_ever();
    return 0;
}
