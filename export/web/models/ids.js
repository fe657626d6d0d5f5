class IdEncoder extends Model {
  /** What the model computes of ids, with those around a text: `info.outputs` floats, for each id where the model has a row for each token. */
  encodeIds(ids) {
    const given = Int32Array.from(ids);
    const output = new Float32Array(info.outputs * (PROGRAM.perToken ? given.length : 1));
    this.program.run("run", given, given.length, output);
    return output;
  }
}
