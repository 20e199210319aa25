// Draws the pictures that catalog/site/cards.py asks for: node cards.mjs DRAWINGS.json FOLDER_OF_RESVG
import { createRequire } from "node:module";
import { readFileSync, renameSync, writeFileSync } from "node:fs";

const [asked, library] = process.argv.slice(2);
const { Resvg } = createRequire(import.meta.url)(library);
const { fonts, drawings } = JSON.parse(readFileSync(asked, "utf8"));
const font = fonts.length
  ? { fontFiles: fonts, loadSystemFonts: false, defaultFontFamily: "DejaVu Sans", sansSerifFamily: "DejaVu Sans", serifFamily: "STIXGeneral" }
  : { loadSystemFonts: true };
for (const [file, drawing] of Object.entries(drawings)) {
  const png = new Resvg(drawing, { font }).render().asPng();
  writeFileSync(`${file}.part`, png);
  renameSync(`${file}.part`, file);
}
