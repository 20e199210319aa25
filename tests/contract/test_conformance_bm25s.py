"""The same scores as bm25s, from the same words."""

import pytest
import torch

from reference_impl.blocks_retrieval import ranking, split
from reference_impl.retrieval.lexical_retrieval import LexicalRetrieval
from reference_impl.tasks import make


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (1.5, 0.0), (0.5, 1.0)])
def test_scores_are_those_of_bm25s(k1, b):
    bm25s = pytest.importorskip("bm25s")
    task = make("searches")
    model = LexicalRetrieval(LexicalRetrieval.Config(k1=k1, b=b))
    model.prepare(task)
    # names of the variants: Lucene's idf, and a fraction with the factor k1 + 1
    theirs = bm25s.BM25(method="atire", idf_method="lucene", k1=k1, b=b, dtype="float64")
    theirs.index([split(text) for _, _, text in task.passages], show_progress=False)
    for question in [search.question for search in task.dev[:60]]:
        ours = model.scores(question)
        known = [word for word in split(question) if word in model.idf]
        expected = torch.from_numpy(theirs.get_scores(known)) if known else torch.zeros(len(ours))
        torch.testing.assert_close(ours, expected.double(), atol=1e-5, rtol=1e-6)
        assert ranking(ours.round(decimals=9), 10) == ranking(expected.double().round(decimals=9), 10)
