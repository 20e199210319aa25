"""Searches that share no word with their page."""

from reference_impl.tasks import make


def test_a_search_says_the_same_in_other_words():
    task = make("synonyms")
    (pages, searches), (held_out, test_searches) = task.splits["train"], task.splits["test"]
    pages, searches = pages + held_out, searches + test_searches
    assert len(pages) == len({frozenset(page.split()) for page in pages}) == 2520
    assert all(len(set(page.split()) | set(search.split())) == 8 for page, search in zip(pages, searches, strict=True))
    assert [text for _, _, text in task.passages] == held_out


def test_synonyms_are_words_of_one_meaning_each():
    task = make("synonyms")
    pages, searches = task.splits["train"]
    said = {}
    for page, search in zip(pages, searches, strict=True):
        for word in page.split():
            # what all searches for pages with this word have in common is the word's synonym
            said[word] = said.get(word, set(search.split())) & set(search.split())
    assert len(said) == 240
    assert all(len(other) == 1 for other in said.values())
    assert all(said[next(iter(said[word]))] == {word} for word in said)
