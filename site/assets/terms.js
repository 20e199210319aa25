/* Shows what a term means beside it: on pointing, on focus, at a finger's first tap; Escape closes. Screen readers read the description itself. */
(function () {
  "use strict";
  const shown = document.createElement("div");
  shown.className = "term-tip";
  shown.hidden = true;
  shown.setAttribute("aria-hidden", "true");
  let owner = null, leaving = 0, tapped = null;
  const home = document.querySelector(".md-content__inner") || document.body;
  home.append(shown);

  function show(link) {
    clearTimeout(leaving);
    const meaning = document.getElementById(link.getAttribute("aria-describedby"));
    if (!meaning || owner === link) return;
    owner = link;
    shown.innerHTML = "";
    const copy = meaning.cloneNode(true);
    copy.removeAttribute("id");
    shown.append(copy);
    shown.hidden = false;
    shown.style.left = shown.style.top = "0";
    const at = link.getClientRects()[0], base = shown.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - base.width - 8));
    const above = at.top - base.height - 6;
    shown.style.left = `${left - base.left}px`;
    shown.style.top = `${(above > 60 ? above : at.bottom + 6) - base.top}px`;
  }
  function hide() {
    owner = null;
    shown.hidden = true;
  }
  const later = () => { leaving = setTimeout(hide, 150); };  // so that one can move onto it and read on
  for (const link of document.querySelectorAll("a.term")) {
    link.addEventListener("mouseenter", () => show(link));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("mouseleave", later);
    link.addEventListener("blur", hide);
    // a finger cannot point: its first tap shows the meaning, the next one follows the link
    link.addEventListener("pointerdown", ({ pointerType }) => { tapped = pointerType === "touch" && owner !== link ? link : null; });
    link.addEventListener("click", (event) => {
      if (tapped === link) {
        event.preventDefault();
        show(link);
      }
      tapped = null;
    });
  }
  shown.addEventListener("mouseenter", () => clearTimeout(leaving));
  shown.addEventListener("mouseleave", later);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && owner) hide(); });
})();
