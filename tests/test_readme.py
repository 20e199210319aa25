"""The README's examples run as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(console|python)\n(.*?)```", TEXT, re.S)


def test_examples_run_in_order(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = 0
    for kind, block in BLOCKS:
        if kind == "python":
            commands = [[sys.executable, "-c", block]]
        else:
            lines = [shlex.split(line.removeprefix("$ ")) for line in block.strip().splitlines()]
            assert all(line[0] == "genai-patterns" for line in lines)
            commands = [[sys.executable, "-m", "catalog", *line[1:]] for line in lines]
        for command in commands:
            result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
            assert result.returncode == 0, f"{block}\n{result.stdout}\n{result.stderr}"
            assert "Traceback" not in result.stderr
        done += 1
    assert done >= 5
    assert (tmp_path / "runs" / "vae" / "grid.png").is_file()


def test_the_two_commands_are_the_ones_that_x_and_ci_know():
    assert "python3 x.py demo" in TEXT
    assert "python3 x.py test" in TEXT
    assert "python3 x.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
