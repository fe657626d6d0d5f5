/** A part of a text that answers a question: `text.slice(start, end)`, and its probability. */
export interface Answer {
  text: string;
  start: number;
  end: number;
  score: number;
}

declare class Answerer extends TokenModel {
  /**
   * The most probable answers to a question, the best first: parts of the text, of which none lies over another. A text that does not fit beside
   * its question is read in windows.
   */
  answer(question: string, text: string, top?: number): Answer[];
}
