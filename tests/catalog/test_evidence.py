"""Bars, digests and recording: a claim that does not hold cannot look as if it did."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import evidence, strict_yaml
from catalog.digest import digest, imports
from catalog.schema import BARS, Entry, Measure

ROOT = Path(__file__).resolve().parents[2]
HOPFIELD = "asynchronous_updates_never_raise_the_energy"


@pytest.mark.parametrize(
    ("bar", "value", "baseline", "holds"),
    [
        ({"at_most": 1.0}, 1.0, None, True),
        ({"at_most": 1.0}, 1.01, None, False),
        ({"at_least": 1.0}, 0.99, None, False),
        ({"between": [0.1, 0.2]}, 0.2, None, True),
        ({"between": [0.1, 0.2]}, 0.21, None, False),
        ({"near": {"value": 2.0, "tolerance": 0.1}}, 2.05, None, True),
        ({"near": {"value": 2.0, "tolerance": 0.1}}, 1.85, None, False),
        ({"of_baseline_at_most": 0.8}, 0.7, 1.0, True),
        ({"of_baseline_at_most": 0.8}, 0.9, 1.0, False),
        ({"of_baseline_at_least": 2.0}, 1.9, 1.0, False),
        ({"below_baseline_by": 0.1}, 0.5, 0.55, False),
        ({"above_baseline_by": 0.1}, 0.7, 0.55, True),
        ({"baseline_at_most": 0.05}, 0.9, 0.06, False),
        ({"baseline_at_least": 1}, 0.0, 151.0, True),
        ({"at_least": 0.9, "baseline_at_most": 0.05}, 0.95, 0.5, False),
        ({"at_most": 1.0}, float("nan"), None, False),
        ({"below_baseline_by": 0.1}, 0.5, None, False),
    ],
)
def test_bars(bar, value, baseline, holds):
    measure = Measure.model_validate({"what": "w", "unit": "1", "baseline": "b", **bar})
    failed = evidence.failed_bars(measure, value, baseline)
    assert (not failed) == holds
    assert all("the bar is" in line for line in failed)
    assert evidence.describe_bars(measure)


def test_every_bar_is_checked_and_can_be_said():
    assert {name for name in BARS if "bar" not in name} >= {"at_most", "at_least", "between", "near"}
    for name in BARS:
        bar = [0.0, 1.0] if name == "between" else {"value": 0.0, "tolerance": 1.0} if name == "near" else 0.5
        measure = Measure.model_validate({"what": "w", "unit": "1", "baseline": "b", name: bar})
        assert evidence.failed_bars(measure, float("nan"), float("nan"))


@pytest.fixture
def checkout(tmp_path):
    """A small checkout: one pattern with its test and its evidence."""
    for folder in ("catalog", "reference_impl"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (
        "pyproject.toml", "patterns/catalog.yaml", "patterns/energy/hopfield_network.yaml",
        "tests/conftest.py", "tests/claims/energy/test_hopfield_network.py",
    ):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    edit(tmp_path / "patterns/energy/hopfield_network.yaml", r"(?s)\nrelations:.*", "\nrelations: []\n")
    edit(tmp_path / "patterns/energy/hopfield_network.yaml", r"\n    pattern: \w+", "")
    return tmp_path


def edit(path, pattern, by):
    text = path.read_text(encoding="utf-8")
    changed = re.sub(pattern, by, text, count=1)
    assert changed != text, f"{pattern} does not occur in {path}"
    path.write_text(changed, encoding="utf-8")


def now(root):
    entry = Entry.model_validate(strict_yaml.read(root / "patterns/energy/hopfield_network.yaml").value)
    return {c.id: digest(entry, c, root) for c in entry.claims}


@pytest.mark.parametrize(
    ("path", "pattern", "by", "changes"),
    [
        ("reference_impl/energy/hopfield_network.py", "Hebb's rule", "The rule of Hebb", set()),
        ("reference_impl/energy/hopfield_network.py", r"# a fixed point of every unit", "", set()),
        ("reference_impl/energy/hopfield_network.py", r"-0\.5", "-0.25", "all"),
        ("reference_impl/core/runner.py", r"value % 2\*\*32", "value % 2**31", "all"),
        ("reference_impl/tasks/memories.py", r"0\.15", "0.10", "all"),
        ("reference_impl/tasks/images.py", r"360", "361", "all"),
        ("reference_impl/tasks/__init__.py", r'    "points": ', r'    "dots": "points:Points",\n    "points": ', set()),
        ("reference_impl/tasks/__init__.py", r"return lookup\(name\)\(", "return lookup(name)(*", "all"),
        ("reference_impl/figures.py", r"6\.4", "6.5", set()),
        ("reference_impl/core/main.py", r'"--seed"', '"--sead"', set()),
        ("reference_impl/adversarial/gan.py", r"0\.2", "0.3", set()),
        (
            "patterns/energy/hopfield_network.yaml",
            "Changing one unit at a time never raises",
            "Never does it raise",
            set(),
        ),
        ("patterns/energy/hopfield_network.yaml", r"at_most: 0\n", "at_most: 1\n", {HOPFIELD}),
        ("tests/claims/energy/test_hopfield_network.py", r"range\(20\)", "range(21)", {HOPFIELD}),
        ("tests/claims/energy/test_hopfield_network.py", r"sweeps: int = 10", "sweeps: int = 11", "all"),
    ],
)
def test_the_digest_follows_what_numbers_depend_on(checkout, path, pattern, by, changes):
    before = now(checkout)
    edit(checkout / path, pattern, by)
    after = now(checkout)
    assert {k for k in before if before[k] != after[k]} == (set(before) if changes == "all" else changes)


def test_imports_resolve_to_the_defining_module():
    found = imports(ROOT, "reference_impl.latent_variable.beta_vae")
    assert "reference_impl.latent_variable.vae" in found
    assert "reference_impl.core.reference" in found
    with pytest.raises(FileNotFoundError, match="no such module"):
        imports(ROOT, "reference_impl.nothing")


def verify(root, *args):
    env = {**os.environ, "PYTHONPATH": str(root), "CATALOG_PATTERNS": str(root / "patterns"), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-c",
        "import sys; from catalog.verify import verify; sys.exit(verify(sys.argv[1:], jobs=1))",
    ]
    return subprocess.run([*command, *args], cwd=root, env=env, capture_output=True, text=True, timeout=200)


def test_verify_records_what_holds_and_takes_back_what_does_not(checkout):
    folder = checkout / "patterns/energy/hopfield_network"
    good = verify(checkout, f"hopfield_network.{HOPFIELD}")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "1 of 1 claims hold" in good.stdout
    record = json.loads((folder / "evidence.json").read_text())["claims"][HOPFIELD]
    assert record["digest"] == now(checkout)[HOPFIELD]
    assert (folder / "hero.svg").is_file()
    edit(checkout / "patterns/energy/hopfield_network.yaml", r"baseline_at_least: 1\b", "baseline_at_least: 100000")
    bad = verify(checkout, f"hopfield_network.{HOPFIELD}")
    assert bad.returncode == 1
    assert "the bar is baseline ≥ 100000" in bad.stdout
    assert f"FAIL hopfield_network.{HOPFIELD}" in bad.stdout
    assert HOPFIELD not in json.loads((folder / "evidence.json").read_text())["claims"]


def test_a_test_without_a_claim_is_refused(checkout):
    path = checkout / "tests/claims/energy/test_hopfield_network.py"
    path.write_text(path.read_text() + "\n\ndef test_something_else(claim):\n    pass\n")
    bad = verify(checkout, f"hopfield_network.{HOPFIELD}")
    assert bad.returncode == 1
    assert "has no claim 'something_else'" in bad.stdout + bad.stderr
