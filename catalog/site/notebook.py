"""A reference as a Jupyter notebook: its docstrings and comments between cells of its code, then a short run.

The notebook holds the source as it stands, cut where it has no indent. The same entry gives the same bytes.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from ..schema import Entry
from .annotate import docstring
from .markdown import literal, sentence

STEPS = 50
"""Training steps of the run at the end: it shows that everything works, not what the reference can do."""


def notebook(e: Entry, source: str, version: str) -> str:
    """The reference of an entry as a notebook in format 4.5; `version` is that of the package to install."""
    assert e.implementation is not None, "only a reference becomes a notebook"
    module, _, name = e.implementation.reference.partition(":")
    tree = ast.parse(source)
    parts = [
        markdown(f"# {literal(e.name)}\n\n{sentence(e.summary)}\n\n{docstring(ast.get_docstring(tree) or '')}"),
        markdown(
            "## Install\n\nOnce, into the environment of this notebook. The code below imports the training loop, the "
            f"tasks and the pictures from this package, and defines what `{module}` defines."
        ),
        code(f'%pip install "genai-patterns[reference]{version and "==" + version}"'),
        *cells(source, tree),
        *a_run(name, source),
    ]
    found = [{"id": f"{e.id}-{n}", **part} for n, part in enumerate(parts, 1)]
    data = {
        "cells": found,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def markdown(text: str) -> dict[str, Any]:
    """A cell of prose."""
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip().splitlines(keepends=True)}


def code(text: str) -> dict[str, Any]:
    """A cell of code that was not run."""
    lines = text.strip("\n").splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}


def cells(source: str, tree: ast.Module) -> list[dict[str, Any]]:
    """The module: a cell for each class and function, and for each stretch of other statements, with what it is above.

    Left out are the module's docstring and what runs only as a script.
    """
    lines = source.splitlines()
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    at = body[0].lineno if body else 1
    groups: list[tuple[ast.stmt, list[str]]] = []
    for node in body:
        first, end = at, node.end_lineno or node.lineno
        at = end + 1
        if _is_script(node):
            continue
        text = lines[first - 1 : end]
        defines = isinstance(node, ast.ClassDef | ast.FunctionDef)
        if groups and not defines and not isinstance(groups[-1][0], ast.ClassDef | ast.FunctionDef):
            groups[-1][1].extend(text)
        else:
            groups.append((node, text))
    out = []
    for node, text in groups:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            said = (ast.get_docstring(node) or "").partition("\n\n")[0]
            out.append(markdown(f"## `{node.name}`\n\n{docstring(said)}"))
        out.append(code("\n".join(text)))
    return out


def _is_script(node: ast.stmt) -> bool:
    """Whether this is the block `if __name__ == "__main__"`."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def a_run(name: str, source: str) -> list[dict[str, Any]]:
    """The cells that train the class for a few steps on its own task and show what it gives."""
    # answers are read from the catalog itself, which the task is given
    asks = re.search(r'^    task = "questions"', source, re.M)
    data, begin = ("catalog.load().passages()", "import catalog\n") if asks else ("None", "")
    return [
        markdown(
            f"## A short run\n\n{STEPS} steps, so that it ends soon; take the number out, and the reference trains as "
            "long as its claims were measured with."
        ),
        code(
            f"{begin}import torch\n\nfrom reference_impl import figures\n"
            "from reference_impl.core import run, seed_all\n"
            f'from reference_impl.tasks.fitted import fitted\n\nsettings = {{"steps": {STEPS}}}\n'
            f"task = fitted({name}.task, {data}, settings)\nresult = run({name}, settings, task=task, seed=0)\n"
            'print(*result.scores, sep="\\n")'
        ),
        markdown("Samples of the trained model, as `genai-patterns run` writes them."),
        code(
            "from IPython.display import Image, display\n\n"
            'seed_all(0, "show")\ny = task.splits["test"][1]\n'
            'condition = y[:16] if task.facts.get("conditional") and y is not None else None\n'
            "with torch.no_grad():\n    samples = result.model.sample(16 if condition is None else len(condition), "
            "condition)\nshown = figures.show(task.kind, samples, task.facts, condition=condition)\n"
            "if isinstance(shown, str):\n    print(shown)\nelse:\n    display(Image(figures.png(shown)))"
        ),
    ]
