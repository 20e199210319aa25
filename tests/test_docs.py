"""What README and the site's pages show is run as it stands, and says what they say it does."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OWN_TEST = {"own.md"}  # tests/catalog/test_own.py follows this page
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "site" / "pages").glob("*.md") if p.name not in OWN_TEST)]


LONG = {
    "genai-patterns verify --all",
    "genai-patterns verify hopfield_network",
    "python benchmarks/scale.py --out benchmarks/scale.json",
    "python benchmarks/tournament.py",
    "python benchmarks/tournament.py --changed",
}
"""What is shown and takes too long here: tests/claims measures the claims, benchmarks/*.json are the last runs."""


def blocks(page: Path, kind: str = "console|python") -> list[tuple[str, str]]:
    """The blocks of a page, with the names that the site puts in."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"```({kind})\n(.*?)```", text.replace("{{hub}}", "vae"), re.S)


def commands(block: str) -> list[tuple[str, int, str]]:
    """The commands of a console block, after `$`: each with its exit code (`# exit N`) and the output shown below."""
    found = []
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, shown = part.partition("\n")
        code = re.search(r"\s+# exit (\d)$", command)
        found.append((command[: code.start()] if code else command, int(code[1]) if code else 0, shown.strip("\n")))
    return found


def agrees(shown: str, printed: str) -> bool:
    """Whether the output is what is shown, where `...` stands for any text; trailing blanks do not count."""
    tidy = lambda text: "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    pattern = r"[\s\S]*".join(map(re.escape, re.split(r"\.\.\.", tidy(shown))))
    return not shown or re.fullmatch(pattern, tidy(printed)) is not None


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_examples_run_in_order(page: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "genai-patterns"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m catalog "$@"\n')
    shim.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PATH": path}
    (home := tmp_path / "home").mkdir()

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        kind = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 120}
        return subprocess.run(command, cwd=home, env=env, check=False, **kind)

    for kind, block in blocks(page):
        if kind == "console":
            for command, code, shown in commands(block):
                done = run("bash", "-o", "pipefail", "-c", command)
                assert done.returncode == code, f"$ {command}\n{done.stdout}"
                assert "Traceback" not in done.stdout
                assert agrees(shown, done.stdout), f"$ {command}\n{done.stdout}\n--- shown is\n{shown}"
        elif ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, {}, page.name, str(page), 0)
            assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0
        else:
            done = run(sys.executable, "-c", block)
            assert done.returncode == 0, f"{block}\n{done.stdout}"
    if page.name == "README.md":
        assert (home / "runs" / "vae" / "grid.png").is_file()


def test_commands_that_are_shown_again_are_those_that_were_run() -> None:
    run = {command for _, block in blocks(PAGES[0]) for command, _, _ in commands(block)}
    for page in PAGES[1:]:
        for _, block in blocks(page, "sh"):
            for line in block.strip().splitlines():
                assert line.partition("  ")[0] in run | LONG, f"{page.name}: {line}"


def test_output_is_compared() -> None:
    ((command, code, shown),) = commands("$ genai-patterns show vea  # exit 2\nno ...\n")
    assert (command, code, shown) == ("genai-patterns show vea", 2, "no ...")
    assert agrees("no ...", "no pattern\nat all\n")
    assert agrees("", "anything")
    assert not agrees("no ... here", "no pattern")


def test_the_two_commands_are_the_ones_that_x_and_ci_know() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert "python3 x.py demo" in text
    assert "python3 x.py test" in text
    assert "python3 x.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
