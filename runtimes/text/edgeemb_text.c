/* libedgeemb_text: the tokenizer behind a flat interface, for Python (edgeemb/native/tokenizer.py) and, in jni.h, for Java. */
#include "text.h"

#if defined(_WIN32)
#define EET_EXPORT __declspec(dllexport)
#else
#define EET_EXPORT __attribute__((visibility("default")))
#endif

#include "jni.h"

/* Version of this interface; raised with every change of it. */
EET_EXPORT int32_t edgeemb_text_abi_version(void);
EET_EXPORT int32_t edgeemb_text_open(const void *blob, size_t size, uint32_t *ids);
EET_EXPORT int32_t edgeemb_text_check(const void *blob, size_t size);
EET_EXPORT size_t edgeemb_text_arena(size_t bytes);

/* Everything about a call that turns a text, or a pair, into tokens: one pointer is handed over faster than twenty numbers. */
typedef struct edgeemb_text_call {
    const void *blob;
    size_t size;
    const char *text;
    size_t text_size;
    const char *pair; /* NULL for a single text */
    size_t pair_size;
    void *slots; /* words that are remembered: models/cache.h */
    void *arena;
    size_t arena_size;
    uint32_t *ids; /* [room], as types, texts and offsets */
    uint32_t *types;
    uint32_t *texts;
    uint32_t *offsets; /* [room][2], or NULL */
    uint32_t room;
    uint32_t slot_count;
    uint32_t limit; /* options of text.h */
    uint32_t strategy;
    uint32_t side;
    uint32_t plain;
    uint32_t count; /* written: tokens, and whether some were cut off */
    uint32_t cut;
} edgeemb_text_call;

EET_EXPORT int32_t edgeemb_text_encode(edgeemb_text_call *call);

int32_t edgeemb_text_abi_version(void)
{
    return 3;
}

/* Whether a blob can be used; *ids: the highest id that it gives, plus 1. */
int32_t edgeemb_text_open(const void *blob, size_t size, uint32_t *ids)
{
    eet_tokenizer tokenizer;
    const eet_status status = eet_open(&tokenizer, blob, size);

    if (status == EET_OK && ids != NULL) {
        *ids = tokenizer.blob.ids;
    }
    return status;
}

int32_t edgeemb_text_check(const void *blob, size_t size)
{
    eet_tokenizer tokenizer;
    const eet_status status = eet_open(&tokenizer, blob, size);

    return status == EET_OK ? eet_check(&tokenizer) : status;
}

size_t edgeemb_text_arena(size_t bytes)
{
    return eet_arena(bytes);
}

/* eet_encode in plain arguments; slots: memory for words that come again, aligned to 4 bytes. */
int32_t edgeemb_text_encode(edgeemb_text_call *call)
{
    eet_tokenizer tokenizer;
    eet_options options;
    eet_output output;
    eet_status status = eet_open(&tokenizer, call->blob, call->size);

    call->count = call->cut = 0;
    if (status != EET_OK) {
        return status;
    }
    tokenizer.slots = (eet_slot *)call->slots;
    tokenizer.slot_count = call->slot_count;
    options.limit = call->limit;
    options.strategy = call->strategy;
    options.side = call->side;
    options.plain = call->plain;
    options.skip = 0;
    output.ids = call->ids;
    output.types = call->types;
    output.texts = call->texts;
    output.offsets = call->offsets;
    output.room = call->room;
    output.count = 0;
    status = eet_encode(
        &tokenizer, call->text, call->text_size, call->pair, call->pair_size, &options, call->arena, call->arena_size, &output, &call->cut);
    call->count = output.count;
    return status;
}
