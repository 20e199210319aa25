"""Claims of lexical retrieval, on the catalog's own pages."""

from collections import Counter
from functools import cache
from math import log

import numpy as np

from reference_impl.blocks_retrieval import ranking, split
from reference_impl.figures import PALETTE, figure
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.tasks.questions import FACT, FACTS
from reference_impl.tasks.searches import DEPTH, Searches, reciprocal_rank

TASK = cache(Searches)


@cache
def bm25(k1: float = 1.2, b: float = 0.75) -> LexicalRetrieval:
    """BM25 over the catalog's pages."""
    model = LexicalRetrieval(LexicalRetrieval.Config(k1=k1, b=b))
    model.prepare(TASK())
    return model


@cache
def counts() -> list[Counter]:
    """How often each word occurs in each passage."""
    return [Counter(split(text)) for _, _, text in TASK().passages]


def rarity() -> dict[str, float]:
    """(2), written down anew from how many passages have each word."""
    n = len(counts())
    having = {word: sum(word in count for count in counts()) for word in TASK().words}
    return {word: log((n + 1) / (m + 0.5)) for word, m in having.items()}


def ids(rows):
    return [TASK().passages[i][0] for i in rows]


def rank(scores, wanted):
    """Reciprocal rank of the wanted ids in the order of the scores (N,)."""
    return reciprocal_rank(ids(ranking(scores, DEPTH)), wanted)


def asked(kind):
    return [search for search in TASK().held_out if search.kind == kind]


def test_limits_of_the_formula(claim):
    questions = [search.question for search in TASK().dev[::8]]
    idf = rarity()

    def worst(model, adds):
        """Largest difference of the model's scores to the sum of adds(word, f) over the question's words."""
        return max(
            abs(score - sum(adds(w, count[w]) for w in split(question) if count[w]))
            for question in questions
            for score, count in zip(model.scores(question).tolist(), counts(), strict=True)
        )

    claim.measure("presence_alone", worst(bm25(k1=0), lambda w, f: idf[w]))
    claim.measure("no_length", worst(bm25(b=0), lambda w, f: idf[w] * f * 2.2 / (f + 1.2)))
    claim.measure("occurrences", worst(bm25(k1=1e13, b=0), lambda w, f: idf[w] * f))

    # one word once, twice, ... in passages that are otherwise filled with words that occur nowhere else
    fig, ax = figure(6.0, 3.2)
    times = range(1, 13)
    for i, k1 in enumerate((0, 0.5, 1.2, 4)):
        model = LexicalRetrieval(LexicalRetrieval.Config(k1=k1, b=0))
        model.index([(str(f), "", "word " * f) for f in times] + [("", "", "other")] * 30)
        ax.plot(times, model.scores("word")[: len(times)] / model.idf["word"], "o-", color=PALETTE[i], markersize=3)
        ax.annotate(
            f"$k_1$ = {k1:g}", (12.2, model.scores("word")[11] / model.idf["word"]), color=PALETTE[i], va="center"
        )
    ax.set(xlabel="occurrences of the word in the passage", ylabel="score / idf", xlim=(0.5, 14.2), ylim=(0, 4.3))
    claim.figure(
        "saturation",
        fig,
        caption="What a word adds to the score of a passage in which it occurs once to twelve times, without "
        "length correction. With k1 = 0 presence is all that counts; otherwise each further occurrence adds less, and "
        "no number of them adds more than k1 + 1 times the word's idf.",
        alt="Four curves over the number of occurrences: flat for k1 = 0, rising ever more slowly for larger k1.",
    )


def test_known_items_are_found_by_their_names(claim):
    facts = [(id, FACT.fullmatch(text)) for id, section, text in TASK().passages if section == FACTS]
    named = [(name, {id}) for id, f in facts for name in [f["name"], *filter(None, (f["aliases"] or "").split(", "))]]
    keywords = [(search.question, search.wanted) for search in asked("keyword")]

    def frequency(question):
        """Occurrences of the question's words in each passage."""
        return np.array([sum(count[w] for w in split(question)) for count in counts()])

    for measure, queries in (("names", named), ("keywords", keywords)):
        ranks = [rank(bm25().scores(question), wanted) for question, wanted in queries]
        order = [np.argsort(-frequency(question), kind="stable")[:DEPTH] for question, _ in queries]
        raw = [reciprocal_rank(ids(rows), wanted) for rows, (_, wanted) in zip(order, queries, strict=True)]
        claim.measure(measure, float(np.mean(ranks)), baseline=float(np.mean(raw)))

    question = "PatchGAN L1 image-to-image paired U-Net"
    added = bm25().contributions(question)
    rows = bm25().retrieve(question, 8)
    fig, ax = figure(6.6, 3.4)
    left = np.zeros(len(rows))
    for i, (word, score) in enumerate(added.items()):
        width = score[rows].numpy()
        ax.barh(range(len(rows)), width, left=left, height=0.7, color=PALETTE[i], label=word)
        left += width
    ax.set_yticks(range(len(rows)), ["/".join(TASK().passages[i][:2]) for i in rows])
    ax.invert_yaxis()
    ax.set(xlabel="BM25 score: what each word of the question adds")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    claim.figure(
        "hero",
        fig,
        caption=f"The eight best passages of the catalog's pages for “{question}”, and what each word adds to their "
        "scores. Rare words decide; “to”, which many passages have, adds next to nothing.",
        alt="Stacked bars for eight passages, one color for each word of the question.",
    )


def test_questions_in_other_words_rank_low(claim):
    ranks = {
        kind: float(np.mean([rank(bm25().scores(s.question), s.wanted) for s in asked(kind)]))
        for kind in ("keyword", "paraphrase", "symptom")
    }
    claim.measure("paraphrases", ranks["paraphrase"], baseline=ranks["keyword"])
    claim.measure("symptoms", ranks["symptom"], baseline=ranks["keyword"])

    lines = []
    for search in [s for s in asked("paraphrase") if rank(bm25().scores(s.question), s.wanted) == 0][:4]:
        best = bm25().retrieve(search.question, 1)
        right = {w for id, _, text in TASK().passages if id in search.wanted for w in split(text)}
        unknown = [w for w in dict.fromkeys(split(search.question)) if w not in right]
        lines += [search.question, f"    wanted: {', '.join(search.wanted)}; found first: {ids(best)[0]}"]
        lines += [f"    words that are nowhere on the wanted page: {', '.join(unknown) or 'none'}", ""]
    claim.figure(
        "missed",
        "\n".join(lines),
        caption="Four held-out questions in words of their own, for which no passage of the right pattern is among the "
        "ten best.",
        alt="Questions, the pattern wanted, the one found, and the words that the wanted page does not have.",
    )
