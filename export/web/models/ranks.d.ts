declare class Ranker extends PairEncoder {
  /** Texts in the order in which they answer a query, the best first. */
  rank(query: string, texts: readonly string[]): Ranked[];
}
