/* The few calls to the debugger's host that the measuring firmware needs.
 * Arm, Semihosting for AArch32 and AArch64 (IHI 0098): r0 is the operation, r1 points to its arguments. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stddef.h>
#include <stdint.h>

enum {
    SEMIHOSTING_OPEN = 0x01,
    SEMIHOSTING_CLOSE = 0x02,
    SEMIHOSTING_WRITE = 0x05,
    SEMIHOSTING_READ = 0x06,
    SEMIHOSTING_EXIT = 0x20,
    SEMIHOSTING_READ_BINARY = 1,
    SEMIHOSTING_WRITE_BINARY = 5,
    SEMIHOSTING_STOPPED = 0x20026
};

static inline uint32_t semihosting(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static inline uint32_t semihosting_open(const char *name, uint32_t mode)
{
    uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, 0};

    while (name[arguments[2]] != 0) {
        ++arguments[2];
    }
    return semihosting(SEMIHOSTING_OPEN, arguments);
}

/* Bytes that were not read or written: 0 means all. */
static inline uint32_t semihosting_transfer(uint32_t operation, uint32_t file, void *data, size_t size)
{
    const uint32_t arguments[3] = {file, (uint32_t)(uintptr_t)data, (uint32_t)size};

    return semihosting(operation, arguments);
}

static inline void semihosting_close(uint32_t file)
{
    semihosting(SEMIHOSTING_CLOSE, &file);
}

static inline void semihosting_write_file(const char *name, void *data, size_t size)
{
    const uint32_t file = semihosting_open(name, SEMIHOSTING_WRITE_BINARY);

    semihosting_transfer(SEMIHOSTING_WRITE, file, data, size);
    semihosting_close(file);
}

static inline void semihosting_exit(int status)
{
    const uint32_t arguments[2] = {SEMIHOSTING_STOPPED, (uint32_t)status};

    semihosting(SEMIHOSTING_EXIT, arguments);
    for (;;) {
    }
}

#endif
