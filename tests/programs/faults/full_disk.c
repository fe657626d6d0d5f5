/* A disk that gets full, for the files of one folder: LD_PRELOAD this, with the folder in FULL_FOLDER and the bytes that fit in FULL_BYTES.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long left = -1;

/* Whether so many bytes still fit into a file; those of other folders always do. */
static int fits(int file, size_t bytes)
{
    const char *folder = getenv("FULL_FOLDER"), *room = getenv("FULL_BYTES");
    char link[64], path[4096];
    ssize_t length;

    if (folder == NULL || room == NULL) {
        return 1;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return 1;
    }
    path[length] = '\0';
    if (strncmp(path, folder, strlen(folder)) != 0) {
        return 1;
    }
    left = left < 0 ? atol(room) : left;
    if (left < (long)bytes) {
        left = 0;
        errno = ENOSPC;
        return 0;
    }
    left -= (long)bytes;
    return 1;
}

ssize_t write(int file, const void *data, size_t bytes)
{
    static ssize_t (*next)(int, const void *, size_t);

    next = next != NULL ? next : (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return fits(file, bytes) ? next(file, data, bytes) : -1;
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    static ssize_t (*next)(int, const struct iovec *, int);
    size_t bytes = 0;
    int at;

    for (at = 0; at < count; ++at) {
        bytes += parts[at].iov_len;
    }
    next = next != NULL ? next : (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    return fits(file, bytes) ? next(file, parts, count) : -1;
}
