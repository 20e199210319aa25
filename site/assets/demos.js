/* Live demos: what a click on "Run it here" loads, and the controls that all of them are made of. */
(function () {
  "use strict";
  const starts = {}, loading = {};

  function el(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  function load(src) {  // once each; a script and no fetch, so that a page opened from a file works too
    loading[src] ||= new Promise((resolve, reject) => {
      document.head.append(el("script", { src, onload: resolve, onerror: () => reject(new Error(`${src} cannot be loaded`)) }));
    });
    return loading[src];
  }

  let count = 0;
  const kit = {
    el,
    // A labelled slider with its value beside it; `on` is called with the number, also once at the start if `now`.
    slider({ label, min, max, step, value, on, show = String }) {
      const id = `demo-${++count}`, told = el("output", { for: id }, show(value));
      const input = el("input", { id, type: "range", min, max, step, value, oninput: () => { told.textContent = show(+input.value); on(+input.value); } });
      const row = el("div", { class: "slider" }, el("label", { for: id }, label), input, told);
      row.set = (v) => { input.value = v; told.textContent = show(+input.value); };
      row.value = () => +input.value;
      return row;
    },
    choice({ label, options, value, on }) {
      const id = `demo-${++count}`;
      const input = el("select", { id, onchange: () => on(input.value) }, ...options.map(([v, text]) => el("option", { value: v, selected: v === value }, text)));
      const row = el("div", { class: "slider" }, el("label", { for: id }, label), input);
      row.value = () => input.value;
      return row;
    },
    button: (text, on) => el("button", { type: "button", class: "md-button", onclick: on }, text),
    // A canvas with its caption below.
    figure: (canvas, caption) => el("figure", {}, canvas, el("figcaption", {}, caption)),
    canvas: (width, height, label) => el("canvas", { width, height, role: "img", "aria-label": label }),
    // Numbers in [0, 1] as pixels of a canvas: (H, W) from ink on paper, (3, H, W) in color.
    paint(canvas, data, shape) {
      const [h, w] = shape.slice(-2), color = shape.length > 2 && shape[shape.length - 3] === 3, n = h * w;
      if (canvas.width !== w) canvas.width = w;
      if (canvas.height !== h) canvas.height = h;
      const context = canvas.getContext("2d"), image = context.createImageData(w, h);
      for (let i = 0; i < n; i++)
        for (let c = 0; c < 4; c++) {
          const value = color ? data[i + c * n] : 1 - data[i];
          image.data[4 * i + c] = c === 3 ? 255 : Math.round(255 * Math.min(1, Math.max(0, value)));
        }
      context.putImageData(image, 0, 0);
    },
    // What takes a while, at most once at a time: calls meanwhile become one more, with what the controls say then.
    latest(work) {
      let busy = false, wanted = false;
      return async () => {
        wanted = true;
        if (busy) return;
        for (busy = true; wanted;) { wanted = false; await work(); }
        busy = false;
      };
    },
    bytes({ bytes }) {
      const text = atob(bytes), out = new Float32Array(text.length);
      for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i) / 255;
      return out;
    },
    colors: ["#1f6fd0", "#c8472f", "#1b8a5a", "#8a4fc2", "#b07a00", "#0a8a9a", "#b8337a", "#6b7a00", "#4a5568", "#d06a1f"],
  };

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  // A task of its own, after those that wait. Timers come late where one follows another, messages do not.
  const { port1, port2 } = new MessageChannel(), sent = [];
  port1.onmessage = () => sent.shift()();
  const message = (done) => { sent.push(done); port2.postMessage(null); };
  // Time, for one demo. `turn` comes back when the page could answer; nothing is to be awaited unless much was computed
  // since it last did. `frame` comes back when the next picture of an animation is due, at least `least` milliseconds
  // after the last one, and waits while the demo is not on the screen; where motion is not wanted it is a turn. `worth`
  // tells whether a picture between is to be drawn: all, or seven in a second where computing takes longer than `least`.
  function pace(stage) {
    const waiting = [];
    let on = true, last = performance.now(), drawn = 0;
    new IntersectionObserver((entries) => {
      on = entries[entries.length - 1].isIntersecting;
      if (on) for (const wake of waiting.splice(0)) wake();
    }).observe(stage);
    const after = (wait) => new Promise(wait).then(() => { last = performance.now(); });
    const turn = () => (performance.now() - last > 12 ? after(message) : undefined);
    async function frame(least = 0) {
      if (still.matches) return turn();
      const due = drawn + least;
      do {
        while (!on) await new Promise((done) => waiting.push(done));
        await new Promise((done) => requestAnimationFrame(done));
      } while (performance.now() < due - 4);
      drawn = last = performance.now();
    }
    function worth(least) {
      const since = performance.now() - drawn;
      return !still.matches && (since <= least || since > 150);
    }
    return { turn, frame, worth, still: () => still.matches };
  }

  window.Demos = {
    add(id, start) { starts[id] = start; },
    load,
    kit,
  };

  for (const demo of document.querySelectorAll(".demo")) {
    const button = demo.querySelector(".start"), stage = demo.querySelector(".stage"), said = demo.querySelector("[role=status]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      said.textContent = "Loading …";
      try {
        for (const src of demo.dataset.scripts.split(" ")) await load(src);
        await new Promise(message);
        said.textContent = "";
        stage.hidden = false;
        await starts[demo.dataset.demo](stage, window.programs || {}, { ...kit, ...pace(stage) });
        demo.classList.add("running");
        button.hidden = true;
        const first = stage.querySelector("input, button, select");
        if (first) first.focus({ preventScroll: true });
      } catch (error) {
        said.textContent = `This demo cannot run here: ${error.message}`;
        button.disabled = false;
        throw error;
      }
    });
  }
})();
