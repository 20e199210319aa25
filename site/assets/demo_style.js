/* A photograph in a mixture of four styles that the network never saw: adaptive instance normalization. */
Demos.add("style", async (stage, programs, kit) => {
  "use strict";
  const { el } = kit, encode = await Net.load.patiently(kit.turn, programs["adain-encode"]), decode = await Net.load.patiently(kit.turn, programs["adain-decode"]);
  const { contents, styles } = programs["adain-decode"].facts, side = contents.shape[3], pixels = 3 * side * side;
  const pictures = ({ shape, bytes }) => { const all = kit.bytes({ bytes }); return Array.from({ length: shape[0] }, (_, i) => all.subarray(i * pixels, (i + 1) * pixels)); };
  const photos = pictures(contents), looks = pictures(styles);

  function statistics(f) {  // mean and deviation of each channel over its positions
    const [, k, h, w] = f.shape, n = h * w;
    return Array.from({ length: k }, (_, c) => {
      const part = f.data.subarray(c * n, (c + 1) * n), mean = part.reduce((a, b) => a + b, 0) / n;
      return [mean, Math.sqrt(part.reduce((a, b) => a + (b - mean) ** 2, 0) / n)];
    });
  }
  const styleStatistics = [], features = [];
  await kit.turn();
  for (const p of looks) {
    styleStatistics.push(statistics((await encode.patiently(kit.turn, p))[0]));
    await kit.turn();
  }
  const result = kit.canvas(side, side, "The photograph in the mixture of styles");
  const shown = (p, label) => { const c = kit.canvas(side, side, label); kit.paint(c, p, [3, side, side]); return c; };
  const corner = looks.map((p, i) => shown(p, `Style ${i + 1}`)), source = kit.canvas(side, side, "The photograph");
  const photo = kit.choice({ label: "Photograph", value: "0", options: photos.map((_, i) => [String(i), `number ${i + 1}`]), on: () => show() });
  const across = kit.slider({ label: "Styles on the left to those on the right", min: 0, max: 1, step: 0.05, value: 0.5, on: () => show() });
  const down = kit.slider({ label: "Styles above to those below", min: 0, max: 1, step: 0.05, value: 0.5, on: () => show() });
  const strength = kit.slider({ label: "Strength", min: 0, max: 1, step: 0.05, value: 1, on: () => show() });
  const show = kit.latest(async () => {
    const i = +photo.value(), u = across.value(), v = down.value(), s = strength.value();
    features[i] ||= (await encode.patiently(kit.turn, photos[i]))[0];
    const f = features[i], n = f.shape[2] * f.shape[3], weights = [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v];
    const mixed = f.data.slice();
    statistics(f).forEach(([mean, deviation], c) => {  // normalized, then with the styles' mean and deviation
      const [to, by] = [0, 1].map((k) => styleStatistics.reduce((a, t, j) => a + weights[j] * t[c][k], 0));
      const own = Math.max(deviation, 1e-5);
      for (let j = c * n; j < (c + 1) * n; j++) mixed[j] += s * (((mixed[j] - mean) / own) * by + to - mixed[j]);
    });
    await kit.turn();
    const [out] = await decode.patiently(kit.turn, mixed);
    await kit.turn();
    kit.paint(source, photos[i], [3, side, side]);
    kit.paint(result, out.data, [3, side, side]);
    stage.shown = { photo: i, weights, strength: s, image: [...out.data] };
  });

  const [a, b, c, d] = corner;
  await kit.turn();
  stage.append(
    el("div", { class: "mixer" }, ...[[a, "Style 1"], [result, "The mixture"], [b, "Style 2"], [c, "Style 3"], [source, "The photograph"], [d, "Style 4"]].map(([c, name]) => kit.figure(c, name))),
    photo, across, down, strength,
  );
  show();
});
