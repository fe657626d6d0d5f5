/* Answers to a question: the parts of a text whose first and last token are the most probable. What edgeemb.tasks.answers and
 * edgeemb.tasks.windows do, in float32: scores agree to 1e-6.
 *
 * SCORE    of the part from token f to token l: softmax(start)[f] * softmax(end)[l], both over the tokens of the text and a special token
 *          at the very beginning, by which models say that there is no answer.
 * CHOICE   the best first, none over another, none of white space alone, of more than EEM_LONGEST_ANSWER tokens or with a score of 0; of
 *          equal ones that with the first token.
 * PLACES   in bytes of the text. White space in front of a part, which tokens of some tokenizers have, is left out.
 * WINDOWS  over a text that is too long share EEM_OVERLAP tokens, or half of what the model takes, or half of the room for the text if that
 *          is less. The answers of each are joined with the best of those before it. */
#ifndef EEM_ANSWERS_H
#define EEM_ANSWERS_H

#include "approximate.h"

#define EEM_LONGEST_ANSWER 30u
#define EEM_OVERLAP 128u

/* Answers, the best first: the bytes [from, to) of the text for each, and its score. */
typedef struct eem_best {
    uint32_t *spans; /* [most][2] */
    float *scores;   /* [most] */
    size_t most, count;
} eem_best;

/* The tokens of a question and of a window over a text. */
typedef struct eem_asked {
    const float *logits;   /* [count][2]: of being the first token of the answer, and the last */
    const uint32_t *texts; /* [count]: 2 for a token of the text, 1 for one of the question, 0 for one around them */
    uint32_t *spans;       /* [count][2]: the bytes [from, to) of the text that a token stands for */
    size_t count;
} eem_asked;

/* Bytes of the white space character at the beginning of a text, as Unicode and str.isspace of Python know it; 0 for any other. */
EEM_FUNCTION size_t eem_space(const uint8_t *text, size_t size)
{
    uint32_t code;

    if (size != 0 && (text[0] == 0x20 || (text[0] >= 0x09 && text[0] <= 0x0d) || (text[0] >= 0x1c && text[0] <= 0x1f))) {
        return 1;
    }
    if (size >= 2 && text[0] == 0xc2 && (text[1] == 0x85 || text[1] == 0xa0)) {
        return 2;
    }
    if (size < 3 || (text[0] & 0xf0u) != 0xe0u) {
        return 0;
    }
    code = (text[0] & 0x0fu) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
    return code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
                   code == 0x3000
               ? 3
               : 0;
}

/* Whether a token takes part in the softmax. */
EEM_INLINE int eem_possible(const eem_asked *asked, size_t token)
{
    return asked->texts[token] == 2 || (token == 0 && asked->texts[0] == 0);
}

/* The largest logit, and the sum of the exponentials of the distances to it. `column` 0: of being the first token, 1: the last. */
EEM_FUNCTION void eem_asked_sum(const eem_asked *asked, size_t column, float *largest, float *sum)
{
    size_t token;
    int any = 0;

    *largest = 0.0f;
    *sum = 0.0f;
    for (token = 0; token < asked->count; ++token) {
        const float logit = asked->logits[2 * token + column];

        if (eem_possible(asked, token) && (!any || logit > *largest)) {
            *largest = logit;
            any = 1;
        }
    }
    for (token = 0; token < asked->count; ++token) {
        if (eem_possible(asked, token)) {
            *sum = *sum + eem_exp(asked->logits[2 * token + column] - *largest);
        }
    }
}

/* Whether the bytes [from, to) lie over one of the first `count` answers. */
EEM_FUNCTION int eem_over(const eem_best *best, size_t count, uint32_t from, uint32_t to)
{
    size_t at;

    for (at = 0; at < count; ++at) {
        if (best->scores[at] > 0.0f && from < best->spans[2 * at + 1] && best->spans[2 * at] < to) {
            return 1;
        }
    }
    return 0;
}

/* The best part that lies over none of those that are there; 0 if there is none. */
EEM_FUNCTION int eem_next_answer(const eem_asked *asked, const eem_best *known, size_t *first, size_t *last)
{
    float best = 0.0f;
    size_t from, to;
    int any = 0;

    for (from = 0; from < asked->count; ++from) {
        for (to = from; to < asked->count && to - from < EEM_LONGEST_ANSWER && asked->texts[from] == 2; ++to) {
            const float value = asked->logits[2 * from] + asked->logits[2 * to + 1];
            const uint32_t begin = asked->spans[2 * from], end = asked->spans[2 * to + 1];

            if (asked->texts[to] == 2 && begin < end && (any ? value > best : value == value) &&
                !eem_over(known, known->count, begin, end)) {
                best = value;
                *first = from;
                *last = to;
                any = 1;
            }
        }
    }
    return any;
}

/* The answers in a window over a text. Spans that begin with white space are changed. */
EEM_FUNCTION void eem_answers(const eem_asked *asked, const char *text, size_t size, eem_best *best)
{
    float largest[2], sums[2];
    size_t token, first = 0, last = 0;

    for (token = 0; token < asked->count; ++token) {
        uint32_t *from = asked->spans + 2 * token;
        size_t step;

        while (asked->texts[token] == 2 && *from < size && (step = eem_space((const uint8_t *)text + *from, size - *from)) != 0) {
            *from += (uint32_t)step;
        }
    }
    eem_asked_sum(asked, 0, &largest[0], &sums[0]);
    eem_asked_sum(asked, 1, &largest[1], &sums[1]);
    for (best->count = 0; best->count < best->most && eem_next_answer(asked, best, &first, &last); ++best->count) {
        const float start = eem_exp(asked->logits[2 * first] - largest[0]) / sums[0];
        const float score = start * (eem_exp(asked->logits[2 * last + 1] - largest[1]) / sums[1]);

        if (!(score > 0.0f)) {
            break;
        }
        best->scores[best->count] = score;
        best->spans[2 * best->count] = asked->spans[2 * first];
        best->spans[2 * best->count + 1] = asked->spans[2 * last + 1];
    }
}

/* Takes out the answers without a score. */
EEM_FUNCTION void eem_best_pack(eem_best *best)
{
    size_t at, kept = 0;

    for (at = 0; at < best->count; ++at) {
        if (best->scores[at] > 0.0f) {
            best->scores[kept] = best->scores[at];
            best->spans[2 * kept] = best->spans[2 * at];
            best->spans[2 * kept + 1] = best->spans[2 * at + 1];
            ++kept;
        }
    }
    best->count = kept;
}

/* Joins the answers of a further window, `more`, which are lost, with those that are there: the best of both, of which none lies over a
 * better one. */
EEM_FUNCTION void eem_best_join(eem_best *best, eem_best *more)
{
    size_t mine = 0, theirs = 0, kept = 0;

    while (mine < best->count || theirs < more->count) {
        const int old = theirs == more->count || (mine < best->count && best->scores[mine] >= more->scores[theirs]);
        eem_best *from = old ? best : more;
        const size_t at = old ? mine++ : theirs++;

        if (kept == best->most || eem_over(old ? more : best, old ? theirs : mine, from->spans[2 * at], from->spans[2 * at + 1])) {
            from->scores[at] = 0.0f;
        } else {
            ++kept;
        }
    }
    eem_best_pack(best);
    eem_best_pack(more);
    mine = best->count;
    theirs = more->count;
    best->count = kept;
    while (theirs != 0) { /* from the last place on, so that nothing is overwritten before it was moved */
        const int old = mine != 0 && best->scores[mine - 1] < more->scores[theirs - 1];
        const eem_best *from = old ? best : more;
        const size_t at = old ? --mine : --theirs;

        --kept;
        best->scores[kept] = from->scores[at];
        best->spans[2 * kept] = from->spans[2 * at];
        best->spans[2 * kept + 1] = from->spans[2 * at + 1];
    }
}

/* How much further than this window the next one begins, in tokens of the text. */
EEM_FUNCTION uint32_t eem_window_step(const eem_asked *asked, uint32_t most)
{
    const uint32_t shared = most / 2 < EEM_OVERLAP ? most / 2 : EEM_OVERLAP;
    uint32_t room = 0;
    size_t token;

    for (token = 0; token < asked->count; ++token) {
        room += asked->texts[token] == 2;
    }
    return room - (shared < room ? shared : room / 2);
}

#endif
