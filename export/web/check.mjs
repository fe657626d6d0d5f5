/* Runs the texts of golden.json and compares every bit with what the export gave: node kit/check.mjs */
import { readFile } from "node:fs/promises";
import { load } from "./edgeemb.js";

const golden = JSON.parse(await readFile(new URL("../golden.json", import.meta.url), "utf-8"));
const model = await load();
let different = 0;
const compare = (found, wanted) => {
  different += found.length !== wanted.length || found.some((value, at) => value !== Math.fround(wanted[at])) ? 1 : 0;
};
for (const [number, sentence] of golden.sentences.entries()) {
  const ids = () => (model.tokenize ? model.tokenize(sentence) : golden.ids[number]);
  const found = model.encode ? model.encode(sentence) : model.encodeIds(ids());
  compare(found, golden.output[number]);
}
const queries = model.rank && golden.queries ? golden.queries.sentences : [];
for (const [number, query] of queries.entries()) {
  compare(model.encodeTokens(query, { query: true }).flatMap((vector) => [...vector]), golden.queries.output[number]);
}
console.log(`${different} of ${golden.sentences.length + queries.length} texts give other bits than the export`);
process.exitCode = different === 0 ? 0 : 1;
