/** A word: a run of letters and digits, or one other character. */
const WORD = /[\p{L}\p{N}_]+|[^\p{L}\p{N}_]/gsu;
/** White space as Python's sessions know it. */
const SPACE = /^[\p{White_Space}\x1c-\x1f]/u;

class WordLabeller extends TokenModel {
  /** The words of a text, each with the label of its first token. Where the text is too long, the words of its end are left out. */
  labelWords(text) {
    const logits = new Float32Array(info.tokens * info.outputs);
    const spans = new Uint32Array(2 * info.tokens);
    const count = new Uint32Array(1);
    this.program.run("run_text", ...utf8(text), logits, spans, count);
    const first = firstTokens(text, spans.subarray(0, 2 * count[0]));
    const words = [];
    for (const { 0: word, index: start } of text.matchAll(WORD)) {
      const end = start + word.length;
      const token = SPACE.test(word) ? undefined : first.subarray(start, end).find((each) => each >= 0);
      if (token !== undefined) {
        const [best] = classes(logits.subarray(token * info.outputs, (token + 1) * info.outputs));
        words.push({ text: word, start, end, ...best });
      }
    }
    return words;
  }
}

/** For each place in a text the first token that stands for it, without the space in front of a token; -1 where there is none. */
function firstTokens(text, spans) {
  const at = places(text);
  const first = new Int32Array(text.length).fill(-1);
  for (let token = spans.length / 2 - 1; token >= 0; --token) {
    let [from, to] = [at[spans[2 * token]], at[spans[2 * token + 1]]];
    while (from < to && SPACE.test(text[from])) {
      ++from;
    }
    first.fill(token, from, to);
  }
  return first;
}
