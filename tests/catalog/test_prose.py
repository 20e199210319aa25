"""Formulas in a line of plain text, as search hits, the terminal and agents get them."""

from __future__ import annotations

import re

import pytest

import catalog
from catalog.prose import plain


@pytest.mark.parametrize(
    ("formula", "read"),
    [
        (r"p(x\mid y)=\prod_{t}p(x_t\mid x_{<t})", "p(x | y)=∏_tp(x_t | x_<t)"),
        (r"\tfrac12\lVert x-D(z)\rVert^2", "1/2 ‖x-D(z)‖^2"),
        (r"\frac{\sqrt{1-\alpha_{t-1}}}{\sqrt{\alpha_t}}\,z", "(√(1-α_(t-1)))/√α_t z"),
        (r"y+\frac\alpha2 s+\sqrt\alpha z", "y+ α/2 s+√α z"),
        (r"\mathbb E\,\mathrm{Var}(x)", "E Var(x)"),
        (r"\log\frac{p(x)}{q(x)}", "log p(x)/q(x)"),
        (r"e^{r/\beta}-T\log q", "e^(r/β)-T log q"),
    ],
)
def test_formulas_in_a_line(formula: str, read: str) -> None:
    assert plain(f"${formula}$") == read


def test_no_command_of_a_formula_is_left_in_the_prose_of_the_catalog() -> None:
    for id, section, text in catalog.load().passages():
        assert not re.search(r"\\[A-Za-z]|[dt]?frac(?=[ \d{])|[lr]Vert|mathrm|operatorname", text), (id, section)
