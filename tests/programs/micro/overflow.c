/* A firmware whose stack leaves the memory. */
#include <stdint.h>

__attribute__((noinline, used)) void eem_mark(void)
{
}

__attribute__((noinline)) static int deeper(volatile int level)
{
    volatile int here[64];

    here[level % 64] = level;
    return level > 1000000 ? here[0] : deeper(level + 1) + here[level % 64];
}

int main(void)
{
    return deeper(0);
}
