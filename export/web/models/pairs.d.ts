declare class PairEncoder extends Encoder {
  /** The logits of a pair of texts; a token at a time is cut off the longer one where both are too long together. */
  encodePair(text: string, pair: string): Float32Array;
}
