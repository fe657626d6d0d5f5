/* The measuring program for an emulated phone: runs a C export over the inputs in a file and writes its results to another.
 *
 *   input.bin              per inference: uint32 count, int32 ids[count]
 *   output.bin             per inference: int32 status, float outputs[] of the longest text; what a shorter one leaves free means nothing
 *   stack.bin              uint32 0: the stack of a phone is no concern
 *   maps.N, smaps.N        the memory as the system tells it, before the inferences (0) and after them (1)
 *
 * The compiler is told the prefix of the model's symbols, the rows of the longest result, and the number that marks:
 * -DPREFIX=banking -DUPPER=BANKING -DROWS=1 -DMARK=123. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model.h"

#define JOIN_NOW(left, right) left##right
#define JOIN(left, right) JOIN_NOW(left, right)
#define RUN JOIN(PREFIX, _run)
#define TOKENS JOIN(UPPER, _TOKENS)
#define OUTPUTS (ROWS * JOIN(UPPER, _OUTPUTS))
#define ARENA_BYTES JOIN(UPPER, _ARENA_BYTES)

__attribute__((aligned(16))) static uint8_t arena[ARENA_BYTES];
static int32_t ids[TOKENS];
static struct {
    int32_t status;
    float output[OUTPUTS];
} result;

void eem_mark(void);

/* The emulator's plugin counts up to this system call, which does nothing. */
void eem_mark(void)
{
    (void)syscall(SYS_getpgid, MARK);
}

static int copy(const char *from, const char *to)
{
    static char buffer[1 << 16];
    FILE *const source = fopen(from, "r"), *const target = fopen(to, "w");
    size_t size;

    if (source == NULL || target == NULL) {
        return 1;
    }
    while ((size = fread(buffer, 1, sizeof buffer, source)) != 0) {
        if (fwrite(buffer, 1, size, target) != size) {
            return 1;
        }
    }
    fclose(source);
    return fclose(target);
}

int main(void)
{
    FILE *const input = fopen("input.bin", "rb"), *const output = fopen("output.bin", "wb"), *const stack = fopen("stack.bin", "wb");
    const uint32_t none = 0;
    uint32_t count;

    if (input == NULL || output == NULL || stack == NULL || fwrite(&none, sizeof none, 1, stack) != 1 || fclose(stack) != 0 ||
        copy("/proc/self/maps", "maps.0") != 0 || copy("/proc/self/smaps", "smaps.0") != 0) {
        return 1;
    }
    while (fread(&count, sizeof count, 1, input) == 1) {
        if (count > TOKENS || fread(ids, sizeof ids[0], count, input) != count) {
            return 2;
        }
        result.status = RUN(arena, sizeof arena, ids, count, result.output);
        if (fwrite(&result, sizeof result, 1, output) != 1) {
            return 3;
        }
    }
    if (copy("/proc/self/maps", "maps.1") != 0 || copy("/proc/self/smaps", "smaps.1") != 0) {
        return 1;
    }
    return fclose(output);
}
