class PairEncoder extends Encoder {
  /** The logits of a pair of texts. A token at a time is cut off the longer one where both are too long together. */
  encodePair(text, pair) {
    const output = new Float32Array(info.outputs);
    this.program.run("run_pair", ...utf8(text), ...utf8(pair), output);
    return output;
  }
}
