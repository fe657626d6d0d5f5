declare class Encoder extends Model {
  /** The vector of a text, or a classifier's logits; the end of a text that is too long is cut off. */
  encode(text: string): Float32Array;
  /** What `encode` gives for each text, with the same bits: faster for many short texts, which share the work of the layers. */
  encodeAll(texts: readonly string[]): Float32Array[];
}
