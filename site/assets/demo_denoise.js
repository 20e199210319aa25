/* Noise becomes digits, step by step: deterministic steps (DDIM) of a guided diffusion model. */
Demos.add("denoise", async (stage, programs, kit) => {
  "use strict";
  const { el } = kit, program = programs["classifier_free_guidance-noise"], noise = await Net.load.patiently(kit.turn, program), abar = program.facts.abar;
  const last = abar.length - 1, none = 10, n = 3, cells = Array.from({ length: n }, (_, i) => kit.canvas(8, 8, `Sample ${i + 1}`));
  let seed = 1, run = 0;
  const label = kit.choice({
    label: "Digit", value: "3", on: play,
    options: [["", "no label"], ...Array.from({ length: 10 }, (_, i) => [String(i), String(i)])],
  });
  const weight = kit.slider({ label: "Guidance w", min: 0, max: 8, step: 0.5, value: 2, on: play });
  const steps = kit.slider({ label: "Steps", min: 2, max: 50, step: 1, value: 12, on: play });
  const step = el("p", { class: "hint" }), told = el("p", { class: "unseen", role: "status" });

  // eps_u + w (eps_c - eps_u); one pass instead of two where w or the label makes the other idle
  async function guided(x, t, y, w) {
    const at = async (label) => (await noise.patiently(kit.turn, x, [t / last], [label]))[0].data;
    if (y === "" || w === 0) return at(none);
    const given = await at(+y);
    if (w === 1) return given;
    const plain = await at(none);
    return plain.map((u, i) => u + w * (given[i] - u));
  }

  async function play() {
    const mine = ++run, y = label.value(), w = weight.value(), count = steps.value(), draw = Net.normal(seed);
    const xs = Array.from({ length: n }, () => Float32Array.from({ length: 64 }, draw)), first = xs.map((x) => [...x]);
    // evenly spaced, from the first level that still holds something of the data; halves go to the even one, as in torch
    const top = Math.max(count, abar.filter((a) => a > 1e-3).length - 1);
    const times = [...Net.ops.round(Net.tensor([count + 1], Float32Array.from({ length: count + 1 }, (_, i) => top * (1 - i / count)))).data];
    let passes = 0;
    stage.shown = null;  // until this run is at its end
    for (let i = 0; i < count; i++) {
      const [t, s] = [times[i], times[i + 1]], a = Math.sqrt(abar[t]), b = Math.sqrt(1 - abar[t]), eps = [];
      for (const x of xs) eps.push(await guided(x, t, y, w));
      if (mine !== run) return;  // a control was moved: that run goes on
      passes += y === "" || w === 0 || w === 1 ? n : 2 * n;
      for (let k = 0; k < n; k++) {
        xs[k] = xs[k].map((v, j) => {
          const x0 = Math.min(1, Math.max(-1, (v - b * eps[k][j]) / a));  // data are known to lie there
          return Math.sqrt(abar[s]) * x0 + (Math.sqrt(1 - abar[s]) * (v - a * x0)) / b;
        });
        kit.paint(cells[k], xs[k].map((v) => (v + 1) / 2), [8, 8]);
      }
      step.textContent = `Step ${i + 1} of ${count}; ${passes / n} network passes a sample.`;
      await kit.frame(1200 / count);
    }
    if (mine !== run) return;
    told.textContent = `${count} steps, ${passes / n} network passes a sample: done.`;  // said once, not at each step
    stage.shown = { seed, label: y, weight: w, times, noise: first, samples: xs.map((x) => [...x]) };
  }

  stage.append(
    el("div", { class: "cells" }, ...cells.map((c, i) => kit.figure(c, `Sample ${i + 1}`))), step, told, label, weight, steps,
    el("p", { class: "controls" }, kit.button("New noise", () => { seed++; play(); }), kit.button("Play again", play)),
  );
  await kit.turn();
  play();
});
