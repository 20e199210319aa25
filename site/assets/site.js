/* What the theme forgets. Pages can be read without it. */
(function () {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const one = (selector, root) => (root || document).querySelector(selector);
  const WIDE = "div.arithmatex, .katex-display, .md-typeset__scrollwrap:not(.table-scroll *), .table-scroll:not([role]), .annotated pre, pre > code";

  function reach(boxes) {  // what scrolls is reached by keys; what waits for the eye is told when it is laid out
    const seen = boxes.filter((box) => box.checkVisibility({ contentVisibilityAuto: true }));
    const wide = seen.map((box) => box.scrollWidth > box.clientWidth);
    seen.forEach((box, i) => { if (wide[i]) box.tabIndex = 0; else box.removeAttribute("tabindex"); });
  }

  function watch() {  // windows and disclosures change boxes, fonts that come late change what is in them
    const changes = new ResizeObserver((found) => reach(found.map(({ target }) => target)));
    for (const box of all(WIDE)) changes.observe(box);
    document.fonts.addEventListener("loadingdone", () => reach(all(WIDE)));
  }

  function theme() {  // what the theme does not know or forgets
    const tab = one(".head") && all(".md-tabs__link").find((link) => link.pathname.endsWith("/patterns/index.html"));
    if (tab) tab.parentElement.classList.add("md-tabs__item--active");
    const buttons = () => {  // to copy with, which come with their code into view: no navigation of the page
      for (const group of all(".md-code__nav:not([role])")) group.setAttribute("role", "none");
    };
    const come = new MutationObserver(buttons);
    for (const code of all("pre:has(> code)")) come.observe(code, { childList: true });
    const bar = Object.assign(document.createElement("meta"), { name: "theme-color" });  // of a phone's browser
    const tint = () => { bar.content = getComputedStyle(document.body).backgroundColor; };
    document.head.append(bar);
    addEventListener("change", ({ target }) => { if (target.name === "__palette") tint(); });
    addEventListener("load", () => {
      buttons();
      tint();
      watch();
    });
  }

  theme();
})();
