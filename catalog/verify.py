"""Measure claims again and write the evidence: `genai-patterns verify`.

Runs the claims' tests with pytest in processes of one thread each; what a test hands over is compared
with the bars of the entry and recorded. Needs a checkout, since tests are not installed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import evidence
from .catalog import Catalog
from .checks import in_checkout
from .digest import digest
from .schema import Claim, Entry

Todo = tuple[Entry, Claim]


def root_of(catalog: Catalog) -> Path | None:
    """The checkout that the catalog's entries lie in; None where they are installed, or a catalog of their own."""
    return catalog.folder.resolve().parent if catalog.folder and in_checkout(catalog.folder) else None


def stale(catalog: Catalog, root: Path) -> list[Todo]:
    """The claims whose numbers were never measured, or under other code or other bars than today's."""
    found = []
    for entry in catalog:
        records = evidence.read(root / "patterns" / entry.family / entry.id)
        for claim in entry.claims:
            record = records.get(claim.id)
            if record is None or record.digest != digest(entry, claim, root):
                found.append((entry, claim))
    return found


def select(
    catalog: Catalog, root: Path, ids: Sequence[str], changed: bool, sample: float, shard: tuple[int, int]
) -> list[Todo]:
    """The claims to measure: those of `ids` or all, or the stale ones and a random share of the others."""
    every = [(e, c) for e in catalog for c in e.claims if not ids or e.id in ids or f"{e.id}.{c.id}" in ids]
    if changed:
        old = {(e.id, c.id) for e, c in stale(catalog, root)}
        rest = [t for t in every if (t[0].id, t[1].id) not in old]
        extra = random.Random(time.time_ns()).sample(rest, round(sample * len(rest)))
        every = [t for t in every if (t[0].id, t[1].id) in old or t in extra]
    every.sort(key=lambda t: (-t[1].budget_s, t[0].id, t[1].id))
    return every[shard[0] - 1 :: shard[1]]


def prune(catalog: Catalog, root: Path) -> None:
    """Take out evidence of claims that no longer exist."""
    for entry in catalog:
        folder = root / "patterns" / entry.family / entry.id
        records = evidence.read(folder)
        kept = {c.id: records[c.id] for c in entry.claims if c.id in records}
        if kept.keys() != records.keys():
            evidence.write(folder, kept)


def verify(
    ids: Sequence[str] = (), *, all: bool = False, changed: bool = False, sample: float = 0.0,
    shard: tuple[int, int] = (1, 1), jobs: int = 2,
) -> int:  # fmt: skip
    """Measure the chosen claims and record what they gave; 0 when every bar is met, 1 otherwise.

    ids: patterns or `pattern.claim`; without ids and without `changed`, everything. sample: with
    `changed`, the share of unchanged claims that is measured too. shard: (i, n) takes every n-th.
    """
    from .loader import load

    catalog = load()
    root = root_of(catalog)
    if root is None:
        print("verify needs a checkout of the project: no tests lie beside these entries", file=sys.stderr)
        return 2
    prune(catalog, root)
    todo = select(catalog, root, [] if all else ids, changed, sample, shard)
    if not todo:
        print("0 claims to measure: every digest is current")
        return 0
    print(
        f"measuring {len(todo)} claims of {len({e.id for e, _ in todo})} patterns in {jobs} processes", file=sys.stderr
    )
    files = sorted({f"tests/claims/{e.family}/test_{e.id}.py" for e, _ in todo})
    names = ",".join(f"{e.id}.{c.id}" for e, c in todo)
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--record", "--claims", names, "--timeout", "1200"]
    if jobs > 1:
        command += ["-n", str(jobs), "--dist", "load", "--maxschedchunk", "1"]
    started = time.perf_counter()
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    code = subprocess.run([*command, *files], cwd=root, env=env).returncode
    wall = time.perf_counter() - started
    done = 0
    for entry, claim in sorted(todo, key=lambda t: (t[0].id, t[1].id)):
        record = evidence.read(root / "patterns" / entry.family / entry.id).get(claim.id)
        ok = record is not None and record.digest == digest(entry, claim, root)
        done += ok
        text = f"{record.seconds:6.1f} s  {evidence.summary(claim, record)}" if ok and record else "not met, see above"
        print(f"{'ok  ' if ok else 'FAIL'} {entry.id}.{claim.id}  {text}")
    print(f"{done} of {len(todo)} claims hold; {wall:.0f} s wall in {jobs} processes")
    return 0 if code == 0 and done == len(todo) else 1
