/* A firmware that reads where there is no memory. */
#include <stdint.h>

__attribute__((noinline, used)) void eem_mark(void)
{
}

__attribute__((noinline)) static int read_nowhere(void)
{
    return (int)*(volatile uint32_t *)0x9f000000u;
}

int main(void)
{
    return read_nowhere();
}
