"""Tables: what ships, and what users bring."""

import csv
import io

import numpy as np
import pytest
import torch

from reference_impl.application.synthetic_data import SyntheticData
from reference_impl.core import run
from reference_impl.figures import show
from reference_impl.tasks import make
from reference_impl.tasks.tables import BUILT_IN, closest, correlation_error, spelled


def table(path, header="age,color,price,label", rows=40):
    """A mixed table whose price follows the age."""
    rng, colors = np.random.default_rng(0), ["red", "dark blue", '"a, b"']
    lines = [f"{20 + i % 30},{colors[i % 3]},{i % 30 + rng.normal():.2f},{('no', 'yes')[i % 2]}" for i in range(rows)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tables(name):
    task = make("tables", name)
    (x, y), (test, test_y) = task.splits["train"], task.splits["test"]
    classes, n = task.facts["classes"], task.facts["numeric"]
    assert list(x.shape[1:]) == task.facts["shape"]
    assert x.shape[1] == n + sum(task.facts["categories"])
    torch.testing.assert_close(x[:, :n].mean(0), torch.zeros(n), atol=1e-5, rtol=0)
    for rows, labels in ((x, y), (test, test_y)):
        assert torch.equal(rows[:, -classes:].argmax(1), labels), "the label is the last block"
    assert set(y.tolist()) == set(test_y.tolist())
    assert len(test) == pytest.approx((len(x) + len(test)) / 4, abs=classes)


def test_a_mixed_table_comes_back_as_it_was(tmp_path):
    path = table(tmp_path / "t.csv")
    task = make("tables", path)
    assert task.facts["names"] == ["age", "price", "color", "label"]
    assert task.facts["categories"] == [3, 2]
    rows = torch.cat([task.splits[s][0] for s in ("train", "test")])
    text = spelled(rows, task.facts)
    assert show(task.kind, rows, task.facts) == text
    texts = (io.StringIO(text), io.StringIO(path.read_text()))
    back, original = ({tuple(sorted(row.items())) for row in csv.DictReader(t)} for t in texts)
    assert back == original


def test_a_label_may_be_named(tmp_path):
    path = table(tmp_path / "t.csv", header="age,color,price,sold")
    task = make("tables", f"{path}#color")
    assert task.facts["names"] == ["age", "price", "sold", "color"]
    assert task.facts["classes"] == 3


def test_learning_from_a_users_table(tmp_path):
    result = run(SyntheticData, {"steps": 5, "batch_size": 8}, task=make("tables", table(tmp_path / "t.csv")))
    assert result.scores[0].name == "accuracy, trained on samples"
    rows = result.model.sample(20)
    blocks = rows[:, 2:].split([3, 2], 1)
    assert all(set(b.unique().tolist()) == {0.0, 1.0} and bool((b.sum(1) == 1).all()) for b in blocks)
    assert result.model.sample(3, torch.tensor([0, 1, 1]))[:, -2:].argmax(1).tolist() == [0, 1, 1]


@pytest.mark.parametrize("text", ["a,label\n" + "1,x\n2,y\n" * 10, "c,label\n" + "u,x\nv,y\n" * 10])
def test_tables_of_numbers_or_of_categories_alone(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    task = make("tables", tmp_path / "t.csv")
    result = run(SyntheticData, {"steps": 2, "batch_size": 4}, task=task)
    assert result.model.sample(4).shape == (4, task.facts["shape"][0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,label\n", r"1 lines; a header and rows"),
        ("1,2,3\n4,5,6\n", r":1: a name for each column is needed, found '1', '2', '3'"),
        ("a,a,label\n1,2,x\n", r":1: the column 'a' occurs twice"),
        ("a;label\n1;x\n", r":1: one column, 'a;label'; .*separated by commas"),
        ("a,b,label\n1,2,x\n1,x\n", r":3: 2 cells, but the header names 3 columns"),
        ("a,b,label\n1,,x\n", r":2: no value in column 'b'"),
        ("a,b,label\n1,NaN,x\n", r":2: no value in column 'b'"),
        ("a,b\n1,2\n", r"no column is called label, class, target, y; name .* as in t.csv#b; it has a, b"),
        ("a,label\n" + "1,x\n" * 20, r"the label 'label' is 'x' in every row"),
        ("a,label\n" + "1,x\n" * 20 + "1,y\n", r"the label 'label' is 'y' in fewer than 8 rows"),
        (
            "a,label\n" + "".join(f"n{i},{i % 2}\n" for i in range(60)),
            r"60 different values in column 'a', such as 'n0'",
        ),
        ("a,label\n" + "".join(f"1,{i / 7}\n" for i in range(60)), r"column 'label'.*or bin the numbers"),
        ("a,label\n1,\0x\n", r"."),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        make("tables", tmp_path / "t.csv")


def test_what_is_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"known: wine, breast_cancer"):
        make("tables", "titanic")
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"\.xlsx is not read; a table is a \.csv file"):
        make("tables", tmp_path / "t.xlsx")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ValueError, match=r"not a comma-separated UTF-8 text"):
        make("tables", tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"no column 'income'"):
        make("tables", f"{table(tmp_path / 'u.csv')}#income")


def test_distances_and_correlations():
    x = torch.tensor([[0.0, 0.0, 1, 0], [3.0, 4.0, 0, 1]])
    assert closest(x, x[:1], 2) == 0.0, "the median is the lower of two"
    assert closest(x[1:], x[:1], 2) == 5.0, "the label does not count"
    same = torch.randn(50, 3)
    assert correlation_error(same, same * 2 + 1) == pytest.approx(0, abs=1e-6)
    opposite = torch.stack([same[:, 0], -same[:, 0]], 1)
    assert correlation_error(torch.stack([same[:, 0]] * 2, 1), opposite) == pytest.approx(1, abs=1e-5)
