"""How long the demos take on a slow processor: from a click, or a control's change, to what it computes.

    python site/check/demos.py build/public [--slow 4] [--times 3] [--only ID]

Chromium runs the page of all demos in a phone's viewport with its
processor slowed down; each row is the best of several tries, since other work on the machine only adds to it: the time
to the first result, to the finished one, how much of that the page's thread had the processor, and the longest time
that the page would not have answered. Exit 1 where a first result takes longer than 2 s of the processor, or where the
page is blocked for longer than 50 ms.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.site.browser import PHONE, chosen, chromium, launched, served  # noqa: E402

FIRST, BLOCKED = 2000, 50
"""Milliseconds."""

TRIES = {
    "latent": [("VAE, z1", "2"), ("button", "Draw a code")],
    "denoise": [("Guidance w", "4"), ("Steps", "50"), ("button", "New noise")],
    "style": [("Styles on the left", "0.9"), ("Photograph", "1")],
    "hopfield": [("Load", "0.3"), ("button", "Another cue")],
    "ask": [("How sure", "0.2"), ("button", "What does a KV cache keep?")],
    "gpt": [("Temperature", "1.2"), ("button", "Another text")],
    "density": [
        ("Model", "diffusion"),
        ("Model", "gan"),
        ("Model", "energy"),
        ("Particles", "600"),
        ("button", "New noise"),
    ],
}
"""Of each demo, the controls that are moved in turn, by the start of their label, and to what."""

WATCH = """stage => {  // note when something is shown, and for how long the page was blocked
    let value;
    stage.seen = [];
    Object.defineProperty(stage, "shown", {
        get: () => value,
        set: (v) => { value = v; if (v) stage.seen.push([performance.now(), v.done ?? true]); },
    });
    stage.blocked = [];
    new PerformanceObserver((list) => stage.blocked.push(...list.getEntries().map((e) => [e.startTime, e.duration])))
        .observe({ type: "longtask" });
}"""
ACT = """async (stage, [label, to]) => {  // press or move, and wait for the last result: [first, last, blocked] in ms
    const demo = stage.closest(".demo"), named = (all) => [...all].find((e) => e.textContent.trim().startsWith(to));
    stage.seen.length = stage.blocked.length = 0;
    await new Promise((done) => setTimeout(done, 100));
    let act;
    if (label === "start") { const b = demo.querySelector(".start"); act = () => b.click(); }
    else if (label === "button") { const b = named(stage.querySelectorAll("button")); act = () => b.click(); }
    else {
        const row = [...stage.querySelectorAll("label")].find((l) => l.textContent.startsWith(label));
        const input = document.getElementById(row.htmlFor);
        const event = input.tagName === "SELECT" ? "change" : "input";
        act = () => { input.value = to; input.dispatchEvent(new Event(event)); };
    }
    const began = performance.now();
    act();
    while (!stage.seen.some(([, done]) => done)) await new Promise((done) => setTimeout(done, 20));
    await new Promise((done) => setTimeout(done, 50));
    const [[first]] = stage.seen, last = stage.seen.find(([, done]) => done)[0];
    return [first - began, last - began, Math.max(0, ...stage.blocked.filter(([t]) => t >= began).map(([, d]) => d))];
}"""


def measured(page: Any, session: Any, id: str) -> dict[str, list[float]]:
    """Milliseconds of the start and of each control of a demo."""

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    stage = page.locator(f"#demo-{id} .stage")
    stage.evaluate(WATCH)
    page.locator(f"#demo-{id}").scroll_into_view_if_needed()
    rows = {}
    for label, to in [("start", ""), *TRIES[id]]:
        before = busy()
        first, last, blocked = stage.evaluate(ACT, [label, to])
        rows[f"{label}: {to}" if to else label] = [first, last, busy() - before, blocked]
    return rows


def best(tries: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The least of each number."""
    return {row: [min(values) for values in zip(*(t[row] for t in tries), strict=True)] for row in tries[0]}


def main() -> int:
    """The command; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", type=Path, help="folder of a built site")
    parser.add_argument("--slow", type=float, default=4, help="times slower than this machine (default: 4)")
    parser.add_argument("--times", type=int, default=3, help="tries, of which the best counts (default: 3)")
    parser.add_argument("--only", choices=TRIES, action="append", help="this demo; may be given again")
    parser.add_argument("--motion", action="store_true", help="with animations, as most people see them")
    args = parser.parse_args()
    site = chosen(parser, args.site, ["demos.html"])
    if (browser_path := chromium()) is None:
        parser.error("no Chromium; `apt-get install chromium`")
    motion, late = "no-preference" if args.motion else "reduce", []
    with launched(browser_path) as browser, served(site) as address:
        for id in args.only or TRIES:
            tries = []
            for _ in range(args.times):
                context = browser.new_context(viewport=PHONE, reduced_motion=motion)
                page = context.new_page()
                page.set_default_timeout(120_000)
                page.goto(f"{address}demos.html")
                session = context.new_cdp_session(page)
                session.send("Performance.enable", {"timeDomain": "threadTicks"})
                session.send("Emulation.setCPUThrottlingRate", {"rate": args.slow})
                tries.append(measured(page, session, id))
                context.close()
            for row, (first, last, busy, blocked) in best(tries).items():
                times = f"first {first:6.0f}  finished {last:6.0f}  of it busy {busy:6.0f}  blocked {blocked:4.0f} ms"
                print(f"{id:9} {row:36} {times}", flush=True)
                late += [f"{id}, {row}"] * (min(first, busy) > FIRST or blocked > BLOCKED)
    for row in late:
        print(f"too slow: {row}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
