/* Copy buttons, symbols that are marked in the table of the formula and in the code together, and jumps that end where they lead. */
(function () {
  "use strict";
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  function select(element) {  // so that Ctrl+C copies it
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  async function copied(element) {
    const text = element.value === undefined ? element.textContent : element.value;
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {  // no permission, or a page that was opened as a file
      const aside = document.createElement("textarea");
      aside.value = text;
      aside.style.cssText = "position:fixed;top:0;left:0;opacity:0";
      document.body.append(aside);
      aside.select();
      const done = document.execCommand("copy");
      aside.remove();
      return done;
    }
  }

  const said = document.createElement("p");
  said.className = "said-aloud";
  said.setAttribute("role", "status");
  document.querySelector("article").append(said);

  for (const button of all("button.copy")) {
    const element = document.getElementById(button.dataset.copy);
    if (!element) continue;
    button.hidden = false;
    let timer;
    button.addEventListener("click", async () => {
      const done = await copied(element);
      button.focus();
      if (!done) {
        element.hidden = false;
        if (element.select) element.select(); else select(element);
      }
      button.textContent = done ? "Copied" : "Selected: Ctrl+C";
      said.textContent = done ? "Copied" : "Selected, press Ctrl+C to copy";
      clearTimeout(timer);
      timer = setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2500);
    });
  }

  const symbols = new Map();
  for (const element of all("[data-symbol]")) {
    const key = element.dataset.symbol;
    symbols.set(key, [...(symbols.get(key) || []), element]);
  }
  for (const group of symbols.values()) {
    const mark = (on) => () => { for (const element of group) element.classList.toggle("on", on); };
    for (const element of group) {
      element.addEventListener("mouseenter", mark(true));
      element.addEventListener("mouseleave", mark(false));
      element.addEventListener("focusin", mark(true));
      element.addEventListener("focusout", mark(false));
    }
  }

  // ---- a jump: what is laid out on the way may be higher or lower than it was taken for, so go there until it stays,
  // or until one scrolls on

  let settling = 0, moved = false;
  function settle() {
    const target = document.querySelector(":target");
    if (!target || moved || performance.now() > settling) return;
    target.scrollIntoView();
    requestAnimationFrame(() => requestAnimationFrame(settle));
  }
  function arrive() {
    settling = performance.now() + 500;
    settle();
  }
  for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(type, () => { moved = true; }, { passive: true });
  addEventListener("hashchange", () => { moved = false; arrive(); });
  if (location.hash) addEventListener("load", arrive, { once: true });
})();
