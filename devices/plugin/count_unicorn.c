/* Counts executed instructions in unicorn, as count_qemu.c does in QEMU: whole basic blocks when they are entered.
 *
 * Unicorn's hook per instruction leaves out those that an IT block skips, so that a block's instructions are counted in its bytes: a Thumb
 * instruction has 4 bytes where the five highest bits of its first half are 0b11101 or more, else 2; one of 64-bit Arm always has 4. */
#include <stdint.h>

typedef struct count_state {
    uint64_t executed, limit, mark, stopped_at;
    uint64_t width;      /* bytes of every instruction; 0 for Thumb */
    const uint8_t *code; /* image of the flash; NULL where the width is known */
    uint64_t code_origin, code_bytes;
    uint64_t *marks; /* count at each execution of the mark */
    uint64_t marks_capacity, marks_count;
    void (*stop)(void *engine);
} count_state;

__attribute__((visibility("default"))) void count_block(void *engine, uint64_t address, uint32_t size, void *data);

void count_block(void *engine, uint64_t address, uint32_t size, void *data)
{
    count_state *state = data;
    uint64_t offset = address - state->code_origin;
    const uint64_t end = offset + size;

    if (address == state->mark && state->marks_count < state->marks_capacity) {
        state->marks[state->marks_count++] = state->executed;
    }
    if (state->width != 0) {
        state->executed += size / state->width;
    } else if (address < state->code_origin || end > state->code_bytes) {
        return;
    } else {
        while (offset < end) {
            offset += state->code[offset + 1] >= 0xe8 ? 4 : 2;
            ++state->executed;
        }
    }
    if (state->executed > state->limit && state->stopped_at == 0) {
        state->stopped_at = address;
        state->stop(engine);
    }
}
