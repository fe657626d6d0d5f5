declare class StoredEncoder extends Encoder {
  /** How an index stores the vectors of this model. */
  readonly vectors: StoredVectors;
  /** The vector of a text as an index stores it. */
  encodeStored(text: string): Uint8Array;
}

/** How an index stores vectors, and how two are compared. */
declare class StoredVectors {
  private constructor();
  /** The spec, such as `int8`: vectors of another model or spec cannot be compared with these. */
  readonly spec: string;
  /** Bytes of a stored vector. */
  readonly bytes: number;
  /** A vector, as `encode` gives it, as an index stores it. */
  store(vector: ArrayLike<number>): Uint8Array;
  /** How similar two stored vectors are, in [-1, 1]; or, which is more exact, a vector as `encode` gives it and a stored one. */
  similarity(left: Float32Array | Uint8Array, right: Uint8Array): number;
}
