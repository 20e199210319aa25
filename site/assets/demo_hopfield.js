/* Hebb's rule and asynchronous recall, on 256 units; nothing is trained, the weights are made here. */
Demos.add("hopfield", async (stage, _, kit) => {
  "use strict";
  const { el } = kit, side = 16, units = side * side;
  const rings = Float32Array.from({ length: units }, (_, i) => (Math.cos(1.25 * Math.hypot((i % side) - 7.5, Math.floor(i / side) - 7.5)) > 0 ? 1 : -1));
  const [goal, field] = ["The stored picture", "The state of the network"].map((label) => kit.canvas(side, side, label));
  let seed = 1, weights = null, state = rings.slice(), run = 0, stores = 0, loaded = 0, order = [];
  const load = kit.slider({ label: "Load: memories per unit", min: 0.01, max: 0.3, step: 0.01, value: 0.05, show: (v) => `${v.toFixed(2)} (${Math.max(1, Math.round(v * units))})`, on: store });
  const noise = kit.slider({ label: "Units flipped in the cue", min: 0, max: 0.5, step: 0.02, value: 0.2, show: (v) => `${Math.round(100 * v)} %`, on: cue });
  const told = el("p", { class: "hint", role: "status" });
  const paint = () => {
    kit.paint(goal, rings.map((v) => (v + 1) / 2), [side, side]);
    kit.paint(field, state.map((v) => (v + 1) / 2), [side, side]);
  };
  const overlap = () => state.reduce((a, v, i) => a + v * rings[i], 0) / units;
  const energy = () => { let e = 0; for (let i = 0; i < units; i++) e -= 0.5 * state[i] * input(i); return e; };
  function input(i) { let h = 0; for (let j = 0; j < units; j++) h += weights[i * units + j] * state[j]; return h; }
  const say = (what) => { told.textContent = `${what} Overlap with the picture ${overlap().toFixed(2)}, energy ${energy().toFixed(1)}.`; };

  async function store() {  // w_ij = sum of x_i x_j over the memories / units, nothing on the diagonal
    const mine = ++stores, of = load.value(), draw = Net.normal(97), count = Math.max(1, Math.round(of * units));
    run++;
    const memories = [rings, ...Array.from({ length: count - 1 }, () => Float32Array.from({ length: units }, () => (draw() > 0 ? 1 : -1)))];
    const sums = new Float32Array(units * units);
    for (const x of memories) {
      for (let i = 0; i < units; i++) for (let j = 0; j < units; j++) if (i !== j) sums[i * units + j] += (x[i] * x[j]) / units;
      await kit.turn();
      if (mine !== stores) return;
    }
    [weights, loaded] = [sums, of];
    stage.memories = memories;
    cue();
  }
  function cue() {
    const draw = Net.normal(seed), order = [...rings.keys()].map((i) => [draw.uniform(), i]).sort((a, b) => a[0] - b[0]);
    state = rings.slice();
    for (const [, i] of order.slice(0, Math.round(noise.value() * units))) state[i] *= -1;
    recall();
  }
  async function recall() {
    const mine = ++run, draw = Net.normal(seed + 1000), before = state.slice();
    order = [];
    paint();
    let sweep = 0, moved = true;
    while (moved && sweep < 20) {
      moved = false;
      sweep++;
      const visit = [...state.keys()].map((i) => [draw.uniform(), i]).sort((a, b) => a[0] - b[0]).map(([, i]) => i);
      order.push(visit);
      for (let k = 0; k < units; k++) {
        const h = input(visit[k]), to = h === 0 ? state[visit[k]] : Math.sign(h);
        moved ||= to !== state[visit[k]];
        state[visit[k]] = to;
        if (k % 64 === 63) {
          paint();
          await kit.frame();
          if (mine !== run) return;
        }
      }
    }
    say(`At rest after ${sweep} sweeps.`);
    stage.shown = { load: loaded, memories: stage.memories.map((x) => [...x]), cue: [...before], order, state: [...state], overlap: overlap() };
  }
  field.addEventListener("pointerdown", (event) => {  // draw on the state: it finds its way back, or not
    const box = field.getBoundingClientRect(), x = Math.floor(((event.clientX - box.left) / box.width) * side), y = Math.floor(((event.clientY - box.top) / box.height) * side);
    run++;
    for (let i = -1; i <= 1; i++) for (let j = -1; j <= 1; j++) if (y + i >= 0 && y + i < side && x + j >= 0 && x + j < side) state[(y + i) * side + x + j] *= -1;
    paint();
    say("Changed by hand.");
  });
  await kit.turn();
  paint();
  stage.append(
    el("div", { class: "cells" }, kit.figure(goal, "The stored picture"), kit.figure(field, "The state; click to damage it")), told, load, noise,
    el("p", { class: "controls" }, kit.button("Recall", recall), kit.button("Another cue", () => { seed++; cue(); })),
  );
  await store();
});
