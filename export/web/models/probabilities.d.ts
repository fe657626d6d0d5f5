/** A class of a text, with its probability. */
export interface Label {
  label: string;
  score: number;
}

/** A text with its place among those that were given, and how well it answers the query; higher is better. */
export interface Ranked {
  index: number;
  text: string;
  score: number;
}
