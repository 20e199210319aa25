/* The graph page: what belongs to a pattern, a path or a filter is shown, and said. The address has the whole state. */
(function () {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const one = (selector, root) => (root || document).querySelector(selector);
  const root = one(".explorer");
  if (!root) return;

  const { entries, types, relations, links } = JSON.parse(one("script[type='application/json']", root).textContent);
  const things = root.dataset.things || "patterns", thing = things === "patterns" ? "pattern" : "entry";
  const number = new Map(entries.map(([id], n) => [id, n]));
  const nameOf = (n) => entries[n][1];
  const numberOf = (a) => number.get(a.getAttribute("href").match(/([^/]+)\.html$/)[1]);
  const said = entries.map((names) => names.join("\n").toLowerCase());
  const form = one(".steer", root), panel = one(".panel", root), told = one(".told", panel), body = one(".said", panel), legend = one(".legend", panel);
  const curves = all("svg.map .edges path", root), reasons = all(".listed li li");
  const dots = all("svg.map a.node", root), chips = all(".lists a", root);
  const shapes = entries.map(() => []);
  for (const a of [...dots, ...chips]) shapes[numberOf(a)].push(a);
  const family = entries.map((_, n) => shapes[n].at(-1).closest("section").dataset.family);
  one("#names", form).append(...entries.map(([, name]) => make("option", "", { value: name })));
  const boxes = { types: all("input[name=types]", form), families: all("input[name=families]", form) };
  const count = (n, word) => `${n} ${n === 1 ? word : word === "entry" ? "entries" : `${word}s`}`;

  const narrow = () => getComputedStyle(one("svg.map", root)).display === "none";

  // ---- the graph ----

  /* What n is related to, in the order of `catalog.edges`: [number of the relation, the other end, the type as read from n]. */
  const ends = links.map((own) => own.map((link) => {
    const i = link < 0 ? ~link : link, [source, target, type] = relations[i];
    return link < 0 ? [i, source, types[type][2]] : [i, target, types[type][1]];
  }));

  /* What `catalog.path` answers, null where nothing leads from a to b: of the shortest ways the one along which readers
     go on most readily, of these the one whose relations come first. */
  function shortest(a, b) {
    const far = new Map([[b, 0]]), best = new Map([[b, [0]]]);
    for (const n of far.keys()) for (const [, m] of ends[n]) if (!far.has(m)) far.set(m, far.get(n) + 1);
    if (!far.has(a)) return null;
    for (const [n, distance] of far) {  // nearest to b first
      for (const end of ends[n]) {
        const weight = types[relations[end[0]][2]][3] + (far.get(end[1]) === distance - 1 ? best.get(end[1])[0] : -Infinity);
        if (weight > (best.get(n)?.[0] ?? -Infinity)) best.set(n, [weight, end]);
      }
    }
    const way = [];
    for (let here = a; here !== b; here = way.at(-1)[1]) way.push(best.get(here)[1]);
    return way;
  }

  /* How many steps along allowed relations each entry is away, at most `depth`. */
  function around(n, depth, allowed) {
    const steps = new Map([[n, 0]]);
    for (const m of steps.keys()) {
      if (steps.get(m) < depth) for (const [i, other] of ends[m]) if (allowed(i) && !steps.has(other)) steps.set(other, steps.get(m) + 1);
    }
    return steps;
  }

  /* The entry that is called so: by id, name or alias. */
  function called(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return undefined;
    const found = entries.findIndex((names) => names.some((name) => name.toLowerCase() === wanted));
    return found < 0 ? undefined : found;
  }

  // ---- the state, which is the address ----

  function state() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [key, value] of new URLSearchParams(location.search)) if (!location.hash) asked.set(key, value);
    const list = (key) => (asked.has(key) ? new Set(asked.get(key).split(".").filter(Boolean)) : null);
    return {
      focus: number.get(asked.get("focus")), depth: asked.get("depth") === "2" ? 2 : 1,
      from: asked.get("from") || "", to: asked.get("to") || "", find: asked.get("find") || "",
      types: list("types"), families: list("families"), all: asked.get("all") === "1",
    };
  }
  function address(s) {
    const made = new URLSearchParams();
    if (s.focus !== undefined) made.set("focus", entries[s.focus][0]);
    if (s.focus !== undefined && s.depth > 1) made.set("depth", "2");
    for (const key of ["from", "to", "find"]) if (s[key]) made.set(key, s[key]);
    for (const key of ["types", "families"]) if (s[key]) made.set(key, [...s[key]].join("."));
    if (s.all) made.set("all", "1");
    return `#${made}`;
  }
  function go(changes, replace) {
    const to = address({ ...state(), ...changes }), url = to === "#" ? location.pathname : to;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    apply();
  }
  const nothing = { focus: undefined, depth: 1, from: "", to: "", find: "" };
  const focusOn = (n) => ({ ...nothing, focus: n });
  const end = (text) => (number.has(text) ? number.get(text) : called(text));

  // ---- what is shown ----

  function apply() {
    const s = state();
    const here = (n) => !s.families || s.families.has(family[n]);
    const allowed = (i) => (!s.types || s.types.has(types[relations[i][2]][0])) && (here(relations[i][0]) || here(relations[i][1]));
    const a = end(s.from), b = end(s.to), way = a !== undefined && b !== undefined ? shortest(a, b) : undefined;
    const on = new Set(), far = new Set(), shown = new Set();
    let near = null, centers = [];
    if (way !== undefined) {
      centers = [a, b];
      near = new Set([a, b, ...(way || []).map(([, n]) => n)]);
      for (const [i] of way || []) on.add(i);
    } else if (s.focus !== undefined) {
      const steps = around(s.focus, s.depth, allowed);
      centers = [s.focus];
      near = new Set(steps.keys());
      relations.forEach(([source, target], i) => {
        const least = Math.min(steps.get(source) ?? 9, steps.get(target) ?? 9);
        if (allowed(i) && least < s.depth) (least ? far : on).add(i);
      });
    } else {
      const every = s.all || s.types || s.families;
      relations.forEach((_, i) => { if (allowed(i) && (every || curves[i].classList.contains("s"))) shown.add(i); });
      if (a !== undefined || b !== undefined) centers = [a ?? b];
    }
    const wanted = s.find.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = wanted.length ? entries.map((_, n) => n).filter((n) => wanted.every((word) => said[n].includes(word))) : null;
    const touched = new Set();
    for (const i of [...on, ...far, ...shown]) touched.add(relations[i][0]).add(relations[i][1]);

    curves.forEach((curve, i) => {
      for (const [name, set] of [["on", on], ["far", far], ["shown", shown]]) curve.classList.toggle(name, set.has(i));
      curve.classList.toggle("even", types[relations[i][2]][1] === types[relations[i][2]][2]);
    });
    entries.forEach((_, n) => {
      const off = !here(n) && !touched.has(n) && !centers.includes(n), dim = near ? !near.has(n) : hits ? !hits.includes(n) : false;
      for (const shape of shapes[n]) {
        shape.classList.toggle("off", off);
        shape.classList.toggle("dim", dim);
        shape.classList.toggle("hit", Boolean(hits && hits.includes(n)));
        shape.classList.toggle("center", centers.includes(n));
        if (centers.includes(n)) shape.setAttribute("aria-current", "true"); else shape.removeAttribute("aria-current");
      }
    });
    root.classList.toggle("chosen", Boolean(near));
    root.classList.toggle("found", Boolean(hits));
    for (const section of all(".lists section", root)) section.hidden = !one("a:not(.off, .dim)", section);
    rove(dots.find((dot) => dot.tabIndex === 0 && visible(dot)) || dots.find((dot) => dot.classList.contains("center")) || dots.find(visible));
    controls(s);
    tell(s, { a, b, way, near, hits, on, shown: shown.size, allowed });
  }

  function controls(s) {
    const show = (field, text) => { if (field.value.trim() !== text) field.value = text; };  // a blank just typed stays
    show(form.elements.find, s.find);
    for (const key of ["from", "to"]) show(form.elements[key], s[key] && end(s[key]) !== undefined ? nameOf(end(s[key])) : s[key]);
    for (const key of ["types", "families"]) for (const box of boxes[key]) box.checked = !s[key] || s[key].has(box.value);
    form.elements.all.checked = s.all;
    const set = [s.types && "relations", s.families && "families"].filter(Boolean);
    one(".filters summary span", form).textContent = set.length ? `: ${set.join(" and ")} chosen` : "";
  }

  // ---- what is said ----

  function make(tag, text, more) {
    const element = Object.assign(document.createElement(tag), more || {});
    element.append(...[].concat(text ?? []));
    return element;
  }
  const link = (n, changes) => make("a", nameOf(n), { href: address({ ...state(), ...focusOn(n), ...changes }), className: `f-${family[n]}` });

  /* The reason, the condition and the proof of a relation, as the list has them. */
  function reason(i) {
    const [, ...rest] = Array.from(reasons[i].children);
    return rest.flatMap((part) => [" ", part.cloneNode(true)]);
  }

  function tell(s, { a, b, way, near, hits, on, shown, allowed }) {
    const proven = (numbers) => [...numbers].filter((i) => relations[i][3]).length;
    const parts = [];
    let text;
    if (way !== undefined) {
      const [first, last] = [nameOf(a), nameOf(b)];
      text = way === null ? `No relations lead from ${first} to ${last}.` : a === b ? `${first} is both ends.` : `From ${first} to ${last} in ${count(way.length, "step")}, ${proven(on) || "none"} of them proven.`;
      if (way?.length) {
        const steps = way.map(([i, n, type]) => make("li", [make("span", type, { className: "type" }), " ", link(n), ...reason(i)]));
        parts.push(make("p", link(a), { className: "start" }), make("ol", steps, { className: "steps" }));
      }
    } else if (s.focus !== undefined) {
      const found = ends[s.focus].filter(([i]) => allowed(i)), others = new Set(found.map(([, n]) => n));
      text = `${nameOf(s.focus)}: ${count(found.length, "relation")} with ${count(others.size, thing)}, ${proven(on)} proven${s.depth > 1 ? `; ${near.size - others.size - 1} more in two steps` : ""}.`;
      const step = (depth) => make("a", count(depth, "step"), { href: address({ ...s, depth }), ariaCurrent: s.depth === depth ? "true" : null });
      const page = make("a", `Open its page`, { href: shapes[s.focus][0].getAttribute("href"), className: "open" });
      const path = make("a", "Path from here", { href: address({ ...s, ...nothing, from: entries[s.focus][0] }) });
      path.addEventListener("click", () => setTimeout(() => form.elements.to.focus()));
      parts.push(make("p", [page, step(1), step(2), path], { className: "ways" }));
      const groups = new Map();
      for (const [i, n, type] of found) groups.set(type, [...(groups.get(type) || []), make("li", [link(n, { depth: s.depth }), ...reason(i)])]);
      for (const [type, items] of groups) parts.push(make("h2", type), make("ul", items));
      const second = [...near].filter((n) => n !== s.focus && !others.has(n));
      if (second.length) parts.push(make("h2", "in two steps"), make("p", second.flatMap((n, k) => [k ? ", " : "", link(n)])));
    } else if (hits) {
      text = `${hits.length} of ${count(entries.length, thing)} ${hits.length === 1 ? "matches" : "match"} “${s.find}”.`;
      parts.push(make("ul", hits.slice(0, 12).map((n) => make("li", link(n)))));
    } else if (s.from || s.to) {
      const unknown = [[s.from, a], [s.to, b]].find(([given, found]) => given && found === undefined);
      text = unknown ? `No ${thing} is called “${unknown[0]}”; choose one from the list that opens.` : `One end of the path is ${nameOf(a ?? b)}; choose the other.`;
    } else {
      const some = shown === relations.length ? "all" : `${shown} of`;
      text = narrow() ? `${count(entries.length, thing)}, ${count(relations.length, "relation")}.` : `${count(entries.length, thing)}, ${some} ${count(relations.length, "relation")} drawn.`;
    }
    const plain = way === undefined && s.focus === undefined && !hits && !s.from && !s.to;
    if (!plain) parts.push(make("p", make("button", "Show the whole again", { type: "button", onclick: () => go(nothing) }), { className: "back" }));
    if (told.textContent !== text) told.textContent = text;
    body.replaceChildren(...parts);
    legend.hidden = !plain;
    panel.scrollTop = 0;
  }

  // ---- hands ----

  const visible = (dot) => !dot.classList.contains("off") && !dot.classList.contains("dim");
  function rove(current) {  // one stop for the Tab key, arrows from there
    for (const dot of dots) dot.tabIndex = dot === current ? 0 : -1;
  }
  function peek(n) {
    const s = new Set(n === undefined ? [] : ends[n].map(([i]) => i));
    curves.forEach((curve, i) => curve.classList.toggle("peek", s.has(i)));
  }
  function nearest(from, [dx, dy]) {
    const center = (dot) => [+dot.children[1].getAttribute("cx"), +dot.children[1].getAttribute("cy")];
    const [x, y] = center(from);
    let best = null, least = Infinity;
    for (const dot of dots) {
      const [u, v] = center(dot), along = (u - x) * dx + (v - y) * dy, aside = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
      if (dot !== from && visible(dot) && along > 4 && along + 2 * aside < least) { least = along + 2 * aside; best = dot; }
    }
    return best;
  }
  for (const shape of [...dots, ...chips]) {
    const n = numberOf(shape);
    shape.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || shape.classList.contains("center")) return;  // the second time the link is a link
      event.preventDefault();
      go(focusOn(n));
      if (narrow()) panel.scrollIntoView({ block: "start" });
    });
  }
  for (const dot of dots) {
    dot.addEventListener("mouseenter", () => peek(numberOf(dot)));
    dot.addEventListener("mouseleave", () => peek());
    dot.addEventListener("focus", () => { rove(dot); peek(numberOf(dot)); });
    dot.addEventListener("blur", () => peek());
  }
  for (const title of all(".map .family", root)) {
    title.addEventListener("click", () => {
      const only = state().families, f = title.dataset.family;
      go({ ...nothing, families: only && only.size === 1 && only.has(f) ? null : new Set([f]) });
    });
  }
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  root.addEventListener("keydown", (event) => {
    const dot = event.target.closest("svg.map a.node"), to = dot && arrows[event.key] && nearest(dot, arrows[event.key]);
    if (to) { event.preventDefault(); to.focus(); }
    if (event.key === "Escape" && address({ ...state(), types: null, families: null, all: false }) !== "#") {
      event.preventDefault();
      if (event.target.matches("input")) event.target.value = "";
      go(nothing);
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.find.addEventListener("keydown", (event) => {
    const hit = event.key === "Enter" && one("svg.map a.hit", root);
    if (!hit) return;
    event.preventDefault();
    go(focusOn(numberOf(hit)));
    if (narrow()) panel.scrollIntoView({ block: "start" }); else hit.focus();
  });
  form.elements.find.addEventListener("input", () => go({ ...nothing, find: form.elements.find.value.trim() }, true));
  for (const key of ["from", "to"]) {
    const field = form.elements[key], id = (text) => (called(text) === undefined ? text.trim() : entries[called(text)][0]);
    const choose = () => go({ ...nothing, from: id(form.elements.from.value), to: id(form.elements.to.value) });
    field.addEventListener("change", choose);
    field.addEventListener("input", () => { if (entries.some((names) => names[1] === field.value)) choose(); });
  }
  for (const key of ["types", "families"]) {
    const choose = () => {
      const chosen = boxes[key].filter((box) => box.checked).map((box) => box.value);
      go({ [key]: chosen.length === boxes[key].length ? null : new Set(chosen) });
    };
    for (const box of boxes[key]) box.addEventListener("change", choose);
    for (const button of boxes[key].length ? all("button", boxes[key][0].closest("fieldset")) : []) {
      button.addEventListener("click", () => { for (const box of boxes[key]) box.checked = button.value === "all"; choose(); });
    }
  }
  form.elements.all.addEventListener("change", () => go({ all: form.elements.all.checked }));
  addEventListener("hashchange", apply);
  one("svg.map", root).classList.add("live");
  apply();
})();
