/* The engine for TFLite models: LiteRT's shared library (libLiteRt.so) through its C interface, opened at run time.
 *
 * Declared by hand, since no package that is needed here carries the headers; facts of LiteRT 2.3 (litert/c/litert_*.h). Each sequence
 * length has a signature of its own, `length_N`; a model that was exported elsewhere is run by its first one. */
#include "runner.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { LITERT_OK = 0, LITERT_CPU = 1, LITERT_READ = 0, LITERT_WRITE = 1, LITERT_FLOAT32 = 1, LITERT_INT32 = 2, LITERT_INT64 = 4 };
enum { MOST_SIGNATURES = 64, RANK_MASK = 127 };

typedef void *handle;

typedef struct tensor_type {
    int element;
    uint32_t rank; /* a flag lies in bit 7 */
    int32_t dims[8];
    uint32_t strides[8];
} tensor_type;

typedef struct tensor {
    const char *name;
    tensor_type type;
    size_t elements;
    handle buffer;
} tensor;

typedef struct signature {
    const char *key;
    size_t inputs, outputs;
    tensor in[MOST_TENSORS], out[MOST_TENSORS];
    int ready;
} signature;

typedef int (*create_environment)(int count, const void *options, handle *environment);
typedef int (*create_model)(handle environment, const char *path, handle *model);
typedef int (*create)(handle *made);
typedef int (*set_number)(handle options, int value);
typedef int (*create_opaque)(const char *name, void *text, void (*release)(void *), handle *made);
typedef int (*add)(handle options, handle opaque);
typedef int (*compile)(handle environment, handle model, handle options, handle *compiled);
typedef int (*count_of)(handle of, size_t *count);
typedef int (*text_of)(handle of, const char **text);
typedef int (*text_at)(handle of, size_t at, const char **text);
typedef int (*handle_at)(handle of, size_t at, handle *found);
typedef int (*type_of)(handle of, tensor_type *type);
typedef int (*needs_of)(handle compiled, size_t signature, size_t at, handle *needs);
typedef int (*create_buffer)(handle environment, const tensor_type *type, handle needs, handle *buffer);
typedef int (*lock)(handle buffer, void **memory, int mode);
typedef int (*unlock)(handle buffer);
typedef int (*run)(handle compiled, size_t signature, size_t inputs, handle *in, size_t outputs, handle *out);

static handle library, environment, model, compiled;
static signature signatures[MOST_SIGNATURES];
static handle signature_handles[MOST_SIGNATURES];
static size_t signature_count;
static float *output;
static size_t output_count;

/* A function of the library; its type is the caller's. */
static void *find(const char *name)
{
    void *symbol = dlsym(library, name);

    if (symbol == NULL) {
        fail("the library has no %s: give libLiteRt.so of LiteRT 2.3", name);
    }
    return symbol;
}

#define CALL(type, name, ...)                                                                                                              \
    do {                                                                                                                                   \
        void *symbol = find(name);                                                                                                         \
        type function;                                                                                                                     \
        int status;                                                                                                                        \
                                                                                                                                           \
        memcpy(&function, &symbol, sizeof function);                                                                                       \
        status = function(__VA_ARGS__);                                                                                                    \
        if (status != LITERT_OK) {                                                                                                         \
            fail("%s failed with status %d", name, status);                                                                                \
        }                                                                                                                                  \
    } while (0)

const char *engine_name(void)
{
    return "litert";
}

const char *engine_version(void)
{
    return "";
}

void engine_prepare(const runner_options *options)
{
    library = dlopen(options->library, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fail("%s", dlerror());
    }
    CALL(create_environment, "LiteRtCreateEnvironment", 0, NULL, &environment);
}

/* LiteRT calls it to free a text of options, which is ours. */
static void keep(void *text)
{
    (void)text;
}

void engine_open(const runner_options *options)
{
    static char settings[64]; /* LiteRT keeps a pointer to it */
    handle choices, opaque;
    size_t at;

    CALL(create_model, "LiteRtCreateModelFromFile", environment, options->model, &model);
    CALL(create, "LiteRtCreateOptions", &choices);
    CALL(set_number, "LiteRtSetOptionsHardwareAccelerators", choices, LITERT_CPU);
    snprintf(settings, sizeof settings, "num_threads = %d\n", options->threads);
    CALL(create_opaque, "LiteRtCreateOpaqueOptions", "cpu_options", settings, keep, &opaque);
    CALL(add, "LiteRtAddOpaqueOptions", choices, opaque);
    CALL(compile, "LiteRtCreateCompiledModel", environment, model, choices, &compiled);
    CALL(count_of, "LiteRtGetNumModelSignatures", model, &signature_count);
    if (signature_count == 0 || signature_count > MOST_SIGNATURES) {
        fail("%s has %u signatures: the runner takes 1 to %u", options->model, (unsigned)signature_count, (unsigned)MOST_SIGNATURES);
    }
    for (at = 0; at < signature_count; ++at) {
        CALL(handle_at, "LiteRtGetModelSignature", model, at, &signature_handles[at]);
        CALL(text_of, "LiteRtGetSignatureKey", signature_handles[at], &signatures[at].key);
    }
}

static size_t elements_of(const tensor_type *type)
{
    size_t elements = 1;
    uint32_t axis;

    for (axis = 0; axis < (type->rank & RANK_MASK) && axis < 8; ++axis) {
        elements *= type->dims[axis] > 0 ? (size_t)type->dims[axis] : 1;
    }
    return elements;
}

/* Type and buffer of one input (or output) of a signature. */
static void prepare_tensor(size_t place, size_t at, int is_input, tensor *made)
{
    const handle own = signature_handles[place];
    handle found, needs;

    CALL(text_at, is_input ? "LiteRtGetSignatureInputName" : "LiteRtGetSignatureOutputName", own, at, &made->name);
    CALL(handle_at, is_input ? "LiteRtGetSignatureInputTensorByIndex" : "LiteRtGetSignatureOutputTensorByIndex", own, at, &found);
    CALL(type_of, "LiteRtGetRankedTensorType", found, &made->type);
    CALL(
        needs_of, is_input ? "LiteRtGetCompiledModelInputBufferRequirements" : "LiteRtGetCompiledModelOutputBufferRequirements", compiled,
        place, at, &needs);
    CALL(create_buffer, "LiteRtCreateManagedTensorBufferFromRequirements", environment, &made->type, needs, &made->buffer);
    made->elements = elements_of(&made->type);
}

static signature *prepare_signature(size_t place)
{
    signature *own = &signatures[place];
    size_t at;

    if (own->ready) {
        return own;
    }
    CALL(count_of, "LiteRtGetNumSignatureInputs", signature_handles[place], &own->inputs);
    CALL(count_of, "LiteRtGetNumSignatureOutputs", signature_handles[place], &own->outputs);
    if (own->inputs > MOST_TENSORS || own->outputs > MOST_TENSORS || own->outputs == 0) {
        fail("signature %s has too many inputs or outputs", own->key);
    }
    for (at = 0; at < own->inputs; ++at) {
        prepare_tensor(place, at, 1, &own->in[at]);
    }
    for (at = 0; at < own->outputs; ++at) {
        prepare_tensor(place, at, 0, &own->out[at]);
    }
    own->ready = 1;
    return own;
}

/* Copies an input, its integers as wide as the model takes them. */
static void write_input(const tensor *to, const runner_feed *feed)
{
    const runner_tensor *from = NULL;
    void *memory;
    size_t at;

    for (at = 0; at < feed->count; ++at) {
        from = strcmp(feed->tensors[at].name, to->name) == 0 ? &feed->tensors[at] : from;
    }
    if (from == NULL || from->bytes / (from->type == TYPE_INT64 ? 8 : from->type == TYPE_UINT8 ? 1 : 4) != to->elements) {
        fail("input %s is missing or has another size than the model takes", to->name);
    }
    CALL(lock, "LiteRtLockTensorBuffer", to->buffer, &memory, LITERT_WRITE);
    if (to->type.element == LITERT_INT32 && from->type == TYPE_INT64) {
        for (at = 0; at < to->elements; ++at) {
            ((int32_t *)memory)[at] = (int32_t)((const int64_t *)from->data)[at];
        }
    } else {
        memcpy(memory, from->data, (size_t)from->bytes);
    }
    CALL(unlock, "LiteRtUnlockTensorBuffer", to->buffer);
}

void engine_run(const runner_feed *feed)
{
    handle in[MOST_TENSORS], out[MOST_TENSORS];
    signature *own;
    size_t place, at, chosen = 0;
    char key[32];
    void *memory;

    snprintf(key, sizeof key, "length_%u", (unsigned)feed->length);
    for (place = 0; place < signature_count; ++place) {
        chosen = strcmp(signatures[place].key, key) == 0 ? place : chosen;
    }
    own = prepare_signature(chosen);
    for (at = 0; at < own->inputs; ++at) {
        write_input(&own->in[at], feed);
        in[at] = own->in[at].buffer;
    }
    for (at = 0; at < own->outputs; ++at) {
        out[at] = own->out[at].buffer;
    }
    CALL(run, "LiteRtRunCompiledModel", compiled, chosen, own->inputs, in, own->outputs, out);
    if (own->out[0].type.element != LITERT_FLOAT32) {
        fail("the output has element type %d, not float32", own->out[0].type.element);
    }
    if (output_count != own->out[0].elements) {
        free(output);
        output_count = own->out[0].elements;
        output = malloc(output_count * sizeof *output);
        if (output == NULL) {
            fail("no memory for %u results", (unsigned)output_count);
        }
    }
    CALL(lock, "LiteRtLockTensorBuffer", out[0], &memory, LITERT_READ);
    memcpy(output, memory, output_count * sizeof *output);
    CALL(unlock, "LiteRtUnlockTensorBuffer", out[0]);
}

const float *engine_output(size_t *count)
{
    *count = output_count;
    return output;
}

size_t engine_marks(const runner_feed *feed, int64_t *times)
{
    (void)feed;
    (void)times;
    return 0;
}
