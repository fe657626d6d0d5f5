/* Compiled tokenizers of every kind (blobs_data.h, made by tests/fuzz/__init__.py): whole ones over any text, and damaged ones. */
#include "blobs_data.h"
#include "reader.h"
#include "text/text.h"

enum { MOST_ROOM = 96, MOST_ARENA = 1 << 22 };

static uint32_t ids[MOST_ROOM], types[MOST_ROOM], texts[MOST_ROOM], offsets[2 * MOST_ROOM];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader input = {data, size};
    const uint32_t kind = take(&input, 1), harm = take(&input, 1) % 24, how = take(&input, 1), limit = take(&input, 1) % 64;
    const blob *from = &blobs[kind % BLOBS];
    const uint32_t room = how & 128 ? take(&input, 1) % MOST_ROOM : MOST_ROOM;
    size_t held = from->size, first, arena, at;
    uint8_t *damaged = (uint8_t *)malloc(held != 0 ? held : 1);
    char *text, *pair = NULL;
    eet_tokenizer tokenizer;
    eet_options options;
    eet_output output;
    eet_status status;
    uint32_t cut = 0;

    memcpy(damaged, from->data, held);
    for (at = 0; at < harm / 2; ++at) {
        const size_t place = take(&input, 1) < 128 ? take(&input, 1) : take(&input, 3);

        damaged[place % held] = (uint8_t)take(&input, 1);
    }
    held = harm & 1 ? take(&input, 3) % held : held;
    first = how & 64 ? input.left : input.left / 2;
    text = (char *)malloc(first != 0 ? first : 1);
    memcpy(text, input.data, first);
    if (first != input.left) {
        pair = (char *)malloc(input.left - first);
        memcpy(pair, input.data + first, input.left - first);
    }
    options.limit = limit;
    options.strategy = how & 3;
    options.side = how >> 2 & 3;
    options.plain = how >> 4 & 1;
    options.skip = limit % 3;
    status = eet_open(&tokenizer, damaged, held);
    require(status == EET_OK || harm != 0, "a whole blob opens");
    for (arena = eet_arena(size); status == EET_OK && arena <= MOST_ARENA; arena *= 2) {
        void *memory = malloc(arena);

        output.ids = ids;
        output.types = types;
        output.texts = how & 32 ? texts : NULL;
        output.offsets = offsets;
        output.room = room;
        output.count = 0;
        status = eet_encode(&tokenizer, text, first, pair, pair == NULL ? 0 : input.left - first, &options, memory, arena, &output, &cut);
        free(memory);
        require(status != EET_DAMAGED || harm != 0, "a whole blob is not found damaged");
        for (at = 0; status == EET_OK && at < output.count; ++at) {
            const size_t end = pair != NULL && how & 32 && texts[at] == 2 ? input.left - first : input.left;

            require(output.count <= room && (limit == 0 || output.count <= limit), "there are as many ids as may be");
            require(harm != 0 || ids[at] < tokenizer.blob.ids, "ids lie in the vocabulary");
            require(harm != 0 || (offsets[2 * at] <= offsets[2 * at + 1] && offsets[2 * at + 1] <= end), "offsets lie in the text");
        }
        if (status != EET_ARENA) {
            break;
        }
        status = EET_OK;
    }
    free(damaged);
    free(text);
    free(pair);
    return 0;
}
