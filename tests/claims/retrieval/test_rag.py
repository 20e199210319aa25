"""Claims of retrieval-augmented generation, on 8,000 invented facts and on the catalog's own pages."""

from functools import cache

import numpy as np
import torch

from reference_impl.core import Task, run
from reference_impl.figures import PALETTE, figure
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.retrieval.rag import RAG, STOP, padded
from reference_impl.tasks.questions import Questions, contains, invented, share
from reference_impl.tasks.searches import DEPTH, Searches, reciprocal_rank
from reference_impl.transformer.gpt import GPT

FACTS = Questions("facts")
HELD_OUT, ASKED = FACTS.splits["test"]
"""Answers and questions of the 2,000 facts that no reader is trained on."""


@cache
def reader():
    """RAG whose GPT has been trained on questions about the other 6,000 facts."""
    return run(RAG, {"reader": "gpt"}, task=FACTS, evaluate=False).model


def says(model, questions):
    """What the model answers, as plain strings."""
    return [a.text for a in model.answers(questions)]


def exact(given, wanted):
    return share(a == b.lower() for a, b in zip(given, wanted, strict=True))


def test_facts_never_seen_in_training_are_answered(claim):
    model = reader()
    open_book = says(model, ASKED)
    model.index([])
    closed_book = says(model, ASKED)
    model.index(FACTS.passages)
    claim.measure("exact_match", exact(open_book, HELD_OUT), baseline=exact(closed_book, HELD_OUT))

    lines = []
    for question, said, alone in list(zip(ASKED, open_book, closed_book, strict=True))[:4]:
        found = model.retrieve(question)
        lines += [question, *(f"    {model.scores(question)[i]:5.2f}  {model.passages[i][2]}" for i in found)]
        lines += [f"    answer: {said}   (without passages: {alone})", ""]
    claim.figure(
        "evidence",
        "\n".join(lines),
        caption="Four questions about facts that were never asked about in training, with the passages found, their "
        "BM25 scores, and what the same GPT says with and without them.",
        alt="Questions, three retrieved sentences each, and the answer read from one of them.",
    )


def test_knowledge_is_swapped_with_the_index(claim):
    # the same offices with other holders: what a new edition of the documents would say
    passages, pairs = invented(seed=1)
    holder = dict(pairs)
    changed = [i for i, q in enumerate(ASKED) if holder[q] != HELD_OUT[i]]
    questions, old, new = (
        [ASKED[i] for i in changed],
        [HELD_OUT[i] for i in changed],
        [holder[ASKED[i]] for i in changed],
    )

    model = reader()
    before = says(model, questions)
    model.index(passages)
    after = says(model, questions)
    model.index(FACTS.passages)
    task = Task(old, y=questions)
    task.words, task.passages = FACTS.words, []
    cfg = {"reader": "gpt", "vocab": FACTS.facts["vocab"], "steps": 700, "batch_size": 128}
    closed = says(run(RAG, cfg, task=task, evaluate=False).model, questions)
    claim.measure("follows_new_facts", exact(after, new), baseline=exact(closed, new))
    claim.measure("stale", exact(after, old), baseline=exact(closed, old))

    fig, ax = figure(6.0, 3.2)
    states = ["old documents", "new documents", "weights of a\nclosed-book GPT"]
    for said, x in zip((before, after, closed), range(3), strict=True):
        for shift, wanted, color, label in ((-0.2, old, PALETTE[8], "old fact"), (0.2, new, PALETTE[0], "new fact")):
            height = exact(said, wanted)
            ax.bar(x + shift, height, 0.36, color=color, label=label if x == 0 else None)
            ax.annotate(f"{height:.3f}", (x + shift, height), (0, 2), textcoords="offset points", ha="center")
    ax.set(xticks=range(3), xticklabels=states, ylabel="share of answers", ylim=(0, 1.15))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "hero",
        fig,
        caption="One reader, not retrained. Replace the documents and its answers follow at once; a GPT that learned "
        "the old facts by heart goes on giving them.",
        alt="Bars: answers are the old facts with old documents, the new with new ones; the closed-book GPT stays old.",
    )


def test_retrieval_bounds_what_can_be_copied(claim):
    # passages of ten facts about one place, of which long ones crowd out the right one
    ks, questions, wanted = [1, 2, 3, 5, 10, 20], ASKED[:300], HELD_OUT[:300]
    rng = np.random.default_rng(0)
    texts = np.array([text for _, _, text in FACTS.passages])
    shuffled = rng.permutation(len(texts)).reshape(-1, 8)
    documents = [(f"page {i}", "facts", " ".join(texts[rows])) for i, rows in enumerate(shuffled)]
    asked = [" ".join(w for w in q.split() if rng.random() > 0.25) for q in questions]
    answered, recall = [], []
    for k in ks:
        model = RAG(RAG.Config(top_k=k))
        model.index(documents)
        found = [[documents[i][2] for i in model.retrieve(q)] for q in asked]
        answered.append([contains(text, a) for text, a in zip(says(model, asked), wanted, strict=True)])
        recall.append([any(contains(t, a) for t in ts) for ts, a in zip(found, wanted, strict=True)])
    claim.measure("violations", int((np.array(answered) & ~np.array(recall)).sum()))
    claim.measure("gap", max(share(r) - share(a) for a, r in zip(answered, recall, strict=True)))

    fig, ax = figure(6.0, 3.2)
    x = np.arange(len(ks))
    ax.bar(x - 0.2, [share(r) for r in recall], 0.38, color=PALETTE[8], label="answer is in a retrieved passage")
    ax.bar(x + 0.2, [share(a) for a in answered], 0.38, color=PALETTE[0], label="answered by copying")
    ax.set(xticks=x, xticklabels=ks, xlabel="k, passages retrieved", ylabel="share of questions", ylim=(0, 1))
    ax.legend(loc="upper left")
    claim.figure(
        "bound",
        fig,
        caption="Pages of eight facts, and questions that have lost a quarter of their words. The copying reader never "
        "answers more than retrieval has put before it; more passages raise the bound, and also the chance that the "
        "answer occurs by accident on a wrong page.",
        alt="Paired bars over k: the share answered stays below the share retrieved for every k.",
    )


def test_empty_index_leaves_the_generator(claim):
    task = Questions("facts")
    task.passages = []
    model = run(RAG, {"reader": "gpt", "steps": 20}, task=task, evaluate=False).model
    gpt = GPT(GPT.Config(**model.cfg.model_dump(include=set(GPT.Config.model_fields))))
    gpt.load_state_dict(model.gpt.state_dict())
    batch = task.batch("test", 0, 500)
    asked, answers = [model.tokens(q) for q in batch.y], [model.tokens(a, STOP) for a in batch.x]
    with torch.no_grad():
        # log p(answer | question) from GPT alone: the whole row less the question
        whole = gpt.log_prob(padded([q + a for q, a in zip(asked, answers, strict=True)]))
        alone = -(whole - gpt.log_prob(padded(asked))).sum() / sum(map(len, answers))
        claim.measure("loss", (model.loss(batch)["answer"] - alone).abs().item())
        first = gpt.logits(padded(asked))[0][:, -1].argmax(-1).tolist()
    words = ["?", "", *model.words]
    said = [(text.split() or [""])[0] for text in says(model, batch.y)]
    claim.measure("answers", sum(words[i] != s for i, s in zip(first, said, strict=True)))


def test_the_retriever_can_be_exchanged(claim):
    # all three over the same pages; only the vectors are trained
    task = Searches()
    questions, wanted = [search.question for search in task.held_out], [search.wanted for search in task.held_out]
    alone = LexicalRetrieval(LexicalRetrieval.Config())
    alone.index(task.passages)

    def found(model):
        return [[model.passages[i][0] for i in model.retrieve(q, DEPTH)] for q in questions]

    lexical, seeds = run(RAG, task=task, evaluate=False).model, []
    claim.measure("differ", sum(lexical.retrieve(q, 100) != alone.retrieve(q, 100) for q in questions))
    for seed in range(3):
        hybrid = run(RAG, {"retriever": "hybrid"}, task=task, seed=seed, evaluate=False).model
        dense = RAG(RAG.Config(retriever="dense"))
        dense.load_state_dict(hybrid.state_dict())
        seeds.append({"lexical": found(lexical), "dense": found(dense.eval()), "hybrid": found(hybrid)})
    mrr = {name: [float(np.mean([*map(reciprocal_rank, s[name], wanted)])) for s in seeds] for name in seeds[0]}
    claim.measure("hybrid", mrr["hybrid"], baseline=mrr["lexical"])
    claim.measure("dense", mrr["hybrid"], baseline=mrr["dense"])

    fig, ax = figure(5.6, 3.0)
    ks = range(1, DEPTH + 1)
    for name, color in (("lexical", 8), ("dense", 1), ("hybrid", 0)):
        read = [share(not ids.isdisjoint(one[:k]) for ids, one in zip(wanted, seeds[0][name], strict=True)) for k in ks]
        ax.plot(ks, read, "o-", color=PALETTE[color], markersize=3, label=name)
    ax.set(xlabel="k, passages put before the reader", ylabel="share of questions", xticks=ks)
    ax.legend(title="retriever", loc="lower right")
    claim.figure(
        "retrievers",
        fig,
        caption="Held-out questions about the catalog's pages for which a passage of the right pattern is among the k "
        "that are read: no reader answers more. With two to seven passages words and vectors together are ahead; with "
        "one, vectors alone are as good, with ten, words alone. The first of three seeds.",
        alt="Three rising curves over k; that of the hybrid retriever is the highest from two passages to seven.",
    )
