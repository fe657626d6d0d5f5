/* Startup of a Cortex-M: vectors, FPU, data and bss, a painted stack, and faults that report where they happened. */
#include "semihosting.h"

extern uint32_t stack_bottom[], stack_top[], data_start[], data_end[], data_source[], bss_start[], bss_end[];
int main(void);
void reset(void);
void fault(void);

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    stack_top,
    (void *)reset,
    (void *)fault,
    (void *)fault,
    (void *)fault,
    (void *)fault,
    (void *)fault,
    (void *)fault,
    0,
    0,
    0,
    (void *)fault,
    (void *)fault,
    0,
    (void *)fault,
    (void *)fault};

/* The compiler may turn the loops of these into calls of themselves, hence the barriers. */
void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0) {
        for (; size >= 4; size -= 4, out += 4, in += 4) {
            *(volatile uint32_t *)(void *)out = *(const uint32_t *)(const void *)in;
        }
    }
    while (size-- != 0) {
        *(volatile uint8_t *)out++ = *in++;
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    volatile uint8_t *out = to;

    while (size-- != 0) {
        *out++ = (uint8_t)value;
    }
    return to;
}

__attribute__((used)) static void start(void)
{
    uint32_t *to;
    const uint32_t *from = data_source;

    for (to = data_start; to != data_end; ++to) {
        *to = *from++;
    }
    for (to = bss_start; to != bss_end; ++to) {
        *to = 0;
    }
    semihosting_exit(main());
}

/* Nothing may use the stack while it is painted. CPACR opens the FPU and Helium. */
__attribute__((naked, used)) void reset(void)
{
    __asm__ volatile("ldr r0, =0xe000ed88\n"
                     "ldr r1, [r0]\n"
                     "orr r1, r1, #0xf00000\n"
                     "str r1, [r0]\n"
                     "dsb\n"
                     "isb\n"
                     "ldr r0, =stack_bottom\n"
                     "ldr r1, =stack_top\n"
                     "mov sp, r1\n"
                     "ldr r2, =0xa5a5a5a5\n"
                     "1: str r2, [r0], #4\n"
                     "cmp r0, r1\n"
                     "bne 1b\n"
                     "bl start\n");
}

/* A fault may have come from a stack that left the memory: the report is written from a fresh one. */
__attribute__((naked, used)) void fault(void)
{
    __asm__ volatile("mrs r0, msp\n"
                     "ldr r1, =stack_top\n"
                     "mov sp, r1\n"
                     "b report_fault\n");
}

__attribute__((used)) void report_fault(const uint32_t *frame)
{
    uint32_t words[4];
    const int on_stack = frame >= stack_bottom && frame < stack_top;

    words[0] = on_stack ? frame[6] : 0;          /* the program counter */
    words[1] = *(volatile uint32_t *)0xe000ed28; /* CFSR: what kind of fault */
    words[2] = *(volatile uint32_t *)0xe000ed38; /* BFAR: the address of a bus fault */
    words[3] = on_stack;
    semihosting_write_file("fault.bin", words, sizeof words);
    semihosting_exit(70);
}
