"""Claims of hybrid retrieval, on the catalog's own pages."""

from functools import cache
from itertools import combinations

import numpy as np
import torch

from reference_impl.blocks_retrieval import ranking
from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.retrieval.dense_retrieval import DenseRetrieval
from reference_impl.retrieval.hybrid_retrieval import HybridRetrieval
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.tasks.searches import DEPTH, Searches, ndcg, reciprocal_rank
from reference_impl.tasks.synonyms import TOLD, TOPICS, Synonyms

TASK = cache(Searches)
KINDS = ("keyword", "paraphrase", "symptom")


@torch.enable_grad()
def trained(task, seed=0, **settings):
    return run(HybridRetrieval, settings, task=task, seed=seed, evaluate=False).model


@cache
def hurried():
    """A hybrid of the catalog's pages whose dense part has taken a few steps: enough for another order of its own."""
    return trained(TASK(), steps=10)


def found(retriever, question):
    return [retriever.passages[i][0] for i in retriever.retrieve(question, DEPTH)]


def rows_that_differ(mine, other):
    """Held-out questions for which the two retrievers give other passages or another order."""
    questions = [search.question for search in TASK().held_out[:40]]
    return sum(mine.retrieve(q, 100) != other.retrieve(q, 100) for q in questions)


def with_weight(model, weight):
    """The same trained parts with another weight."""
    other = HybridRetrieval(model.cfg.model_copy(update={"weight": weight}))
    other.load_state_dict(model.state_dict())
    return other.eval()


def test_held_out_questions_beat_both_parts(claim):
    models = [trained(TASK(), seed) for seed in range(3)]
    parts = {"hybrid": lambda m: m, "lexical": lambda m: m.lexical, "dense": lambda m: m.dense}
    lists = {
        name: [[found(part(m), s.question) for s in TASK().held_out] for m in models] for name, part in parts.items()
    }
    wanted = [search.wanted for search in TASK().held_out]
    mrr, gain = (
        {name: [np.array([*map(measure, one, wanted)]) for one in several] for name, several in lists.items()}
        for measure in (reciprocal_rank, ndcg)
    )
    mean = {name: [float(row.mean()) for row in rows] for name, rows in mrr.items()}
    claim.measure("over_lexical", mean["hybrid"], baseline=mean["lexical"])
    claim.measure("over_dense", mean["hybrid"], baseline=mean["dense"])
    better = [max(a.mean(), b.mean()) for a, b in zip(gain["lexical"], gain["dense"], strict=True)]
    claim.measure("ndcg", [float(row.mean()) for row in gain["hybrid"]], baseline=[float(b) for b in better])

    kind = np.array([search.kind for search in TASK().held_out])
    fig, ax = figure(6.2, 3.0)
    groups = [("all", kind != ""), *((name, kind == name) for name in KINDS)]
    for i, (name, color) in enumerate(zip(("lexical", "dense", "hybrid"), (8, 1, 0), strict=True)):
        for x, (_, rows) in enumerate(groups):
            each = [float(row[rows].mean()) for row in mrr[name]]
            at = x + 0.27 * (i - 1)
            ax.bar(at, np.median(each), 0.25, color=PALETTE[color], label=name if x == 0 else None)
            ax.annotate(
                f"{np.median(each):.2f}",
                (at, np.median(each)),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    ax.set_xticks(range(len(groups)), [f"{name}\n{int(rows.sum())} questions" for name, rows in groups])
    ax.set(ylabel="MRR@10", ylim=(0, 1.05))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "hero",
        fig,
        caption="Held-out questions about the catalog's pages, median of three training runs. Words are better for "
        "keywords, vectors for descriptions; over all questions the fusion is better than both, as they often fail on "
        "different ones.",
        alt="Bars of the mean reciprocal rank of lexical, dense and hybrid retrieval, over all questions and by kind.",
    )

    # one point for each question: rank by words, rank by vectors, and what became of it
    fig, ax = figure(4.6, 3.6)
    a, b, both = mrr["lexical"][0], mrr["dense"][0], mrr["hybrid"][0]
    jitter = np.random.default_rng(0).uniform(-0.028, 0.028, (2, len(a)))
    outcomes = (
        ("better than both", both > np.maximum(a, b), 2),
        ("as the better part", both == np.maximum(a, b), 0),
        ("between, or worse", both < np.maximum(a, b), 1),
    )
    for name, rows, color in outcomes:
        ax.scatter(a[rows] + jitter[0, rows], b[rows] + jitter[1, rows], s=12, alpha=0.7, linewidths=0,
                   color=PALETTE[color], label=f"{name}: {int(rows.sum())}")  # fmt: skip
    ax.set(xlabel="reciprocal rank, lexical", ylabel="reciprocal rank, dense")
    ax.legend(title="hybrid", loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "questions",
        fig,
        caption="Each held-out question by the reciprocal ranks that the two parts give the first right passage (moved "
        "a little, so that points do not cover each other), one run. Top left and bottom right are questions that one "
        "part alone answers first; the colors say what the fusion makes of them.",
        alt="Scatter of questions over lexical and dense reciprocal rank, colored by how the hybrid does.",
    )


def shelf(seed=0):
    """Pages of four words and a code; searches say the same in words that no page has. Training sees no code."""
    rng = np.random.default_rng(seed)
    meanings = [[pair.split() for pair in topic.split(", ")] for topic in TOPICS]
    told = [np.array(four) for topic in meanings for four in combinations(topic, TOLD)]
    told = [told[i] for i in rng.permutation(len(told))]
    pages, searches = ([" ".join(rng.permutation(four[:, side])) for four in told] for side in (0, 1))
    codes = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 5)) for _ in told]
    task = Task(pages[:1764], pages[1764:], y=searches[:1764], test_y=searches[1764:])
    task.passages = [(code, "page", f"{page} {code}") for page, code in zip(pages[1764:], codes[1764:], strict=True)]
    return task


def test_names_and_other_words_are_both_found(claim):
    task = shelf()
    model = trained(task, steps=300)
    lexical, dense = LexicalRetrieval(LexicalRetrieval.Config()), DenseRetrieval(DenseRetrieval.Config())
    lexical.index(task.passages)
    dense.load_state_dict(model.dense.state_dict())
    codes = [id for id, _, _ in task.passages]
    quality = {
        (name, kind): float(
            np.mean([ndcg(found(part, q), {id}) for q, id in list(zip(asked, codes, strict=True))[::3]])
        )
        for name, part in (("lexical", lexical), ("dense", dense.eval()), ("hybrid", model))
        for kind, asked in (("codes", codes), ("other words", task.splits["test"][1]))
    }
    both = {name: (quality[name, "codes"] + quality[name, "other words"]) / 2 for name, _ in quality}
    claim.measure("mixed", both["hybrid"], baseline=max(both["lexical"], both["dense"]))
    claim.measure("codes", quality["hybrid", "codes"], baseline=quality["dense", "codes"])
    claim.measure("other_words", quality["hybrid", "other words"], baseline=quality["lexical", "other words"])

    fig, ax = figure(5.6, 2.8)
    for i, (name, color) in enumerate(zip(both, (8, 1, 0), strict=True)):
        for x, kind in enumerate(("codes", "other words")):
            height = quality[name, kind]
            ax.bar(x + 0.27 * (i - 1), height, 0.25, color=PALETTE[color], label=name if x == 0 else None)
            ax.annotate(f"{height:.2f}", (x + 0.27 * (i - 1), height), (0, 2), textcoords="offset points", ha="center")
    ax.set_xticks([0, 1], ["searches for a code", "searches in other words"])
    ax.set(ylabel="nDCG@10", ylim=(0, 1.12))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "codes",
        fig,
        caption="756 pages, each with a code that training has not seen. Word matching finds every code and nothing "
        "that is asked in other words; the vectors find the meaning and confuse codes. The fusion has what either has.",
        alt="Bars: lexical 1 and 0, dense below 1 and 1, hybrid 1 and 1.",
    )


def test_ranks_ignore_the_scale_of_scores(claim):
    model = hurried()
    # increasing, and zero stays zero: a passage without a shared word stays without
    stretched = (lambda s: 1000 * s, lambda s: s**3, torch.expm1)
    changed = averaged = 0
    for search in TASK().held_out[:12]:
        a, b = model.lexical.scores(search.question), model.dense.scores(search.question)
        for f in stretched:
            changed += ranking(model.fuse(f(a), b), 100) != ranking(model.fuse(a, b), 100)
            changed += ranking(model.fuse(a, f(b)), 100) != ranking(model.fuse(a, b), 100)
            averaged += ranking(f(a) + b, 100) != ranking(a + b, 100)
            averaged += ranking(a + f(b), 100) != ranking(a + b, 100)
    claim.measure("changed", changed, baseline=averaged)


def test_weight_one_is_lexical_retrieval(claim):
    alone = LexicalRetrieval(LexicalRetrieval.Config())
    alone.prepare(TASK())
    claim.measure("differ", rows_that_differ(with_weight(hurried(), 1.0), alone))


def test_weight_zero_is_dense_retrieval(claim):
    # trained apart, from the same seed: nothing of the lexical part enters the dense part's training
    alone = run(DenseRetrieval, {"steps": 10}, task=TASK(), evaluate=False).model
    claim.measure("differ", rows_that_differ(with_weight(hurried(), 0.0), alone))


def test_a_part_that_is_sure_and_wrong_drags_the_other_down(claim):
    task = Synonyms()
    model = trained(task, steps=200)
    ids = [id for id, _, _ in model.passages]
    searches = list(zip(ids, task.splits["test"][1], strict=True))[::5]
    weights = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
    models = [with_weight(model, weight) for weight in weights]
    by_weight = [float(np.mean([ndcg(found(m, search), {id}) for id, search in searches])) for m in models]
    claim.measure("ndcg", by_weight[weights.index(0.5)], baseline=by_weight[0])

    fig, ax = figure(5.6, 3.0)
    ax.plot(weights, by_weight, "o-", color=PALETTE[0])
    ax.set(xlabel="weight of the lexical ranking", ylabel="nDCG@10", ylim=(0, 1.02))
    claim.figure(
        "misled",
        fig,
        caption="Searches that share no word with their page, but words with other pages of its topic. The lexical "
        "part has a full list of wrong pages to offer, and the more it weighs the more of them come first; at weight 0 "
        "the dense part is alone.",
        alt="The quality of the ranking falls as the weight of the lexical part grows from 0 to 1.",
    )
