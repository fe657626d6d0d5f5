/** What the bundle says of its model. */
export declare const info: Readonly<{
  name: string;
  /** What the model is for, such as `embedding` or `classification`. */
  kind: string;
  /** Elements of a vector, or classes. */
  outputs: number;
  /** Tokens of the longest text. */
  tokens: number;
  labels: readonly string[];
}>;

/** Loads the model; `wasm` and `weights` say where its files are, if not where the bundle has them. */
export declare function load(options?: { wasm?: string | URL; weights?: string | URL }): Promise<TextModel>;

/** An open model. Calls are synchronous: for long lists of texts, use it in a worker. */
export declare class TextModel {
  private constructor();
  /** The vector of a text, or a classifier's logits; the end of a text that is too long is cut off. */
  encode(text: string): Float32Array;
@pairs_types@@classes_types@}

/** Cosine of two vectors of this model, in [-1, 1]. */
export declare function similarity(left: ArrayLike<number>, right: ArrayLike<number>): number;
