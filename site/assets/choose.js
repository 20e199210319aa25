/* Narrows problems by words, and patterns by conditions on facets, with what meets all and what misses one. All of it is
   in the address. Conditions mean what `Catalog.matching` means by them; without the script everything is there. */
(function () {
  "use strict";
  const tools = document.querySelector(".chooser");
  if (!tools) return;
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const one = (selector, root = document) => root.querySelector(selector);
  const answers = one(".answers"), status = one("[role=status]", tools), asked = one(".asked", tools), field = one("input[type=search]", tools);
  const { entries, things } = JSON.parse(one("script", answers).textContent);
  const groups = all("fieldset[data-facet]", tools);
  const items = new Map(all(".pool > li", answers).map((li) => [li.dataset.id, li]));
  const decisions = all("section.decision"), home = one(".decisions"), contents = one("nav[aria-label=Problems]"), nothing = one(".nothing");

  // ---- conditions

  const text = ({ facet, values, not, low, high }) =>
    values ? `${facet}${not ? "!=" : "="}${values.join(",")}`
      : low !== null && high !== null ? `${facet}=${low}..${high}` : low !== null ? `${facet}>=${low}` : `${facet}<=${high}`;
  function met({ facet, values, not, low, high }, { has }) {
    const own = has[facet] || [];
    if (values) return not ? own.every((v) => !values.includes(v)) : own.some((v) => values.includes(v));
    return own.some((v) => (low === null || +v >= low) && (high === null || +v <= high));
  }
  function conditions() {
    const found = [];
    for (const group of groups) {
      const facet = group.dataset.facet;
      if ("number" in group.dataset) {
        const [low, high] = ["low", "high"].map((end) => { const v = one(`[data-end=${end}]`, group).value; return v === "" ? null : +v; });
        if (low !== null && high !== null && low > high) found.push({ facet, low, high: null, values: null }, { facet, low: null, high, values: null });
        else if (low !== null || high !== null) found.push({ facet, low, high, values: null });
      } else {
        const values = all("input:checked:not([data-not])", group).map((box) => box.value);
        if (values.length) found.push({ facet, values, not: one("[data-not]", group).checked });
      }
    }
    return found;
  }
  const meet = (asked) => entries.filter((e) => asked.every((c) => met(c, e)));
  const entry = (n) => `${n} ${n === 1 ? "entry" : "entries"}`;
  const alone = (c) => `${entry(meet([c]).length)} with ${text(c)}`;
  function conflict(asked) {  // as Facets.conflict says it
    for (const b of asked) for (const a of asked) {
      if (a === b) break;
      if (a.facet === b.facet) return `${text(a)} and ${text(b)} contradict each other; ${alone(a)}, ${alone(b)}`;
    }
    for (const c of asked) if (!meet([c]).length) return `no entry has ${text(c)}`;
    for (const b of asked) for (const a of asked) {
      if (a === b) break;
      if (!meet([a, b]).length) return `no entry has both ${text(a)} and ${text(b)}: ${alone(a)}, ${alone(b)}`;
    }
    const without = asked.map((c) => [c, meet(asked.filter((o) => o !== c)).length]).filter(([, n]) => n).map(([c, n]) => `without ${text(c)} there are ${n}`);
    return `no entry has all of ${asked.map(text).join(", ")}${without.length ? `: ${without.join(", ")}` : ""}`;
  }
  const words = (name) => name.replaceAll("_", " ");
  const instead = (c, e) => `Its ${words(c.facet)} is ${(e.has[c.facet] || []).map(words).join(", ") || "not stated"}; asked for is ${text(c)}.`;

  // ---- problems in words

  const FEW = 8, more = one(".more-near", answers);
  more.addEventListener("click", () => { more.hidden = true; one(".near", answers).classList.remove("few"); one(`.near > li:nth-child(${FEW + 1}) a`, answers).focus(); });

  const FILLERS = new Set("a an and are as at be but by can do does for from get has have how i if in into is it its me my of on one or that the their them there they this to want was we what when which will with without you your need needs should".split(" "));
  const stem = (word) => (word.length > 4 ? word.replace(/(ings?|ed|es|s|ly)$/, "") : word);
  const tokens = (said) => said.toLowerCase().match(/[a-z0-9]+/g) || [];
  const spoken = decisions.map((section) => ({
    section, title: new Set(tokens(one("h2", section).textContent + " " + (one(".put", section) || { textContent: "" }).textContent).map(stem)),
    rest: new Set(tokens(all(".forces, .options > li > div > p", section).map((p) => p.textContent).join(" ")).map(stem)),
  }));
  function score(wanted) {  // how much of the problem each decision speaks of; rare words count more
    const has = (set, word) => set.has(word) || (word.length > 3 && [...set].some((other) => other.startsWith(word)));
    const weights = wanted.map((word) => Math.log(1 + spoken.length / (1 + spoken.filter((s) => has(s.title, word) || has(s.rest, word)).length)));
    const total = weights.reduce((a, b) => a + b, 0);
    return spoken.map(({ section, title, rest }) => [section, wanted.reduce((sum, word, i) => sum + weights[i] * (has(title, word) ? 1 : has(rest, word) ? 0.5 : 0), 0) / total]);
  }

  // ---- what is seen

  function arrange(parent, order) {  // nothing is moved that stands right: each move is laid out again
    if (order.some((item, i) => parent.children[i] !== item)) parent.append(...order);
  }
  function show() {
    const wanted = [...new Set(tokens(field.value).filter((w) => !FILLERS.has(w)).map(stem))], now = conditions();
    const ranked = wanted.length ? score(wanted) : decisions.map((section) => [section, 1]);
    const best = Math.max(...ranked.map(([, s]) => s));
    const kept = ranked.filter(([, s]) => s > 0 && s >= 0.6 * best);
    if (wanted.length) kept.sort(([, a], [, b]) => b - a);
    const seen = new Set(kept.map(([section]) => section));
    for (const section of decisions) if (section.hidden === seen.has(section)) section.hidden = !section.hidden;
    arrange(home, [...seen, ...decisions.filter((section) => !seen.has(section))]);
    contents.hidden = wanted.length > 0;
    nothing.hidden = kept.length > 0;
    nothing.textContent = kept.length ? "" : "No problem here is put in these words; say it in others, or set conditions.";

    const missed = new Map(entries.map((e) => [e.id, now.filter((c) => !met(c, e))]));
    const fits = entries.filter((e) => !missed.get(e.id).length), near = entries.filter((e) => missed.get(e.id).length === 1);
    const turns = new Map(now.map((c) => [c, 0]));  // by turns, so that no condition fills the list
    const turn = new Map(near.map((e) => { const [c] = missed.get(e.id); turns.set(c, turns.get(c) + 1); return [e.id, turns.get(c)]; }));
    near.sort((a, b) => turn.get(a.id) - turn.get(b.id));
    answers.hidden = !now.length;
    arrange(one(".pool", answers), [...items.values()]);
    if (now.length) {
      one(".fits", answers).append(...fits.map((e) => items.get(e.id)));
      one(".near", answers).append(...near.map((e) => items.get(e.id)));
      one(".meets", answers).textContent = `${fits.length || "No"} ${fits.length === 1 ? things.replace(/ies$/, "y").replace(/s$/, "") : things} ${fits.length === 1 ? "meets" : "meet"} ${now.length > 1 ? "all conditions" : "the condition"}`;
      const none = one(".why-none", answers);
      none.hidden = fits.length > 0;
      none.textContent = fits.length ? "" : conflict(now).replace(/^no/, "No") + ".";
      more.hidden = near.length <= FEW;
      more.textContent = `Show all ${near.length}`;
      one(".near", answers).classList.add("few");
      one(".nearly", answers).hidden = one(".nearly + .hint", answers).hidden = !near.length;
    }
    const told = (li, id) => {
      const lacks = missed.get(id), p = one(".misses", li);
      li.classList.toggle("out", lacks.length > 0);
      const said = lacks.map((c) => instead(c, entries.find((e) => e.id === id))).join(" ");
      p.hidden = !lacks.length;
      if (p.textContent !== said) p.textContent = said;
    };
    for (const [id, li] of items) told(li, id);
    for (const li of all(".decision .options > li")) told(li, li.dataset.id);

    asked.replaceChildren(...now.map((c) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${text(c)} ×`;
      button.setAttribute("aria-label", `Take out ${text(c)}`);
      button.addEventListener("click", () => { clear(c.facet); change(); field.focus(); });
      return button;
    }));
    const found = wanted.length ? `${kept.length} of ${decisions.length} problems` : "";
    const fitting = now.length ? `${fits.length} of ${entries.length} ${things} meet the conditions, ${near.length} miss one` : "";
    status.textContent = [found, fitting].filter(Boolean).join("; ");
  }

  // ---- the address

  function clear(facet) {
    const group = groups.find((g) => g.dataset.facet === facet);
    for (const input of all("input", group)) if (input.type === "checkbox") input.checked = false; else input.value = "";
  }
  function write() {
    const state = new URLSearchParams();
    if (field.value.trim()) state.set("find", field.value.trim());
    for (const group of groups) {
      const facet = group.dataset.facet;
      if ("number" in group.dataset) {
        const [low, high] = ["low", "high"].map((end) => one(`[data-end=${end}]`, group).value);
        if (low || high) state.set(facet, `${low}..${high}`);
      } else {
        const values = all("input:checked:not([data-not])", group).map((box) => box.value);
        if (values.length) state.set(facet, (one("[data-not]", group).checked ? "!" : "") + values.join(","));
      }
    }
    return state;
  }
  function read() {
    if (location.hash && !location.hash.includes("=")) return;  // a decision's own anchor
    const state = new URLSearchParams(location.hash.slice(1));
    field.value = state.get("find") || "";
    let any = false;
    for (const group of groups) {
      const facet = group.dataset.facet, said = state.get(facet) || "";
      clear(facet);
      any ||= Boolean(said);
      if ("number" in group.dataset) {
        const [low, high] = said.split("..");
        one("[data-end=low]", group).value = low || "";
        one("[data-end=high]", group).value = high || "";
      } else {
        const values = said.replace(/^!/, "").split(",");
        for (const box of all("input:not([data-not])", group)) box.checked = values.includes(box.value);
        one("[data-not]", group).checked = said.startsWith("!");
      }
    }
    if (any) one(".conditions", tools).open = true;
  }
  function change() {
    const state = write();
    history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
    show();
  }
  tools.addEventListener("input", change);
  addEventListener("hashchange", () => { read(); show(); });
  read();
  show();

  // Problems are laid out when they come into sight, from a guess of their height. Those further down are laid out one
  // by one while nothing else is to be done, so that where anything is in the page is no guess; those above stay as they
  // are, for what is read is not to move.
  const guessed = [...decisions];
  const idle = window.requestIdleCallback || ((work) => setTimeout(() => work({ timeRemaining: () => 0 }), 50));
  const settle = (left) => {
    do {
      const section = guessed.shift();
      if (!section) return;
      if (section.getBoundingClientRect().bottom > 0) section.style.contentVisibility = "visible";
      section.getBoundingClientRect();
    } while (left.timeRemaining() > 12);
    idle(settle);
  };
  if (document.readyState === "complete") idle(settle); else addEventListener("load", () => idle(settle));

  if (location.hash && !location.hash.includes("=")) {
    const target = document.getElementById(location.hash.slice(1));
    if (target) target.scrollIntoView();
  }
})();
