/* What a program may ask of the system that answers it, one by one: the first argument says what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int can_open(const char *path, const char *mode)
{
    FILE *const file = fopen(path, mode);

    if (file != NULL) {
        fclose(file);
    }
    return file != NULL;
}

int main(int count, char **arguments)
{
    const char *const asked = count > 1 ? arguments[1] : "";

    if (strcmp(asked, "files") == 0) {
        printf(
            "%d%d%d%d%d", can_open("own", "w"), can_open("own", "r"), can_open("/etc/hostname", "r"), can_open("/tmp/other", "w"),
            can_open("../other", "w"));
        return 0;
    }
    if (strcmp(asked, "memory") == 0) {
        char *const large = malloc((size_t)64 << 20);

        if (large == NULL || malloc((size_t)1 << 40) != NULL || mmap(NULL, (size_t)1 << 33, 3, 0x22, -1, 0) != MAP_FAILED) {
            return 1;
        }
        memset(large, 1, (size_t)64 << 20);
        free(large);
        return 0;
    }
    if (strcmp(asked, "abort") == 0) {
        abort();
    }
    if (strcmp(asked, "crash") == 0) {
        *(volatile int *)16 = 1;
    }
    if (strcmp(asked, "hang") == 0) {
        for (;;) {
            __asm__ volatile("");
        }
    }
    fprintf(stderr, "no reason\n");
    return 3;
}
