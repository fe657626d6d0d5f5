declare class IdEncoder extends Model {
  /** What the model computes of ids, with those around a text: `info.outputs` floats, for each id where the model has a row for each token. */
  encodeIds(ids: ArrayLike<number>): Float32Array;
}
