"""How long the site takes: a whole build, and from saving an entry to its page: `python benchmarks/building.py`.

Of each the best of several tries, since other work on the machine only adds to it: seconds of the clock, and seconds of
processor with those of child processes. `cold` finds no catalog in the cache, `warm` finds one. `shown` is from saving
an entry until its page is built, `all` until every page that speaks of it is; before that, `serve` takes up to 0.2 s to
see the change.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from catalog import data
from catalog.site import build, live
from catalog.site.book import ROOT

EDITED = "latent_variable/vae"


def processor() -> float:
    """Seconds of processor that this process and its children have taken."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def built(builder: str, cache: str) -> tuple[float, float]:
    """Seconds, of the clock and of processor, of `genai-patterns build` with this folder as its cache."""
    command = [sys.executable, "-m", "catalog", "build", "--builder", builder, "--out", str(ROOT / "build" / "timed")]
    started, before = time.monotonic(), processor()
    subprocess.run(command, cwd=ROOT, env=os.environ | {"CATALOG_CACHE": cache}, check=True, capture_output=True)
    return time.monotonic() - started, processor() - before


def edited(site: live.Live, entries: Path, n: int) -> tuple[float, float, float]:
    """Seconds until the page of an edited entry is built; seconds, of the clock and of processor, until all are."""
    entry = entries / f"{EDITED}.yaml"
    text = re.sub(r"^summary: .*$", f"summary: Edited {n} times.", entry.read_text(encoding="utf-8"), flags=re.M)
    entry.write_text(text, encoding="utf-8")
    started, before = time.time_ns(), processor()
    site.update()
    page = f"patterns/{entry.stem}.html"
    assert f"Edited {n} times." in (site.site / page).read_text(encoding="utf-8")
    return (site.changed[page] - started) / 1e9, (time.time_ns() - started) / 1e9, processor() - before


def best(*columns: tuple[float, ...]) -> list[float]:
    """The least of each, in hundredths."""
    return [round(min(column), 2) for column in columns]


def say(**row: object) -> None:
    """A row of results, with how many processes wanted a processor."""
    print(json.dumps(row | {"load": round(os.getloadavg()[0], 1)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--builder", choices=build.BUILDERS, action="append", help="default: both")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        for builder in args.builder or build.BUILDERS:
            caches = [tempfile.mkdtemp(dir=home) for _ in range(args.times)]
            for name in ("cold", "warm"):
                seconds, cpu = best(*zip(*(built(builder, cache) for cache in caches), strict=True))
                say(builder=builder, cache=name, seconds=seconds, cpu=cpu)
        entries = Path(home) / "patterns"
        shutil.copytree(data.folder(), entries)
        site = live.Live(Path(home), entries)
        site.update()
        shown, whole, cpu = best(*zip(*(edited(site, entries, n) for n in range(args.times)), strict=True))
        say(edited=EDITED, shown=shown, all=whole, cpu=cpu)


if __name__ == "__main__":
    main()
