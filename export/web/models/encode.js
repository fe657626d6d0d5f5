/** Texts that `encodeAll` hands to the code at once. */
const TOGETHER = 64;

class Encoder extends Model {
  /** The vector of a text, or a classifier's logits: Float32Array of `info.outputs`. The end of a text that is too long is cut off. */
  encode(text) {
    const output = new Float32Array(info.outputs);
    this.program.run("run_text", ...utf8(text), output);
    return output;
  }

  /** An array of what `encode` gives for each text, with the same bits: faster for many short texts, which share the work of the layers. */
  encodeAll(texts) {
    const given = texts.map(utf8);
    const found = [];
    for (let at = 0; at < given.length; at += TOGETHER) {
      found.push(...this.#together(given.slice(at, at + TOGETHER)));
    }
    return found;
  }

  #together(given) {
    const rows = given.map((text) => {
      const tokens = new Uint8Array(info.tokens * PROGRAM.tokenBytes);
      const count = new Uint32Array(1);
      this.program.run("tokenize", ...text, tokens, count);
      return tokens.subarray(0, count[0] * PROGRAM.tokenBytes);
    });
    const tokens = new Uint8Array(rows.reduce((bytes, row) => bytes + row.length, 0));
    rows.reduce((at, row) => (tokens.set(row, at), at + row.length), 0);
    const lengths = Uint32Array.from(rows, (row) => row.length / PROGRAM.tokenBytes);
    const output = new Float32Array(rows.length * info.outputs);
    this.program.run("run_batch", tokens, 0, lengths, rows.length, output);
    return rows.map((_, at) => output.slice(at * info.outputs, (at + 1) * info.outputs));
  }
}
