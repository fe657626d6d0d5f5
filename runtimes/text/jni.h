/* The tokenizer for the Android kit's class edgeemb.Tokenizer, on any Java virtual machine. All memory is Java's: direct buffers, whose
 * address and size are all that is asked of the machine, by their places in the table of JNI's functions (Java Native Interface
 * Specification, chapter 4), so that no header of a Java installation is needed. */
#ifndef EET_JNI_H
#define EET_JNI_H

#include "text.h"

typedef void (*const *eet_java_functions)(void);
typedef eet_java_functions eet_java;

enum { EET_JAVA_ADDRESS = 230, EET_JAVA_CAPACITY = 231 };

typedef void *(*eet_java_address)(eet_java *, void *);
typedef int64_t (*eet_java_capacity)(eet_java *, void *);

typedef struct eet_java_buffer {
    uint8_t *data;
    size_t size;
} eet_java_buffer;

/* A direct buffer; nothing where it is null or of another kind. */
EEB_FUNCTION eet_java_buffer eet_java_direct(eet_java *java, void *buffer)
{
    eet_java_buffer found = {NULL, 0};

    if (buffer != NULL) {
        const int64_t size = ((eet_java_capacity)(*java)[EET_JAVA_CAPACITY])(java, buffer);

        found.data = (uint8_t *)((eet_java_address)(*java)[EET_JAVA_ADDRESS])(java, buffer);
        found.size = found.data == NULL || size < 0 ? 0 : (size_t)size;
    }
    return found;
}

EET_EXPORT int64_t Java_edgeemb_Tokenizer_nativeOpen(eet_java *java, void *type, void *blob);
EET_EXPORT int64_t Java_edgeemb_Tokenizer_nativeArena(eet_java *java, void *type, int32_t bytes);
EET_EXPORT int32_t Java_edgeemb_Tokenizer_nativeEncode(
    eet_java *java, void *type, void *blob, void *text, int32_t text_bytes, void *pair, int32_t pair_bytes, int32_t limit, int32_t strategy,
    void *slots, void *arena, void *result);

EET_EXPORT int32_t
Java_edgeemb_Tokenizer_nativeWords(eet_java *java, void *type, void *blob, void *text, int32_t text_bytes, int32_t limit, void *result);

/* The highest id that a blob gives, plus 1, and from bit 32 on the bytes of a token without a vocabulary; or a status, negated. */
int64_t Java_edgeemb_Tokenizer_nativeOpen(eet_java *java, void *type, void *blob)
{
    const eet_java_buffer file = eet_java_direct(java, blob);
    eet_tokenizer tokenizer;
    eet_status status = file.data == NULL ? (eet_status)EET_NULL : eet_open(&tokenizer, file.data, file.size);

    (void)type;
    return status == EET_OK ? (int64_t)tokenizer.blob.ids | (int64_t)tokenizer.width << 32 : -(int64_t)status;
}

int64_t Java_edgeemb_Tokenizer_nativeArena(eet_java *java, void *type, int32_t bytes)
{
    (void)java;
    (void)type;
    return (int64_t)eet_arena((size_t)(bytes < 0 ? 0 : bytes));
}

/* result: int32 count, int32 whether tokens were left out, then for as many tokens as there is room for the arrays ids, types, texts and
 * offsets of eet_output, whole one behind the other. */
int32_t Java_edgeemb_Tokenizer_nativeEncode(
    eet_java *java, void *type, void *blob, void *text, int32_t text_bytes, void *pair, int32_t pair_bytes, int32_t limit, int32_t strategy,
    void *slots, void *arena, void *result)
{
    const eet_java_buffer file = eet_java_direct(java, blob), first = eet_java_direct(java, text), second = eet_java_direct(java, pair);
    const eet_java_buffer memory = eet_java_direct(java, arena), out = eet_java_direct(java, result), seen = eet_java_direct(java, slots);
    uint32_t *words = (uint32_t *)(void *)out.data;
    const uint32_t room = out.size < 28 ? 0 : (uint32_t)((out.size - 8) / 20);
    eet_tokenizer tokenizer;
    eet_options options;
    eet_output output;
    eet_status status;

    (void)type;
    if (file.data == NULL || first.data == NULL || memory.data == NULL || room == 0 || text_bytes < 0 || (size_t)text_bytes > first.size ||
        (second.data != NULL && (pair_bytes < 0 || (size_t)pair_bytes > second.size)) || limit < 0) {
        return EET_NULL;
    }
    status = eet_open(&tokenizer, file.data, file.size);
    if (status != EET_OK) {
        return status;
    }
    tokenizer.slots = (eet_slot *)(void *)seen.data;
    tokenizer.slot_count = (uint32_t)(seen.size / EET_SLOT_BYTES);
    options.limit = (uint32_t)limit;
    options.strategy = (uint32_t)strategy;
    options.side = EET_AS_WRITTEN;
    options.plain = 0;
    options.skip = 0;
    output.ids = words + 2;
    output.types = words + 2 + room;
    output.texts = words + 2 + 2 * room;
    output.offsets = words + 2 + 3 * room;
    output.room = room;
    output.count = 0;
    status = eet_encode(
        &tokenizer, (const char *)first.data, (size_t)text_bytes, (const char *)second.data, (size_t)(second.data == NULL ? 0 : pair_bytes),
        &options, memory.data, memory.size, &output, words + 1);
    words[0] = output.count;
    return status;
}

/* result: the tokens' bytes. Their number, or a status, negated. */
int32_t Java_edgeemb_Tokenizer_nativeWords(
    eet_java *java, void *type, void *blob, void *text, int32_t text_bytes, int32_t limit, void *result)
{
    const eet_java_buffer file = eet_java_direct(java, blob), from = eet_java_direct(java, text), out = eet_java_direct(java, result);
    eet_tokenizer tokenizer;
    size_t count = 0;
    eet_status status;

    (void)type;
    if (file.data == NULL || from.data == NULL || out.data == NULL || text_bytes < 0 || (size_t)text_bytes > from.size || limit < 0) {
        return -(int32_t)EET_NULL;
    }
    status = eet_open(&tokenizer, file.data, file.size);
    if (status == EET_OK && out.size / EET_MOST_WIDTH < (size_t)limit) {
        status = EET_ROOM;
    }
    if (status == EET_OK) {
        status = eet_words(&tokenizer, (const char *)from.data, (size_t)text_bytes, out.data, (size_t)limit, &count);
    }
    return status == EET_OK ? (int32_t)count : -(int32_t)status;
}

#endif
