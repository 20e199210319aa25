"""Claims of dense retrieval, on searches that share no word with their page and on the catalog's own pages."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from reference_impl.core import Batch, run
from reference_impl.figures import PALETTE, figure
from reference_impl.retrieval.dense_retrieval import DenseRetrieval
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.tasks import make
from reference_impl.tasks.synonyms import TOPICS

SMALL = {"channels": 32, "buckets": 4096, "batch_size": 64, "lr": 0.03}
SYNONYMS = make("synonyms")
TOPIC = 4
"""Whose words are drawn: those of the kitchen."""


@cache
@torch.enable_grad()
def trained(rivals=64, steps=200, seed=0):
    """A tower that has seen 64 pairs a step, each question among `rivals` passages."""
    cfg = {**SMALL, "rivals": rivals, "steps": steps}
    model = run(DenseRetrieval, cfg, task=SYNONYMS, seed=seed, evaluate=False).model
    model.index(SYNONYMS.passages)
    return model.eval()


def recall_at_1(model, task=SYNONYMS):
    """Share of held-out searches whose page comes first."""
    with torch.no_grad():
        return task.evaluate(model)[0].value


def pairs_of(topic):
    """The synonyms of one topic, (10, 2)."""
    return [pair.split() for pair in TOPICS[topic].split(", ")]


def plane(vectors):
    """Coordinates (N, 2) in the plane of the largest variance."""
    centered = vectors - vectors.mean(0)
    return (centered @ torch.linalg.svd(centered, full_matrices=False)[2][:2].T).numpy()


def test_synonyms_are_bridged(claim):
    lexical = LexicalRetrieval(LexicalRetrieval.Config())
    lexical.prepare(SYNONYMS)
    found = [recall_at_1(trained(seed=seed)) for seed in range(3)]
    claim.measure("recall", found, baseline=recall_at_1(lexical))

    untrained = run(DenseRetrieval, {**SMALL, "steps": 0}, task=SYNONYMS, evaluate=False).model.eval()
    fig, axes = figure(7.4, 3.6, columns=2)
    for ax, model, title in zip(axes, (untrained, trained()), ("before training", "after 200 steps"), strict=True):
        words = [word for pair in pairs_of(TOPIC) for word in pair]
        with torch.no_grad():
            at = plane(model.embed(words)).reshape(-1, 2, 2)
        for i, (ends, pair) in enumerate(zip(at, pairs_of(TOPIC), strict=True)):
            ax.plot(*ends.T, "o-", color=PALETTE[i], markersize=4, linewidth=1)
            label, place = (pair[0], ends[0]) if model is untrained else (" / ".join(pair), ends.mean(0))
            ax.annotate(label, place, (4, 3), textcoords="offset points", fontsize=7, color=PALETTE[i])
        ax.set(title=title, xticks=[], yticks=[])
        ax.margins(0.2)
        ax.spines[:].set_visible(False)
    claim.figure(
        "words",
        fig,
        caption="The twenty words of one topic in the plane of their largest variance; a line joins two words of one "
        "meaning. Before training the lines cross the map. Pairs of a search and its page, whose words are in "
        "another order, are enough to lay each word on its synonym.",
        alt="Two maps of twenty words. Lines between synonyms are long before training and nearly points after it.",
    )
    hero(claim, trained())


def hero(claim, model):
    """Pages of one topic around a search, and the pages found."""
    search = SYNONYMS.splits["test"][1][0]
    found = model.retrieve(search, 3)
    topic = next(t for t in range(12) if search.split()[0] in {w for pair in pairs_of(t) for w in pair})
    members = {w for pair in pairs_of(topic) for w in pair}
    near = [i for i, (_, _, text) in enumerate(model.passages) if text.split()[0] in members]
    with torch.no_grad():
        vectors = torch.cat([model.embed([search]), model.embed([model.passages[i][2] for i in near])])
    at, scores = plane(vectors), model.scores(search)
    fig, ax = figure(7.2, 3.2)
    ax.scatter(*at[1:].T, s=16, color=PALETTE[8], alpha=0.7, linewidths=0)
    ax.scatter(*at[0], s=130, marker="*", color=PALETTE[1], zorder=3, label=f"search: {search}")
    for rank, row in enumerate(found, 1):
        place, color = at[1 + near.index(row)], PALETTE[[0, 2, 4][rank - 1]]
        ax.scatter(*place, s=30, color=color, zorder=2, label=f"{scores[row]:.2f}  {model.passages[row][2]}")
        ax.plot(*np.stack([at[0], place]).T, color=color, linewidth=0.8)
    ax.set(xticks=[], yticks=[])
    ax.margins(0.08)
    ax.spines[:].set_visible(False)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "hero",
        fig,
        caption="The held-out pages of one topic and a search, in the plane of their largest variance, with the three "
        "pages found and their cosines. The best page says the same in four other words; the next two share "
        "three meanings of four.",
        alt="Points for pages, a star for the search, and lines to the three nearest pages, with their text.",
    )


def test_more_rivals_teach_more(claim):
    sizes, budgets, seeds = (4, 16, 64), (50, 100, 200), range(3)
    recall = {n: [recall_at_1(trained(n, 100, seed)) for seed in seeds] for n in sizes}
    few, some, many = (np.array(recall[n]) for n in sizes)
    claim.measure("recall", many.tolist(), baseline=few.tolist())
    claim.measure("smallest_rise", min(np.median(some) - np.median(few), np.median(many) - np.median(some)))

    fig, ax = figure(6.0, 3.2)
    for n, color in zip(sizes, PALETTE, strict=False):
        curve = [recall_at_1(trained(n, steps)) for steps in budgets]
        ax.plot(budgets, curve, "o-", color=color, label=f"1 of {n}")
    ax.set(xlabel="training steps, 64 pairs each", ylabel="recall@1, held-out searches", ylim=(0, 1.05))
    ax.set_xscale("log", base=2)
    ax.set_xticks(budgets, map(str, budgets))
    ax.legend(title="passages to choose from", loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "rivals",
        fig,
        caption="The same pairs in the same order; only among how many of the batch's passages a question has to find "
        "its own is changed. Among 4, the wrong ones are nearly always of another topic and teach little.",
        alt="Three rising curves of recall over steps: 64 rivals learn fastest, then 16, then 4.",
    )


def test_pages_teach_their_own_search(claim):
    task = make("searches")
    models = [run(DenseRetrieval, {"steps": n} if n == 0 else {}, task=task, evaluate=False).model for n in (0, None)]
    kinds = ("keyword", "paraphrase", "symptom")
    with torch.no_grad():
        before, after = ({s.name: s.value for s in task.evaluate(model.eval())} for model in models)
    claim.measure("mrr", after["MRR@10, all questions"], baseline=before["MRR@10, all questions"])

    lexical = LexicalRetrieval(LexicalRetrieval.Config())
    lexical.prepare(task)
    words = {s.name: s.value for s in task.evaluate(lexical)}
    fig, ax = figure(6.4, 3.0)
    rows = (
        ("tower, untrained", before, PALETTE[8]),
        ("tower, trained", after, PALETTE[0]),
        ("BM25", words, PALETTE[1]),
    )
    for j, (label, scores, color) in enumerate(rows):
        heights = [scores[f"MRR@10, {kind}"] for kind in kinds]
        bars = ax.bar(np.arange(3) + 0.27 * (j - 1), heights, 0.25, color=color, label=label)
        ax.bar_label(bars, fmt="%.2f", fontsize=7, padding=2)
    ax.set(xticks=range(3), xticklabels=kinds, ylabel="MRR@10, held-out questions", ylim=(0, 1.1))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "pages",
        fig,
        caption="Questions about the catalog, none of which was seen in training. Untrained, hashed groups of letters "
        "find what is spelled alike; sentences that stand together teach the rest. On keywords, which are "
        "words of the page, BM25 keeps its lead.",
        alt="Grouped bars of MRR for keywords, paraphrases and symptoms: untrained tower, trained tower, BM25.",
    )


def test_scores_are_cosines_of_separate_encodings(claim):
    model = run(DenseRetrieval, {**SMALL, "layers": 1, "steps": 5}, task=SYNONYMS, evaluate=False).model
    model = model.double().eval()
    model.index(SYNONYMS.passages)
    pages, searches = SYNONYMS.splits["test"]
    # lengths differ, so that padding would show
    pages = [" ".join(page.split()[: 1 + i % 4]) for i, page in enumerate(pages)]
    model.index([(str(i), "text", page) for i, page in enumerate(pages)])
    encoded = []
    model.weigh.register_forward_hook(lambda _, given, __: encoded.append(len(given[0])))
    with torch.no_grad():
        model.scores(searches[0])
        at_first = sum(encoded)
        encoded.clear()
        scores = torch.stack([model.scores(search) for search in searches[:50]])
        claim.measure("encodings", sum(encoded) / 50, baseline=at_first)
        alone = torch.cat([model.embed([text]) for text in pages])
        asked = torch.cat([model.embed([text]) for text in searches[:50]])
        cosines = F.cosine_similarity(asked[:, None], alone, dim=2)
        claim.measure("cosine", (scores - cosines).abs().max().item())
        batch, t = Batch(pages[:50], searches[:50]), 1 / model.log_scale.exp()
        likelihood = (cosines[:, :50] / t).exp()
        loss = -(likelihood.diag() / likelihood.sum(1)).log().mean()
        claim.measure("loss", (model.loss(batch)["loss"] - loss).abs().item())


def test_names_never_seen_are_confused(claim):
    rng = np.random.default_rng(0)
    codes = ["".join(rng.choice(list("bcdfghjkmnpqrstvwxz23456789"), 5)) for _ in SYNONYMS.passages]
    passages = [(id, s, f"{text} {code}") for (id, s, text), code in zip(SYNONYMS.passages, codes, strict=True)]
    lexical, model = LexicalRetrieval(LexicalRetrieval.Config()), trained()
    ranks = []
    for retriever in (model, lexical):
        retriever.index(passages)
        ranks.append(float(np.mean([retriever.retrieve(code, 1) == [i] for i, code in enumerate(codes)])))
    model.index(SYNONYMS.passages)
    claim.measure("recall", ranks[0], baseline=ranks[1])
