class TokenModel extends IdEncoder {
  /** Ids of a text, with those around it; the end of a text that is too long is cut off. */
  tokenize(text) {
    const ids = new Int32Array(info.tokens);
    const count = new Uint32Array(1);
    this.program.run("tokenize", ...utf8(text), ids, count);
    return ids.slice(0, count[0]);
  }
}

/** For each byte of a text's UTF-8, and for its end, the place in the text as `slice` counts. */
function places(text) {
  const found = [];
  let place = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (let byte = 0; byte < bytes; ++byte) {
      found.push(place);
    }
    place += character.length;
  }
  return [...found, place];
}

/** Refuses to give no answers, or half of one. */
function requireTop(top) {
  if (!Number.isInteger(top) || top < 1) {
    throw new RangeError(`top=${top} is out of range: use 1 or more`);
  }
}
