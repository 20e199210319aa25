"""Build the site and check it."""

from __future__ import annotations

import http.server
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

from .. import loader
from ..catalog import Catalog
from . import assets, config, finish, links, structured, writer
from .book import ROOT, Book, read, site_folder

PUBLIC = ROOT / "build" / "public"
BUILDERS = ("mkdocs", "zensical")


QUIET = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
"""What keeps plugins of MkDocs from speaking of its future."""


class BuilderError(Exception):
    """The builder cannot make the pages."""


def book_of(catalog: Catalog) -> Book:
    """What the site of a catalog is made of; one of somebody's own may do without what comes from npm.

    Raises MissingAssets where our own catalog lacks that, ValueError where evidence cannot be read.
    """
    staged = _staged(catalog.ours)
    book = read(catalog, site_folder(), staged)
    return book if staged else replace(book, assets=assets.without_fonts(book.assets))


@cache
def _staged(needed: bool) -> dict[str, bytes]:
    try:
        return assets.staged()
    except assets.MissingAssets:
        if needed:
            raise
        print("note: KaTeX is not installed, so formulas stay text", file=sys.stderr)
        return {}


def settings(book: Book, files: Collection[str], folder: Path) -> Path:
    """The builder's configuration for these files: ours lies in the checkout, one's own is written into the folder.

    Raises BuilderError where this installation has none.
    """
    if not config.base().is_file():
        raise BuilderError(f"{config.base()}: missing; this installation has no part that builds sites")
    if not book.own:
        return config.base()
    file = folder / "mkdocs.yml"
    file.write_text(config.own(book, files), encoding="utf-8")
    return file


def build(out: Path | None = None, builder: str = "mkdocs", path: Path | None = None, url: str = "") -> int:
    """Build the site of the entries in `path` into `out` and check its links and formulas.

    What a builder reads is written to build/docs, or beside `out` for entries from elsewhere; for a catalog of
    somebody's own it is gone afterwards. Returns 0, 1 where something is wrong (said on stderr), 2 for a builder that
    does not exist.
    """
    if builder not in BUILDERS:
        return fail(f"no builder {builder!r}; there are {' and '.join(BUILDERS)}", code=2)
    try:
        catalog = loader.load(path)
        out = (out or target(catalog)).resolve()
        if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / "404.html").is_file())):
            return fail(f"{out}: is no earlier site, and building would empty it; choose another folder")
        book = replace(book_of(catalog), url=structured.home(url) if url else "")
        files = writer.render(book, processes=os.cpu_count() or 1)
        print(f"{len(book.entries)} {book.things}", file=sys.stderr)
        if not book.own:
            docs = ROOT / "build" / "docs" if path is None else out.with_name(f"{out.name}.docs")
            writer.write(files, docs)
            places = {"SITE_SOURCES": os.path.relpath(docs, ROOT), "SITE_OUT": os.path.relpath(out, ROOT)}
            places |= {"SITE_CARD": config.offered(files)["card"]} | ({"SITE_URL": book.url} if book.url else {})
            return _make(book, builder, settings(book, files, docs), out, places)
        with tempfile.TemporaryDirectory(prefix="site-") as folder:
            writer.write(files, Path(folder) / config.DOCS)
            return _make(book, builder, settings(book, files, Path(folder)), out, {})
    except (ValueError, assets.MissingAssets, BuilderError) as error:
        return fail(str(error))


def target(catalog: Catalog) -> Path:
    """Where a site goes if nobody says so."""
    return PUBLIC if catalog.ours else Path("public")


def _make(book: Book, builder: str, settings: Path, out: Path, places: dict[str, str]) -> int:
    """Let the builder make the pages, put their Markdown beside them, check the whole."""
    command = [sys.executable, "-m", builder, "build", "--strict", "--clean", "-f", str(settings)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | QUIET | places) as making:
        beside = writer.twins(book)
    if making.returncode:
        return fail(f"{builder} found something wrong, see above")
    if book.own:  # made beside the configuration
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(settings.with_name(config.SITE), out)
    if not book.url:  # Zensical makes one all the same
        (out / "sitemap.xml").unlink(missing_ok=True)
    writer.put(beside, out)
    fonts = tuple(font for font in finish.FIRST if (out / font).is_file())
    for page in out.rglob("*.html"):
        finish.dress(page, fonts)
    with ThreadPoolExecutor() as pool:
        formulas = pool.submit(typeset, out, sorted(out.rglob("*.html"))) if book.typeset else None
        problems = links.check(out, structured.root(book)) + (formulas.result() if formulas else [])
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return fail(f"{len(problems)} broken links or formulas")
    finish.slim(out)
    print(f"the site is in {out}")
    return 0


def typeset(site: Path, pages: Iterable[Path]) -> list[str]:
    """Typeset the formulas of these pages of a built site; one line for each that KaTeX does not accept."""
    script, katex = Path(__file__).with_name("typeset.mjs"), ROOT / "node_modules" / "katex" / "dist" / "katex.mjs"
    names = "\n".join(str(page.relative_to(site)) for page in pages)
    done = assets.node(str(script), str(katex), input=names, cwd=site)
    return [] if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()


def pages(settings: Path, docs: Path, site: Path, anew: bool) -> None:
    """Let MkDocs, in this process, make the pages whose sources are newer than they are; or all of them.

    Raises BuilderError.
    """
    os.environ.update(QUIET)
    from mkdocs.commands import build as mkdocs
    from mkdocs.config import load_config
    from mkdocs.exceptions import MkDocsException

    log = logging.getLogger("mkdocs")
    if not log.handlers:
        said = logging.StreamHandler()
        said.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        said.addFilter(lambda record: "'dirty'" not in record.getMessage())  # it warns of what is meant
        log.addHandler(said)
        log.propagate = False
    try:
        mkdocs.build(load_config(str(settings), docs_dir=str(docs), site_dir=str(site)), dirty=not anew)
    except (MkDocsException, OSError) as error:
        raise BuilderError(f"MkDocs: {error}") from None


def frame(settings: Path) -> bytes:
    """What all pages depend on: the builder's configuration and the templates."""
    return b"".join(p.read_bytes() for p in [settings, *sorted((site_folder() / "theme").rglob("*"))] if p.is_file())


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


def fail(message: str, code: int = 1) -> int:
    """Say what is wrong; returns the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return code
