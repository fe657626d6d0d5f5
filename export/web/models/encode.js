class Encoder extends Model {
  /** The vector of a text, or a classifier's logits: Float32Array of `info.outputs`. The end of a text that is too long is cut off. */
  encode(text) {
    const output = new Float32Array(info.outputs);
    this.program.run("run_text", ...utf8(text), output);
    return output;
  }
}
