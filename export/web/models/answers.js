class Answerer extends TokenModel {
  /**
   * The most probable answers to a question, the best first: parts of the text, of which none lies over another. A text that does not fit beside
   * its question is read in windows.
   */
  answer(question, text, top = 1) {
    requireTop(top);
    const given = utf8(text);
    // No answer is empty, and none lies over another.
    const most = Math.min(top, given[1]);
    const spans = new Uint32Array(2 * most);
    const scores = new Float32Array(most);
    const count = new Uint32Array(1);
    this.program.run("answer", ...utf8(question), ...given, most, spans, scores, count);
    const at = places(text);
    return Array.from(scores.subarray(0, count[0]), (score, number) => {
      const [start, end] = [at[spans[2 * number]], at[spans[2 * number + 1]]];
      return { text: text.slice(start, end), start, end, score };
    });
  }
}
