declare class TokenModel extends IdEncoder {
  /** Ids of a text, with those around it; the end of a text that is too long is cut off. */
  tokenize(text: string): Int32Array;
}
