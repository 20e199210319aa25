/* Four models of one density as particles: a flow, a diffusion model, a GAN and an energy-based model. */
Demos.add("density", async (stage, programs, kit) => {
  "use strict";
  const { el } = kit, size = 440, half = 3.2, batch = 50, sigma = 0.1;
  const centers = Array.from({ length: 8 }, (_, i) => [2 * Math.cos((i * Math.PI) / 4), 2 * Math.sin((i * Math.PI) / 4)]);
  const nets = {};
  for (const name of ["realnvp-layers", "score_sde-noise", "gan-generate", "energy_based_model-energy"]) {
    nets[name] = Net.load(programs[name]);
    await kit.turn();
  }
  const { beta_min, beta_max, t_min } = programs["score_sde-noise"].facts, chains = programs["energy_based_model-energy"].facts;
  let seed = 1, run = 0;

  // f of each 50 particles (n, 2), with more numbers for each in `rest`; the outputs by particle
  async function batches(f, x, ...rest) {
    const parts = [];
    for (let i = 0; i < x.length / 2; i += batch)
      parts.push(await f.patiently(kit.turn, x.subarray(2 * i, 2 * (i + batch)), ...rest.map((r) => r.subarray(i, i + batch))));
    return parts[0].map((_, k) => parts.map((p) => p[k]));
  }
  const joined = (parts) => { const out = new Float32Array(parts.reduce((n, p) => n + p.data.length, 0)); let at = 0; for (const p of parts) { out.set(p.data, at); at += p.data.length; } return out; };

  // Each gives the states of the particles one after the other, from where they start.
  const models = {
    flow: {
      name: "Flow (RealNVP)", noise: "Temperature of the noise", steps: null,
      about: "Each layer moves one coordinate of every particle by a function of the other; eight layers carry the noise to the data.",
      async * states(draw, n, count, heat) {
        const z = Float32Array.from({ length: 2 * n }, () => heat * draw());
        yield z;
        const [parts] = await batches(nets["realnvp-layers"], z);
        for (let k = 0; k < parts[0].shape[0]; k++) yield joined(parts.map((p) => ({ data: p.data.subarray(2 * batch * k, 2 * batch * (k + 1)) })));
      },
      passes: () => 1, length: 8,
    },
    diffusion: {
      name: "Diffusion (score SDE)", noise: "Noise put back: 0 the ODE, 1 the SDE", steps: [5, 100, 30],
      about: "One network tells the noise in a particle at every time. Each step takes some of it away, and puts fresh noise back.",
      async * states(draw, n, count, heat) {
        const last = Math.sqrt(-Math.expm1(-(beta_min + beta_max) / 2));
        let x = Float32Array.from({ length: 2 * n }, () => last * draw());
        yield x;
        const time = (k) => (1 + (Math.sqrt(t_min) - 1) * (k / count)) ** 2;  // evenly spaced in sqrt(t)
        for (let k = 0; k < count; k++) {
          const t = time(k), dt = time(k + 1) - t, beta = beta_min + (beta_max - beta_min) * t;
          const s = Math.sqrt(-Math.expm1(-(beta_min * t + ((beta_max - beta_min) * t * t) / 2)));
          const eps = joined((await batches(nets["score_sde-noise"], x, new Float32Array(n).fill(t)))[0]);
          // dx = [f x - (1 + w^2)/2 g^2 score] dt + w g dw keeps the densities for every w
          x = x.map((v, i) => v + (-(beta / 2) * v + (((1 + heat ** 2) / 2) * beta * eps[i]) / s) * dt + heat * Math.sqrt(-dt * beta) * draw());
          yield x;
        }
      },
      passes: (count) => count,
    },
    gan: {
      name: "GAN", noise: "Temperature of the noise", steps: null,
      about: "One pass of the generator: noise in, sample out. There is nothing in between; lines join where each particle came from and where it is.",
      async * states(draw, n, count, heat) {
        const z = Float32Array.from({ length: 2 * n }, () => heat * draw());
        yield z;
        yield joined((await batches(nets["gan-generate"], z))[0]);
      },
      passes: () => 1, length: 1,
    },
    energy: {
      name: "Energy-based model", noise: "Temperature T of exp(-E/T)", steps: [10, 300, 60],
      about: "Langevin steps down the learned energy, with noise. One move in five proposes a fresh start; moves are refused so that exp(-E/T) is kept.",
      async * states(draw, n, count, heat) {
        const { eta, wide, leaps } = chains;
        const look = async (x) => {  // E/T, and the step down its slope, at most 2 eta long
          const [e, slope] = (await batches(nets["energy_based_model-energy"], x, new Float32Array(n).fill(1 / heat))).map(joined);
          for (let i = 0; i < n; i++) {
            const d = [-((eta ** 2) / 2) * slope[2 * i], -((eta ** 2) / 2) * slope[2 * i + 1]], by = (2 * eta) / Math.max(2 * eta, Math.hypot(...d));
            [slope[2 * i], slope[2 * i + 1]] = [by * d[0], by * d[1]];
            e[i] /= heat;
          }
          return [e, slope];
        };
        let x = Float32Array.from({ length: 2 * n }, () => wide * draw());
        yield x;
        let [e, d] = await look(x);
        for (let k = 0; k < count; k++) {
          const z = Float32Array.from(x, draw), leap = Array.from(e, () => draw.uniform() < leaps), chance = Array.from(e, () => draw.uniform());
          const to = x.map((v, i) => (leap[i >> 1] ? wide * z[i] : v + d[i] + eta * z[i])), [after, down] = await look(to);
          [x, d, e] = [x.slice(), d.slice(), e.slice()];
          for (let i = 0; i < n; i++) {
            let odds = e[i] - after[i];  // and what each proposal would have had to draw to come back
            for (const j of [2 * i, 2 * i + 1]) odds += (z[j] ** 2 - (leap[i] ? x[j] / wide : (x[j] - to[j] - down[j]) / eta) ** 2) / 2;
            if (Math.log(chance[i]) >= odds) continue;
            for (const j of [2 * i, 2 * i + 1]) [x[j], d[j]] = [to[j], down[j]];
            e[i] = after[i];
          }
          yield x;
        }
      },
      passes: (count) => count + 1,
    },
  };

  const field = kit.canvas(2 * size, 2 * size, "Particles of the model, and rings round the eight modes of the true density"), context = field.getContext("2d");
  const place = (v, i) => (i ? half - v : v + half) * (size / (2 * half));
  context.scale(2, 2);
  function paint(x, from) {
    const ink = getComputedStyle(stage).color;
    context.clearRect(0, 0, size, size);
    context.strokeStyle = context.fillStyle = ink;
    context.globalAlpha = 0.6;
    context.font = "11px sans-serif";
    for (const v of [-2, 0, 2]) {  // the scale of both axes
      context.fillText(v, place(v, 0) - 4, size - 4);
      context.fillText(v, 3, place(v, 1) + 4);
    }
    for (const k of [1, 2, 3]) {
      context.globalAlpha = 0.75 - 0.2 * k;
      context.beginPath();
      for (const [cx, cy] of centers) {
        const r = (k * sigma * size) / (2 * half);
        context.moveTo(place(cx, 0) + r, place(cy, 1));
        context.arc(place(cx, 0), place(cy, 1), r, 0, 7);
      }
      context.stroke();
    }
    context.strokeStyle = context.fillStyle = kit.colors[1];
    context.globalAlpha = 0.12;
    context.beginPath();
    for (let i = 0; from && i < x.length; i += 2) {
      context.moveTo(place(from[i], 0), place(from[i + 1], 1));
      context.lineTo(place(x[i], 0), place(x[i + 1], 1));
    }
    context.stroke();
    context.globalAlpha = 0.75;
    context.beginPath();
    for (let i = 0; i < x.length; i += 2) {
      context.moveTo(place(x[i], 0) + 2, place(x[i + 1], 1));
      context.arc(place(x[i], 0), place(x[i + 1], 1), 2, 0, 7);
    }
    context.fill();
    context.globalAlpha = 1;
  }

  // Near: within three deviations of a mode. Uneven: the share that would have to change modes for all to have an eighth.
  function measured(x) {
    const held = new Array(8).fill(0);
    for (let i = 0; i < x.length; i += 2) {
      const k = centers.findIndex(([a, b]) => Math.hypot(x[i] - a, x[i + 1] - b) < 3 * sigma);
      if (k >= 0) held[k]++;
    }
    const near = held.reduce((a, b) => a + b, 0);
    return { near: near / (x.length / 2), modes: held.filter((c) => c > 0).length, uneven: near ? held.reduce((s, c) => s + Math.abs(c / near - 1 / 8), 0) / 2 : 1 };
  }
  function truth(n) {  // as many draws of the density itself
    const draw = Net.normal(seed + 5000), x = new Float32Array(2 * n);
    for (let i = 0; i < n; i++) {
      const [a, b] = centers[Math.floor(8 * draw.uniform())];
      [x[2 * i], x[2 * i + 1]] = [a + sigma * draw(), b + sigma * draw()];
    }
    return x;
  }
  const percent = (v) => `${(100 * v).toFixed(1)} %`;
  function row(name, m, passes) {
    return el("tr", {}, el("th", { scope: "row" }, name), ...[percent(m.near), m.modes, percent(m.uneven), passes].map((v) => el("td", {}, String(v))));
  }

  async function play() {
    const mine = ++run, id = model.value(), { name, states, passes, length } = models[id], n = particles.value(), count = steps.value(), heat = noise.value();
    const told = row(`${n} draws of the density`, measured(truth(n)), "–"), all = length || count, every = Math.ceil(all / 100);
    const least = 1200 / all;
    let at = -1, before = null, now = null, first = null, counted = -Infinity;
    said.textContent = "";
    stage.shown = null;  // until this run is at its end
    for await (const x of states(Net.normal(seed), n, count, heat)) {
      if (mine !== run) return;  // a control was moved: that run goes on
      [before, now, at] = [now, x, at + 1];
      first ||= x;
      if (at > 0 && at < all && (at % every || !kit.worth(least))) continue;
      await kit.frame(at && least);
      if (mine !== run) return;
      paint(x, id === "gan" ? first : before);
      if (at < all && performance.now() - counted > 100) {
        table.replaceChildren(row(`${name}, ${length ? "on the way" : `step ${at}`}`, measured(x), at ? passes(at) : 0), told);
        counted = performance.now();
      }
    }
    const m = measured(now);
    table.replaceChildren(row(name, m, passes(count)), told);
    said.textContent = `${name}: ${percent(m.near)} of the particles near a mode, ${m.modes} of 8 modes found.`;
    stage.shown = { model: id, n, steps: count, heat, seed, start: [...first], samples: [...now], ...m };
  }

  function chosen() {
    const m = models[model.value()];
    about.textContent = m.about;
    noise.firstChild.textContent = m.noise;
    noise.querySelector("input").min = model.value() === "diffusion" ? 0 : 0.1;
    noise.set(1);
    steps.hidden = !m.steps;
    if (m.steps) {
      const input = steps.querySelector("input");
      [input.min, input.max] = m.steps;
      steps.set(m.steps[2]);
    }
    play();
  }
  const model = kit.choice({ label: "Model", value: "flow", options: Object.entries(models).map(([id, m]) => [id, m.name]), on: chosen });
  const particles = kit.slider({ label: "Particles", min: 50, max: 600, step: 50, value: 200, on: play });
  const steps = kit.slider({ label: "Steps", min: 5, max: 100, step: 5, value: 30, on: play });
  const noise = kit.slider({ label: "Noise", min: 0.1, max: 1.5, step: 0.1, value: 1, show: (v) => v.toFixed(1), on: play });
  const about = el("p"), said = el("p", { class: "hint", role: "status" }), table = el("tbody");
  const head = ["", "near a mode", "modes found", "unevenness", "passes a particle"].map((t) => (t ? el("th", { scope: "col" }, t) : el("td")));
  stage.append(
    el("div", { class: "studio" }, field, el("div", {}, model, particles, steps, noise, about,
      el("p", { class: "controls" }, kit.button("New noise", () => { seed++; play(); }), kit.button("Play again", play)),
      el("table", { class: "counts" }, el("thead", {}, el("tr", {}, ...head)), table), said)),
  );
  await kit.turn();
  chosen();
});
