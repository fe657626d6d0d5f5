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
EET_EXPORT int32_t edgeemb_text_encode(
    const void *blob, size_t size, const char *text, size_t text_size, const char *pair, size_t pair_size, uint32_t limit,
    uint32_t strategy, uint32_t side, uint32_t plain, void *slots, uint32_t slot_count, void *arena, size_t arena_size, uint32_t *ids,
    uint32_t *types, uint32_t *texts, uint32_t *offsets, uint32_t room, uint32_t *count, uint32_t *cut);

int32_t edgeemb_text_abi_version(void)
{
    return 2;
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
int32_t edgeemb_text_encode(
    const void *blob, size_t size, const char *text, size_t text_size, const char *pair, size_t pair_size, uint32_t limit,
    uint32_t strategy, uint32_t side, uint32_t plain, void *slots, uint32_t slot_count, void *arena, size_t arena_size, uint32_t *ids,
    uint32_t *types, uint32_t *texts, uint32_t *offsets, uint32_t room, uint32_t *count, uint32_t *cut)
{
    eet_tokenizer tokenizer;
    eet_options options;
    eet_output output;
    eet_status status = eet_open(&tokenizer, blob, size);

    if (status != EET_OK) {
        return status;
    }
    tokenizer.slots = (eet_slot *)slots;
    tokenizer.slot_count = slot_count;
    options.limit = limit;
    options.strategy = strategy;
    options.side = side;
    options.plain = plain;
    output.ids = ids;
    output.types = types;
    output.texts = texts;
    output.offsets = offsets;
    output.room = room;
    output.count = 0;
    status = eet_encode(&tokenizer, text, text_size, pair, pair_size, &options, arena, arena_size, &output, cut);
    if (count != NULL) {
        *count = output.count;
    }
    return status;
}
