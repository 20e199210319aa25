#!/usr/bin/env python3
"""Set up and run everything, with nothing but Python 3.11 or newer.

    python3 x.py demo [--no-serve] [--port N]   ask one question, train one reference, build the site and serve it
    python3 x.py test [ARGS]                    run the tests (pytest ARGS)
    python3 x.py setup | lint | clean           install only | ruff and pyright | remove what was made here
    python3 x.py -- CMD [ARGS]                  run CMD from the environment, such as: x.py -- genai-patterns list

The first call makes .venv and installs into it with the versions of constraints.txt. Set-up is repeated only when
pyproject.toml, constraints.txt, the Python or the choice of torch changes. Environment variables:

    X_TORCH=auto|cpu|default|skip   which build of torch. auto: a wheel that pip is configured to find locally, else
                                    PyTorch's CPU index on Linux without an NVIDIA driver, else the default build
    X_VENV=DIR                      where the environment goes (default: .venv beside this file)
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("X_VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PY = BIN / ("python.exe" if os.name == "nt" else "python")
EXTRAS = "reference,data,site,serve,test"


def sh(*command: object, check: bool = True, quiet: bool = False, **env: str) -> int:
    """Run a command in the project's folder; leave with its exit code when it fails and `check` is set."""
    out = subprocess.DEVNULL if quiet else None
    full = {**os.environ, **env}
    try:
        code = subprocess.run([str(c) for c in command], cwd=ROOT, stdout=out, stderr=out, env=full).returncode
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except FileNotFoundError:
        print(f"x.py: {command[0]}: no such command", file=sys.stderr)
        code = 2
    if check and code:
        raise SystemExit(code)
    return code


def pip(*args: object, check: bool = True, quiet: bool = False) -> int:
    return sh(
        PY, "-m", "pip", "install", "-qq", "-c", "constraints.txt", *args,
        check=check, quiet=quiet, PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONWARNINGS="ignore",
    )  # fmt: skip


def make_venv() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)
    if sh(sys.executable, "-m", "venv", VENV, check=False, quiet=True) == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)  # Debian's python3 comes without the module
    if sh(sys.executable, "-m", "virtualenv", "-q", VENV, check=False, quiet=True) == 0:
        return
    raise SystemExit(
        "x.py: this Python cannot make a virtual environment.\n"
        "  Debian or Ubuntu:  sudo apt install python3-venv\n"
        "  elsewhere:         python3 -m pip install --user virtualenv\n"
        "then run the same command again."
    )


def install_torch() -> None:
    """The CPU build where one can be had without downloading CUDA; never more than one build is tried to the end."""
    how, torch = os.environ.get("X_TORCH", "auto"), ["--no-deps", "torch"]
    if how == "skip" or (how == "auto" and pip("--no-index", *torch, check=False, quiet=True) == 0):
        return
    cpu_only = sys.platform == "linux" and platform.machine() == "x86_64" and not shutil.which("nvidia-smi")
    if how == "cpu" or (how == "auto" and cpu_only):
        pip("uv")  # knows where PyTorch keeps its builds
        backend = ["--torch-backend", "cpu", "-c", "constraints.txt"]
        if sh(PY, "-m", "uv", "pip", "install", "-q", "--python", PY, *backend, "torch", check=False, quiet=True) == 0:
            return
        print("x.py: PyTorch's CPU index does not answer; taking the default build (on Linux about 3 GB)", flush=True)
    pip("torch")


def stamp() -> str:
    h = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        h.update((ROOT / name).read_bytes())
    h.update(f"{sys.version} {platform.platform()} {EXTRAS} {os.environ.get('X_TORCH', 'auto')}".encode())
    return h.hexdigest()


def setup() -> None:
    if sys.version_info < (3, 11):
        raise SystemExit(f"x.py: Python 3.11 or newer is needed; this is {platform.python_version()}")
    mark = VENV / ".x-stamp"
    if not (PY.exists() and mark.exists() and mark.read_text() == stamp()):
        print(f"x.py: setting up {VENV.name} (once; a minute or two) ...", flush=True)
        make_venv()
        install_torch()
        pip("-e", f".[{EXTRAS}]")
        mark.write_text(stamp())
    sh(PY, "-m", "catalog.site.assets")


def demo(args: list[str]) -> int:
    """The main job: ask, run, browse."""
    serve = "--no-serve" not in args and not os.environ.get("CI") and sys.stdout.isatty()
    rest = [a for a in args if a != "--no-serve"]
    cli = [PY, "-m", "catalog"]
    print("\n$ genai-patterns related vae\n", flush=True)
    sh(*cli, "related", "vae")
    print("\n$ genai-patterns run vae steps=600 --out runs/demo\n", flush=True)
    sh(*cli, "run", "vae", "steps=600", "--out", "runs/demo")
    print(f"\n$ genai-patterns {'serve' if serve else 'build'}\n", flush=True)
    return sh(*cli, *(["serve", *rest] if serve else ["build"]), check=False)


def lint() -> int:
    pip("-e", f".[{EXTRAS},dev]")
    codes = [sh(BIN / "ruff", *c, check=False) for c in (["check", "."], ["format", "--check", "."])]
    return max(*codes, sh(BIN / "pyright", check=False))


def main(argv: list[str]) -> int:
    job, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if job in {"-h", "--help"}:
        print(__doc__)
        return 0
    if job == "clean":
        for path in (VENV, ROOT / "build", ROOT / "node_modules", ROOT / "runs"):
            shutil.rmtree(path, ignore_errors=True)
        return 0
    if job not in {"demo", "test", "setup", "lint", "--"} or (job == "--" and not rest):
        print(f"x.py: no job {job!r}; one of demo, test, setup, lint, clean, -- CMD", file=sys.stderr)
        return 2
    setup()
    if job == "setup":
        return 0
    if job == "demo":
        return demo(rest)
    if job == "lint":
        return lint()
    if job == "--":
        return sh(BIN / rest[0], *rest[1:], check=False)
    return sh(PY, "-m", "pytest", "-q", *(rest or ["-n", "2"]), check=False, OMP_NUM_THREADS="1")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
