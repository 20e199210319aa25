"""Records in JSON and the languages that they are held to."""

import itertools
import json
import random
import re
from functools import reduce

import pytest
import torch

from reference_impl.blocks_grammar import NOTHING, both, derive, either, json_object, many, nullable, text
from reference_impl.core import run
from reference_impl.inference.constrained_decoding import ConstrainedDecoding, automaton
from reference_impl.tasks import make
from reference_impl.tasks.records import invented, parses
from reference_impl.tasks.sentences import SPECIAL, spelled

a, b, c = map(text, "abc")


@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        (both(a, many(either([b, c])), a), "a(b|c)*a"),
        (many(both(either([a, text("")]), b)), "((a|)b)*"),
        (either([text("abc"), many(a), both(many(many(b)), c)]), "abc|a*|(b*)*c"),
        (both(many(a), many(b), many(a)), "a*b*a*"),
    ],
)
def test_derivatives_match_what_regular_expressions_match(language, pattern):
    table, distance = automaton(language, (*SPECIAL, "a", "b", "c"))
    for n in range(7):
        for word in itertools.product("abc", repeat=n):
            left = reduce(derive, word, language)
            assert nullable(left) == bool(re.fullmatch(pattern, "".join(word)))
            state = reduce(lambda s, x: int(table[s, 4 + "abc".index(x)]), word, 0)
            assert bool(distance[state] == 1) == nullable(left)
            assert bool(distance[state].isinf()) == (left == NOTHING)


def test_the_grammar_takes_records_and_nothing_that_does_not_parse():
    draw, taken = random.Random(0), 0
    records = [*invented(200), '{"a": [1, {}], "b": {"c": -0.5}}', "{}"]
    alphabet = sorted(set("".join(records)))
    language = json_object(frozenset(alphabet), depth=3)
    for record in records:
        assert nullable(reduce(derive, record, language)), record
        for _ in range(20):  # a character replaced
            at = draw.randrange(len(record))
            changed = record[:at] + draw.choice(alphabet) + record[at + 1 :]
            if nullable(reduce(derive, changed, language)):
                taken += 1
                assert parses(changed), changed
    assert taken > 500
    assert not nullable(reduce(derive, '{"a": [{"b": [1]}]}', language)), "four levels"


def test_tokens_may_be_longer_than_a_character():
    words = (*SPECIAL, '{"', '":', "{", "}", "a", "1", '": ')
    model = ConstrainedDecoding(ConstrainedDecoding.Config(words=words, vocab=len(words), context=24, depth=1))
    torch.manual_seed(0)
    texts = ["".join(words[i] for i in row if i > 2) for row in model.sample(200).tolist()]
    assert all(map(parses, texts))
    assert len(set(texts)) > 20


def test_prompts_are_continued_and_impossible_ones_refused():
    task = make("records")
    words = task.facts["words"]
    model = run(ConstrainedDecoding, {"steps": 0, "channels": 16, "layers": 1}, task=task, evaluate=False).model
    prompt = lambda s: torch.tensor([[1, *map(words.index, s)]])
    assert all(
        s.startswith('{"item": [') and parses(s) for s in spelled(model.sample(1, prompt('{"item": [')), task.facts)
    )
    with pytest.raises(ValueError, match="no valid text"):
        model.sample(1, prompt('{"item" "'))
    with pytest.raises(ValueError, match="within length=5"):
        model.sample(1, prompt('{"i'), length=5)


def test_a_users_records(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps({"n": i, "s": "é" * (i % 3)}) for i in range(40)) + "\n")
    task = make("records", path)
    assert spelled(task.splits["test"][0][:1], task.facts) == ['{"n": 0, "s": ""}']
    assert len(task.splits["train"][0]) == 36
    model = run(ConstrainedDecoding, {"steps": 2, "batch_size": 8}, task=task).model
    assert all(map(parses, spelled(model.sample(20), task.facts)))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "{}\n{a}\n", "line 2: not JSON"),
        ("a.jsonl", "{}\n", "at least 20"),
        ("a.jsonl", json.dumps("x" * 500), "at most 400"),
        ("a.csv", "{}", ".jsonl or .txt"),
    ],
)
def test_what_is_no_file_of_records_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=says):
        make("records", tmp_path / name)
