/* Timed loops of `python -m bench.lookup`, compiled when it starts: an ONNX Runtime run through its C interface, the bare kernel, and the two
 * floors, memset of the output and memcpy of float32 rows. Each function returns the nanoseconds of `repeat` calls, or -1.
 *
 * The entries of OrtApi used here keep their slots in every version (the table is append-only). */
#define _POSIX_C_SOURCE 199309L
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Either of edgeemb_quantized_lookup (bits, dim, block, planes) and edgeemb_codebook_lookup (books, entries, part, additive). */
typedef int32_t (*lookup_function)(
    const char *variant, const void *codes, const void *floats, int32_t float_type, int64_t rows, int32_t size0, int32_t size1,
    int32_t size2, int32_t size3, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position);

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Keeps the compiler from dropping a loop whose result nobody reads. */
static void used(void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

int64_t time_memset(void *output, int64_t bytes, int64_t repeat)
{
    const int64_t start = now();
    int64_t round;

    for (round = 0; round < repeat; ++round) {
        memset(output, 0, (size_t)bytes);
        used(output);
    }
    return now() - start;
}

/* `ids` holds `sets` lists of `count` ids each; all calls, here and below, take them in turn. */
static int64_t turn;

int64_t time_memcpy(
    const uint8_t *table, int64_t row_bytes, const int64_t *ids, int64_t count, int64_t sets, uint8_t *output, int64_t repeat)
{
    const int64_t start = now();
    int64_t round, at;

    for (round = 0; round < repeat; ++round) {
        const int64_t *list = ids + turn++ % sets * count;

        for (at = 0; at < count; ++at) {
            memcpy(output + at * row_bytes, table + list[at] * row_bytes, (size_t)row_bytes);
        }
        used(output);
    }
    return now() - start;
}

int64_t time_kernel(
    lookup_function lookup, const char *variant, const void *codes, const void *floats, int32_t float_type, int64_t rows, int32_t size0,
    int32_t size1, int32_t size2, int32_t size3, const int64_t *ids, int64_t count, int64_t sets, void *output, int64_t repeat)
{
    const int64_t start = now();
    int64_t round, position;

    for (round = 0; round < repeat; ++round) {
        const int64_t *list = ids + turn++ % sets * count;

        if (lookup(variant, codes, floats, float_type, rows, size0, size1, size2, size3, list, 1, count, output, &position) != 0) {
            return -1;
        }
    }
    return now() - start;
}

/* ONNX Runtime. A slot of the function table, given its type. */
enum { MOST_SETS = 1024 };
#define SLOT(index, type) ((type)slots[index])

typedef void *handle;
typedef handle (*create_env)(int, const char *, handle *);
typedef handle (*create_session)(handle, const char *, handle, handle *);
typedef handle (*run_session)(handle, handle, const char *const *, const handle *, size_t, const char *const *, size_t, handle *);
typedef handle (*create_options)(handle *);
typedef handle (*set_number)(handle, int);
typedef handle (*register_library)(handle, const char *, handle *);
typedef handle (*create_tensor)(handle, void *, size_t, const int64_t *, size_t, int, handle *);
typedef handle (*create_memory)(int, int, handle *);
typedef const char *(*error_message)(handle);
typedef void (*release)(handle);

typedef void (*slot)(void);

static const slot *slots;
static handle environment, memory;

static int failed(handle status)
{
    if (status == NULL) {
        return 0;
    }
    fprintf(stderr, "%s\n", SLOT(2, error_message)(status));
    SLOT(93, release)(status);
    return 1;
}

/* Must come first: the path of the shared library that exports OrtGetApiBase. Returns 0 for success. */
int32_t runtime_load(const char *path)
{
    typedef struct {
        const slot *(*get_api)(uint32_t);
        const char *(*version)(void);
    } base;
    const base *(*get_base)(void);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library == NULL ? NULL : dlsym(library, "OrtGetApiBase");

    if (symbol == NULL) {
        return -1;
    }
    memcpy(&get_base, &symbol, sizeof symbol);
    slots = get_base()->get_api(16);
    return slots == NULL || failed(SLOT(3, create_env)(3, "bench", &environment)) || failed(SLOT(69, create_memory)(1, 0, &memory));
}

/* A session on `threads` threads; `library` (may be NULL) holds custom ops. NULL on failure. */
handle session_open(const char *model, const char *library, int32_t threads)
{
    handle options, session, opened;

    if (failed(SLOT(10, create_options)(&options)) || failed(SLOT(24, set_number)(options, threads))) {
        return NULL;
    }
    if (library != NULL && failed(SLOT(29, register_library)(options, library, &opened))) {
        return NULL;
    }
    return failed(SLOT(7, create_session)(environment, model, options, &session)) ? NULL : session;
}

/* Input "ids" int64[count] to output "rows" float32[count, dim], both in the caller's memory. */
int64_t time_session(handle session, const int64_t *ids, int64_t count, int64_t sets, int64_t dim, float *output, int64_t repeat)
{
    static const char *const inputs[] = {"ids"}, *const outputs[] = {"rows"};
    const int64_t shape[] = {count, dim};
    handle in[MOST_SETS], out;
    int64_t start, round, set, spent;

    if (sets > MOST_SETS || failed(SLOT(49, create_tensor)(memory, output, (size_t)(count * dim) * 4, shape, 2, 1, &out))) {
        return -1;
    }
    for (set = 0; set < sets; ++set) {
        void *list = (void *)(uintptr_t)(ids + set * count);

        if (failed(SLOT(49, create_tensor)(memory, list, (size_t)count * 8, shape, 1, 7, &in[set]))) {
            return -1;
        }
    }
    start = now();
    for (round = 0; round < repeat; ++round) {
        if (failed(SLOT(9, run_session)(session, NULL, inputs, (const handle *)&in[turn++ % sets], 1, outputs, 1, &out))) {
            return -1;
        }
    }
    spent = now() - start;
    for (set = 0; set < sets; ++set) {
        SLOT(96, release)(in[set]);
    }
    SLOT(96, release)(out);
    return spent;
}
