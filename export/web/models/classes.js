class Classifier extends Encoder {
  /** All classes of a text, the most probable first. */
  classify(text) {
    return classes(this.encode(text));
  }
}
