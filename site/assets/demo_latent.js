/* One code, two decoders: an autoencoder's and a VAE's, each trained with two numbers an image. */
Demos.add("latent", async (stage, programs, kit) => {
  "use strict";
  const { el } = kit, size = 220;

  const shown = {};
  async function side(title, key) {
    const program = programs[key], decode = await Net.load.patiently(kit.turn, program), { codes, labels } = program.facts;
    const low = [0, 1].map((i) => Math.min(-3, ...codes.map((c) => c[i]))), high = [0, 1].map((i) => Math.max(3, ...codes.map((c) => c[i])));
    const plane = kit.canvas(2 * size, 2 * size, `Codes of held-out digits in the plane of the ${title}`);
    const image = kit.canvas(8, 8, `What the ${title} decodes the code to`);
    plane.getContext("2d").scale(2, 2);
    const sliders = [0, 1].map((i) => kit.slider({
      label: `${title}, z${i + 1}`, min: low[i].toFixed(2), max: high[i].toFixed(2), step: 0.05, value: 0,
      show: (v) => v.toFixed(2), on: () => show(sliders.map((s) => s.value())),
    }));
    const place = (z, i) => (i ? 1 - (z[1] - low[1]) / (high[1] - low[1]) : (z[0] - low[0]) / (high[0] - low[0])) * size;

    function show(z) {
      const ink = getComputedStyle(stage).color, context = plane.getContext("2d");
      context.clearRect(0, 0, size, size);
      codes.forEach((c, i) => {
        context.fillStyle = kit.colors[labels[i]];
        context.beginPath();
        context.arc(place(c, 0), place(c, 1), 2, 0, 7);
        context.fill();
      });
      context.strokeStyle = ink;
      context.beginPath();  // one standard deviation of N(0, I)
      for (let a = 0; a <= 64; a++) {
        const p = [Math.cos((a * Math.PI) / 32), Math.sin((a * Math.PI) / 32)];
        context.lineTo(place(p, 0), place(p, 1));
      }
      context.stroke();
      context.fillStyle = ink;
      context.font = "11px sans-serif";
      const span = (i) => `z${i + 1}, ${low[i].toFixed(0)} to ${high[i].toFixed(0)}`.replaceAll("-", "−");
      context.fillText(span(0), size - 76, size - 5);
      context.fillText(span(1), 4, 12);
      const [px, py] = [place(z, 0), place(z, 1)];
      context.lineWidth = 2;
      context.beginPath();  // the code: a cross that leaves its middle free
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(px + 4 * dx, py + 4 * dy);
        context.lineTo(px + 12 * dx, py + 12 * dy);
      }
      context.stroke();
      context.lineWidth = 1;
      const [out] = decode(z);
      kit.paint(image, out.data, [8, 8]);
      shown[key] = { z, image: [...out.data] };
      if (sides.length) stage.shown = { ...shown };
    }
    function move(z) {
      sliders.forEach((s, i) => s.set(z[i]));
      show(z);
    }
    const point = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = plane.getBoundingClientRect(), u = (event.clientX - box.left) / box.width, v = (event.clientY - box.top) / box.height;
      move([low[0] + u * (high[0] - low[0]), high[1] - v * (high[1] - low[1])]);
    };
    plane.addEventListener("pointerdown", point);
    plane.addEventListener("pointermove", point);
    await kit.turn();
    show([0, 0]);
    await kit.turn();
    return { move, node: el("div", { class: "half" }, el("p", { class: "part" }, title), el("div", { class: "pair" }, kit.figure(plane, "Its codes; drag the cross"), kit.figure(image, "Decoded")), ...sliders) };
  }

  const sides = [], draw = Net.normal(7);
  sides.push(await side("Autoencoder", "autoencoder-decode"), await side("VAE", "vae-decode"));
  const both = () => { const z = [draw(), draw()]; for (const s of sides) s.move(z); };
  const classes = kit.colors.map((color, digit) => el("span", {}, el("i", { style: `background: ${color}`, "aria-hidden": "true" }), String(digit)));
  stage.append(el("p", { class: "key" }, "Class of a held-out digit: ", ...classes), el("div", { class: "halves" }, ...sides.map((s) => s.node)), el("p", { class: "controls" }, kit.button("Draw a code from N(0, I) for both", both)));
  stage.shown = { ...shown };
});
