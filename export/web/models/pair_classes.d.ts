declare class PairClassifier extends PairEncoder {
  /** All classes of a text, or of a pair of texts, the most probable first. */
  classify(text: string, pair?: string): Label[];
}
