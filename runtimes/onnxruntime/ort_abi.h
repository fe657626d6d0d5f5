/* The part of ONNX Runtime's C ABI that the adapter uses, declared by hand: no Python or npm package carries its headers.
 *
 * The ABI is append-only. `OrtApi` is a table of function pointers in which every function keeps its slot; the struct `OrtCustomOp` grows
 * at its end, and its first member says how much of it there is. This is its version 16, 152 bytes: with that number in it and
 * `GetApi(16)`, one binary serves every ONNX Runtime from 1.16 on. */
#ifndef EDGEEMB_ORT_ABI_H
#define EDGEEMB_ORT_ABI_H

#include <stddef.h>
#include <stdint.h>

#define ORT_ABI_VERSION 16

typedef struct OrtStatus OrtStatus;
typedef struct OrtValue OrtValue;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;

typedef void (*const OrtApi)(void); /* one slot: a pointer to it is a pointer to the table */

typedef struct OrtApiBase {
    OrtApi *(*get_api)(uint32_t version); /* NULL if this ONNX Runtime is older */
    const char *(*version)(void);         /* "1.31.1" */
} OrtApiBase;

enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 };

/* Element types; as the declared type of an input, ORT_ANY leaves the check to the kernel. */
enum { ORT_ANY = 0, ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_INT8 = 3, ORT_INT16 = 5, ORT_INT32 = 6, ORT_INT64 = 7, ORT_FLOAT16 = 10 };

enum { ORT_REQUIRED = 0, ORT_OPTIONAL = 1, ORT_MEMORY_DEFAULT = 0 };

/* Slots of OrtApi, and what lies in them. */
enum {
    SLOT_CREATE_STATUS = 0,
    SLOT_CREATE_DOMAIN = 26,
    SLOT_DOMAIN_ADD = 27,
    SLOT_ADD_DOMAIN = 28,
    SLOT_TENSOR_DATA = 51,
    SLOT_ELEMENT_TYPE = 60,
    SLOT_RANK = 61,
    SLOT_DIMENSIONS = 62,
    SLOT_TYPE_AND_SHAPE = 65,
    SLOT_ATTRIBUTE_INT = 86,
    SLOT_INPUT = 90,
    SLOT_OUTPUT = 91,
    SLOT_RELEASE_STATUS = 93,
    SLOT_RELEASE_TYPE_AND_SHAPE = 99,
    SLOT_PARALLEL_FOR = 274 /* from 1.17 on: past the table's end in 1.16 */
};

struct OrtCustomOp;

typedef OrtStatus *(*OrtCreateStatus)(int code, const char *message);
typedef OrtStatus *(*OrtCreateDomain)(const char *name, OrtCustomOpDomain **domain);
typedef OrtStatus *(*OrtDomainAdd)(OrtCustomOpDomain *domain, const struct OrtCustomOp *op);
typedef OrtStatus *(*OrtAddDomain)(OrtSessionOptions *options, OrtCustomOpDomain *domain);
typedef OrtStatus *(*OrtTensorData)(OrtValue *value, void **data);
typedef OrtStatus *(*OrtElementType)(const OrtTensorTypeAndShapeInfo *info, int *type);
typedef OrtStatus *(*OrtRank)(const OrtTensorTypeAndShapeInfo *info, size_t *rank);
typedef OrtStatus *(*OrtDimensions)(const OrtTensorTypeAndShapeInfo *info, int64_t *dims, size_t rank);
typedef OrtStatus *(*OrtTypeAndShape)(const OrtValue *value, OrtTensorTypeAndShapeInfo **info);
typedef OrtStatus *(*OrtAttributeInt)(const OrtKernelInfo *info, const char *name, int64_t *value);
typedef OrtStatus *(*OrtInput)(const OrtKernelContext *context, size_t index, const OrtValue **value);
typedef OrtStatus *(*OrtOutput)(OrtKernelContext *context, size_t index, const int64_t *dims, size_t rank, OrtValue **value);
typedef void (*OrtReleaseStatus)(OrtStatus *status);
typedef void (*OrtReleaseTypeAndShape)(OrtTensorTypeAndShapeInfo *info);
typedef OrtStatus *(*OrtParallelFor)(
    const OrtKernelContext *context, void (*part)(void *data, size_t index), size_t parts, size_t batches, void *data);

typedef struct OrtCustomOp {
    uint32_t version;
    void *(*create_kernel)(const struct OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info); /* unused when the newer one is set */
    const char *(*name)(const struct OrtCustomOp *op);
    const char *(*execution_provider)(const struct OrtCustomOp *op); /* NULL: the CPU */
    int (*input_type)(const struct OrtCustomOp *op, size_t index);
    size_t (*input_count)(const struct OrtCustomOp *op);
    int (*output_type)(const struct OrtCustomOp *op, size_t index);
    size_t (*output_count)(const struct OrtCustomOp *op);
    void (*compute)(void *kernel, OrtKernelContext *context); /* unused when the newer one is set */
    void (*destroy)(void *kernel);
    int (*input_characteristic)(const struct OrtCustomOp *op, size_t index);
    int (*output_characteristic)(const struct OrtCustomOp *op, size_t index);
    int (*input_memory)(const struct OrtCustomOp *op, size_t index);
    int (*variadic_input_least)(const struct OrtCustomOp *op);
    int (*variadic_input_homogeneous)(const struct OrtCustomOp *op);
    int (*variadic_output_least)(const struct OrtCustomOp *op);
    int (*variadic_output_homogeneous)(const struct OrtCustomOp *op);
    OrtStatus *(*create)(const struct OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel);
    OrtStatus *(*run)(void *kernel, OrtKernelContext *context);
} OrtCustomOp;

#endif
