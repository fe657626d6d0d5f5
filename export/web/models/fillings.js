class Filler extends TokenModel {
  /** What the masked places of a text, which `info.mask` marks, may hold: for each place its tokens, the most probable first. */
  fill(text, top = 5) {
    requireTop(top);
    if (top > info.outputs) {
      throw new RangeError(`the model gives the ${info.outputs} best tokens of a place: ask for so many or fewer`);
    }
    const scores = new Float32Array(info.tokens * info.outputs);
    const tokens = new Int32Array(info.tokens * info.outputs);
    const count = new Uint32Array(1);
    this.program.run("fill", ...utf8(text), info.tokens, scores, tokens, count);
    if (count[0] === 0) {
      throw new RangeError(`the text has no masked place: write ${info.mask} where a word is to be found`);
    }
    return Array.from({ length: count[0] }, (_, place) => {
      const found = [];
      for (let at = place * info.outputs; at < (place + 1) * info.outputs && found.length < top; ++at) {
        const token = this.#spelled(tokens[at]);
        if (token !== null) {
          found.push({ token, score: scores[at] });
        }
      }
      return found;
    });
  }

  /** The text of a token; null where there is none. */
  #spelled(token) {
    const count = new Uint32Array(1);
    const place = this.program.call("token", token, count);
    return place === 0 ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.program.bytes(place, count[0]));
  }
}
