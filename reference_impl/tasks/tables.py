"""Tables with a header, numbers and categories, one column of which is a label to be predicted from the others."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files

BUILT_IN = {"wine": "load_wine", "breast_cancer": "load_breast_cancer"}
LABELS = ("label", "class", "target", "y")
"""Names by which a column is taken for the label where none is given."""
MAX_CATEGORIES = 50
MISSING = ("", "nan", "null", "?")
"""Cells, in any case, that hold no value."""
MIN_ROWS = 8
"""Rows that each label needs, so that some can be held out."""


class Tables(Task):
    """Rows (N, D): numbers brought to mean 0 and deviation 1, then categories one-hot, the label's as the last.

    data: wine or breast_cancer, which ship with scikit-learn; a .csv file with a header, comma-separated. The label is
    the column called label, class, target or y, or the one named after a #: people.csv#income.
    """

    kind = "table"

    def __init__(self, data: str | Path = "wine") -> None:
        columns, cells, label = built_in(str(data)) if str(data) in BUILT_IN else read(str(data))
        numeric, options = types_of(columns, cells, label, str(data))
        y = np.array([options[label].index(v) for v in cells[label]])
        held_out = split(y)
        numbers = np.array([[float(v) for v in cells[c]] for c in numeric]).reshape(len(numeric), len(y)).T
        mean, std = numbers[~held_out].mean(0), numbers[~held_out].std(0)
        std = np.where(std > 0, std, 1.0)
        blocks = [np.eye(len(o))[[o.index(v) for v in cells[c]]] for c, o in options.items()]
        x = torch.from_numpy(np.concatenate([(numbers - mean) / std, *blocks], 1)).float()
        test, labels = torch.from_numpy(held_out), torch.from_numpy(y)
        super().__init__(
            x[~test], x[test], y=labels[~test], test_y=labels[test],
            shape=[x.shape[1]], numeric=len(numeric), categories=[len(o) for o in options.values()],
            classes=len(options[label]), names=[*numeric, *options], options=list(options.values()),
            mean=mean.tolist(), std=std.tolist(), decimals=[decimals(cells[c]) for c in numeric],
        )  # fmt: skip

    def evaluate(self, model: Reference) -> list[Score]:
        """What the samples teach a classifier of held-out rows, and how near they come to the rows learned from."""
        (train, y), (test, test_y) = self.splits["train"], self.splits["test"]
        x, c = model.sample(4 * len(train)).cpu(), self.facts["classes"]
        synthetic, real = (accuracy(a, b, test, test_y, c) for a, b in ((x, x[:, -c:].argmax(1)), (train, y)))
        far, usual = closest(x, train, c), closest(test, train, c)
        wrong, floor = correlation_error(test, x), correlation_error(test, train)
        return [
            Score("accuracy, trained on samples", synthetic, "share", "higher", real, "trained on real rows"),
            Score("distance to closest row", far, "deviations", "", usual, "held-out rows"),
            Score("error of correlations", wrong, "mean absolute", "lower", floor, "training rows instead"),
        ]


def accuracy(x: Tensor, y: Tensor, test: Tensor, test_y: Tensor, classes: int) -> float:
    """Share of held-out labels that a classifier finds that was trained on x (N, D), y (N,), label's block left out."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(y.unique()) == 1:
        return float((test_y == y[0]).float().mean())
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(x[:, :-classes], y)
    return float(fitted.score(test[:, :-classes], test_y))


def closest(x: Tensor, train: Tensor, classes: int) -> float:
    """Median distance of the rows x (N, D) to the closest training row, the label's block left out."""
    return torch.cdist(x[:, :-classes], train[:, :-classes]).min(1).values.median().item()


def correlation_error(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of the correlations of columns in a and b, (N, D) each."""
    one, other = (torch.nan_to_num(torch.corrcoef(x.T)) for x in (a, b))
    return (one - other).abs().mean().item()


def spelled(rows: Tensor, facts: dict[str, Any]) -> str:
    """Rows (N, D) as the text of a .csv file, in the units and decimals of the table they were learned from."""
    text, n = io.StringIO(), facts["numeric"]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(facts["names"])
    for row in rows.tolist():
        scales = zip(row[:n], facts["mean"], facts["std"], facts["decimals"], strict=True)
        cells, at = [f"{v * s + m:.{d}f}" for v, m, s, d in scales], n
        for options in facts["options"]:
            cells.append(options[int(np.argmax(row[at : at + len(options)]))])
            at += len(options)
        table.writerow(cells)
    return text.getvalue().rstrip()


def built_in(name: str) -> tuple[list[str], dict[str, list[str]], str]:
    """A table that ships with scikit-learn, as `read` returns it."""
    from sklearn import datasets

    found = getattr(datasets, BUILT_IN[name])()
    columns = [c.replace(" ", "_") for c in found.feature_names]
    cells = {c: [f"{v:g}" for v in found.data[:, i]] for i, c in enumerate(columns)}
    return [*columns, "label"], {**cells, "label": [str(found.target_names[i]) for i in found.target]}, "label"


def read(source: str) -> tuple[list[str], dict[str, list[str]], str]:
    """(columns, cells of each column, the label's column) of a .csv file, whose label may be named after a #."""
    place, _, named = source.partition("#")
    path = files.existing(place, BUILT_IN)
    if path.suffix != ".csv":
        raise ValueError(f"{path}: {path.suffix or 'no suffix'} is not read; a table is a .csv file with a header")
    try:
        with open(path, encoding="utf-8-sig", newline="") as f:
            table = csv.reader(f)
            lines = [(table.line_num, [v.strip() for v in line]) for line in table if any(map(str.strip, line))]
    except (UnicodeDecodeError, csv.Error) as err:
        raise ValueError(f"{path}: not a comma-separated UTF-8 text ({err})") from None
    if len(lines) < 2:
        raise ValueError(f"{path}: {len(lines)} lines; a header and rows below it are needed")
    columns = lines[0][1]
    if len(columns) < 2:
        raise ValueError(f"{path}:1: one column, {columns[0]!r}; at least two are needed, separated by commas")
    if any(is_number(c) for c in columns) or "" in columns:
        raise ValueError(f"{path}:1: a name for each column is needed, found {', '.join(map(repr, columns[:5]))}")
    if twice := [c for c, n in Counter(columns).items() if n > 1]:
        raise ValueError(f"{path}:1: the column {twice[0]!r} occurs twice; rename one")
    for i, line in lines[1:]:
        if len(line) != len(columns):
            raise ValueError(f"{path}:{i}: {len(line)} cells, but the header names {len(columns)} columns")
        if gaps := [c for c, v in zip(columns, line, strict=True) if v.lower() in MISSING]:
            raise ValueError(f"{path}:{i}: no value in column {gaps[0]!r}; fill it or take the row out")
    cells = {c: [line[k] for _, line in lines[1:]] for k, c in enumerate(columns)}
    label = named or next((c for name in LABELS for c in columns if c.lower() == name), "")
    if label not in columns:
        what = f"no column {label!r}" if label else f"no column is called {', '.join(LABELS)}"
        raise ValueError(
            f"{path}: {what}; name the label's column, as in {path.name}#{columns[-1]}; it has {', '.join(columns)}"
        )
    return columns, cells, label


def types_of(
    columns: list[str], cells: dict[str, list[str]], label: str, source: str
) -> tuple[list[str], dict[str, list[str]]]:
    """The numeric columns, and the options of each other one, the label's as the last."""
    numeric = [c for c in columns if c != label and all(map(is_number, cells[c]))]
    options = {c: sorted(set(cells[c])) for c in columns if c not in numeric and c != label}
    options[label] = sorted(set(cells[label]))
    for c, values in options.items():
        if len(values) > MAX_CATEGORIES:
            raise ValueError(
                f"{source}: {len(values)} different values in column {c!r}, such as {values[0]!r}; at most "
                f"{MAX_CATEGORIES} are taken as categories; leave names and free text out"
                f"{', or bin the numbers' if c == label else ''}"
            )
    rare = [v for v, n in Counter(cells[label]).items() if n < MIN_ROWS]
    if len(options[label]) < 2 or rare:
        few = f"{rare[0]!r} in fewer than {MIN_ROWS} rows" if rare else f"{options[label][0]!r} in every row"
        raise ValueError(
            f"{source}: the label {label!r} is {few}; at least two labels with {MIN_ROWS} rows each are needed"
        )
    return numeric, options


def is_number(text: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def decimals(cells: list[str]) -> int:
    """Digits after the point with which a column is written, at most 6."""
    return min(6, max(len(v.partition(".")[2]) if "e" not in v.lower() else 6 for v in cells))


def split(y: np.ndarray) -> np.ndarray:
    """Which rows are held out: a quarter of each label's, always the same ones."""
    held_out, rng = np.zeros(len(y), dtype=bool), np.random.default_rng(0)
    for k in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == k))
        held_out[rows[: len(rows) // 4]] = True
    return held_out
