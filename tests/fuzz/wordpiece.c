/* WordPiece over any bytes and limits, with the tables of a small tokenizer (wordpiece_tables.h, made by tests/fuzz/__init__.py). */
#include "micro/wordpiece.h"
#include "reader.h"
#include "wordpiece_tables.h"

static const eem_wordpiece whole = FUZZ_WORDPIECE;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader input = {data, size};
    eem_wordpiece model = whole;
    const uint32_t around = take(&input, 1), room = take(&input, 1) % 40;
    uint32_t limit;
    char *text;
    int32_t *ids, *more;
    size_t count = 0, longer = 0, at;
    eem_status status, again;

    model.before_count = around % (EEM_MOST_AROUND + 1);
    model.after_count = around / 16 % (EEM_MOST_AROUND + 1);
    limit = model.before_count + model.after_count + room;
    text = (char *)malloc(input.left != 0 ? input.left : 1);
    memcpy(text, input.data, input.left);
    ids = (int32_t *)malloc(sizeof *ids * (limit != 0 ? limit : 1));
    more = (int32_t *)malloc(sizeof *more * (limit + 8));
    status = eem_tokenize(&model, "", 0, text, input.left, ids, limit, &count);
    again = eem_tokenize(&model, "", 0, text, input.left, more, limit + 8, &longer);
    require(status == EEM_OK || status == EEM_BAD_TEXT, "a text is read, or is none");
    require(status == EEM_OK || again == EEM_BAD_TEXT, "more room makes no text of what is none");
    require(status != EEM_OK || (count <= limit && count >= model.before_count + model.after_count), "there are as many ids as may be");
    for (at = 0; status == EEM_OK && again == EEM_OK && at + model.after_count < count; ++at) {
        require(ids[at] == more[at], "the end alone is cut off");
        require(at < model.before_count || (ids[at] >= 0 && ids[at] < FUZZ_PIECES), "ids lie in the vocabulary");
    }
    free(text);
    free(ids);
    free(more);
    return 0;
}
