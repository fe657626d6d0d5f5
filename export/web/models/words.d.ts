/** A word of a text with its label: `text.slice(start, end)`, and the probability of the label. */
export interface Word {
  text: string;
  start: number;
  end: number;
  label: string;
  score: number;
}

declare class WordLabeller extends TokenModel {
  /** The words of a text, each with the label of its first token. Where the text is too long, the words of its end are left out. */
  labelWords(text: string): Word[];
}
