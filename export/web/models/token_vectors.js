class TokenEncoder extends TokenModel {
  /** A vector for each token of a document, or of a query: an array of Float32Array of `info.outputs`. `maxSim` compares a query with a document. */
  encodeTokens(text, { query = false } = {}) {
    const output = new Float32Array(info.tokens * info.outputs);
    const count = new Uint32Array(1);
    this.program.run(query ? "run_query" : "run_document", ...utf8(text), output, count);
    return Array.from({ length: count[0] }, (_, token) => output.slice(token * info.outputs, (token + 1) * info.outputs));
  }

  /** Texts in the order in which they answer a query, the best first. */
  rank(query, texts) {
    const asked = this.encodeTokens(query, { query: true });
    return ranked(texts, texts.map((text) => maxSim(asked, this.encodeTokens(text))));
  }
}

/** How well a document answers a query: of each vector of the query the largest dot product with one of the document's, summed (MaxSim). */
export function maxSim(query, document) {
  if (document.length === 0) {
    throw new RangeError("the document has no vectors: nothing can be compared");
  }
  return query.reduce((sum, left) => sum + Math.max(...document.map((right) => dot(left, right))), 0);
}
