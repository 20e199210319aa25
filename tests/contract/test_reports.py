"""Reports and summaries: their facts, the splits, and what users bring."""

import random

import torch

from reference_impl.core import run
from reference_impl.tasks import make
from reference_impl.tasks.reports import FIELDS, UNPAIRED, Reports, report, stated
from reference_impl.tasks.sentences import UNKNOWN, spelled
from reference_impl.transformer.bart import BART


def test_a_summary_states_the_facts_and_the_report_has_them_all():
    rng = random.Random(5)
    for _ in range(200):
        text, summary, facts = report(rng, FIELDS["place"])
        assert stated(summary) == set(facts.items())
        assert stated(summary) <= stated(text)
        assert text.count(" .") == 5


def test_values_are_of_one_field_each():
    values = [value for field in FIELDS.values() for value in field]
    assert len(values) == len(set(values))


def test_unpaired_places_have_no_summary():
    task = Reports(pairs=300)
    told = {name: " ".join(spelled(y, task.facts)) for name, (_, y) in task.splits.items()}
    for name, there in {"train": False, "test": False, "text": True, "unseen": True}.items():
        assert any(place in told[name].split() for place in UNPAIRED) == there, name
    x, y = task.splits["text"]
    assert torch.equal(x[:, 1:], y)
    assert not (task.splits["unseen"][1] == UNKNOWN).any(), "unlabeled reports name every place"


def test_a_users_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a long text on {n}\tshort {n}\n" for n in range(30)))
    task = make("reports", path)
    assert task.facts["stop"] == 0, "no sentence ends where there is no full stop"
    assert len(task.splits["text"][0]) == len(task.splits["train"][0]) == 27
    model = run(BART, {"steps": 3, "batch_size": 4, "channels": 8}, task=task, evaluate=False).model
    assert model.sample(2, task.splits["test"][1][:2]).shape == task.splits["test"][0][:2].shape


def test_without_noise_a_text_is_read_as_it_is():
    x = Reports(pairs=50, texts=50).splits["text"][0][:, 1:]
    model = BART(BART.Config(vocab=500, context=x.shape[1], rate=0.0))
    assert torch.equal(model.corrupt(x), x)
    shuffled = BART(BART.Config(vocab=500, context=x.shape[1], rate=0.0, stop=5)).corrupt(x)
    assert not torch.equal(shuffled, x)
    assert torch.equal(shuffled.sort(1).values, x.sort(1).values)


def test_infilling_hides_the_wanted_share():
    x = torch.cat([torch.randint(4, 50, (200, 300)), torch.full((200, 1), 2)], 1)
    y = BART(BART.Config(vocab=50, context=301)).corrupt(x)
    kept, masks = ((y > 3) & (y < 50)).sum().item(), (y == 50).sum().item()
    assert abs(1 - kept / 60000 - 0.3) < 0.03
    assert (y == 2).sum(1).eq(1).all()
    # a mask for most spans: those of length 0 too, fewer where spans overlap
    assert 0.07 < masks / 60000 < 0.12
