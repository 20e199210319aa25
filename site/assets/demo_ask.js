/* Questions to the catalog: passages found by BM25, the best sentence copied with its source, or no answer. */
Demos.add("ask", async (stage, programs, kit) => {
  "use strict";
  const { el } = kit, { sections, anchors, entries } = programs.ask, sure = Net.load(programs["question_answering-sure"]);
  const { k1, b, top_k, threshold } = programs["question_answering-sure"].facts, room = programs["question_answering-sure"].inputs[0][0];
  const up = stage.closest(".demo").dataset.scripts.split("assets/")[0];
  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || [];
  const counted = (text) => { const count = new Map(); for (const w of words(text)) count.set(w, (count.get(w) || 0) + 1); return count; };
  const sentences = (text) => text.replace(/([.!?])\s+/g, "$1\n").split("\n");

  const passages = Object.entries(entries).flatMap(([id, [name, ...rows]]) => rows.map(([section, text]) => ({ id, name, section, text })));
  const lengths = [], postings = new Map();
  for (const [i, { text }] of passages.entries()) {
    let length = 0;
    for (const [w, f] of counted(text)) {
      length += f;
      if (!postings.has(w)) postings.set(w, []);
      postings.get(w).push([i, f]);
    }
    lengths.push(length);
    const wait = kit.turn();
    if (wait) await wait;
  }
  const mean = lengths.reduce((s, n) => s + n, 0) / passages.length;
  const idf = (w) => { const n = (postings.get(w) || []).length; return n ? Math.log(1 + (passages.length - n + 0.5) / (n + 0.5)) : 0; };

  function scores(question) {  // BM25
    const all = new Float64Array(passages.length);
    for (const [w, times] of counted(question))
      for (const [i, f] of postings.get(w) || []) all[i] += (times * idf(w) * f * (k1 + 1)) / (f + k1 * (1 - b + (b * lengths[i]) / mean));
    return all;
  }

  function answer(question) {
    const all = scores(question), found = [...all.keys()].filter((i) => all[i] > 0).sort((i, j) => all[j] - all[i] || i - j).slice(0, top_k);
    if (!found.length) return { question, found: [], sure: 0 };
    // of the passages found, the sentence with the rarest words in common with the question
    const asked = new Set(words(question));
    let text = "", most = -1;
    for (const s of found.flatMap((i) => sentences(passages[i].text))) {
      // in one order, so that sentences with the same words tie
      const shared = [...new Set(words(s))].filter((w) => asked.has(w)).map(idf).sort((a, b) => a - b).reduce((sum, v) => sum + v, 0);
      if (shared > most) [text, most] = [s, shared];
    }
    const cited = passages[found.find((i) => passages[i].text.includes(text))];
    const padded = (values) => { const out = new Float32Array(room); out.set(values); return out; };
    const [law] = sure(padded(all), padded(passages.map((p) => +(p.id === cited.id))));
    return { question, text, cited, found: found.map((i) => ({ ...passages[i], score: all[i] })), sure: law.data[0] };
  }

  function marked(text, asked) {  // the words of the question in it
    const parts = text.split(/([\p{L}\p{N}_]+)/u);
    return parts.map((part) => (asked.has(part.toLowerCase()) ? el("mark", {}, part) : part));
  }
  const link = (p) => el("a", { href: `${up}patterns/${p.id}.html#${anchors[p.section]}` }, `${p.name}, ${sections[p.section].replace(/_/g, " ")}`);

  function show(question, got = answer(question)) {
    if (!question.trim()) return;
    input.value = question;
    const asked = new Set(words(question)), needed = needs.value(), given = got.found.length > 0 && got.sure >= needed;
    const how = `${got.sure.toFixed(3)} sure, ${needed.toFixed(3)} needed`;
    const about = given && passages.find((p) => p.id === got.cited.id && sections[p.section] === "summary");
    said.replaceChildren(...(given
      ? [el("p", {}, el("q", { class: "answer" }, got.text), " ", link(got.cited), el("span", { class: "hint" }, ` (${how})`)), ...(about ? [el("p", {}, el("b", {}, `${about.name}: `), about.text)] : [])]
      : [el("p", {}, el("b", {}, "No answer. "), got.found.length ? `The nearest passages are below, but it is not sure enough of any page: ${how}.` : "No passage has a word of this question.")]));
    list.replaceChildren(...got.found.map((p) => el("li", {}, link(p), el("span", { class: "hint" }, ` BM25 ${p.score.toFixed(2)}`), el("p", {}, ...marked(p.text, asked)))));
    stage.shown = { ...got, refused: !given };
  }

  const input = el("input", { type: "search", id: "demo-question", autocomplete: "off" });
  const form = el("form", { class: "ask" }, el("label", { for: "demo-question" }, "Question"), input, el("button", { type: "submit", class: "md-button" }, "Ask"));
  form.addEventListener("submit", (event) => { event.preventDefault(); show(input.value); });
  const needs = kit.slider({ label: "How sure an answer has to be", min: 0, max: 1, step: 0.005, value: threshold, show: (v) => v.toFixed(3), on: () => show(input.value) });
  const examples = ["Why do GAN samples miss whole regions of the data?", "What does a KV cache keep?", "What goes wrong with too much guidance?", "Who owns the copyright of an image drawn by a model?"];
  const { asked, answered, right, refused } = programs["question_answering-sure"].facts, share = (v) => `${Math.round(100 * v)} %`;
  const record = `The threshold was set on half of the questions to an earlier state of the catalog: ${share(answered)} of the other ${asked} were answered, ${share(right)} of these with the right page; of questions that no page answers ${share(refused)} were refused.`;
  const said = el("div", { role: "status" }), list = el("ol", { class: "passages" });
  await kit.turn();
  stage.append(form, el("p", { class: "controls" }, ...examples.map((q) => kit.button(q, () => show(q)))), needs, el("p", { class: "hint" }, record), said, list);
  stage.scores = scores;
  const got = answer(examples[0]);
  await kit.turn();
  show(examples[0], got);
});
