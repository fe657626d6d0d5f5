/** What the bundle says of its model. */
export declare const info: Readonly<{
  name: string;
  /** What the model is for, such as `embedding` or `classification`. */
  kind: string;
  /** Elements of a vector, classes, or tokens that a masked place may hold. */
  outputs: number;
  /** Tokens of the longest text. */
  tokens: number;
  labels: readonly string[];
  /** What marks a masked place in a text; empty where the model fills none. */
  mask: string;
}>;

/** Loads the model; `wasm` and `weights` say where its files are, if not where the bundle has them. */
export declare function load(options?: { wasm?: string | URL; weights?: string | URL }): Promise<TextModel>;

declare class Model {
  protected constructor();
}

@pieces@
/** An open model. Calls are synchronous: for long lists of texts, use it in a worker. */
export declare class TextModel extends @base@ {
  private constructor();
}

/** Cosine of two vectors of this model, in [-1, 1]. */
export declare function similarity(left: ArrayLike<number>, right: ArrayLike<number>): number;

export {};
