/* The search of every page. Nothing is fetched until somebody asks; then names, symptoms and terms first, the text of
   sections after them. Both come as scripts, made by catalog/site/finder.py, so that a folder serves as well. */
(function () {
  "use strict";
  const root = new URL("../", document.currentScript.src);
  const all = (selector, from) => Array.from((from || document).querySelectorAll(selector));
  const one = (selector, from) => (from || document).querySelector(selector);
  function el(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children.filter((child) => child !== null));
    return made;
  }
  const KINDS = ["Symptom", "Term", "Tag", "Filter", "Glossary", "Choose", "Apply", "Demo", "Exercise", "Page", ""];
  const TEXT = KINDS.length - 1, SHOWN = 40, EACH = 8, ENOUGH = 12, MORE = 3;

  // ---- names, compared as catalog.names does

  const bare = (text) => text.toLowerCase().replace(/ß/g, "ss").normalize("NFKD").replace(/\p{Mn}/gu, "");
  function key(text) {
    const letters = bare(text).replace(/[^\p{L}\p{N}]+/gu, "");
    if (letters.length > 3 && letters.endsWith("ies")) return letters.slice(0, -3) + "y";
    return letters.length > 2 && letters.endsWith("s") && !letters.endsWith("ss") ? letters.slice(0, -1) : letters;
  }
  const keys = (name) => [key(name), key(name.replace(/\([^()]*\)/g, " "))].filter(Boolean);

  // ---- words

  const split = (text) => bare(text).match(/[\p{L}\p{N}]+/gu) || [];
  const single = (word) => word.length > 3 && /[^sui]s$/.test(word) ? word.slice(0, -1) : word;
  const compounds = (text) => (bare(text).match(/[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)+/gu) || []).map((word) => word.replace(/-/g, ""));
  const tolerance = (word) => word.length < 4 ? 0 : word.length < 6 ? 1 : 2;
  function typos(one, other) {  // letters left out, added, changed, swapped with the next
    let last = [], before = [], row = Array.from({ length: other.length + 1 }, (_, j) => j);
    for (let i = 1; i <= one.length; i++) {
      [last, before, row] = [before, row, [i]];
      for (let j = 1; j <= other.length; j++) {
        row[j] = Math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (one[i - 1] !== other[j - 1]));
        if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) row[j] = Math.min(row[j], last[j - 2] + 1);
      }
    }
    return row[other.length];
  }

  // ---- the index

  let entries = [], names = [], common = new Set(), short = null, text = null;

  function indexed(rows) {
    const docs = rows.map(([kind, title, said, to, of], id) => ({ id, kind, title, said, to, entry: entries[of] || null }));
    if (!window.MiniSearch) return { docs, ready: Promise.resolve() };
    const mini = new window.MiniSearch({
      fields: ["title", "said", "of"],
      extractField: (doc, field) => field === "of" ? (doc.entry ? [doc.entry.name, ...doc.entry.aliases].join(" ") : "") : doc[field],
      tokenize: (said) => [...split(said), ...compounds(said)], processTerm: single,
      searchOptions: { tokenize: split, boost: { title: 3, of: 0.2 }, weights: { fuzzy: 0.4, prefix: 0.6 } },
    });
    if (docs.length < 2000) mini.addAll(docs.filter(({ kind }) => kind !== TEXT));
    const rest = docs.filter(({ kind }) => kind === TEXT);
    return { docs, mini, ready: rest.length ? mini.addAllAsync(rest, { chunkSize: 40 }) : Promise.resolve() };
  }

  function load(file) {
    return new Promise((done, failed) => {
      const script = el("script", { src: new URL(file, root) });
      script.onload = done;
      script.onerror = () => failed(new Error(`${file} cannot be loaded`));
      document.head.append(script);
    });
  }

  let opening = null;
  function open() {  // both the first time only
    opening = opening || Promise.all([load("search/names.js"), load("assets/minisearch.js").catch(() => null)]).then(() => {
      const data = window.seeks.names;
      entries = data.entries.map(([id, name, family, summary, ...aliases]) => ({ id, name, family, summary, aliases, to: `patterns/${id}.html` }));
      names = entries.flatMap((entry) => [entry.name, entry.id, ...entry.aliases].map((said, n) => ({ entry, said, alias: n > 1, keys: keys(said), words: split(said) })));
      common = new Set(data.common.split(" "));
      short = indexed(data.docs);
      load("search/text.js").then(() => {
        const found = indexed(window.seeks.text);
        return found.ready.then(() => { text = found; answer(); });
      });
    });
    return opening;
  }

  // ---- what is found, the best first

  function search(asked) {
    const words = split(asked), whole = key(asked), hits = [], seen = new Set(), of = new Map();
    const add = (hit) => {  // an entry once, by what answers best, with what else answers
      const id = hit.entry && !hit.doc ? hit.entry.to : hit.doc.to + (KINDS[hit.doc.kind] === "Term" ? hit.doc.title : "");
      if (seen.has(id)) return;
      seen.add(id);
      const known = of.get(hit.entry);
      if (!known) hits.push(Object.assign(hit, { also: [] }));
      else if (hit.doc) known.also.push(place(hit.doc));
      if (hit.entry && !known) of.set(hit.entry, hit);
    };
    const named = (fits) => names.filter(({ keys }) => keys.some(fits))
      .sort((a, b) => a.alias - b.alias || a.said.length - b.said.length).map(({ entry, said, alias }) => ({ entry, said, alias, words }));
    if (!whole) return hits;
    named((k) => k === whole).forEach(add);
    if (whole.length > 1) named((k) => k.startsWith(whole)).forEach(add);
    wordwise(words, 0).forEach(add);
    const told = words.filter((word) => !common.has(word)), meant = told.length ? told : words;
    const plain = (word) => ({ queries: [word], prefix: word === words[words.length - 1] });
    const loose = (word) => ({ combineWith: "OR", queries: [{ queries: [word], prefix: word.length > 2, fuzzy: tolerance(word) || false }, ...synonyms(words, word)] });
    found(short, meant.map(plain), whole).forEach(add);
    const most = whole.length < 3 ? 0 : whole.length < 6 ? 1 : 2;
    if (most) named((k) => Math.abs(k.length - whole.length) <= most && typos(k, whole) <= most).forEach(add);
    wordwise(meant, 2).forEach(add);
    found(text, meant.map(plain), whole).forEach(add);
    for (const index of [short, text]) if (seen.size < ENOUGH) found(index, meant.map(loose), whole).forEach(add);
    if (seen.size < ENOUGH && meant.length > 1) for (const index of [short, text]) found(index, meant.map(loose), whole, "OR").forEach(add);
    return hits.slice(0, SHOWN);
  }

  function wordwise(words, most) {  // every word begins one of a name's, or is mistyped by so many letters
    const off = (word, of) => Math.min(...of.map((w) => w.startsWith(word) ? 0 : Math.abs(w.length - word.length) > most ? 9 : typos(word, w)));
    return names.map((name) => {
      const wrong = words.map((word) => [off(word, name.words), word]);
      return { ...name, wrong: wrong.every(([n, word]) => n <= Math.min(most, tolerance(word))) ? wrong.reduce((sum, [n]) => sum + n, 0) : 9 };
    }).filter(({ wrong }) => wrong < 9).sort((a, b) => a.wrong - b.wrong || a.alias - b.alias || a.said.length - b.said.length)
      .map(({ entry, said, alias }) => ({ entry, said, alias, words }));
  }

  function synonyms(words, word) {  // what is meant by an expression that this word begins
    const asked = ` ${words.join(" ")} `, queries = [];
    for (const [said, meant] of window.seeks.names.synonyms)
      for (const phrase of said.map((x) => split(x).join(" ")))
        if (phrase.split(" ")[0] === word && asked.includes(` ${phrase} `))
          queries.push(...meant.map((x) => ({ combineWith: "AND", queries: split(x).filter((w) => !common.has(w)) })));
    return queries;
  }

  function found(index, queries, whole, combineWith = "AND") {
    if (!index || !queries.length) return [];
    if (!index.mini) return plainly(index, queries);
    const results = index.mini.search({ combineWith, queries }), counts = {};
    const rated = results.flatMap(({ id, match, score }) => {
      const fields = new Set(Object.values(match).flat());
      if (fields.size === 1 && fields.has("of")) return [];  // of the entry, but not of what was asked
      const doc = index.docs[id];
      const at = key(doc.title) === whole || keys(doc.title).includes(whole) ? 0 : fields.has("title") ? 1 : 2;
      return [{ doc, entry: doc.entry, words: Object.keys(match), rank: combineWith === "OR" ? 0 : at, score }];
    });
    if (index === short && combineWith === "AND") rated.sort((a, b) => a.rank - b.rank || a.doc.kind - b.doc.kind || b.score - a.score);
    return rated.filter(({ doc }) => {
      const group = doc.kind === TEXT ? doc.to.split("#")[0] : doc.kind;
      counts[group] = (counts[group] || 0) + 1;
      return counts[group] <= (doc.kind === TEXT ? 2 : EACH);
    });
  }

  function plainly(index, queries) {  // without the library: whatever has all the words as they stand
    const words = queries.flatMap((query) => query.queries).filter((word) => typeof word === "string");
    return index.docs.filter(({ title, said }) => words.every((word) => bare(`${title} ${said}`).includes(word)))
      .slice(0, EACH).map((doc) => ({ doc, entry: doc.entry, words }));
  }

  // ---- how hits are shown: text alone, never markup

  function marked(said, words) {
    const out = el("span");
    for (const piece of said.split(/([\p{L}\p{N}]+)/u)) {
      const of = single(bare(piece));
      out.append(of && words.some((word) => of.startsWith(single(word))) ? el("mark", {}, piece) : piece);
    }
    return out;
  }

  function excerpt(said, words) {  // the sentence with most of the words, from where they begin
    const sentences = said.split(/(?<=[.!?]) +/), has = (s) => words.filter((w) => bare(s).includes(w)).length;
    const best = sentences.reduce((a, b) => has(b) > has(a) ? b : a);
    const first = Math.min(...words.map((w) => bare(best).indexOf(w)).filter((i) => i >= 0), best.length);
    const from = best.length > 150 && first > 60 ? best.indexOf(" ", first - 50) + 1 : 0;
    const to = best.length > from + 150 ? best.lastIndexOf(" ", from + 150) : best.length;
    return `${from ? "… " : ""}${best.slice(from, to > from ? to : from + 150)}${to < best.length ? " …" : ""}`;
  }

  const place = ({ kind, title }) => kind === TEXT ? title : `${KINDS[kind]}: ${title}`;

  function shown({ doc, entry, said, alias, words, also }, n) {
    let title, why, rest;
    if (!doc) [title, why, rest] = [entry.name, alias ? "Also called" : "", alias ? said : entry.summary];
    else if (doc.kind === TEXT) [title, why, rest] = [entry ? entry.name : doc.title, entry ? doc.title : "", excerpt(doc.said, words)];
    else if (entry) [title, why, rest] = [entry.name, KINDS[doc.kind], excerpt(doc.said ? `${doc.title}: ${doc.said}` : doc.title, words)];
    else [title, why, rest] = [doc.title, KINDS[doc.kind], doc.said && excerpt(doc.said, words)];
    return el("a", { role: "option", id: `seek-${n}`, class: entry ? `seek-hit f-${entry.family}` : "seek-hit", href: new URL(doc ? doc.to : entry.to, root), tabindex: "-1", "aria-selected": "false" },
      el("b", {}, marked(title, words)), el("span", { class: "seek-said" }, why ? el("i", {}, marked(why, words), ":") : null, why ? " " : null, marked(rest || "", words)),
      also.length ? el("span", { class: "seek-said" }, `Also in ${also.slice(0, MORE).join("; ")}${also.length > MORE ? "; …" : ""}`) : null);
  }

  // ---- the field

  const seek = one(".seek");
  if (!seek) return;
  const box = one(".seek-box", seek), field = one("input", seek), panel = one(".seek-found", seek);
  const list = one(".seek-hits", seek), status = one(".seek-count", seek), opener = one(".seek-open", seek);
  let active = -1;

  function show(visible) {
    panel.hidden = !visible;
    field.setAttribute("aria-expanded", String(visible));
    if (!visible) choose(-1);
  }
  function choose(n) {
    const options = all("a", list);
    active = options.length ? Math.max(-1, Math.min(n, options.length - 1)) : -1;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
    if (active < 0) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", options[active].id);
      options[active].scrollIntoView({ block: "nearest" });
    }
  }
  let said = "";
  function answer() {
    const asked = field.value.trim();
    if (!asked || !short) return asked ? null : show(false);
    const hits = search(asked), kept = said === asked ? active : -1;
    said = asked;
    list.replaceChildren(...hits.map(shown));
    const waits = text ? "" : "; the text of the pages is being read";
    status.textContent = hits.length ? `${hits.length === SHOWN ? "The best " : ""}${hits.length} ${hits.length === 1 ? "hit" : "hits"}${waits}` : text ? "Nothing found. Try another word for it, or fewer." : "Nothing found yet; the text of the pages is being read";
    show(true);
    choose(kept);
  }
  function fetched() {
    return open().then(answer, (error) => { status.textContent = error.message; show(true); });
  }
  function reveal(visible) {  // on a phone the field takes the header's place
    seek.classList.toggle("seeking", visible);
    opener.setAttribute("aria-expanded", String(visible));
    if (visible) field.focus();
  }

  field.addEventListener("focus", fetched);
  field.addEventListener("input", fetched);
  field.addEventListener("keydown", (event) => {
    const options = all("a", list), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      if (panel.hidden) show(true);
      choose(active + step);
    } else if (event.key === "Enter") {
      fetched().then(() => { const to = all("a", list)[Math.max(active, 0)]; if (to && field.value.trim()) to.click(); });
    } else if (event.key === "Escape") {
      if (panel.hidden) { field.value = ""; reveal(false); field.blur(); } else show(false);
    } else return;
    event.preventDefault();
  });
  seek.addEventListener("focusout", (event) => { if (!seek.contains(event.relatedTarget)) { show(false); reveal(false); } });
  list.addEventListener("pointerdown", (event) => event.preventDefault());  // the field keeps the focus, so that the list stays
  list.addEventListener("click", () => { show(false); reveal(false); field.blur(); });
  opener.addEventListener("click", () => reveal(true));
  one(".seek-close", seek).addEventListener("click", () => { show(false); reveal(false); opener.focus(); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest && event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !["/", "s"].includes(event.key)) return;
    event.preventDefault();
    reveal(true);
  });
  seek.classList.add("works");

  // ---- the page that is shown for what is not there: names like the one in the address

  function wanted() {
    const parts = location.pathname.replace(/(index)?\.(html?|md)$/, "").split("/").filter(Boolean);
    try { return decodeURIComponent(parts.pop() || "").replace(/[_+-]+/g, " "); } catch { return ""; }
  }
  const nearest = one(".nearest");
  if (nearest) open().then(() => {
    const hits = search(wanted()).slice(0, 6);
    one("ul", nearest).append(...hits.map(({ doc, entry }) => {
      const link = el("a", { href: new URL(doc ? doc.to : entry.to, root) }, entry ? entry.name : doc.title);
      return el("li", {}, link, !doc && entry.summary ? `: ${entry.summary}` : doc && entry ? `: ${doc.title}` : "");
    }));
    nearest.hidden = !hits.length;
  });
})();
