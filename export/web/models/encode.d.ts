declare class Encoder extends Model {
  /** The vector of a text, or a classifier's logits; the end of a text that is too long is cut off. */
  encode(text: string): Float32Array;
}
