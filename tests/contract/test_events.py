"""Searches that need the order of the words."""

from collections import Counter

from reference_impl.tasks import make


def test_each_search_has_six_passages_of_the_same_words():
    task = make("events")
    bags = Counter(frozenset(text.split()) for _, _, text in task.passages)
    assert set(bags.values()) == {6}
    assert len(bags) == 500
    assert len({text for _, _, text in task.passages}) == 3000
    for passages, searches in task.splits.values():
        for text, search in zip(passages, searches, strict=True):
            who, verb, whom, _, third = text.split()
            assert search == f"was {whom} {verb} to {third} by {who}"


def test_searches_for_whole_sets_are_held_out():
    task = make("events")
    (seen, _), (held_out, asked) = task.splits["train"], task.splits["test"]
    assert not {frozenset(text.split()) for text in seen} & {frozenset(text.split()) for text in held_out}
    assert [search.question for search in task.held_out] == asked
    text = {id: text for id, _, text in task.passages}
    assert [{text[id] for id in search.wanted} for search in task.held_out] == [{passage} for passage in held_out]


def test_a_users_text_is_searched_instead(tmp_path):
    path = tmp_path / "pages.txt"
    path.write_text("Ben lives in Rome. He bakes.\n\nCleo lives in Oslo. She sells fish.\n\nWho sells fish?\tCleo\n")
    task = make("events", path)
    assert [text for _, _, text in task.passages] == [
        "Ben lives in Rome. He bakes.",
        "Cleo lives in Oslo. She sells fish.",
    ]
    assert [(search.question, search.wanted) for search in task.held_out] == []
    assert [search.question for search in task.dev] == ["Who sells fish?"]
