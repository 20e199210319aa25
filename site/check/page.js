// What is wrong with the page that is open, as far as one can see: evaluated in it by pages.py.
(() => {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const QUIET = "script, style, template, textarea, noscript, code, pre, .katex, .katex-error";
  const SOURCE = [
    ["a formula left as text", /\\[([]|\\(?:frac|mathbb|mathrm|text|left|sum|log)\b|\$[^$\s\d][^$]*\$/],
    ["Markdown left as text", /\*\*\S|\]\(\S|\{\{|\{:|^```|^#{1,6} /],
  ];
  const SLACK = { x: 1.5, y: 5 };  // what a glyph may stick out of its box

  function name(element) {
    const id = element.id && !/\s/.test(element.id) ? "#" + element.id : "";
    const classes = (element.getAttribute("class") || "").split(/\s+/).filter(Boolean).slice(0, 2).map((c) => "." + c).join("");
    const around = id || !element.parentElement ? null : element.parentElement.closest(classes ? "[id]" : "[id], [class]");
    return (around ? name(around) + " " : "") + element.localName + id + classes;
  }
  const quote = (text) => JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 60));

  // every text that is shown, with the element that holds it
  function* texts(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (walker.currentNode.data.trim()) yield [walker.currentNode, walker.currentNode.parentElement];
  }

  // the document itself, whatever its width and colors
  function built() {
    const faults = [];
    const count = (selector, wanted, what) => {
      const found = all(selector).length;
      if (found !== wanted) faults.push(`${found} ${what}, not ${wanted}`);
    };
    count("h1", 1, "h1");
    count("main", 1, "main");
    count("body > header, body > .md-header", 1, "header");
    count("footer.md-footer", 1, "footer");
    const seen = new Set();
    for (const { id } of all("[id]")) {
      if (seen.has(id)) faults.push(`two elements have the id ${id}`);
      seen.add(id);
    }
    for (const formula of all(".arithmatex")) if (!formula.querySelector(".katex")) faults.push(`not typeset: ${name(formula)} ${quote(formula.textContent)}`);
    for (const error of all(".katex-error")) faults.push(`KaTeX refuses ${name(error)} ${quote(error.textContent)}`);
    for (const [text, element] of texts(document.body)) {
      if (element.closest(QUIET)) continue;
      for (const [what, pattern] of SOURCE) if (pattern.test(text.data)) faults.push(`${what}: ${name(element)} ${quote(text.data)}`);
    }
    for (const lost of all("p > link, p > script, p > style, p > div, p > svg, p > details")) faults.push(`in a paragraph of its own: ${name(lost)}`);
    for (const empty of all("article p:empty:not([class], [role], [hidden])")) faults.push(`empty: ${name(empty)}`);
    for (const image of all("img, svg[role=img], audio, canvas")) pictured(image, faults);
    return faults;
  }

  function pictured(image, faults) {
    if (image.localName === "img" && !(image.complete && image.naturalWidth)) faults.push(`does not load: ${name(image)} ${image.src}`);
    if (image.closest("[aria-hidden=true]")) return;
    const alt = image.localName === "img" ? image.getAttribute("alt") : image.getAttribute("aria-label") || (image.querySelector("title") || {}).textContent;
    if (image.localName === "img" && alt === "") return;  // a decoration
    if (!alt && !image.hasAttribute("aria-labelledby")) faults.push(`no words for a picture: ${name(image)}`);
    else if (alt && /\.(png|svg|webp|wav)$|^(image|picture|figure)$/i.test(alt.trim())) faults.push(`no fitting words for a picture: ${name(image)} ${quote(alt)}`);
  }

  // how it lies on the screen
  function laid() {
    const faults = [];
    const root = document.documentElement;
    if (root.scrollWidth > window.innerWidth) faults.push(`scrolls sideways, ${root.scrollWidth} of ${window.innerWidth} pixels: ${widest()}`);
    const boxes = new Map();
    const box = (element) => {
      if (!boxes.has(element)) {
        const style = getComputedStyle(element);
        const hides = { x: /hidden|clip/.test(style.overflowX), y: /hidden|clip/.test(style.overflowY) };
        const rolls = { x: /auto|scroll/.test(style.overflowX), y: /auto|scroll/.test(style.overflowY) };
        const any = hides.x || hides.y || rolls.x || rolls.y;
        boxes.set(element, { hides, rolls, fixed: style.position === "fixed", rect: any && element.getBoundingClientRect() });
      }
      return boxes.get(element);
    };
    const range = document.createRange();
    const told = new Set();
    for (const [text, element] of texts(document.body)) {
      if (element.closest("script, style, template, textarea, noscript, .katex-mathml, option, .md-header, .md-search") || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      range.selectNodeContents(text);
      const shown = range.getBoundingClientRect();
      if (!shown.width || !shown.height) continue;
      const free = { x: true, y: true };
      for (let around = element; around && around !== document.body && (free.x || free.y); around = around.parentElement) {
        const { hides, rolls, fixed, rect } = box(around);
        if (rect && (rect.width <= 1 || rect.height <= 1)) break;  // for screen readers alone
        if (rolls.x) free.x = false;
        if (rolls.y) free.y = false;
        const x = free.x && hides.x && (shown.right > rect.right + SLACK.x || shown.left < rect.left - SLACK.x);
        const y = free.y && hides.y && (shown.bottom > rect.bottom + SLACK.y || shown.top < rect.top - SLACK.y);
        if ((x || y) && !told.has(element)) {
          told.add(element);
          faults.push(`cut off by ${name(around)}: ${name(element)} ${quote(text.data)}`);
        }
        if (fixed) break;
      }
    }
    return faults;
  }

  function widest() {
    const out = all("body *").filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1 && e.checkVisibility());
    return out.length ? name(out[out.length - 1]) : "?";
  }

  // pictures that wait to be scrolled to, and fonts
  async function ready() {
    for (const image of all("img[loading=lazy]")) image.loading = "eager";
    // what waits for the eye has no place yet
    document.head.append(Object.assign(document.createElement("style"), { textContent: "* { content-visibility: visible !important }" }));
    await Promise.all(all("img").map((image) => image.complete || image.decode().catch(() => null)));
    await document.fonts.ready;
  }

  function links() {
    const found = new Set();
    for (const link of all("a[href], area[href]")) {
      const address = typeof link.href === "string" ? link.href : new URL(link.href.baseVal, document.baseURI).href;
      if (address.startsWith(location.origin)) found.add(address.slice(location.origin.length + 1));
    }
    return [...found];
  }
  const places = () => all("[id], a[name]").flatMap((e) => [e.id, e.getAttribute("name")]).filter(Boolean);
  const unfold = () => all("details:not([open])").map((details) => (details.open = true)).length;

  // What decides whether a text stands out: its color, size and weight, all backgrounds and opacities behind it, what it
  // is and where it stands. Single characters and mere signs are judged otherwise, what is disabled not at all.
  const sheets = new Map();
  const classes = (element) => element ? element.localName + "." + [...element.classList].slice(0, 2).join(".") : "";

  function sheet(element) {  // what lies behind it, as far as its ancestors go
    if (!element) return "";
    if (!sheets.has(element)) {
      const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode } = getComputedStyle(element);
      const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join();
      const behind = sheet(element.parentElement);
      sheets.set(element, own === "rgba(0, 0, 0, 0),none,1,none,normal" ? behind : `${own}|${behind}`);
    }
    return sheets.get(element);
  }

  function ink(element) {
    const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
    const text = element.value || element.placeholder || element.textContent;
    const off = element.closest(":disabled, [aria-disabled=true]") || element.closest("label")?.control?.disabled;
    const around = [element, element.parentElement, element.parentElement?.parentElement].map(classes);
    const kind = [text.trim().length === 1, /[\p{L}\p{N}]/u.test(text), Boolean(off)];
    return [color, fontSize, fontWeight, textShadow, ...kind, ...around, sheet(element)].join(";");
  }

  // each ink of the page, with the first and the last element that is written in it
  function inks() {
    sheets.clear();
    const found = new Map();
    const note = (element) => {
      if (element.closest("script, style, template, noscript, .katex") || !element.checkVisibility({ visibilityProperty: true })) return;
      const written = ink(element);
      found.set(written, [...(found.get(written) || []).slice(0, 1), element]);
    };
    for (const element of new Set(Array.from(texts(document.body), ([, holder]) => holder))) note(element);
    for (const field of all("input, select, textarea")) note(field);
    check.written = found;
    return [...found.keys()];
  }

  // what axe-core says against the contrast of these inks
  async function judge(wanted) {
    const include = wanted.flatMap((written) => check.written.get(written));
    const { violations } = await axe.run({ include, exclude: [".katex"] }, { runOnly: ["color-contrast"], resultTypes: ["violations"], elementRef: true, preload: false });
    const nodes = violations.flatMap((found) => found.nodes);
    return nodes.map((node) => [ink(node.element), `color-contrast: ${node.html.slice(0, 160)} ${node.failureSummary}`]);
  }

  // axe-core takes its time for every element: formulas, which are not its business, become boxes of their size, and
  // drawings lose the shapes outside links
  function lighten() {
    const formulas = all(".katex").map((formula) => [formula, formula.getBoundingClientRect(), formula.querySelector("annotation")]);
    for (const [formula, { width, height }, tex] of formulas) {
      const box = Object.assign(document.createElement("span"), { textContent: tex ? tex.textContent : "" });
      box.style.cssText = `display: inline-block; font-size: 0; width: ${width}px; height: ${height}px`;
      formula.replaceChildren(box);
    }
    for (const part of all("svg :is(g, defs, clipPath, marker, path, rect, circle, ellipse, line, polyline, polygon, use, image)").reverse())
      if (!part.childElementCount && !part.textContent.trim() && !part.closest("a, [role]:not(svg), [tabindex]")) part.remove();
  }

  // words of a listing beyond its first lines lose their spans, links and those whose ink is judged do not
  function thin() {
    const kept = new Set([...check.written.values()].flat());
    for (const listing of all(".annotated, .diff, .highlight"))
      for (const line of all(".line, code > span", listing).slice(10))
        for (const word of all("span, mark", line).reverse())
          if (!word.childElementCount && !kept.has(word)) word.replaceWith(word.textContent);
  }

  window.check = { built, inks, judge, laid, lighten, links, places, ready, thin, unfold };
})();
