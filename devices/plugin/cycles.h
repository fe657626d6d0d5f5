/* Cycles of a Thumb instruction on a Cortex-M3 or M4 with memory that never waits, as a range.
 *
 * Sources: Arm, Cortex-M3 Technical Reference Manual (DDI 0337), table 3-1; Cortex-M4 Technical Reference Manual (DDI 0439), tables 3-1
 * and 7-1. A load takes 2 cycles, 1 where it follows another; a taken branch refills the pipeline in 1 to 3; a branch not taken takes 1. No
 * silicon was measured: the range is an estimate from tables. */
#ifndef CYCLES_H
#define CYCLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct cycle_range {
    uint32_t low, high;
} cycle_range;

static cycle_range cycles_from(uint32_t low, uint32_t high)
{
    cycle_range range;

    range.low = low;
    range.high = high;
    return range;
}

static uint32_t bits_set(uint32_t value)
{
    uint32_t count = 0;

    for (; value != 0; value &= value - 1) {
        ++count;
    }
    return count;
}

static cycle_range cycles_16(uint32_t code)
{
    if ((code & 0xf800u) == 0x4800u || (code >= 0x5000u && code < 0xa000u)) {
        return cycles_from(1, 2); /* loads and stores of one register */
    }
    if ((code & 0xf600u) == 0xb400u) { /* push, pop; pop of pc is a branch */
        const uint32_t registers = bits_set(code & 0x1ffu);

        return (code & 0x0900u) == 0x0900u ? cycles_from(2 + registers, 4 + registers) : cycles_from(1 + registers, 1 + registers);
    }
    if ((code & 0xf000u) == 0xc000u) {
        return cycles_from(1 + bits_set(code & 0xffu), 1 + bits_set(code & 0xffu));
    }
    if ((code & 0xf000u) == 0xd000u || (code & 0xf500u) == 0xb100u) {
        return cycles_from(1, 4); /* conditional */
    }
    if ((code & 0xf800u) == 0xe000u || (code & 0xff00u) == 0x4700u) {
        return cycles_from(2, 4);
    }
    return cycles_from(1, 1);
}

static cycle_range cycles_32(uint32_t first, uint32_t second, int core)
{
    if ((first & 0xf800u) == 0xf000u && (second & 0x8000u) != 0) {
        return (second & 0x5000u) == 0 ? cycles_from(1, 4) : cycles_from(2, 4); /* conditional; always */
    }
    if ((first & 0xfe40u) == 0xe800u) { /* several registers */
        return cycles_from(1 + bits_set(second), (second & 0x8000u) != 0 ? 4 + bits_set(second) : 1 + bits_set(second));
    }
    if ((first & 0xfe40u) == 0xe840u) {
        return cycles_from(2, 3); /* two registers; table branch */
    }
    if ((first & 0xfe00u) == 0xf800u) {
        return cycles_from(1, 2);
    }
    if ((first & 0xff80u) == 0xfb00u) { /* multiply; with accumulate 2 on an M3 */
        return core == 3 && (second & 0xf000u) != 0xf000u ? cycles_from(2, 2) : cycles_from(1, 1);
    }
    if ((first & 0xff80u) == 0xfb80u) { /* long multiply, divide */
        if ((first & 0x00d0u) == 0x0090u) {
            return cycles_from(2, 12);
        }
        return core == 3 ? cycles_from(3, 7) : cycles_from(1, 1);
    }
    if ((first & 0xec00u) == 0xec00u && (second & 0x0e00u) == 0x0a00u) { /* floating point */
        if ((first & 0xff00u) == 0xee00u) {
            if ((first & 0x00b0u) == 0x0080u || ((first & 0x00bfu) == 0x00b1u && (second & 0x00c0u) == 0x00c0u)) {
                return cycles_from(14, 14); /* divide, square root */
            }
            return (first & 0x00b0u) == 0x0000u || (first & 0x00a0u) == 0x00a0u ? cycles_from(1, 3) : cycles_from(1, 1);
        }
        if ((first & 0x0f00u) == 0x0d00u && (first & 0x0020u) == 0) {
            return cycles_from(1, 2); /* one register */
        }
        return cycles_from(1 + (second & 0xffu), 1 + (second & 0xffu));
    }
    return cycles_from(1, 1);
}

static cycle_range instruction_cycles(const void *data, size_t size, int core)
{
    const uint8_t *bytes = data;
    const uint32_t first = bytes[0] | (uint32_t)bytes[1] << 8;

    return size == 4 ? cycles_32(first, bytes[2] | (uint32_t)bytes[3] << 8, core) : cycles_16(first);
}

#endif
