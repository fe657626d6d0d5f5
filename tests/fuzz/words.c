/* The tokenizer `words` over any bytes, widths and limits. */
#include "text/vocabulary_free/words.h"
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader input = {data, size};
    const uint32_t width = take(&input, 1) % 24, limit = take(&input, 1) % 12;
    const size_t prompt_size = take(&input, 1) % 8;
    char *prompt = (char *)malloc(prompt_size + 1), *text;
    uint8_t *tokens = (uint8_t *)malloc((size_t)width * limit + 1);
    size_t count = 99, at, text_size;
    int32_t status;

    for (at = 0; at < prompt_size; ++at) {
        prompt[at] = (char)take(&input, 1);
    }
    text_size = input.left;
    text = (char *)malloc(text_size != 0 ? text_size : 1);
    memcpy(text, input.data, text_size);
    tokens = (uint8_t *)realloc(tokens, (size_t)width * limit != 0 ? (size_t)width * limit : 1);
    status = eev_words(prompt, prompt_size, text, text_size, tokens, width, limit, &count);
    require(status == EET_OK || width < 5 || limit < 2, "bounds that hold are taken");
    require(status != EET_OK || (count >= 2 && count <= limit), "there are as many tokens as may be");
    for (at = 0; status == EET_OK && at < count; ++at) {
        require(tokens[at * width] != 0, "no token is empty");
    }
    free(prompt);
    free(text);
    free(tokens);
    return 0;
}
