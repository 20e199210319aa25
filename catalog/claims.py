"""The pytest plugin that ties a claim to its test.

A test `tests/claims/<family>/test_<id>.py::test_<claim>` takes the `claim` fixture, measures, and hands
its numbers over; the bars stand in the entry alone:

    def test_bound_is_tight(claim):
        claim.measure("gap", elbo_gap, baseline=exact)

A list of numbers is one per seed and counts by its median. A test run measures the exact claims;
`--claims all` or `--claims vae,gan.discriminator_is_optimal` chooses others, `--record` writes
evidence. People call `genai-patterns verify`, which does both.
"""

from __future__ import annotations

import base64
import datetime
import math
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from . import evidence
from .digest import digest
from .schema import Claim, Entry

MAX_FIGURE = 100_000
"""Bytes of one figure."""
MAX_PROGRAM = 300_000
"""Bytes of weights that a page may be asked to load for a demo."""
SOUNDS = {b"RIFF": ".wav", b"MThd": ".mid"}
"""What a sound file begins with, and its suffix."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which claims to measure, and whether to record them."""
    group = parser.getgroup("claims of the catalog")
    group.addoption("--claims", default="exact", help="exact (default), all, none, or ids: vae,gan.some_claim")
    group.addoption("--record", action="store_true", help="write what was measured to evidence.json")


def pytest_configure(config: pytest.Config) -> None:
    """Each entry is read once."""
    config.stash[ENTRIES] = {}


ENTRIES = pytest.StashKey[dict[Path, Entry]]()


def entry_of(config: pytest.Config, test: Path) -> Entry | None:
    """The entry whose claims a test file measures; None for files that measure no claims."""
    if test.parent.parent.name != "claims" or not test.stem.startswith("test_"):
        return None
    path = config.rootpath / "patterns" / test.parent.name / f"{test.stem.removeprefix('test_')}.yaml"
    entries = config.stash[ENTRIES]
    if path not in entries:
        from .strict_yaml import read

        if not path.is_file():
            raise pytest.UsageError(f"{test}: measures claims of {path}, which does not exist")
        document = read(path)
        try:
            entries[path] = Entry.model_validate(document.value)
        except ValidationError as err:
            lines = "\n".join([*map(str, document.problems), str(err)])
            raise pytest.UsageError(
                f"{path} is not a valid entry; `genai-patterns validate` says where:\n{lines}"
            ) from None
    return entries[path]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the chosen claims, the longest first; refuse tests without a claim."""
    wanted, kept, dropped = str(config.getoption("--claims")), [], []
    chosen = set(wanted.split(","))
    budget: dict[str, float] = {}
    for item in items:
        entry = entry_of(config, item.path)
        if entry is None:
            kept.append(item)
            continue
        known = {c.id: c for c in entry.claims}
        name = getattr(item, "originalname", item.name).removeprefix("test_")
        if name not in known:
            raise pytest.UsageError(
                f"{item.nodeid}: the entry {entry.id!r} has no claim {name!r}; it has {', '.join(known)}"
            )
        budget[item.nodeid] = known[name].budget_s
        take = wanted == "all" or known[name].kind in chosen or entry.id in chosen or f"{entry.id}.{name}" in chosen
        (kept if take else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = sorted(kept, key=lambda i: -budget.get(i.nodeid, 0.0)) if wanted != "exact" else kept


class ClaimRun:
    """What a test does with its claim."""

    def __init__(self, entry: Entry, claim: Claim, folder: Path, record: bool) -> None:
        self.entry, self.claim, self.folder, self.record = entry, claim, folder, record
        self.measures: dict[str, evidence.Measured] = {}
        self.figures: list[evidence.Figure] = []
        self.programs: list[str] = []

    def measure(
        self, name: str, value: float | Sequence[float], baseline: float | Sequence[float] | None = None
    ) -> None:
        """Hand over a measured number, or one per seed, and the baseline's beside it."""
        if name not in self.claim.measures:
            raise KeyError(
                f"the claim {self.claim.id!r} has no measure {name!r}; it has {', '.join(self.claim.measures)}"
            )
        a, b = _numbers(value), _numbers(baseline)
        self.measures[name] = evidence.Measured(
            value=statistics.median(a), seeds=a if len(a) > 1 else [],
            baseline=statistics.median(b) if b else None, baseline_seeds=b if len(b) > 1 else [],
        )  # fmt: skip

    def figure(self, name: str, content: Any, *, caption: str, alt: str) -> None:
        """Keep a matplotlib figure (as SVG), a text, or the bytes of a WAV or MIDI file that this run produced.

        `hero` stands for the pattern.
        """
        if isinstance(content, str):
            data, suffix = content.encode(), ".txt"
        elif isinstance(content, bytes):
            data, suffix = content, SOUNDS.get(content[:4], "")
            if not suffix:
                raise ValueError(f"figure {name!r}: bytes that begin with {content[:4]!r}, neither WAV nor MIDI")
        else:
            from reference_impl.figures import svg

            data, suffix = svg(content).encode(), ".svg"
        if len(data) > MAX_FIGURE:
            raise ValueError(
                f"figure {name!r}: {len(data)} bytes, at most {MAX_FIGURE}; draw points with rasterized=True"
            )
        self.figures.append(evidence.Figure(file=name + suffix, caption=caption, alt=alt))
        if self.record:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / (name + suffix)).write_bytes(data)

    def program(self, name: str, function: Any, *example: Any, module: Any = None, **facts: Any) -> None:
        """Keep a function of the trained model as a program that a page can run (`reference_impl.programs`).

        example: tensors of the shapes that it is to be run with. module: whose parameters it uses, where it is neither
        a module nor a method of one. facts: what else the page has to know: numbers, lists, and images as tensors in
        [0, 1], which are kept as bytes.
        """
        from reference_impl.programs import program, text

        made = program(function, *example, module=module) | {"facts": {k: _plain(v) for k, v in facts.items()}}
        size = 3 * len(made["data"]) // 4
        if size > MAX_PROGRAM:
            raise ValueError(f"program {name!r}: {size} bytes of weights, at most {MAX_PROGRAM}; take a smaller model")
        self.programs.append(f"{name}.net.json")
        if self.record:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{name}.net.json").write_text(text(made), encoding="utf-8")

    def finish(self) -> None:
        """Fail where a measure is missing or a bar is not met."""
        if missing := sorted(set(self.claim.measures) - set(self.measures)):
            raise AssertionError(f"{self.entry.id}.{self.claim.id}: not measured: {', '.join(missing)}")
        missed = [
            line
            for name, m in self.claim.measures.items()
            for line in evidence.failed_bars(m, self.measures[name].value, self.measures[name].baseline)
        ]
        if missed:
            raise AssertionError(f"{self.entry.id}.{self.claim.id} does not hold:\n  " + "\n  ".join(missed))


def _plain(value: Any) -> Any:
    """A fact of a program as JSON: numbers with five digits, images as bytes."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if hasattr(value, "detach"):
        pixels = (255 * value.detach().clamp(0, 1)).round().byte().contiguous().numpy().tobytes()
        return {"shape": list(value.shape), "bytes": base64.b64encode(pixels).decode()}
    return value


def _numbers(value: float | Sequence[float] | None) -> list[float]:
    if value is None:
        return []
    return [float(v) for v in value] if isinstance(value, Sequence) else [float(value)]


@pytest.fixture
def claim(request: pytest.FixtureRequest) -> Iterator[ClaimRun]:
    """The claim that this test measures; one thread, fixed seeds."""
    import torch

    from reference_impl.core import seed_all

    entry = entry_of(request.config, request.path)
    assert entry is not None, "the claim fixture serves tests under tests/claims alone"
    this = entry.claim(request.node.originalname.removeprefix("test_"))
    folder = request.config.rootpath / "patterns" / entry.family / entry.id
    request.node.user_properties.append(("claim", [str(folder), this.id, None]))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seed_all("claim", entry.id, this.id)
    yield ClaimRun(entry, this, folder, bool(request.config.getoption("--record")))
    torch.set_num_threads(threads)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """After the test, compare what it measured with the bars and pass it on."""
    started = time.process_time()
    result = yield
    this = getattr(item, "funcargs", {}).get("claim")
    if isinstance(this, ClaimRun):
        this.finish()
        seconds = round(time.process_time() - started, 2)
        record = evidence.Record(
            digest=digest(this.entry, this.claim, item.config.rootpath),
            measures={name: _finite(m) for name, m in this.measures.items()},
            figures=this.figures,
            programs=this.programs,
            seconds=seconds,
            device="cpu",
            versions=_versions(),
            date=datetime.date.today().isoformat(),
        )
        item.user_properties.append(("claim", [str(this.folder), this.claim.id, record.model_dump()]))
    return result


def _finite(m: evidence.Measured) -> evidence.Measured:
    if not all(math.isfinite(v) for v in [m.value, *m.seeds, *m.baseline_seeds]):
        raise AssertionError(f"measured {m.value}: not a finite number")
    return m


def _versions() -> dict[str, str]:
    import torch

    return {"python": platform.python_version(), "torch": torch.__version__, "machine": platform.machine()}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write evidence in one process only, so that parallel tests of one pattern do not race.

    A claim that no longer holds loses its record.
    """
    if report.when != "call" or not _recording:
        return
    measured = [value for name, value in report.user_properties if name == "claim"]
    if not measured:
        return
    folder, claim_id, record = cast(tuple[str, str, dict[str, Any]], measured[-1])
    found = evidence.read(Path(folder))
    found.pop(claim_id, None)
    if report.passed:
        found[claim_id] = evidence.Record.model_validate(record)
    evidence.write(Path(folder), found)


_recording = False


def pytest_sessionstart(session: pytest.Session) -> None:
    """Evidence is written only when asked for, and by the process that the workers report to."""
    global _recording
    _recording = bool(session.config.getoption("--record")) and not hasattr(session.config, "workerinput")
