// Parse every formula of every built page; print those that KaTeX does not accept, exit 1 if there are any.
// node formulas.mjs SITE KATEX.mjs
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

const [site, katexPath] = process.argv.slice(2);
const katex = (await import(pathToFileURL(katexPath).href)).default;
const entities = { lt: "<", gt: ">", amp: "&", quot: '"', "#39": "'", "#x27": "'" };
const text = (html) => html.replace(/&(#?\w+);/g, (all, name) => entities[name] ?? all);

let count = 0, bad = 0;
const seen = new Map();
for (const file of readdirSync(site, { recursive: true }).filter((f) => f.endsWith(".html")).sort()) {
  const html = readFileSync(join(site, file), "utf8");
  for (const [, source] of html.matchAll(/class="arithmatex">\s*(\\[([][\s\S]*?\\[)\]])\s*</g)) {
    const tex = text(source);
    count += 1;
    if (!seen.has(tex)) {
      let fault = null;
      try {
        katex.renderToString(tex.slice(2, -2), { displayMode: tex[1] === "[", throwOnError: true, strict: "error", trust: false });
      } catch (error) {
        fault = error.message;
      }
      seen.set(tex, fault);
    }
    if (seen.get(tex)) {
      bad += 1;
      console.log(`${relative(".", join(site, file))}: ${tex}: ${seen.get(tex)}`);
    }
  }
}
if (!bad) console.log(`${count} formulas`);
process.exit(bad ? 1 : 0);
