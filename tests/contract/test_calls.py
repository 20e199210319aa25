"""Questions with calls, and the loop that executes them."""

import pytest
import torch

from reference_impl.agent.tool_use import ToolUse
from reference_impl.core import Batch, load, run
from reference_impl.tasks import make
from reference_impl.tasks.calls import NAMES, Calls, asked


@pytest.fixture(scope="module")
def task():
    return Calls()


def model_of(task, **settings):
    known = {k: v for k, v in task.facts.items() if k in ToolUse.Config.model_fields}
    model = ToolUse(ToolUse.Config(**{**known, "channels": 16, "layers": 1, "heads": 2, **settings}))
    model.prepare(task)
    return model


def test_the_loop_gives_what_the_texts_record(task):
    model = model_of(task)
    for question, text in asked(200, seed=5, entries=task.entries):
        seen, last = "", ""
        for part in text.split("[")[1:]:
            call, _, rest = part.partition("]")
            seen = rest.partition(";")[0]
            assert model.observe(call) == seen
            last = call
        assert text.endswith(f":{seen}")
        assert question.lstrip("@") == (last if "*" in last else text[2:5])


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        ("12*34", "408"),
        ("0*7", "0"),
        ("1234567*7654321", "9449772114007"),
        ("99999999*99999999", "long"),
        ("@zzz", "none"),
        ("12*", "malformed"),
        ("*", "malformed"),
        ("-1*2", "malformed"),
        ("²*2", "malformed"),
        ("2**9", "malformed"),
        ("", "malformed"),
        ("__import__('os')", "malformed"),
        ("9" * 200 + "*2", "malformed"),
    ],
)
def test_observations_say_why_there_is_no_result(task, call, seen):
    assert model_of(task, longest=14).observe(call) == seen


def test_entries_with_signs_of_the_protocol_are_refused(task):
    for screened, seen in ((True, "refused"), (False, "a;[@b]c")):
        model = model_of(task, screened=screened)
        model.entries = {"x": "a;[@b]c"}
        assert model.observe("@x") == seen
    assert model_of(task, tools=("dictionary",)).observe("1*1") == "malformed"


def test_questions_and_observations_are_not_learned(task):
    model, x = model_of(task), task.splits["train"][0][:4]
    texts = [task.text(row) for row in x.tolist()]
    changed = x.clone()
    changed[:, 1] += 1
    logits = torch.randn(4, x.shape[1] - 1, model.cfg.vocab)
    model.logits = lambda ids: (logits, None)
    assert model.loss(Batch(x))["loss"] == model.loss(Batch(changed))["loss"], "a character of the question"
    for row, text in enumerate(texts):
        changed[row, text.index("]") + 1] += 1
    assert model.loss(Batch(x))["loss"] == model.loss(Batch(changed))["loss"], "a character of the observation"
    changed[0, texts[0].index(":") + 1] += 1
    assert model.loss(Batch(x))["loss"] != model.loss(Batch(changed))["loss"], "a character of the answer"


def test_answers_alone(task):
    bare = Calls(calls=False)
    (x, _), (with_calls, _) = bare.splits["test"], task.splits["test"]
    assert bare.answers(x) == task.answers(with_calls)
    assert "[" not in bare.text(x.flatten().tolist())
    assert set(task.entries) < set(NAMES)


def test_no_room_is_said(task):
    with pytest.raises(ValueError, match="a question of 12 tokens leaves no room for an answer within length=14"):
        model_of(task).sample(1, torch.full((1, 12), 5), 14)


def test_a_users_table_with_its_dictionary(tmp_path):
    path = tmp_path / "capitals.tsv"
    rows = [f"capital of c{i}\t[@c{'abcdefgh'[i % 8]}]city;:city\n" for i in range(30)]
    path.write_text("".join(rows))
    task = make("calls", path)
    assert task.entries == {f"c{c}": "city" for c in "abcdefgh"}
    run(ToolUse, {"steps": 3, "batch_size": 8, "channels": 16}, task=task, out=tmp_path / "run")
    assert load(tmp_path / "run")[0].entries == task.entries
