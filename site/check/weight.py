"""What a first view of each page costs to transfer, as a server that compresses sends it.

    python site/check/weight.py build/public [PAGE ...] [--limit 500] [--parts]
    python site/check/weight.py build/public --serve 8080

Chromium opens each page with nothing cached and without scrolling; counted is the body of everything that it asks for,
text compressed by gzip. Pages with a live demo are marked. Exit 1 where a pattern page without one is over the limit,
in kB of 1000 bytes. `--serve` only serves the folder in that way, for Lighthouse and its like.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import mimetypes
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from catalog.site.build import Handler  # noqa: E402
from tests.site.browser import DESKTOP, chosen, chromium, launched, served  # noqa: E402

TEXT = ("text/", "application/javascript", "application/json", "application/xml", "image/svg+xml")
"""Types that a server compresses; fonts and pictures of points are compressed already."""


@functools.cache
def body(file: Path) -> tuple[str, bytes, bool]:
    """Type of a file, its bytes as they travel, and whether these are compressed."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    sent = file.read_bytes()
    return (kind, gzip.compress(sent, 9, mtime=0), True) if kind.startswith(TEXT) else (kind, sent, False)


def weigh(browser: Any, address: str, site: Path, path: str, viewport: dict[str, int] = DESKTOP) -> dict[str, int]:
    """Bytes of each file that the first view of a page asks for, by its path."""
    context = browser.new_context(viewport=viewport, reduced_motion="reduce")
    page, asked = context.new_page(), dict[str, int]()

    def note(request: Any) -> None:
        if request.url.startswith(address):  # no data: of drawings
            name = unquote(urlsplit(request.url).path).lstrip("/")
            asked[name] = len(body(site / name)[1])

    page.on("request", note)
    page.goto(address + path, wait_until="networkidle")
    page.evaluate("document.fonts.ready.then(() => true)")
    context.close()
    return asked


class Compressed(Handler):
    """The files as a server sends them that compresses, for a year in the browser's cache; connections stay."""

    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_GET(self) -> None:
        """The file; what is not there, and folders, as without compression."""
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file():
            return super().do_GET()
        kind, sent, compressed = body(file)
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if compressed else kind)
        if compressed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("Cache-Control", "max-age=31536000")
        self.end_headers()
        self.wfile.write(sent)


def main(argv: list[str] | None = None) -> int:
    """The command; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", type=Path, help="folder of a built site")
    parser.add_argument("page", nargs="*", help="pages below it (default: those of all patterns)")
    parser.add_argument("--limit", type=float, default=500, help="kB for a pattern page without a demo (default: 500)")
    parser.add_argument("--parts", action="store_true", help="list what each page is made of")
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve the folder, compressed, until Ctrl-C")
    args = parser.parse_args(argv)
    site = chosen(parser, args.site, args.page)
    if args.serve is not None:
        handler = functools.partial(Compressed, directory=str(site))
        with http.server.ThreadingHTTPServer(("127.0.0.1", args.serve), handler) as server:
            print(f"http://127.0.0.1:{server.server_port}/", flush=True)
            server.serve_forever()
    if (browser_path := chromium()) is None:
        parser.error("no Chromium; `apt-get install chromium`")
    patterns = sorted(p.relative_to(site).as_posix() for p in site.glob("patterns/*.html") if p.stem != "index")
    paths = args.page or patterns
    heavy = 0
    with launched(browser_path) as browser, served(site) as address:
        for path in paths:
            parts = weigh(browser, address, site, path)
            kB, demo = sum(parts.values()) / 1000, 'class="demo' in (site / path).read_text(encoding="utf-8")
            over = kB > args.limit and not demo and path in patterns
            heavy += over
            print(f"{kB:6.0f} kB{' with a demo' if demo else ''}{' OVER' if over else ''}  {path}", flush=True)
            for name, size in sorted(parts.items(), key=lambda part: -part[1]) if args.parts else ():
                print(f"       {size / 1000:6.1f}  {name}")
    print(f"{heavy} pages without a demo over {args.limit:g} kB", file=sys.stderr)
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
