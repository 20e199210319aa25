/* What a reader has ticked, kept in this browser alone; and fields that filter what follows. The page is whole without it. */
(function () {
  "use strict";
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const key = (way) => `way:${way}`;
  function read(way) {
    try { return new Set(JSON.parse(localStorage.getItem(key(way)) || "[]")); } catch { return new Set(); }
  }
  function keep(way, ticked) {  // nothing is kept of a way on which nothing is ticked
    try {
      if (ticked.size) localStorage.setItem(key(way), JSON.stringify([...ticked]));
      else localStorage.removeItem(key(way));
    } catch { /* a browser that keeps nothing: the ticks last as long as the page */ }
  }

  for (const list of all("ol.steps[data-way]")) {
    const way = list.dataset.way, boxes = all(".tick input", list), told = document.querySelector(".progress");
    const ticked = read(way);
    function show() {
      for (const box of boxes) {
        box.checked = ticked.has(box.value);
        box.closest("li").classList.toggle("read", box.checked);
      }
      told.querySelector("[role=status]").textContent = `${boxes.filter((box) => box.checked).length} of ${boxes.length} read.`;
      told.querySelector("button").hidden = !ticked.size;
    }
    for (const box of boxes) {
      box.parentElement.hidden = false;
      box.addEventListener("change", () => {
        if (box.checked) ticked.add(box.value); else ticked.delete(box.value);
        keep(way, ticked);
        show();
      });
    }
    told.querySelector("button").addEventListener("click", () => { ticked.clear(); keep(way, ticked); show(); boxes[0].focus(); });
    told.hidden = false;
    show();
  }

  for (const card of all(".way[data-way]")) {
    const done = read(card.dataset.way).size;
    if (!done) continue;
    const said = card.querySelector(".done");
    said.textContent = `${done} of ${card.dataset.steps} read`;
    said.hidden = false;
  }

  for (const tools of all(".tools[data-filter]")) {
    const field = tools.querySelector("input"), status = tools.querySelector("[role=status]");
    const items = all(".exercise, .misconception, .glossary > div").map((item) => [item, item.textContent.toLowerCase()]);
    const groups = all("section.group");
    function apply() {
      const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [item, text] of items) {
        item.hidden = !wanted.every((word) => text.includes(word));
        shown += !item.hidden;
      }
      for (const group of groups) group.hidden = !group.querySelector(".misconception:not([hidden])");
      status.textContent = wanted.length ? `${shown} of ${items.length} ${tools.dataset.filter}` : "";
    }
    const state = () => new URLSearchParams(location.hash.slice(1)).get("find") || "";
    field.addEventListener("input", () => {
      history.replaceState(null, "", field.value.trim() ? `#${new URLSearchParams({ find: field.value.trim() })}` : location.pathname);
      apply();
    });
    addEventListener("hashchange", () => { if (state()) { field.value = state(); apply(); } });
    field.value = state();
    apply();
  }
})();
