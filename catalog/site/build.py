"""Build the site, check it, serve it."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from .. import loader
from . import assets, links, writer
from .book import ROOT, Book, read, site_folder

PUBLIC = ROOT / "build" / "public"
BUILDERS = ("mkdocs", "zensical")


def write_pages(docs: Path, path: Path | None = None) -> tuple[Book, list[str]]:
    """Write the sources of the site into `docs`; returns what they were made of and the paths that changed."""
    book = read(loader.load(path), site_folder(), assets.staged())
    return book, writer.write(writer.render(book), docs)


def build(out: Path | None = None, builder: str = "mkdocs", path: Path | None = None) -> int:
    """Build the site of the entries in `path` into `out` and check its links and formulas.

    What a builder reads is written to build/docs, or beside `out` for entries from elsewhere. Returns 0, 1 where
    something is wrong (said on stderr), 2 for a builder that does not exist.
    """
    if builder not in BUILDERS:
        return _fail(f"no builder {builder!r}; there are {' and '.join(BUILDERS)}", code=2)
    out = (out or PUBLIC).resolve()
    docs = ROOT / "build" / "docs" if path is None else out.with_name(f"{out.name}.docs")
    config = ROOT / "mkdocs.yml"
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / "404.html").is_file())):
        return _fail(f"{out}: is no earlier site, and building would empty it; choose another folder")
    if not config.is_file():
        return _fail(f"{config}: missing; the site is built from a checkout of the repository")
    try:
        book, changed = write_pages(docs, path)
    except (ValueError, assets.MissingAssets) as error:
        return _fail(str(error))
    print(f"{len(book.entries)} patterns, {len(changed)} source files changed", file=sys.stderr)
    environment = os.environ | {
        "SITE_SOURCES": os.path.relpath(docs, ROOT), "SITE_OUT": os.path.relpath(out, ROOT),
        "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true",
    }  # fmt: skip
    command = [sys.executable, "-m", builder, "build", "--strict", "--clean", "-f", str(config)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        return _fail(f"{builder} found something wrong, see above")
    for name, data in writer.twins(book).items():
        (out / name).write_bytes(data)
    with ThreadPoolExecutor() as pool:
        typeset = pool.submit(formulas, out)
        problems = links.check(out) + typeset.result()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return _fail(f"{len(problems)} broken links or formulas")
    print(f"the site is in {out}")
    return 0


def formulas(site: Path) -> list[str]:
    """One line for each formula of the built pages that KaTeX does not accept."""
    script = site_folder() / "check" / "formulas.mjs"
    done = assets.node(str(script), str(site), str(ROOT / "node_modules" / "katex" / "dist" / "katex.mjs"))
    return [] if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()


def serve(port: int = 8000, open_browser: bool = False) -> int:
    """Build the site and show it on this machine alone, until Ctrl-C."""
    if code := build():
        return code
    handler = partial(Handler, directory=str(PUBLIC))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        return _fail(f"port {port}: {error.strerror}; choose another one, or 0 for any that is free")
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"{address}  (Ctrl-C stops it)", flush=True)
    if open_browser:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the site, the site's own page for those that are not there, and nothing on the terminal."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page for what is not there."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are of no interest here."""


def _fail(message: str, code: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
