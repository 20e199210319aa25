"""Molecules: enumeration, notation, and what users bring."""

import random

import pytest
import torch

from reference_impl.application.molecule_generation import MoleculeGenerator
from reference_impl.core import run
from reference_impl.figures import show
from reference_impl.figures_molecules import layout
from reference_impl.tasks import make
from reference_impl.tasks.molecules import canonical, molecules, parse, spelled, tokenized


def smi(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_alkanes_are_as_many_as_is_known():
    # https://oeis.org/A000602
    assert [len(molecules(n, "C", 1)) for n in range(1, 13)] == [1, 1, 1, 2, 3, 5, 9, 18, 35, 75, 159, 355]


def test_every_molecule_comes_once():
    some = [s for size in range(1, 6) for s in molecules(size)]
    assert len({canonical(parse(s)) for s in some}) == len(some)
    assert sorted(canonical(parse(s)) for s in molecules(2)) == sorted(
        ["CC", "C=C", "C#C", "CN", "C=N", "C#N", "CO", "C=O", "NN", "N=N", "N#N", "NO", "N=O", "OO", "O=O"]
    )


def test_built_in_molecules_are_different_and_in_canonical_form():
    task = make("molecules")
    train, test = (spelled(task.splits[s][0], task.symbols) for s in ("train", "test"))
    assert (len(set(train)), len(set(test))) == (4000, 1000)
    assert not set(train) & set(test)
    assert all(canonical(parse(s)) == s for s in test)
    counts = task.splits["test"][1]
    assert counts.tolist() == [sum(c in "NO" for c in s) for s in test]
    assert int((task.splits["train"][0] > 0).sum(1).max()) <= task.facts["context"] - 1, "the end fits"


def test_canonical_form_does_not_depend_on_the_writing():
    for strings in (["OC(C)=O", "CC(=O)O", "O=C(O)C", "C(=O)(O)C", "C-C(-O)=O"], ["ClCCBr", "BrCCCl", "C(Cl)CBr"]):
        assert len({canonical(parse(s)) for s in strings}) == 1
    assert canonical(parse("CCO")) != canonical(parse("COC"))


def test_the_end_of_a_drawing_is_where_bonds_have_length_one():
    for smiles in ("CCO", "C#CC", "CC(C)(C)C", "C=C=C=C", "NC(=O)C(O)C#N"):
        m = parse(smiles)
        at = layout(m.neighbors())
        for a, b, _ in m.bonds:
            assert ((at[a] - at[b]) ** 2).sum() == pytest.approx(1)
        apart = torch.cdist(torch.tensor(at), torch.tensor(at)) + 9 * torch.eye(len(at))
        assert apart.min() > 0.8, smiles


def test_a_users_file(tmp_path):
    known = random.Random(0).sample([s for n in (4, 5) for s in molecules(n)], 118)
    path = smi(
        tmp_path / "own.smi", [f"{s} name {i}" for i, s in enumerate(known)] + ["", "FC(Cl)Br", "C(F)(Cl)Br", "CS"]
    )
    task = make("molecules", path)
    assert [len(task.splits[s][0]) for s in ("train", "test")] == [96, 24], "written twice is one molecule"
    assert {"F", "Cl", "Br", "S"} <= set(task.symbols)
    assert tokenized("C(F)(Cl)Br") == ["C", "(", "F", ")", "(", "Cl", ")", "Br"]
    result = run(MoleculeGenerator, {"steps": 3, "batch_size": 8, "channels": 8}, task=task)
    scores = {s.name: s.value for s in result.scores}
    assert scores["valid"] == 1.0
    assert "distance from the wish" in scores
    samples = result.model.sample(7)
    assert samples.shape == (7, task.facts["context"] + 1)
    assert all(parse(s) for s in spelled(samples, task.symbols))
    assert len(show("molecule", samples, task.facts).axes) == 12


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c1ccccc1", "1 of 60 molecules.*line 60: c1ccccc1: 'c' is an aromatic atom"),
        ("C1CC1", "'1' is a ring"),
        ("C[NH3+]", r"'\[' is a bracket atom"),
        ("CC.O", "a second molecule after a dot"),
        ("C/C=C/C", "a double bond's geometry"),
        ("CX", "'X', which is not read"),
        ("C=O=C", "an atom O has 4 bonds, and 2 are possible"),
        ("C(C", r"'\(' without '\)'"),
        ("CC)C", r"'\)' without '\('"),
        ("CC=", "ends where an atom is needed"),
        ("C()C", r"'\)' where an atom is needed"),
        ("=CC", "'=' where an atom is needed"),
    ],
)
def test_lines_that_are_no_molecules_here(tmp_path, line, message):
    known = [s for n in (3, 4) for s in molecules(n)][:59]
    with pytest.raises(ValueError, match=message):
        make("molecules", smi(tmp_path / "own.smi", [*known, line]))


def test_files_that_are_no_data(tmp_path):
    with pytest.raises(ValueError, match="2 different molecules; at least 50"):
        make("molecules", smi(tmp_path / "own.smi", ["CCO", "OCC", "CC"]))
    with pytest.raises(FileNotFoundError, match="no such file"):
        make("molecules", tmp_path / "none.smi")
