declare class TokenEncoder extends TokenModel {
  /** A vector for each token of a document, or of a query: arrays of `info.outputs`. `maxSim` compares a query with a document. */
  encodeTokens(text: string, options?: { query?: boolean }): Float32Array[];
  /** Texts in the order in which they answer a query, the best first. */
  rank(query: string, texts: readonly string[]): Ranked[];
}

/** How well a document answers a query: of each vector of the query the largest dot product with one of the document's, summed (MaxSim). */
export declare function maxSim(query: readonly ArrayLike<number>[], document: readonly ArrayLike<number>[]): number;
