/* The gallery: filters, order, and both in the address. Without it all cards are there, by family. */
(function () {
  "use strict";
  const root = document.querySelector(".browse");
  if (!root) return;
  const all = (selector, within) => Array.from((within || root).querySelectorAll(selector));
  const one = (selector, within) => (within || root).querySelector(selector);
  const form = one(".filters"), field = one("[name=find]"), order = one("select"), more = one(".more");
  const status = one("[role=status]"), active = one(".active"), none = one(".none");
  const families = one(".families"), sorted = one(".sorted"), sections = all(".family");
  const things = root.dataset.things || "patterns";
  const boxes = all("input[type=checkbox]").map((box) => ({
    box, facet: box.name, value: `${box.name}=${box.value}`, group: box.closest("details"),
    label: one("span", box.parentElement).textContent, count: one("b", box.parentElement),
  }));
  const orders = new Set(all("option", order).map(({ value }) => value));
  const facets = [...new Set(boxes.map(({ facet }) => facet))];
  const titles = Object.fromEntries(all("details").map(({ dataset }) => [dataset.facet, dataset.title]));
  const cards = all(".card").map((li) => ({
    li, home: li.parentElement, name: one("a", li).textContent, text: li.dataset.text,
    values: new Set(JSON.parse(li.dataset.values)), ranks: JSON.parse(li.dataset.ranks),
  }));

  // ---- state: what is asked, as it stands in the address

  const read = () => new URLSearchParams(location.hash.slice(1));
  function ask(asked) {
    const chosen = facets.map((facet) => asked.getAll(facet).map((v) => `${facet}=${v}`)).filter((values) => values.length);
    return { asked, chosen, words: (asked.get("find") || "").toLowerCase().split(/\s+/).filter(Boolean) };
  }
  const meets = (card, { chosen, words }, but) =>
    words.every((word) => card.text.includes(word)) && chosen.every((values) => values === but || values.some((v) => card.values.has(v)));
  function remember(asked, anew) {  // a step back for each choice, one for a word while it is typed
    const address = asked.size ? `#${asked}` : location.pathname + location.search;
    if (anew) history.pushState(null, "", address); else history.replaceState(null, "", address);
    show();
  }
  function without(asked, key, value) {
    const rest = new URLSearchParams(asked);
    if (value === undefined) rest.delete(key); else rest.delete(key, value);
    return rest;
  }

  // ---- what is seen

  function show() {
    const question = ask(read()), { asked } = question;
    let shown = 0;
    for (const card of cards) {
      const hit = meets(card, question);
      if (card.li.hidden === hit) card.li.hidden = !hit;
      shown += hit;
    }
    arrange(orders.has(asked.get("sort")) ? asked.get("sort") : "");
    for (const section of sections) {
      const n = all(".card:not([hidden])", section).length;
      section.hidden = !n;
      section.className = section.className.replace(/wide-\d/, `wide-${Math.min(n, 4)}`);
    }
    count(question);
    list(asked);
    const said = shown === cards.length ? `${shown} ${things}` : `${shown} of ${cards.length} ${things}`;
    if (status.textContent !== said) status.textContent = said;
    none.hidden = shown > 0;
    if (!shown) explain(question); else none.replaceChildren();
    if (document.activeElement !== field) field.value = asked.get("find") || "";
    for (const { box, facet } of boxes) box.checked = asked.getAll(facet).includes(box.value);
  }

  function arrange(key) {
    if (sorted.dataset.key === key) return;
    sorted.dataset.key = key;
    order.value = key;
    families.hidden = Boolean(key);
    sorted.hidden = !key;
    const sign = key.startsWith("-") ? -1 : 1, name = key.replace(/^-/, "");
    const rank = ({ ranks }) => (ranks[name] === undefined ? Infinity : sign * ranks[name]);
    const by = (a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)) || a.name.localeCompare(b.name);
    if (key) sorted.append(...[...cards].sort(by).map(({ li }) => li));
    else for (const { li, home } of cards) home.append(li);
  }

  function count(question) {  // what a box would leave, given all that is asked of other facets
    for (const facet of facets) {
      const own = question.chosen.find(([value]) => value.startsWith(`${facet}=`)), left = cards.filter((card) => meets(card, question, own));
      for (const { facet: of, value, count } of boxes) if (of === facet) {
        const n = String(left.filter((card) => card.values.has(value)).length);
        if (count.textContent !== n) count.textContent = n;
      }
    }
  }

  function button(text, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", action);
    return made;
  }

  function parts(asked) {  // each thing that is asked: what it is called, and the question without it
    const of = boxes.filter(({ box }) => asked.getAll(box.name).includes(box.value))
      .map(({ box, facet, label }) => [`${titles[facet]}: ${label}`, without(asked, facet, box.value)]);
    return asked.get("find") ? [[`“${asked.get("find")}”`, without(asked, "find")], ...of] : of;
  }

  function list(asked) {
    const items = parts(asked).map(([name, rest]) => {
      const item = document.createElement("li"), drop = button(name, () => { remember(rest, true); (one("button", active) || field).focus(); });
      drop.setAttribute("aria-label", `Remove ${name}`);
      item.append(drop);
      return item;
    });
    if (items.length > 1) {
      const item = document.createElement("li");
      item.append(button("Clear all", () => { clear(); field.focus(); }));
      items.push(item);
    }
    active.replaceChildren(...items);
  }

  function clear() {
    const rest = new URLSearchParams();
    if (order.value) rest.set("sort", order.value);
    remember(rest, true);
  }

  function explain({ asked }) {  // what would have to go for something to be left
    const text = document.createElement("p"), drops = [];
    for (const [name, rest] of parts(asked)) {
      const question = ask(rest), n = cards.filter((card) => meets(card, question)).length;
      if (n) drops.push(button(`${name} (${n})`, () => { remember(rest, true); field.focus(); }));
    }
    text.append(`No ${things.replace(/ies$/, "y").replace(/s$/, "")} has all of this. `);
    if (drops.length) text.append("Drop ", ...drops.flatMap((drop, i) => (i ? [" or ", drop] : [drop])));
    else text.append("No single one of these stands in the way: ", button("clear all", () => { clear(); field.focus(); }));
    none.replaceChildren(text);
  }

  // ---- what people do

  for (const { box, facet } of boxes) box.addEventListener("change", () => {
    const asked = without(read(), facet, box.value);
    if (box.checked) asked.append(facet, box.value);
    remember(asked, true);
  });
  field.addEventListener("input", () => {
    const asked = read(), before = asked.get("find"), now = field.value.trim();
    if (now) asked.set("find", now); else asked.delete("find");
    remember(asked, Boolean(before) !== Boolean(now));
  });
  order.addEventListener("change", () => {
    const asked = read();
    if (order.value) asked.set("sort", order.value); else asked.delete("sort");
    remember(asked, true);
  });
  more.addEventListener("click", () => more.setAttribute("aria-expanded", String(form.classList.toggle("open"))));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("popstate", () => { field.value = read().get("find") || ""; show(); });
  for (const { box, group } of boxes) if (read().getAll(box.name).includes(box.value)) group.open = true;
  show();
})();
