/* Runs the texts of golden.json and compares every bit with what the export gave: node kit/check.mjs */
import { readFile } from "node:fs/promises";
import { load } from "./edgeemb.js";

const golden = JSON.parse(await readFile(new URL("../golden.json", import.meta.url), "utf-8"));
const model = await load();
let different = 0;
for (const [number, sentence] of golden.sentences.entries()) {
  const ids = () => (model.tokenize ? model.tokenize(sentence) : golden.ids[number]);
  const found = model.encode ? model.encode(sentence) : model.encodeIds(ids());
  const wanted = golden.output[number];
  different += found.length !== wanted.length || found.some((value, at) => value !== Math.fround(wanted[at])) ? 1 : 0;
}
console.log(`${different} of ${golden.sentences.length} texts give other bits than the export`);
process.exitCode = different === 0 ? 0 : 1;
