class Ranker extends PairEncoder {
  /** Texts in the order in which they answer a query, the best first. */
  rank(query, texts) {
    return ranked(texts, texts.map((text) => this.encodePair(query, text)[0]));
  }
}
