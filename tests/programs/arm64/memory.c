/* Takes 48 MB of memory, half of it written, and writes what the system tells of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 48 << 20 };

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
    /* Volatile, or a compiler sees that nobody needs the memory. */
    char *volatile block = malloc(BYTES);

    if (block == NULL) {
        return 1;
    }
    memset(block, 1, BYTES / 2);
    return copy("/proc/self/maps", "maps") + copy("/proc/self/smaps", "smaps") + (block[1] != 1);
}
