/* The part of TensorFlow Lite's C interface that a delegate touches, declared by hand: no header of it is needed to build.
 *
 * Facts from tensorflow/lite/core/c/common.h. The members used here have kept their places since TensorFlow 2.8; the library is tested with
 * tflite-runtime 2.14.0 and ai-edge-litert 2.3.0. Structures that the runtime makes are only read up to the last member below. The
 * registration is passed by value and made here, so that it has all the members of the newest version: older runtimes read fewer. */
#ifndef EDGEEMB_TFLITE_ABI_H
#define EDGEEMB_TFLITE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TFL_OK = 0, TFL_ERROR = 1 };
enum { TFL_CUSTOM = 32 };
/* Allocation types of tensors that must not be written: in the model's file, and what a delegate has computed once. */
enum { TFL_MAPPED = 1, TFL_PERSISTENT_CONSTANT = 5 };
/* Lets a delegate's nodes have outputs whose size is known at run time; without it a runtime may not offer custom ops to a delegate. */
enum { TFL_ALLOW_DYNAMIC_TENSORS = 1 };

typedef struct TflIntArray {
    int size;
    int data[];
} TflIntArray;

typedef struct TflTensor {
    int type;
    void *data;
    TflIntArray *dims;
    float scale;
    int32_t zero_point;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    void *delegate;
    int buffer_handle;
    bool data_is_stale;
    bool is_variable;
    int quantization_type;
    void *quantization_params;
    void *sparsity;
    const TflIntArray *dims_signature;
} TflTensor;

typedef struct TflNode {
    TflIntArray *inputs;
    TflIntArray *outputs;
    TflIntArray *intermediates;
    TflIntArray *temporaries;
    void *user_data;
    void *builtin_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
} TflNode;

typedef struct TflContext TflContext;
typedef struct TflDelegate TflDelegate;

typedef struct TflRegistration {
    void *(*init)(TflContext *context, const char *buffer, size_t length);
    void (*free)(TflContext *context, void *buffer);
    int (*prepare)(TflContext *context, TflNode *node);
    int (*invoke)(TflContext *context, TflNode *node);
    const char *(*profiling_string)(const TflContext *context, const TflNode *node);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *registration_external;
    void *async_kernel;
    uint64_t inplace_operator;
} TflRegistration;

struct TflContext {
    size_t tensors_size;
    int (*get_execution_plan)(TflContext *context, TflIntArray **plan);
    TflTensor *tensors;
    void *impl;
    int (*resize_tensor)(TflContext *context, TflTensor *tensor, TflIntArray *size); /* takes `size`, made by malloc */
    void (*report_error)(TflContext *context, const char *format, ...);
    int (*add_tensors)(TflContext *context, int count, int *first);
    int (*get_node_and_registration)(TflContext *context, int index, TflNode **node, TflRegistration **registration);
    int (*replace_node_subsets)(TflContext *context, TflRegistration registration, const TflIntArray *nodes, TflDelegate *delegate);
};

struct TflDelegate {
    void *data;
    int (*prepare)(TflContext *context, TflDelegate *delegate);
    void *copy_from_buffer_handle;
    void *copy_to_buffer_handle;
    void *free_buffer_handle;
    int64_t flags;
    void *opaque_delegate_builder;
};

/* What a delegate kernel's init gets as its buffer. */
typedef struct TflDelegateParams {
    TflDelegate *delegate;
    TflIntArray *nodes_to_replace;
    TflIntArray *input_tensors;
    TflIntArray *output_tensors;
} TflDelegateParams;

#endif
