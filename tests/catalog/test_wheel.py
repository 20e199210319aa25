"""What a user gets: the wheel, installed elsewhere, asked from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    for needed in ("README.md", "LICENSE", "site", "patterns"):
        assert (ROOT / needed).exists(), f"{needed} is missing, and the wheel needs it"
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The folder into which it was installed."""
    target = wheel.parent / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(target)]
    done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def run(installed: Path, *command: str) -> str:
    env = {k: v for k, v in os.environ.items() if k != "CATALOG_PATTERNS"} | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, *command], cwd="/", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_installed_library_answers_without_torch(installed: Path) -> None:
    code = "import catalog, sys; print(catalog.__file__); print(catalog.load().related('vae'));"
    code += "print('torch' in sys.modules)"
    where, title, *_, torch = run(installed, "-c", code).splitlines()
    assert Path(where) == installed / "catalog" / "__init__.py"
    assert "(vae)" in title
    assert torch == "False"


def test_the_installed_command_answers(installed: Path) -> None:
    assert "vae" in run(installed, "-m", "catalog", "list")
    assert run(installed, "-m", "catalog", "--version").startswith("genai-patterns 0.")
    assert run(installed, "-m", "catalog", "skill") == (ROOT / "catalog" / "skill.md").read_text(encoding="utf-8")
    assert "class VAE" in run(installed, "-m", "catalog", "source", "vae")
    assert "## Claims" in run(
        installed, "-c", "import catalog, catalog.reading as r; print(r.reading(catalog.load(), 'vae'))"
    )


def test_the_wheel_has_what_it_needs_and_is_small(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "catalog/py.typed" in names
    assert "catalog/_patterns/catalog.yaml" in names
    assert "catalog/_patterns/latent_variable/vae.yaml" in names
    assert not [n for n in names if n.startswith(("tests/", "patterns/", "build/")) or "__pycache__" in n]
    assert wheel.stat().st_size < 5_000_000
