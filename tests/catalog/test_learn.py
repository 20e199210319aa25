"""Ways, exercises and terms: answers are computed, steps are in the graph, mistakes are told with their place."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from catalog import data, learn, loader

CATALOG = loader.load()
LEARN = learn.load(CATALOG)
assert LEARN is not None
STANDARD = {"math", "itertools", "statistics"}


@pytest.mark.parametrize("exercise", LEARN.exercises, ids=lambda x: x.id)
def test_the_code_of_an_exercise_computes_its_answer(exercise: learn.Exercise):
    namespace: dict[str, object] = {}
    exec(exercise.check, namespace)
    got = namespace["result"]
    found = got if isinstance(got, tuple) else (got,)
    assert len(found) == len(exercise.results)
    for value, printed in zip(found, exercise.results, strict=True):
        bare = printed.replace(",", "")
        last = 10.0 ** -len(bare.partition(".")[2])
        assert value == pytest.approx(float(bare), abs=last / 2 + 1e-9, rel=0), exercise.id
        assert printed in learn.numbers(exercise.answer)


@pytest.mark.parametrize("exercise", LEARN.exercises, ids=lambda x: x.id)
def test_the_code_of_an_exercise_needs_nothing_but_python(exercise: learn.Exercise):
    tree = ast.parse(exercise.check)
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= STANDARD
    assert not any(isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant) for n in tree.body[-1:]), (
        "the result is computed, not stated"
    )


def test_there_is_much_to_do_on_every_way():
    assert len(LEARN.paths) >= 5
    assert len(LEARN.exercises) >= 24
    used = {s.exercise for p in LEARN.paths for s in p.steps if s.exercise}
    for path in LEARN.paths:
        assert sum(s.exercise is not None for s in path.steps) >= len(path.steps) / 2, path.id
    assert len(used) >= 24


def test_every_step_is_joined_to_an_earlier_one_by_a_relation_of_the_graph():
    for path in LEARN.paths:
        for i, step in enumerate(path.steps[1:], 1):
            assert step.after in {s.pattern for s in path.steps[:i]}
            assert (step.by, step.after) in {(x.type, x.target) for x in CATALOG.edges(step.pattern)}


def test_nothing_is_wrong_with_the_file():
    assert loader.read()[1] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(data.folder(), tmp_path / "patterns"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("      - pattern: vae\n", "      - pattern: vea\n", "no entry 'vea'"),
        ("claim: solves_the_adding_problem", "claim: solves_the_subtracting_problem", "no claim 'solves_the_sub"),
        ("exercise: bits_of_a_vq_code", "exercise: bits_of_a_code", "no exercise 'bits_of_a_code'"),
        (
            "        after: seq2seq\n        by: remedies",
            "        after: seq2seq\n        by: adapts",
            "is not 'adapts' to",
        ),
        ("        after: seq2seq\n        by: remedies", "        after: gpt\n        by: remedies", "no earlier step"),
        ("        after: seq2seq\n        by: remedies\n", "", "is not joined to an earlier one"),
        ('results: ["24", "10.9"]', 'results: ["24", "11.9"]', "does not say 11.9"),
        ('results: ["24", "10.9"]', 'results: ["24", "about 11"]', "results[1]"),
        ("  - id: best_denoiser", "  - id: linear_code", "'linear_code' is given twice"),
        ("patterns: [ddpm]", "patterns: [dpdm]", "no entry 'dpdm'; did you mean"),
    ],
)
def test_a_mistake_is_told_with_its_place(folder: Path, old: str, new: str, said: str):
    file = folder / learn.FILE
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    problems = loader.read(folder)[1]
    found = [p for p in problems if said in str(p)]
    assert found, problems
    first = text[: text.index(old)].count("\n") + 1
    assert Path(found[0].file).name == learn.FILE
    assert abs(found[0].line - first) <= 9


def test_a_catalog_may_do_without(folder: Path):
    (folder / learn.FILE).unlink()
    catalog, problems = loader.read(folder)
    assert problems == []
    assert learn.load(catalog) is None
