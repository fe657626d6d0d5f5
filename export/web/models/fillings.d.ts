/** A token that a masked place may hold, with its probability among those that the model gives. */
export interface Filling {
  token: string;
  score: number;
}

declare class Filler extends TokenModel {
  /** What the masked places of a text, which `info.mask` marks, may hold: for each place its tokens, the most probable first; at most `info.outputs`. */
  fill(text: string, top?: number): Filling[][];
}
