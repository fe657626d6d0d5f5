/* The engine for ONNX models: ONNX Runtime's shared library through its C interface, opened at run time.
 *
 * The table of functions is append-only; what a session needs has kept its slots since the first version (see
 * runtimes/onnxruntime/ort_abi.h for the half that custom ops use). */
#include "../../runtimes/onnxruntime/ort_abi.h"
#include "runner.h"

#include <dlfcn.h>
#include <string.h>

/* Slots of OrtApi, and what lies in them. */
enum {
    SLOT_ERROR_MESSAGE = 2,
    SLOT_CREATE_ENV = 3,
    SLOT_CREATE_SESSION = 7,
    SLOT_RUN = 9,
    SLOT_CREATE_OPTIONS = 10,
    SLOT_SET_THREADS = 24,
    SLOT_REGISTER_LIBRARY = 29,
    SLOT_OUTPUT_NAME = 37,
    SLOT_CREATE_TENSOR = 49,
    SLOT_ELEMENT_COUNT = 64,
    SLOT_CREATE_MEMORY_INFO = 69,
    SLOT_ALLOCATOR = 78,
    SLOT_RELEASE_VALUE = 96,
    SLOT_ADD_CONFIG = 130
};

enum { ERRORS_ONLY = 3, ARENA_ALLOCATOR = 1, DEFAULT_MEMORY = 0 };

typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtRunOptions OrtRunOptions;

typedef const char *(*OrtErrorMessage)(const OrtStatus *status);
typedef OrtStatus *(*OrtCreateEnv)(int level, const char *name, OrtEnv **env);
typedef OrtStatus *(*OrtCreateSession)(const OrtEnv *env, const char *path, const OrtSessionOptions *options, OrtSession **session);
typedef OrtStatus *(*OrtRun)(
    OrtSession *session, const OrtRunOptions *options, const char *const *names, const OrtValue *const *inputs, size_t count,
    const char *const *output_names, size_t outputs, OrtValue **values);
typedef OrtStatus *(*OrtCreateOptions)(OrtSessionOptions **options);
typedef OrtStatus *(*OrtSetThreads)(OrtSessionOptions *options, int threads);
typedef OrtStatus *(*OrtAddConfig)(OrtSessionOptions *options, const char *key, const char *value);
typedef OrtStatus *(*OrtRegisterLibrary)(OrtSessionOptions *options, const char *path, void **library);
typedef OrtStatus *(*OrtOutputName)(const OrtSession *session, size_t index, OrtAllocator *allocator, char **name);
typedef OrtStatus *(*OrtCreateTensor)(
    const OrtMemoryInfo *info, void *data, size_t bytes, const int64_t *dims, size_t rank, int type, OrtValue **value);
typedef OrtStatus *(*OrtElementCount)(const OrtTensorTypeAndShapeInfo *info, size_t *count);
typedef OrtStatus *(*OrtCreateMemoryInfo)(int allocator, int memory, OrtMemoryInfo **info);
typedef OrtStatus *(*OrtAllocatorOf)(OrtAllocator **allocator);
typedef void (*OrtReleaseValue)(OrtValue *value);

static OrtApi *api;
static const char *version = "";
static OrtEnv *environment;
static OrtSession *session;
static OrtMemoryInfo *memory;
static OrtValue *result;
static char *output_name;

#define CALL(slot, type) ((type)api[slot])

/* Ends the process with the runtime's own words, unless the status is success. */
static void check(OrtStatus *status, const char *what)
{
    char line[300];

    if (status != NULL) {
        snprintf(line, sizeof line, "%s", CALL(SLOT_ERROR_MESSAGE, OrtErrorMessage)(status));
        line[strcspn(line, "\r\n")] = 0;
        fail("%s: %s", what, line);
    }
}

const char *engine_name(void)
{
    return "onnxruntime";
}

const char *engine_version(void)
{
    return version;
}

void engine_prepare(const runner_options *options)
{
    void *library = dlopen(options->library, RTLD_NOW | RTLD_LOCAL), *symbol;
    const OrtApiBase *(*base)(void);

    if (library == NULL) {
        fail("%s", dlerror());
    }
    symbol = dlsym(library, "OrtGetApiBase");
    if (symbol == NULL) {
        fail("%s has no OrtGetApiBase: give ONNX Runtime's shared library", options->library);
    }
    memcpy(&base, &symbol, sizeof base);
    version = base()->version();
    api = base()->get_api(ORT_ABI_VERSION);
    if (api == NULL) {
        fail("ONNX Runtime %s is too old: use 1.16 or newer", version);
    }
    check(CALL(SLOT_CREATE_ENV, OrtCreateEnv)(ERRORS_ONLY, "edgeemb", &environment), "ONNX Runtime cannot start");
    check(CALL(SLOT_CREATE_MEMORY_INFO, OrtCreateMemoryInfo)(ARENA_ALLOCATOR, DEFAULT_MEMORY, &memory), "ONNX Runtime cannot start");
}

void engine_open(const runner_options *options)
{
    OrtSessionOptions *settings;
    OrtAllocator *allocator;
    void *opened;

    check(CALL(SLOT_CREATE_OPTIONS, OrtCreateOptions)(&settings), "ONNX Runtime cannot make options");
    check(CALL(SLOT_SET_THREADS, OrtSetThreads)(settings, options->threads), "ONNX Runtime cannot set its threads");
    /* As edgeemb/native/onnxruntime.py opens sessions: exact sums of integers on x86 without VNNI. */
    check(CALL(SLOT_ADD_CONFIG, OrtAddConfig)(settings, "session.x64quantprecision", "1"), "ONNX Runtime cannot set its options");
    if (options->ops[0] != 0) {
        check(CALL(SLOT_REGISTER_LIBRARY, OrtRegisterLibrary)(settings, options->ops, &opened), options->ops);
    }
    check(CALL(SLOT_CREATE_SESSION, OrtCreateSession)(environment, options->model, settings, &session), options->model);
    check(CALL(SLOT_ALLOCATOR, OrtAllocatorOf)(&allocator), "ONNX Runtime has no allocator");
    check(CALL(SLOT_OUTPUT_NAME, OrtOutputName)(session, 0, allocator, &output_name), "the model has no output");
}

void engine_run(const runner_feed *feed)
{
    const char *names[MOST_TENSORS];
    OrtValue *values[MOST_TENSORS];
    size_t at;

    if (result != NULL) {
        CALL(SLOT_RELEASE_VALUE, OrtReleaseValue)(result);
        result = NULL;
    }
    for (at = 0; at < feed->count; ++at) {
        const runner_tensor *tensor = &feed->tensors[at];

        names[at] = tensor->name;
        check(
            CALL(SLOT_CREATE_TENSOR, OrtCreateTensor)(
                memory, tensor->data, (size_t)tensor->bytes, tensor->dims, (size_t)tensor->rank, tensor->type, &values[at]),
            tensor->name);
    }
    check(
        CALL(SLOT_RUN, OrtRun)(
            session, NULL, names, (const OrtValue *const *)values, feed->count, (const char *const *)&output_name, 1, &result),
        "ONNX Runtime refused the inputs");
    for (at = 0; at < feed->count; ++at) {
        CALL(SLOT_RELEASE_VALUE, OrtReleaseValue)(values[at]);
    }
}

const float *engine_output(size_t *count)
{
    OrtTensorTypeAndShapeInfo *info;
    void *data;
    int type;

    check(CALL(SLOT_TYPE_AND_SHAPE, OrtTypeAndShape)(result, &info), "the output has no shape");
    check(CALL(SLOT_ELEMENT_COUNT, OrtElementCount)(info, count), "the output has no shape");
    check(CALL(SLOT_ELEMENT_TYPE, OrtElementType)(info, &type), "the output has no type");
    CALL(SLOT_RELEASE_TYPE_AND_SHAPE, OrtReleaseTypeAndShape)(info);
    if (type != ORT_FLOAT) {
        fail("the output has element type %d, not float32", type);
    }
    check(CALL(SLOT_TENSOR_DATA, OrtTensorData)(result, &data), "the output has no data");
    return data;
}

size_t engine_marks(const runner_feed *feed, int64_t *times)
{
    (void)feed;
    (void)times;
    return 0;
}
