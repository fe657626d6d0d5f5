/* The engine for C exports: the very sources of the bundle, linked in. RUNNER_PREFIX is the prefix of its symbols; RUNNER_WIDTH, where the
 * model takes the bytes of its tokens, how many each has; RUNNER_PER_TOKEN, where its result has a row for each token; RUNNER_PARALLEL,
 * where it can divide its work among threads; RUNNER_TEXT, where it takes text.
 *
 * A feed whose input is called "text", bytes along one axis, is UTF-8 that is read and computed; one called "tokens" is only read.
 *
 * There is no runtime and nothing to parse. What stands for opening the model is reading every page of the program, in which its weights
 * lie, once: what an app pays before the first inference can be as fast as the next. */
#include "model.h"
#include "runner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(RUNNER_PARALLEL)
#include "threads/pool.h"
#endif

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define SIZES JOIN(RUNNER_PREFIX, _sizes)
#define RUN JOIN(RUNNER_PREFIX, _run)
#define TOKENIZE JOIN(RUNNER_PREFIX, _tokenize)
#define RUN_PARALLEL JOIN(RUNNER_PREFIX, _run_parallel)
#define PARALLEL JOIN(RUNNER_PREFIX, _parallel)

#if defined(RUNNER_WIDTH)
enum { TOKEN_BYTES = RUNNER_WIDTH };
#else
enum { TOKEN_BYTES = sizeof(int32_t) };
#endif

enum { PAGE = 4096 };

static void *arena;
static void *given; /* tokens of the longest text */
static float *output;
static int64_t *marks;
static size_t marked;
static size_t tokens_run; /* of the last run */

void eem_mark(void);

/* Called by the model at the end of each of its parts. */
void eem_mark(void)
{
    if (marks != NULL && marked < MOST_PARTS) {
        marks[marked++] = now();
    }
}

#if defined(RUNNER_PARALLEL)

static PARALLEL parallel; /* run is NULL for one thread */

static int32_t run(const void *tokens, size_t count)
{
    return RUN_PARALLEL(parallel.run == NULL ? NULL : &parallel, arena, SIZES.arena_bytes, tokens, NULL, &count, 1, output);
}

static void start_threads(int threads)
{
    if (threads > 1) {
        parallel.run = eew_run;
        parallel.pool = eew_open((uint32_t)threads);
        if (parallel.pool == NULL) {
            fail("the system gives no %d threads", threads);
        }
    }
}

#else

static int32_t run(const void *tokens, size_t count)
{
    return RUN(arena, SIZES.arena_bytes, tokens, count, output);
}

static void start_threads(int threads)
{
    if (threads > 1) {
        fail("the model runs on one thread");
    }
}

#endif

/* Floats of the result of so many tokens. */
static size_t floats(size_t count)
{
#if defined(RUNNER_PER_TOKEN)
    return count * SIZES.outputs;
#else
    (void)count;
    return SIZES.outputs;
#endif
}

/* The model's result of some tokens. */
static void run_checked(const void *tokens, size_t count)
{
    const int32_t status = run(tokens, count);

    if (status != 0) {
        fail("the model refused %u tokens with status %d", (unsigned)count, (int)status);
    }
    tokens_run = count;
}

const char *engine_name(void)
{
    return "c";
}

const char *engine_version(void)
{
    return "";
}

void engine_prepare(const runner_options *options)
{
    start_threads(options->threads);
    if (posix_memalign(&arena, 16, SIZES.arena_bytes) != 0 || (given = calloc(SIZES.tokens, TOKEN_BYTES)) == NULL ||
        (output = calloc(floats(SIZES.tokens), sizeof *output)) == NULL) {
        fail("no memory for an arena of %u bytes", SIZES.arena_bytes);
    }
}

void engine_open(const runner_options *options)
{
    const int file = open(options->model, O_RDONLY);
    struct stat status;
    volatile uint8_t sum = 0;
    const uint8_t *bytes;
    off_t at;

    if (file < 0 || fstat(file, &status) != 0) {
        fail("%s cannot be opened", options->model);
    }
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (bytes == MAP_FAILED) {
        fail("%s cannot be mapped", options->model);
    }
    for (at = 0; at < status.st_size; at += PAGE) {
        sum = (uint8_t)(sum + bytes[at]);
    }
    munmap((void *)(uintptr_t)bytes, (size_t)status.st_size);
}

#if defined(RUNNER_TEXT)

/* Whether a feed is a text; if so, it was run. */
static int run_text(const runner_feed *feed)
{
    const runner_tensor *tensor = &feed->tensors[0];
    const int whole = strcmp(tensor->name, "text") == 0;
    size_t count = 0;
    int32_t status;

    if (feed->count != 1 || tensor->type != TYPE_UINT8 || tensor->rank != 1 || (!whole && strcmp(tensor->name, "tokens") != 0)) {
        return 0;
    }
    status = TOKENIZE(arena, SIZES.arena_bytes, tensor->data, (size_t)tensor->bytes, given, &count);
    if (status != 0) {
        fail("the model refused a text of %u bytes with status %d", (unsigned)tensor->bytes, (int)status);
    }
    if (whole) {
        run_checked(given, count);
    }
    return 1;
}

#else

static int run_text(const runner_feed *feed)
{
    (void)feed;
    return 0;
}

#endif

#if defined(RUNNER_WIDTH)

/* The model takes the bytes of its tokens, RUNNER_WIDTH each. */
static void run_feed(const runner_feed *feed)
{
    const runner_tensor *tensor = &feed->tensors[0];
    const size_t count = tensor->bytes / RUNNER_WIDTH;

    if (feed->count == 0 || tensor->type != TYPE_UINT8 || count > SIZES.tokens) {
        fail("the model takes the bytes of up to %u tokens", SIZES.tokens);
    }
    run_checked(tensor->data, count);
}

#else

static void run_feed(const runner_feed *feed)
{
    const runner_tensor *tensor = &feed->tensors[0];
    const size_t size = tensor->type == TYPE_INT64 ? 8 : 4, count = tensor->bytes / size;
    int32_t *const ids = given;
    size_t at;

    if (feed->count == 0 || (tensor->type != TYPE_INT32 && tensor->type != TYPE_INT64) || count > SIZES.tokens) {
        fail("the model takes up to %u ids", SIZES.tokens);
    }
    for (at = 0; at < count; ++at) {
        ids[at] = size == 8 ? (int32_t)((const int64_t *)tensor->data)[at] : ((const int32_t *)tensor->data)[at];
    }
    run_checked(ids, count);
}

#endif

void engine_run(const runner_feed *feed)
{
    if (!run_text(feed)) {
        run_feed(feed);
    }
}

const float *engine_output(size_t *count)
{
    *count = floats(tokens_run);
    return output;
}

size_t engine_marks(const runner_feed *feed, int64_t *times)
{
    marks = times;
    marked = 0;
    engine_run(feed);
    marks = NULL;
    return marked;
}
