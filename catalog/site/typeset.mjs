// Typeset the formulas of built pages with KaTeX; print those that it does not accept, exit 1 if there are any.
// node typeset.mjs KATEX.mjs < FILES, one a line
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const katex = (await import(pathToFileURL(process.argv[2]).href)).default;
const entities = { lt: "<", gt: ">", amp: "&", quot: '"', "#39": "'", "#x27": "'" };
const text = (html) => html.replace(/&(#?\w+);/g, (all, name) => entities[name] ?? all);
const seen = new Map();

function typeset(tex) {  // HTML and no fault, or none and a fault
  if (!seen.has(tex)) {
    const options = { displayMode: tex[1] === "[", throwOnError: true, strict: "error", trust: false };
    try {
      seen.set(tex, [katex.renderToString(tex.slice(2, -2), options)]);
    } catch (error) {
      seen.set(tex, [null, error.message]);
    }
  }
  return seen.get(tex);
}

let bad = 0;
for (const file of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const html = readFileSync(file, "utf8");
  const set = html.replace(/(class="arithmatex">)\s*(\\[([][\s\S]*?\\[)\]])\s*(?=<)/g, (all, opening, source) => {
    const [made, fault] = typeset(text(source));
    if (fault) {
      bad += 1;
      console.log(`${file}: ${text(source)}: ${fault}`);
    }
    return fault ? all : opening + made;
  });
  if (set !== html) {
    writeFileSync(`${file}.new`, set);
    renameSync(`${file}.new`, file);  // whoever reads the page at this moment reads a whole one
  }
}
process.exit(bad ? 1 : 0);
