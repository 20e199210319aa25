"""Open every page of a built site in Chromium, wide and narrow, light and dark, and say what is wrong with it.

    python site/check/pages.py build/public [PAGE ...] [--jobs 2] [--brief]

Each page is loaded once a width and its scheme is changed there, as a reader changes it. What is looked for: errors and
warnings on the console, requests that fail or leave the site, a page wider than the screen, text cut off, formulas not
typeset, pictures without words, ids twice, links and anchors that lead nowhere, what axe-core finds, everything again
with every disclosure opened. One line for each fault; exit code 1 where there is any.

Contrast is judged once for texts that are alike in color, size, weight and all that lies behind them as far as their
ancestors tell, and told of every page that has such a text: one that alone lies over something else is missed. The
other rules of axe-core are asked once a width, in the first scheme.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.site.browser import (  # noqa: E402
    DESKTOP,
    PATIENCE,
    PHONE,
    axe,
    chosen,
    chromium,
    darken,
    launched,
    served,
    watched,
    with_axe,
)

WIDTHS = {"desktop": DESKTOP, "phone": PHONE}
STATES = {"desktop": ("light", "dark"), "phone": ("light", "dark")}
BRIEF = {"desktop": ("light",), "phone": ("dark",)}
Inks = dict[str, list[str]]
"""What is wrong with the contrast of texts that are alike, by what decides it; shared by all pages."""


@dataclass
class Seen:
    """What was seen of a page: its faults, each with the states that show it, and for the links what it has."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)

    def add(self, state: str, faults: list[str]) -> None:
        """Note what is wrong in a state of the page."""
        for fault in faults:
            states = self.faults.setdefault(fault, [])
            if state not in states:
                states.append(state)


def look(contexts: dict[str, Any], address: str, path: str, states: dict[str, tuple[str, ...]], inks: Inks) -> Seen:
    """Open one page at each width, look at it in each scheme, closed and with all disclosures open."""
    seen = Seen()
    for width, schemes in states.items():
        page = contexts[width].new_page()
        wrong = watched(page, address)
        page.goto(address + path)
        page.add_script_tag(path=str(Path(__file__).with_name("page.js")))
        page.evaluate("check.ready()")
        seen.add(width, page.evaluate("check.built()"))
        seen.links |= set(page.evaluate("check.links()"))
        seen.places |= set(page.evaluate("check.places()"))
        for scheme in schemes:
            if scheme == "dark":
                darken(page)
            state = f"{width} {scheme}"
            seen.add(state, page.evaluate("check.laid()"))
            if page.evaluate("check.unfold()"):
                seen.add(state, page.evaluate("check.laid()"))
            if scheme == schemes[0]:
                page.evaluate("check.lighten()")
            seen.add(state, contrast(page, inks))
            if scheme == schemes[0]:
                page.evaluate("check.thin()")
                for rule, *nodes in axe(page, without=["color-contrast"]):
                    seen.add(state, [f"{rule}: {' '.join(node.split())}" for node in nodes])
        seen.add(width, wrong)
        page.evaluate("localStorage.clear()")  # the next page begins in the light
        page.close()
    return seen


def contrast(page: Any, inks: Inks) -> list[str]:
    """What is wrong with the contrast of the page's texts; only those unlike all before are judged, and remembered."""
    here = page.evaluate("check.inks()")
    if new := [ink for ink in here if ink not in inks]:
        with_axe(page)
        faults: Inks = {ink: [] for ink in new}
        for ink, fault in page.evaluate("inks => check.judge(inks)", new):
            faults.setdefault(ink, []).append(" ".join(fault.split()))
        for ink, said in faults.items():  # another browser may have met it meanwhile
            inks[ink] = inks.get(ink, []) + said
    return [fault for ink in here for fault in inks[ink][:1]]


def check(site: Path, paths: list[str], jobs: int, states: dict[str, tuple[str, ...]]) -> dict[str, Seen]:
    """Look at these pages of a site with so many browsers at once; progress goes to stderr."""
    browser_path = chromium()
    if browser_path is None:
        raise SystemExit("error: no Chromium; `apt-get install chromium`")
    waiting, seen, failed = deque(paths), {}, []
    inks: Inks = {}

    def work(address: str) -> None:
        try:
            with launched(browser_path) as browser:
                contexts = {
                    width: browser.new_context(viewport=WIDTHS[width], reduced_motion="reduce") for width in states
                }
                for context in contexts.values():
                    context.set_default_timeout(PATIENCE)
                while not failed:
                    try:
                        path = waiting.popleft()
                    except IndexError:  # none is left
                        return
                    start = time.monotonic()
                    seen[path] = look(contexts, address, path, states, inks)
                    spent = time.monotonic() - start
                    print(f"{len(seen)}/{len(paths)} {path} {spent:.1f} s", file=sys.stderr, flush=True)
                    tell(path, seen[path].faults)
        except Exception as error:  # of a thread: the others stop, and it is said at the end
            failed.append(error)

    with served(site) as address:
        workers = [threading.Thread(target=work, args=(address,)) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    if failed:
        raise failed[0]
    return seen


def tell(path: str, faults: dict[str, list[str]]) -> None:
    """A line for each fault of a page."""
    for fault, states in faults.items():
        print(f"{path}: {', '.join(states)}: {fault}", flush=True)


def dangling(seen: dict[str, Seen]) -> int:
    """Tell links to a place that its page does not have, scripts' own places counted; files are checked at build."""
    count = 0
    for source, page in sorted(seen.items()):
        for link in sorted(page.links):
            path, _, fragment = link.partition("#")
            target = seen.get(unquote(path) or "index.html")
            # `#family=...` is a state of a page, not a place on it
            if target and fragment and "=" not in fragment and unquote(fragment) not in target.places:
                tell(source, {f"leads nowhere: {link}": ["everywhere"]})
                count += 1
    return count


def main(argv: list[str] | None = None) -> int:
    """The command; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", type=Path, help="folder of a built site")
    parser.add_argument("page", nargs="*", help="pages below it (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="how many browsers at once (default: 2)")
    parser.add_argument("--brief", action="store_true", help="wide in light and narrow in dark, nothing else")
    args = parser.parse_intermixed_args(argv)
    site = chosen(parser, args.site, args.page)
    large_first = sorted(site.rglob("*.html"), key=lambda p: -p.stat().st_size)
    paths = args.page or [p.relative_to(site).as_posix() for p in large_first]
    start = time.monotonic()
    seen = check(site, paths, max(1, args.jobs), BRIEF if args.brief else STATES)
    count = sum(len(page.faults) for page in seen.values()) + dangling(seen)
    print(f"{count} faults on {len(seen)} pages, {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
