/* Two to four patterns side by side, chosen by name, in the address as #ids=vae,gan. The table of all is there without it. */
(function () {
  "use strict";
  const tools = document.querySelector(".comparing"), out = document.querySelector(".beside");
  if (!tools) return;
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const { names, failures, relations, numbers, decisions } = JSON.parse(document.getElementById("compared").textContent);
  const rows = new Map(all("table.all-facets tbody tr").map((tr) => [tr.dataset.id, tr]));
  const facets = all("table.all-facets thead th").slice(1).map((th) => th.textContent);
  const inputs = all("input", tools), status = tools.querySelector("[role=status]");
  const title = (id) => rows.get(id).querySelector("a").textContent;
  const key = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
  const known = new Map();
  for (const [id, forms] of Object.entries(names)) for (const form of forms) known.set(key(form), id);
  for (const id of rows.keys()) known.set(key(title(id)), id).set(key(id), id);  // an id is always what it says
  const find = (text) => known.get(key(text)) || known.get(key(text).replace(/s$/, ""));

  function el(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  const html = (tag, inside) => { const made = el(tag); made.innerHTML = inside; return made; };  // made by the site's own build
  const link = (id) => el("a", { href: `patterns/${id}.html` }, title(id));
  const claim = (full, said) => { const [id, name] = full.split("."); return el("a", { href: `patterns/${id}.html#claim-${name}` }, said); };
  function table(ids, label, body) {
    const head = el("thead", {}, el("tr", {}, el("td"), ...ids.map((id) => el("th", { scope: "col", class: [...rows.get(id).classList].find((c) => c.startsWith("f-")) }, link(id)))));
    const made = el("table", { style: `--of:${ids.length}` }, head, el("tbody", {}, ...body));
    return el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": label }, made);
  }
  const row = (name, cells, cls = "") => el("tr", { class: cls }, el("th", { scope: "row" }, name), ...cells);
  const group = (name, n) => el("tr", { class: "group" }, el("th", { scope: "rowgroup", colspan: String(n + 1) }, el("span", {}, name)));

  function joined(ids) {
    const found = relations.filter(([a, , b]) => ids.includes(a) && ids.includes(b));
    if (!found.length) return [el("p", {}, "No relation between them is stated.")];
    return found.map(([a, type, b, why, proven]) => {
      const head = el("p", {}, link(a), ` ${type} `, link(b));
      if (proven) head.append(", ", claim(proven, "proven by a claim"));
      return el("div", { class: "joint" }, head, html("p", why));
    });
  }
  function facetRows(ids) {
    const values = facets.map((name, i) => [name, ids.map((id) => rows.get(id).cells[i + 1].textContent)]);
    const differ = values.filter(([, of]) => new Set(of).size > 1), same = values.filter(([, of]) => new Set(of).size === 1 && of[0]);
    const cells = (of) => of.map((value) => el("td", {}, value || "not stated"));
    return [group("Where they differ", ids.length), ...differ.map(([name, of]) => row(name, cells(of), "differs")), group("The same for all", ids.length), ...same.map(([name, of]) => row(name, cells(of), "same"))];
  }
  function measured(ids) {
    const found = numbers.filter((n) => ids.filter((id) => id in n.values).length > 1);
    if (!found.length) return [el("p", {}, "No measured number of one of them stands beside a number of another.")];
    const body = [];
    for (const [how, said] of [["test", "By one test"], ["task", "On the same task, each by a test of its own: data are the same, steps and sizes may not be"], ["tournament", "In the tournament: the same data and the same training time, median of the seeds"]]) {
      const mine = found.filter((n) => n.how === how);
      if (!mine.length) continue;
      body.push(group(said, ids.length));
      for (const n of mine) {
        const cells = ids.map((id) => {
          if (!(id in n.values)) return el("td");
          const cell = el("td", {}, el("b", {}, n.values[id]), n.unit ? ` ${n.unit}` : "");
          cell.append(el("small", {}, n.words[id] ? `${n.words[id]}, ` : "", n.link ? el("a", { href: n.link }, "tournament") : claim(n.claims[id], "claim")));
          return cell;
        });
        const what = html("span", n.what);
        body.push(row(what, cells));
      }
    }
    return [table(ids, "Measured against each other", body)];
  }
  function choices(ids) {
    const found = decisions.filter(([, , why]) => ids.filter((id) => id in why).length > 1);
    if (!found.length) return [el("p", {}, "No problem names two of them as answers.")];
    return [table(ids, "For which problem which", found.map(([id, problem, why]) => {
      const name = el("a", { href: `choose.html#${id}` });
      name.innerHTML = problem;
      return row(name, ids.map((p) => html("td", why[p] || "")));
    }))];
  }
  function fails(ids) {
    const cells = ids.map((id) => {
      const list = el("dl");
      for (const [name, symptom] of failures[id] || []) list.append(el("dt", {}, name), html("dd", symptom));
      return el("td", {}, list);
    });
    return [table(ids, "How they fail", [row("Failures", cells)])];
  }
  function typeset() {
    if (!window.katex) return;
    for (const span of all(".arithmatex", out)) {
      const text = span.textContent;
      window.katex.render(text.slice(2, -2), span, { displayMode: text.startsWith("\\["), throwOnError: false });
    }
  }

  function show(ids) {
    out.hidden = ids.length < 2;
    out.replaceChildren();
    if (ids.length < 2) return;
    const part = (title, inside) => out.append(el("h2", {}, title), ...inside);
    part("What joins them", joined(ids));
    part("Facets", [table(ids, "Facets", facetRows(ids))]);
    part("Measured against each other", measured(ids));
    part("For which problem which", choices(ids));
    part("How they fail", fails(ids));
    typeset();
  }
  function change(write) {
    const ids = [];
    const unknown = [];
    for (const input of inputs) {
      const said = input.value.trim(), id = said && find(said);
      input.setAttribute("aria-invalid", String(Boolean(said && !id)));
      if (id && !ids.includes(id)) ids.push(id);
      else if (said && !id) unknown.push(said);
    }
    if (write) history.replaceState(null, "", ids.length ? `#ids=${ids.join(",")}` : location.pathname + location.search);
    show(ids);
    const wait = unknown.length ? `There is no ${unknown.join(", no ")}.` : "";
    status.textContent = ids.length > 1 ? `Comparing ${ids.map(title).join(", ")}. ${wait}` : wait || "Name at least two.";
  }
  function read() {
    const asked = (new URLSearchParams(location.hash.slice(1)).get("ids") || "").split(",").map(find).filter(Boolean).slice(0, inputs.length);
    if (asked.length) inputs.forEach((input, i) => { input.value = asked[i] ? title(asked[i]) : ""; });
    change(false);
  }
  for (const input of inputs) input.addEventListener("change", () => change(true));
  addEventListener("hashchange", read);
  read();
})();
