/* Text to ids as an exported model reads it: any bytes, prompts, limits and arenas, with small compiled tokenizers (text_data.h, made by
 * tests/fuzz/__init__.py). */
#include "micro/text.h"
#include "reader.h"
#include "text_data.h"

#define FUZZ_LIMIT 40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader input = {data, size};
    const uint32_t which = take(&input, 1) % (sizeof fuzz_blobs / sizeof fuzz_blobs[0]), limit = take(&input, 1) % FUZZ_LIMIT;
    const uint32_t arena = take(&input, 2), at = take(&input, 1) * 16u, prompt = take(&input, 1) % 8;
    const uint32_t prompt_bytes = prompt < input.left ? prompt : 0;
    const size_t text_bytes = input.left - prompt_bytes, large = (size_t)1 << 18;
    eem_tokenizer model;
    char *text = (char *)malloc(text_bytes != 0 ? text_bytes : 1);
    uint8_t *lead = (uint8_t *)malloc(prompt_bytes != 0 ? prompt_bytes : 1);
    uint8_t *small = (uint8_t *)malloc(arena != 0 ? arena : 1), *wide = (uint8_t *)malloc(large);
    int32_t ids[FUZZ_LIMIT], more[FUZZ_LIMIT + 8];
    uint32_t spans[FUZZ_LIMIT + 8][2];
    size_t count = 0, longer = 0, number;
    eem_status status, again;

    memcpy(lead, input.data, prompt_bytes);
    memcpy(text, input.data + prompt_bytes, text_bytes);
    model.blob = fuzz_blobs[which].data;
    model.bytes = fuzz_blobs[which].size;
    model.prompt = lead;
    model.prompt_bytes = prompt_bytes;
    again = eem_text_ids(&model, text, text_bytes, wide, large, more, spans[0], FUZZ_LIMIT + 8, &longer);
    status = eem_text_ids(&model, text, text_bytes, small, arena, ids, NULL, limit, &count);
    require(again == EEM_OK || again == EEM_BAD_TEXT || again == EEM_EMPTY || again == EEM_UNKNOWN_TEXT, "a text is read, or is none");
    require(status != EEM_DAMAGED && status != EEM_NULL, "what is whole is not called damaged");
    require(status != EEM_OK || (again == EEM_OK && count <= limit && count <= longer), "a small arena gives what a large one gives");
    for (number = 0; status == EEM_OK && number < count && number + 2 < limit; ++number) {
        require(ids[number] == more[number], "the end alone is cut off");
    }
    for (number = 0; again == EEM_OK && number < longer; ++number) {
        require(spans[number][0] <= spans[number][1] && spans[number][1] <= text_bytes, "a token stands for a part of the text");
    }
    if (arena > at + sizeof(int32_t) * limit) {
        status = eem_text_in_arena(&model, text, text_bytes, small, arena, at, (int32_t *)(void *)(small + at), NULL, limit, &longer);
        require(status != EEM_OK || longer <= limit, "ids in the arena are as many as may be");
    }
    if (arena > at + 2 * sizeof(int32_t) * limit) {
        int32_t *pair_ids = (int32_t *)(void *)(small + at);
        const size_t half = text_bytes / 2;
        const eem_texts given = {text, text + half, half, text_bytes - half, text_bytes % 3 == 0, (uint32_t)(text_bytes % 5)};
        eet_output output = {(uint32_t *)pair_ids, (uint32_t *)pair_ids + limit, NULL, NULL, limit, 0};

        status = eem_pair_in_arena(&model, &given, small, arena, at, at + 2 * sizeof(int32_t) * limit, &output, NULL);
        longer = output.count;
        require(status != EEM_DAMAGED && status != EEM_NULL, "what is whole is not called damaged");
        require(status != EEM_OK || longer <= limit, "ids of a pair are as many as may be");
        for (number = 0; status == EEM_OK && number < longer; ++number) {
            require(pair_ids[limit + number] == 0 || pair_ids[limit + number] == 1, "a token is of the first text or of the second");
        }
    }
    free(text);
    free(lead);
    free(small);
    free(wide);
    return 0;
}
