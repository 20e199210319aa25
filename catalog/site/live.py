"""`genai-patterns serve`: the site on this machine. What is edited is made again, and pages that are open reload.

The entry or page that was edited is shown first; what else speaks of it follows. A mistake leaves the site as it was,
and stands on the terminal and on the open pages until it is mended.
"""

from __future__ import annotations

import http.server
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from .. import data, loader
from . import build, config, writer
from .book import ROOT, Book, site_folder

NEWS = "/~news"
"""Where open pages hear of changes."""
EVERY = 0.2
"""Seconds between two looks at the files."""
SCRIPT = """<script>(() => {
  const news = new EventSource(`NEWS?since=SINCE&page=${encodeURIComponent(location.pathname)}`);
  news.addEventListener("changed", () => location.reload());
  news.addEventListener("problem", event => {
    const said = document.querySelector("#problem") || document.body.appendChild(document.createElement("pre"));
    said.id = "problem";
    said.setAttribute("role", "alert");
    said.style = "position:fixed;z-index:99;inset:auto 0 0;margin:0;padding:1em;max-height:50vh;overflow:auto;"
      + "font:14px/1.4 monospace;white-space:pre-wrap;color:#fff;background:#8c1d18";
    said.textContent = JSON.parse(event.data);
    said.hidden = !said.textContent;
  });
  addEventListener("pagehide", () => news.close());
})();</script>"""
"""What the server, and it alone, adds to a page."""


class Live:
    """A site that follows the files it is made of. One thread updates it, others wait for news."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        """folder: for all that is written. path: the entries; by default those that all commands look at."""
        self.folder, self.path = folder, path
        self.docs, self.site = folder / config.DOCS, folder / config.SITE
        self.book: Book | None = None
        self.files: Collection[str] = ()
        self.frame = b""
        """What every page depends on: the configuration and the templates."""
        self.news = threading.Condition()
        self.changed: dict[str, int] = {}
        """When each file of the site last became another one, in nanoseconds of the clock."""
        self.problem = ""

    def update(self) -> None:
        """Make again what differs from what is there. What is wrong goes to `problem`, and the rest stays."""
        problem = ""
        try:
            book = build.book_of(loader.load(self.path))
            if self.book is not None and (files := self._edited(self.book, book)):
                self._build(book, writer.put(files, self.docs), build.settings(book, self.files, self.folder))
            files = writer.render(book)
            settings = build.settings(book, files, self.folder)
            frame = build.frame(settings)
            self._build(book, writer.write(files, self.docs), settings, anew=frame != self.frame)
            self.book, self.files, self.frame = book, files.keys(), frame
            writer.put(writer.twins(book), self.site)
        except (ValueError, OSError, build.BuilderError) as error:
            problem = str(error)
        if problem != self.problem:
            print(f"error: {problem}" if problem else "mended", file=sys.stderr, flush=True)
        self._tell((), problem)

    def sources(self) -> list[Path]:
        """The files and folders that the site is made of."""
        found = [self.path or data.folder(), site_folder()]
        if self.book is None or self.book.own:
            return found
        ours = ("reference_impl", "benchmarks", "mkdocs.yml", "CONTRIBUTING.md", "CITATION.cff")
        return found + [ROOT / name for name in ours]

    def _edited(self, old: Book, new: Book) -> dict[str, bytes]:
        """The files of what was edited itself."""
        files = {name: content for name, content in new.assets.items() if old.assets.get(name) != content}
        for id in new.entries:
            before, after = (
                [part.get(id) for part in (book.entries, book.evidence, book.figures, book.programs, book.sources)]
                for book in (old, new)
            )
            files |= writer.of_entry(new, id) if before != after else {}
        edited = [name for name, text in new.pages.items() if old.pages.get(name) != text]
        return files | {name: writer.by_hand(new, name, self.files) for name in edited}

    def _build(self, book: Book, sources: list[str], settings: Path, anew: bool = False) -> None:
        """Build the pages of sources that came, changed or went; or all of them."""
        if not (sources or anew):
            return
        build.pages(settings, self.docs, self.site, anew)
        pages = {name: f"{name[:-3]}.html" if name.endswith(".md") else name for name in sources}
        for name, page in pages.items():
            if not (self.docs / name).exists():
                for gone in {name, page}:
                    (self.site / gone).unlink(missing_ok=True)
        if book.typeset:
            made = self.site.rglob("*.html") if anew else map(self.site.joinpath, pages.values())
            if refused := build.typeset(self.site, [p for p in made if p.suffix == ".html" and p.is_file()]):
                raise build.BuilderError("\n".join(refused))
        self._tell(pages.values(), self.problem)

    def _tell(self, changed: Iterable[str], problem: str) -> None:
        """Wake those who wait for news."""
        with self.news:
            self.changed |= dict.fromkeys(changed, time.time_ns())
            self.problem = problem
            self.news.notify_all()

    def since(self, page: str, moment: int) -> bool:
        """Whether a page, or what pages are drawn and moved by, has become another one since."""
        return any(
            then > moment and (name == page or (name.startswith("assets/") and name.endswith((".css", ".js"))))
            for name, then in self.changed.items()
        )


class Handler(build.Handler):
    """Files of the site, with news for the pages that are open."""

    live: Live

    def do_GET(self) -> None:
        """A page with the script that listens, the news, or a file as it is."""
        address = urlsplit(self.path)
        if address.path == NEWS:
            return self._news(parse_qs(address.query))
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() else file
        if file.suffix == ".html" and file.is_file():
            return self._page(200, file)
        return super().do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page for what is not there; it listens as well, for the page may come."""
        if code == 404 and (file := Path(self.directory) / "404.html").is_file() and self.command == "GET":
            return self._page(404, file)
        return super().send_error(code, message, explain)

    def end_headers(self) -> None:
        """Browsers ask again each time: everything may change."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def _page(self, code: int, file: Path) -> None:
        script = SCRIPT.replace("NEWS", NEWS).replace("SINCE", str(time.time_ns()))  # before the page is read
        before, end, after = file.read_text(encoding="utf-8").rpartition("</body>")
        body = f"{before}{script}{end}{after}".encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _news(self, asked: dict[str, list[str]]) -> None:
        """A stream of events, until the page is left: `changed` once, `problem` whenever it is another one."""
        try:
            page, moment = unquote(asked["page"][0]).lstrip("/"), int(asked["since"][0])
        except (KeyError, ValueError):
            return super().send_error(400, "page and since are needed: a path, and nanoseconds")
        page = f"{page}index.html" if page.endswith("/") or not page else page
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        said = ""
        try:
            while not self.live.since(page, moment):
                with self.live.news:
                    problem = self.live.problem
                    if problem == said:
                        self.live.news.wait(10)
                # a comment, so that a page that was left is noticed
                text = f"event: problem\ndata: {json.dumps(problem)}\n\n" if problem != said else ":\n\n"
                self.wfile.write(text.encode())
                said = problem
            self.wfile.write(b"event: changed\ndata:\n\n")
        except OSError:
            pass  # the page was left


def serve(port: int = 8000, path: Path | None = None) -> int:
    """Build the site, show it on this machine alone, and follow what is edited, until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="site-", ignore_cleanup_errors=True) as folder:
        live = Live(Path(folder), path)
        handler = partial(type("Served", (Handler,), {"live": live}), directory=str(live.site))
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            return build.fail(f"port {port}: {error.strerror}; choose another one, or 0 for any that is free")
        with server:
            seen = stamps(live.sources())
            live.update()
            if live.problem:
                return 1
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C stops it)", flush=True)
            try:
                follow(live, seen)
            except KeyboardInterrupt:
                print()
            server.shutdown()
    return 0


def follow(live: Live, seen: dict[Path, int]) -> None:
    """Update the site whenever its sources are not as they were seen, for ever."""
    while True:
        time.sleep(EVERY)
        now = stamps(live.sources())
        if now == seen:
            continue
        started = time.monotonic()
        edited = sorted(os.path.relpath(p) for p in now.keys() | seen.keys() if now.get(p) != seen.get(p))
        live.update()
        seen = now
        if not live.problem:
            more = f" and {len(edited) - 1} more" if len(edited) > 1 else ""
            print(f"{edited[0]}{more}: shown, {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def stamps(places: Iterable[Path]) -> dict[Path, int]:
    """When each file in these places was last written; hidden and compiled ones are left out."""
    found: dict[Path, int] = {}
    for place in places:
        walk = os.walk(place) if place.is_dir() else [(str(place.parent), [], [place.name])]
        for folder, folders, files in walk:
            folders[:] = [f for f in folders if not f.startswith((".", "__"))]
            for file in (Path(folder, f) for f in files if not f.startswith(".")):
                try:
                    found[file] = file.stat().st_mtime_ns
                except OSError:
                    continue  # it has just gone
    return found
