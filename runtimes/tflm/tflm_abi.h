/* The part of TensorFlow Lite Micro that a custom op in the `tflite-micro` wheel touches, declared by hand.
 *
 * The wheel hands a registering function the address of its C++ op resolver and exports no way to add an op to it: the entry is written
 * into the resolver itself. Its layout is that of one build, tflite-micro 0.dev20261023182759; `tflm_resolver_fits` refuses what does not
 * look like it, and edgeemb refuses other versions before it comes to that. The two functions of the wheel that the op calls are found by
 * their symbols (see edgeemb/runtimes/tflm/worker.py) and handed in. Firmware that builds TFLM from its sources takes edgeemb_tflm.cc
 * instead, which needs none of this. */
#ifndef EDGEEMB_TFLM_ABI_H
#define EDGEEMB_TFLM_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../tflite/tflite_abi.h"

enum { TFLM_MOST_OPS = 200 };

typedef struct TflmEvalTensor {
    void *data;
    TflIntArray *dims;
    int type;
} TflmEvalTensor;

typedef struct TflmContext TflmContext;

/* A node; it has no temporaries, unlike TensorFlow Lite's. */
typedef struct TflmNode {
    TflIntArray *inputs;
    TflIntArray *outputs;
    TflIntArray *intermediates;
    void *user_data;
    void *builtin_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
} TflmNode;

typedef struct TflmRegistration {
    void *(*init)(TflmContext *context, const char *buffer, size_t length);
    void (*free)(TflmContext *context, void *buffer);
    int (*prepare)(TflmContext *context, TflmNode *node);
    int (*invoke)(TflmContext *context, TflmNode *node);
    void (*reset)(TflmContext *context, void *buffer);
    int32_t builtin_code;
    const char *custom_name;
} TflmRegistration;

typedef TflmEvalTensor *(*TflmGetEvalTensor)(const TflmContext *context, int index);
typedef void (*TflmPrint)(const char *format, ...);

/* MicroMutableOpResolver<200>, up to the count of its entries. */
typedef struct TflmResolver {
    const void *virtual_table;
    TflmRegistration entries[TFLM_MOST_OPS];
    uint32_t count;
} TflmResolver;

/* Whether every entry below the count looks like an op, with room for one more. Entries behind it are not initialised. */
static inline bool tflm_resolver_fits(const TflmResolver *resolver)
{
    uint32_t at;

    if (resolver->count == 0 || resolver->count >= TFLM_MOST_OPS) {
        return false;
    }
    for (at = 0; at < resolver->count; ++at) {
        const TflmRegistration *entry = &resolver->entries[at];

        if ((entry->prepare == NULL && entry->invoke == NULL) || entry->builtin_code < 0 || entry->builtin_code > 1000) {
            return false;
        }
    }
    return true;
}

#endif
