/* A GPT of two layers writes characters: its law, where it looks, and what the cache of keys and values saves. */
Demos.add("gpt", async (stage, programs, kit) => {
  "use strict";
  const { el } = kit, program = programs["gpt-step"], step = await Net.load.patiently(kit.turn, program), { characters, prompt, channels } = program.facts;
  const [layers, , heads, past] = program.inputs[1], context = past + 1, vocab = characters.length;
  const shape = program.inputs[1], ids = new Map(characters.map((c, i) => [c, i]));
  let text = [], last = null, seed = 1, draw = null, run = 0, passes = 0, done = false;
  const spent = { with: [0, 0], without: [0, 0] };  // milliseconds and characters written

  const empty = () => ({ keys: Net.tensor(shape), values: Net.tensor(shape), length: 0 });
  async function pass(kept, id, turn) {  // one token through the network; the empty rows of what is kept are covered
    const hide = Float32Array.from({ length: context }, (_, i) => (i < past - kept.length ? -Infinity : 0));
    const [logits, keys, values, attention] = await step.patiently(turn, [id], kept.keys, kept.values, hide);
    passes++;
    return { logits: logits.data, attention: attention.data, cache: { keys, values, length: kept.length + 1 } };
  }
  // What follows a text: its last token with the cache, all of it without; null where another run began meanwhile.
  async function read(text, mine) {
    let now = { cache: cached.checked && last && last.cache.length === text.length - 1 ? last.cache : empty() }, time = 0;
    let began = 0;
    const turn = () => {  // the network's time is not that of what the page does meanwhile
      const wait = kit.turn();
      if (!wait) return undefined;
      time += performance.now() - began;
      return wait.then(() => { began = performance.now(); });
    };
    for (const id of text.slice(now.cache.length)) {
      began = performance.now();
      now = await pass(now.cache, id, turn);
      time += performance.now() - began;
      if (mine !== run) return null;
    }
    return { ...now, time };
  }

  // softmax at this temperature, likeliest first; and of it the fewest tokens that have the mass top-p
  function law(logits) {
    const top = logits.reduce((a, v) => Math.max(a, v), -Infinity), p = Float64Array.from(logits, (v) => Math.exp((v - top) / temperature.value()));
    const total = p.reduce((a, v) => a + v, 0), order = [...p.keys()].sort((i, j) => p[j] - p[i] || i - j), whole = p.map((v) => v / total);
    let before = 0, kept = 0;
    for (const i of order) {
      p[i] = before < mass.value() ? whole[i] : 0;
      before += whole[i];
      kept += p[i];
    }
    return { order, whole, p: p.map((v) => v / kept) };
  }

  // multiply-adds of one token that sees t tokens: the matrices of each layer, scores and mixing; at last the head
  const body = (t) => layers * (12 * channels * channels + 2 * channels * t), head = channels * vocab;
  function work(n, first) {  // of reading the first tokens and writing up to n: passes and multiply-adds, with and without
    let [kept, again] = [[0, 0], [0, 0]];
    for (let t = 1; t <= n; t++) { kept[0]++; kept[1] += body(t); }
    for (let m = first; m <= n; m++) {
      kept[1] += head;
      again[1] += head;
      for (let t = 1; t <= m; t++) { again[0]++; again[1] += body(t); }
    }
    return [kept, again];
  }

  const shownAs = (c) => (c === " " ? "␣" : c === "\n" ? "⏎" : c);
  let first = 1;
  function show() {
    const { order, whole, p } = law(last.logits);
    const at = +look.value() * context, row = last.attention.subarray(at, at + context).slice(context - text.length), most = Math.max(...row);
    page.replaceChildren(...text.map((id, i) => el("span", { style: `--look: ${((row[i] / most) * 40).toFixed(1)}%` }, characters[id])));
    const share = (i) => `${(100 * (p[i] || whole[i])).toFixed(1)}`;
    bars.replaceChildren(...order.slice(0, 8).map((i) => el("li", {}, el("code", {}, shownAs(characters[i])), el("span", { class: p[i] ? "bar" : "bar cut", style: `--share: ${share(i)}%` }), p[i] ? `${share(i)} %` : "cut off")));
    const [kept, again] = work(text.length, first), count = (v) => String(v).replace(/\B(?=(\d{3})+$)/g, ",");  // toLocaleString takes its time at first
    const time = (way) => (spent[way][1] ? `${(spent[way][0] / spent[way][1]).toFixed(1)} ms` : "–");
    const rows = [["Token passes", count(kept[0]), count(again[0])], ["Multiply-adds, million", (kept[1] / 1e6).toFixed(1), (again[1] / 1e6).toFixed(1)], ["Time for a character here", time("with"), time("without")]];
    counter.replaceChildren(...rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((c) => el("td", {}, c)))));
    stage.shown = { ids: [...text], logits: [...last.logits], law: [...p], attention: [...row], head: +look.value(), cached: cached.checked, passes, work: [kept, again], text: text.map((i) => characters[i]).join(""), done };
  }

  async function start() {
    const mine = ++run, given = [...input.value].filter((c) => ids.has(c)).slice(0, context - 1);
    const ours = (given.length ? given : [...prompt]).map((c) => ids.get(c));
    [passes, last, draw] = [0, null, Net.normal(seed)];
    const now = await read(ours, mine);
    if (!now) return false;
    [text, first, last, done] = [ours, ours.length, now, false];
    show();
    return true;
  }
  async function write(count) {
    if (!last) return;  // the prompt is still being read
    const mine = ++run;
    told.textContent = "Writing …";
    for (let i = 0; i < count && text.length < longest.value(); i++) {
      const { p } = law(last.logits), u = draw.uniform(), way = cached.checked ? "with" : "without";
      let id = 0;
      for (let below = p[0]; below <= u && id < p.length - 1; below += p[id]) id++;
      const now = await read([...text, id], mine);
      if (!now) return;
      [text, last] = [[...text, id], now];
      spent[way][0] += now.time;
      spent[way][1]++;
      if (!kit.still()) show();
      await kit.frame();
      if (mine !== run) return;
    }
    done = true;
    show();
    told.textContent = text.length < context ? "" : `The text is as long as the network can look back, ${context} characters.`;
  }

  await kit.turn();
  const page = el("p", { class: "written" }), bars = el("ol", { class: "bars" }), counter = el("tbody"), told = el("p", { class: "hint", role: "status" });
  const input = el("input", { type: "text", id: "demo-prompt", value: prompt, maxlength: context - 1, autocomplete: "off" });
  const cached = el("input", { type: "checkbox", id: "demo-cache", checked: true });
  cached.addEventListener("change", () => { run++; told.textContent = cached.checked ? "" : "Each character now takes a pass over all before it."; });
  const redraw = () => last && show();
  const temperature = kit.slider({ label: "Temperature", min: 0.1, max: 2, step: 0.05, value: 0.8, show: (v) => v.toFixed(2), on: redraw });
  const mass = kit.slider({ label: "Top-p", min: 0.05, max: 1, step: 0.05, value: 0.95, show: (v) => v.toFixed(2), on: redraw });
  const longest = kit.slider({ label: "Longest text", min: 16, max: context, step: 8, value: context, on: () => {} });
  const names = Array.from({ length: layers * heads }, (_, i) => [String(i), `layer ${Math.floor(i / heads) + 1}, head ${(i % heads) + 1}`]);
  const look = kit.choice({ label: "Attention of", value: "0", options: names, on: redraw });
  const again = async (other) => { seed += other; if (await start()) write(context); };
  await kit.turn();
  stage.append(
    el("div", { class: "ask" }, el("label", { for: "demo-prompt" }, "Prompt"), input), page, told,
    el("p", { class: "controls" },
      kit.button("Write", () => again(0)), kit.button("Another text", () => again(1)), kit.button("Prompt only", start), kit.button("One character", () => write(1)),
      el("label", { for: "demo-cache" }, cached, " KV cache")),
    temperature, mass, longest, look,
    el("div", { class: "halves" },
      el("div", {}, el("p", { class: "part" }, "Next character"), bars),
      el("div", {}, el("p", { class: "part" }, "Work for this text"), el("table", { class: "counts" }, el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, "with cache"), el("th", { scope: "col" }, "without"))), counter))),
  );
  await kit.turn();
  again(0);
});
