class PairClassifier extends PairEncoder {
  /** All classes of a text, or of a pair of texts, the most probable first. */
  classify(text, pair) {
    return classes(pair === undefined ? this.encode(text) : this.encodePair(text, pair));
  }
}
