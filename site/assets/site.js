/* Mathematics, the gallery's filters and the graph. Pages can be read without it. */
(function () {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const one = (selector, root) => (root || document).querySelector(selector);

  function typeset() {
    if (!window.katex) return;
    for (const element of all(".arithmatex")) {
      const tex = element.textContent.trim();
      const display = tex.startsWith("\\[");
      window.katex.render(tex.slice(2, -2), element, { displayMode: display, throwOnError: false });
    }
    for (const wide of all(".katex-display")) if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;  // it scrolls: let keys reach it
  }

  function gallery() {
    const tools = one(".families") && one(".tools");
    if (!tools) return;
    tools.hidden = false;
    const field = one("input", tools), buttons = all("button", tools), status = one("[role=status]", tools);
    const cards = all(".families .card"), sections = all(".families .family");
    const state = () => new URLSearchParams(location.hash.slice(1));

    function apply() {
      const family = state().get("family") || "", wanted = (state().get("find") || "").toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const card of cards) {
        const hit = (!family || card.dataset.family === family) && wanted.every((word) => card.dataset.text.includes(word));
        card.hidden = !hit;
        shown += hit;
      }
      for (const section of sections) section.hidden = !one(".card:not([hidden])", section);
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.family === family));
      status.textContent = shown === cards.length ? `${shown} patterns` : `${shown} of ${cards.length} patterns`;
    }
    function remember(key, value) {
      const next = state();
      if (value) next.set(key, value); else next.delete(key);
      history.replaceState(null, "", next.size ? `#${next}` : location.pathname);
      apply();
    }
    for (const button of buttons) button.addEventListener("click", () => remember("family", button.dataset.family));
    field.value = state().get("find") || "";
    field.addEventListener("input", () => remember("find", field.value.trim()));
    addEventListener("hashchange", () => { field.value = state().get("find") || ""; apply(); });
    apply();
  }

  function graph() {
    const root = one(".explorer");
    if (!root) return;
    const tools = one(".tools", root), field = one("input[type=search]", root), status = one("[role=status]", root), told = one(".told", root);
    const names = JSON.parse(one("script[type='application/json']", root).textContent);
    const drawings = all("svg.timeline", root).map((svg) => ({ svg, nodes: all("a.node", svg), edges: all("g.edge", svg) }));
    const chosen = (name) => new Set(all(`input[name=${name}]:checked`, root).map((box) => box.value));
    const visible = (node) => !node.classList.contains("off") && !node.classList.contains("dim");
    const title = (node) => node.getAttribute("aria-label");
    tools.hidden = false;

    function apply() {
      const families = chosen("family"), types = chosen("type"), wanted = field.value.trim().toLowerCase();
      for (const { nodes, edges } of drawings) {
        const off = new Set();
        for (const node of nodes) {
          const hit = wanted && names[node.dataset.id].includes(wanted);
          node.classList.toggle("off", !families.has(node.dataset.family));
          node.classList.toggle("hit", Boolean(hit));
          node.classList.toggle("dim", Boolean(wanted) && !hit);
          if (!families.has(node.dataset.family)) off.add(node.dataset.id);
        }
        for (const { dataset, classList } of edges) classList.toggle("off", !types.has(dataset.type) || off.has(dataset.source) || off.has(dataset.target));
        rove(nodes, nodes.find(visible));
      }
      const { nodes } = drawings[0], shown = nodes.filter(visible).length;
      status.textContent = shown === nodes.length ? `${shown} patterns` : `${shown} of ${nodes.length} patterns`;
    }
    function rove(nodes, current) {  // one stop for the Tab key, arrows from there
      for (const node of nodes) node.tabIndex = node === current ? 0 : -1;
    }
    function focus({ svg, nodes, edges }, id) {
      const near = new Set([id]), said = [];
      svg.classList.toggle("focus", Boolean(id));
      for (const edge of edges) {
        const { source, target, type } = edge.dataset;
        const on = id && !edge.classList.contains("off") && (source === id || target === id);
        edge.classList.toggle("on", Boolean(on));
        if (on) { near.add(source).add(target); said.push([source, type, target]); }
      }
      for (const node of nodes) node.classList.toggle("near", near.has(node.dataset.id));
      const name = (key) => title(nodes.find((node) => node.dataset.id === key)).replace(/, \d+$/, "");
      told.textContent = id ? said.map(([s, t, o]) => `${name(s)} ${t.replaceAll("_", " ")} ${name(o)}`).join(" · ") || `${name(id)}: no relation is shown` : "";
    }
    function step(nodes, from, [dx, dy]) {
      const center = (node) => { const b = node.getBBox(); return [b.x + b.width / 2, b.y + b.height / 2]; };
      const [x, y] = center(from);
      let best = null, least = Infinity;
      for (const node of nodes) {
        if (node === from || !visible(node)) continue;
        const [u, v] = center(node), along = (u - x) * dx + (v - y) * dy, aside = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
        if (along > 4 && along + 2 * aside < least) { least = along + 2 * aside; best = node; }
      }
      return best;
    }
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    for (const drawing of drawings) {
      for (const node of drawing.nodes) {
        node.addEventListener("mouseenter", () => focus(drawing, node.dataset.id));
        node.addEventListener("mouseleave", () => focus(drawing, null));
        node.addEventListener("focus", () => { rove(drawing.nodes, node); focus(drawing, node.dataset.id); });
        node.addEventListener("blur", () => focus(drawing, null));
      }
      drawing.svg.addEventListener("keydown", (event) => {
        const from = event.target.closest("a.node"), to = from && ways[event.key] && step(drawing.nodes, from, ways[event.key]);
        if (to) { event.preventDefault(); to.focus(); }
      });
    }
    for (const box of all("input[type=checkbox]", root)) box.addEventListener("change", apply);
    field.addEventListener("input", apply);
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      for (const { svg, nodes } of drawings) {
        const hit = nodes.find((node) => node.classList.contains("hit") && visible(node));
        if (hit && getComputedStyle(svg).display !== "none") hit.focus();
      }
    });
    apply();
  }

  function theme() {  // what the theme does not know or forgets
    const tab = one(".head") && all(".md-tabs__link").find((link) => link.pathname.endsWith("/patterns/index.html"));
    if (tab) tab.parentElement.classList.add("md-tabs__item--active");
    const search = one(".md-search[role=dialog]");
    if (search && !search.hasAttribute("aria-label")) search.setAttribute("aria-label", "Search");
  }

  theme();
  gallery();
  graph();
  typeset();
})();
