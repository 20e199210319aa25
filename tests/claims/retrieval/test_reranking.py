"""Claims of reranking, on searches whose six candidates have the same words in different parts."""

from functools import cache

import numpy as np
import torch

from reference_impl.core import Batch, run
from reference_impl.figures import PALETTE, figure
from reference_impl.retrieval.dense_retrieval import DenseRetrieval
from reference_impl.retrieval.reranking import Reranking
from reference_impl.tasks import make
from reference_impl.tasks.searches import reciprocal_rank

EVENTS = make("events")
ASKED = EVENTS.held_out[::3]
SMALL = {"batch_size": 16, "steps": 10, "depth": 1, "width": 32}


@cache
@torch.enable_grad()
def trained(seed=0):
    """Both stages, 100 steps each."""
    return run(Reranking, {"steps": 100}, task=EVENTS, seed=seed, evaluate=False).model.eval()


@cache
@torch.enable_grad()
def briefly():
    """Both stages after a few steps, in double precision."""
    model = run(Reranking, SMALL, task=EVENTS, evaluate=False).model.double().eval()
    model.index(EVENTS.passages)
    return model


def place(model, search, k=10):
    """Reciprocal rank of the right passage among the first k, 0 where it is not there."""
    return reciprocal_rank([model.passages[i][0] for i in model.retrieve(search.question, k)], search.wanted)


def with_candidates(model, k):
    """A model of the same weights that reads k candidates."""
    other = Reranking(Reranking.Config(**{**model.cfg.model_dump(), "candidates": k})).to(model.judge.weight.dtype)
    other.load_state_dict(model.state_dict())
    return other.eval()


def test_parts_are_told_from_words(claim):
    before, after = (
        [[place(stage(trained(s)), q) for q in ASKED] for s in range(3)] for stage in (first_stage, both_stages)
    )
    claim.measure("mrr", [float(np.mean(row)) for row in after], baseline=[float(np.mean(row)) for row in before])
    draw_order(claim, trained(), next(search for search in ASKED if place(trained().first, search) == 1 / 5))
    draw_bound(claim, trained())

    fig, ax = figure(6.0, 3.0)
    ranks = np.arange(1, 7)
    for shift, found, color, label in ((-0.2, before, PALETTE[8], "first stage"), (0.2, after, PALETTE[0], "reranked")):
        share = [np.mean(np.isclose(found, 1 / rank)) for rank in ranks]
        ax.bar(ranks + shift, share, 0.38, color=color, label=label)
    ax.set(xlabel="rank of the right passage", ylabel="share of searches", ylim=(0, 1.05))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "ranks",
        fig,
        caption="A mean of word vectors is the same for all six passages, so the first stage puts the right one on "
        "any of six places alike. Read together with the search, it comes first nearly always.",
        alt="Gray bars of about one sixth at ranks one to six; one blue bar near one at rank one.",
    )


def first_stage(model):
    return model.first


def both_stages(model):
    return model


def draw_order(claim, model, search):
    """Candidates in the order of either stage, a line for each."""
    proposed, ordered = (stage.retrieve(search.question, 10) for stage in (model.first, model))
    best = proposed[:6]
    ordered = [row for row in ordered if row in best]
    fig, ax = figure(7.0, 2.9)
    for rank, row in enumerate(best):
        id, _, text = model.passages[row]
        right, later = id in search.wanted, ordered.index(row)
        color = PALETTE[1] if right else PALETTE[8]
        ax.plot([0, 1], [rank, later], "o-", color=color, linewidth=2 if right else 1, markersize=4)
        ax.annotate(text, (0, rank), (-8, 0), textcoords="offset points", ha="right", va="center", color=color)
        ax.annotate(text, (1, later), (8, 0), textcoords="offset points", ha="left", va="center", color=color)
    ax.set(xlim=(-1.5, 2.5), ylim=(5.6, -0.8), xticks=[0, 1], xticklabels=["first stage", "reranked"], yticks=[])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(f"“{search.question}?”", pad=12)
    claim.figure(
        "hero",
        fig,
        caption="Six passages with the words of a held-out search. To the first stage, which averages words, they are "
        "one point, in an order by chance; the cross-encoder puts the one with the right parts first.",
        alt="Two columns of the same six sentences; the highlighted right one rises to the top of the second.",
    )


def draw_bound(claim, model):
    """What the first stage lets through, and what the second makes of it."""
    ks = (1, 2, 3, 4, 6, 8, 10)
    asked = ASKED[::2]
    recall = [np.mean([place(model.first, search, k) > 0 for search in asked]) for k in ks]
    mrr = [np.mean([place(whole, search) for search in asked]) for whole in (with_candidates(model, k) for k in ks)]
    fig, ax = figure(6.4, 3.0)
    ax.plot(ks, recall, "o-", color=PALETTE[8], label="right one among k candidates")
    ax.plot(ks, mrr, "o--", color=PALETTE[0], label="MRR@10 after reranking")
    ax.set(xlabel="k, candidates that are read", ylim=(0, 1.05))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "bound",
        fig,
        caption="With k candidates reranking finds what the first stage has among its best k and no more. Six have the "
        "words of the search, so from there on further candidates cost passes and bring nothing.",
        alt="Two curves that rise together from about one sixth at one candidate to one at six and stay there.",
    )


def test_a_layered_tower_learns_the_parts_too(claim):
    cfg = {"channels": 64, "buckets": 4096, "layers": 2, "longest": 0, "dropout": 0, "lr": 2e-3, "warmup": 20}
    cfg |= {"steps": 400, "batch_size": 64}
    tower = run(DenseRetrieval, cfg, task=EVENTS, evaluate=False).model.eval()
    found = [float(np.mean([place(model, search) for search in ASKED])) for model in (tower, trained().first)]
    claim.measure("mrr", found[0], baseline=found[1])


def test_candidates_bound_what_is_found(claim):
    model, asked, ks = briefly(), ASKED[:40], (1, 2, 4, 6, 10)
    mrr, recall, passes = [], [], []
    for k in ks:
        short = with_candidates(model, k)
        read = []
        short.judge.register_forward_hook(lambda _, given, __, read=read: read.append(len(given[0])))
        mrr.append(np.mean([place(short, search) for search in asked]))
        passes.append(sum(read) / len(asked))
        recall.append(np.mean([place(short.first, search, k) > 0 for search in asked]))
    claim.measure("violations", int((np.array(mrr) > np.array(recall)).sum()))
    claim.measure("passes", max(abs(n - k) for n, k in zip(passes, ks, strict=True)))


def test_one_candidate_leaves_the_first_stage(claim):
    model, asked = briefly(), [search.question for search in ASKED[:100]]
    alone = DenseRetrieval(model.first.cfg).double()
    alone.load_state_dict(model.first.state_dict())
    found = [alone.retrieve(question, 1) for question in asked]
    one, ten = (with_candidates(model, k) for k in (1, 10))
    differ = [sum(m.retrieve(q, 1) != rows for q, rows in zip(asked, found, strict=True)) for m in (one, ten)]
    claim.measure("differences", differ[0], baseline=differ[1])


def test_pairs_are_judged_alone_and_compared(claim):
    model = briefly()
    passages, asked = EVENTS.splits["test"]
    # lengths differ, so that padding would show
    pairs = [(q, " ".join(z.split()[: 1 + i % 5])) for i, (q, z) in enumerate(zip(asked[:40], passages, strict=False))]
    with torch.no_grad():
        together, alone = model.judged(pairs), torch.cat([model.judged([pair]) for pair in pairs])
        claim.measure("score", (together - alone).abs().max().item())
        batch = Batch(passages[:6], asked[:6])
        nats = []
        for i, (q, right) in enumerate(zip(asked[:6], passages[:6], strict=True)):
            found = [model.passages[row][2] for row in model.first.retrieve(q, model.cfg.proposed)]
            drawn = [passages[(i + j) % 6] for j in range(1, model.cfg.drawn + 1)]
            group = {text: model.judged([(q, text)]).exp() for text in {right, *found, *drawn}}
            nats.append(-(group[right] / sum(group.values())).log())
        claim.measure("loss", (model.loss(batch)["loss"] - torch.cat(nats).mean()).abs().item())
