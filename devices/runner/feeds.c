/* Inputs as the host wrote them; little-endian, every size checked against what is left of the file.
 *
 * LAYOUT     "EEBFEED1", uint32 feeds; each: uint32 length, uint32 tensors;
 *            each: uint32 bytes of the name, the name, uint32 type, uint32 rank, int64 dims[rank], uint64 bytes, the bytes */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

typedef struct cursor {
    const uint8_t *at;
    size_t left;
    const char *path;
} cursor;

static const uint8_t *take(cursor *from, uint64_t bytes)
{
    const uint8_t *at = from->at;

    if (bytes > from->left) {
        fail("%s is cut short: push it again", from->path);
    }
    from->at += bytes;
    from->left -= (size_t)bytes;
    return at;
}

static uint32_t take_number(cursor *from, uint32_t most)
{
    uint32_t value;

    memcpy(&value, take(from, sizeof value), sizeof value);
    if (value > most) {
        fail("%s holds %u where at most %u may stand: push it again", from->path, value, most);
    }
    return value;
}

static void take_tensor(cursor *from, runner_tensor *tensor)
{
    const uint32_t name = take_number(from, MOST_NAME - 1);

    memset(tensor, 0, sizeof *tensor);
    memcpy(tensor->name, take(from, name), name);
    tensor->type = (int32_t)take_number(from, INT32_MAX);
    tensor->rank = (int32_t)take_number(from, MOST_DIMENSIONS);
    memcpy(tensor->dims, take(from, 8u * (uint64_t)tensor->rank), 8u * (size_t)tensor->rank);
    memcpy(&tensor->bytes, take(from, sizeof tensor->bytes), sizeof tensor->bytes);
    if (tensor->bytes > from->left) {
        fail("%s is cut short: push it again", from->path);
    }
    tensor->data = malloc((size_t)tensor->bytes + 1); /* runtimes want it aligned */
    if (tensor->data == NULL) {
        fail("no memory for the inputs of %s", from->path);
    }
    memcpy(tensor->data, take(from, tensor->bytes), (size_t)tensor->bytes);
}

/* Reads all feeds of a file into `feeds` [MOST_FEEDS]; gives their number. The data live as long as the process. */
size_t read_feeds(const char *path, runner_feed *feeds)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0, got, count, feed, tensor;
    cursor from;

    if (file == NULL) {
        fail("%s cannot be opened", path);
    }
    do {
        bytes = realloc(bytes, size + 65536);
        if (bytes == NULL) {
            fail("no memory for %s", path);
        }
        got = fread(bytes + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    fclose(file);
    from.at = bytes;
    from.left = size;
    from.path = path;
    if (memcmp(take(&from, 8), "EEBFEED1", 8) != 0) {
        fail("%s holds no feeds", path);
    }
    count = take_number(&from, MOST_FEEDS);
    for (feed = 0; feed < count; ++feed) {
        feeds[feed].length = take_number(&from, INT32_MAX);
        feeds[feed].count = take_number(&from, MOST_TENSORS);
        for (tensor = 0; tensor < feeds[feed].count; ++tensor) {
            take_tensor(&from, &feeds[feed].tensors[tensor]);
        }
    }
    free(bytes);
    return count;
}
