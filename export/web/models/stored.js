class StoredEncoder extends Encoder {
  constructor(program) {
    super(program);
    /** How an index stores the vectors of this model. */
    this.vectors = new StoredVectors(program);
  }

  /** The vector of a text as an index stores it. */
  encodeStored(text) {
    return this.vectors.store(this.encode(text));
  }
}

/** How an index stores vectors, and how two are compared, with the codes and bits of Python, Java and C. */
class StoredVectors {
  #program;
  spec = PROGRAM.vectors;
  bytes = PROGRAM.vectorBytes;

  constructor(program) {
    this.#program = program;
  }

  /** A vector, as `encode` gives it, as an index stores it: Uint8Array of `bytes`. */
  store(vector) {
    const floats = this.#floats(vector);
    if (!floats.every(Number.isFinite)) {
      throw new RangeError("the vector holds NaN or infinite values");
    }
    const stored = new Uint8Array(this.bytes);
    this.#program.call("store", floats, stored);
    return stored;
  }

  /** How similar two stored vectors are, in [-1, 1]; or, which is more exact, a vector as `encode` gives it and a stored one. */
  similarity(left, right) {
    if (left instanceof Float32Array) {
      return this.#program.call("similarity_to", this.#floats(left), this.#stored(right));
    }
    return this.#program.call("similarity", this.#stored(left), this.#stored(right));
  }

  #floats(vector) {
    const floats = Float32Array.from(vector);
    if (floats.length !== info.outputs) {
      throw new RangeError(`a vector of ${floats.length} elements is none of this model, which gives ${info.outputs}`);
    }
    return floats;
  }

  #stored(vector) {
    if (!ArrayBuffer.isView(vector) || vector.byteLength !== this.bytes) {
      throw new RangeError(`a vector of ${vector.byteLength ?? 0} bytes is none of ${this.spec}, which has ${this.bytes}`);
    }
    return vector;
  }
}
