"""What `benchmarks/tournament.py` recorded, and what follows from it: places, ties, and who is worth the cost.

Of two contestants one is better only if its worst seed is better than the best seed of the other; otherwise they tie.
Seeds that failed count as worse than any number.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from .svg import number

RECORDED = Path(__file__).parents[2] / "benchmarks" / "tournament.json"


class Spread(NamedTuple):
    """What several seeds came to; infinite, on the side that is worse, where seeds failed."""

    median: float
    best: float
    worst: float

    @property
    def low(self) -> float:
        """The lesser end."""
        return min(self.best, self.worst)

    @property
    def high(self) -> float:
        """The greater end."""
        return max(self.best, self.worst)


Better = Literal["lower", "higher"]


def cost(value: float | None, better: Better = "lower") -> float:
    """A number of which less is better; a failed seed is infinitely bad."""
    if value is None or not math.isfinite(value):
        return math.inf
    return value if better == "lower" else -value


def spread(values: Sequence[float | None], better: Better = "lower") -> Spread | None:
    """Median, best and worst of the seeds; None where there is none."""
    costs, sign = sorted(cost(v, better) for v in values), 1 if better == "lower" else -1
    return Spread(*(sign * x for x in (statistics.median(costs), costs[0], costs[-1]))) if costs else None


class Place(NamedTuple):
    """Where a contestant stands."""

    number: int
    """By the median, from 1; the same for equal medians."""
    best: int
    worst: int
    """The places that ties leave open."""


class Measure(BaseModel):
    """One way to measure all contestants of an arena."""

    title: str
    unit: str = ""
    better: Better = "lower"
    what: str = ""
    floor: float | None = None
    floor_is: str = ""
    line: Literal["floor", "baseline"] = "floor"
    """Whether `floor` is what real data themselves come to, or a number to beat."""
    beside: dict[str, float] = {}
    """More numbers to hold against it, by what they are of."""

    @property
    def called(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}" if self.unit and self.unit not in self.title.lower() else self.title

    @property
    def lines(self) -> dict[str, float]:
        """All numbers to hold against it, by what they are called."""
        return ({} if self.floor is None else {self.line: self.floor}) | self.beside

    def cost(self, value: float) -> float:
        """The value as a number of which less is better."""
        return cost(value, self.better)

    def spread(self, run: Run, name: str) -> Spread | None:
        """What the seeds of a run came to in this measure, whose name is `name`."""
        return spread(run.values.get(name, []), self.better)

    def reaches(self, value: float) -> bool:
        """Whether a number is as good as the floor."""
        return self.floor is not None and self.cost(value) <= self.cost(self.floor)


class Run(BaseModel):
    """A contestant trained for one budget, once for each seed; where it failed before the end, there is the note."""

    budget: float
    values: dict[str, list[float | None]]
    steps: int | None = None
    train_cpu_s: list[float] = []
    sample_cpu_ms: list[float] = []
    parameters: int | None = None
    evaluations: float | None = None
    shown: str = ""
    """Samples to look at: text, or a picture as a data URI."""
    note: str = ""


class Arena(BaseModel):
    """Contestants on the same data."""

    title: str
    data: str
    sample: str = "sample"
    """What the cost of sampling is counted by: image, point, 100 characters."""
    measures: dict[str, Measure]
    rating: str
    """The measure by which they are ranked."""
    rows: dict[str, list[Run]]
    left_out: dict[str, str]
    shown: str = ""
    """Held-out data in the form in which runs show their samples."""
    shown_is: str = ""

    @property
    def measure(self) -> Measure:
        """The one by which they are ranked."""
        return self.measures[self.rating]

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The run with the whole budget, by contestant."""
        return {id: max(found, key=lambda r: r.budget) for id, found in self.rows.items()}

    @cached_property
    def short_runs(self) -> dict[str, Run]:
        """The run with the smallest budget, of those that had several."""
        return {id: min(found, key=lambda r: r.budget) for id, found in self.rows.items() if len(found) > 1}

    @cached_property
    def ranked(self) -> dict[str, Spread]:
        """The rating of each contestant that has one, the best first."""
        return self.order(self.rating, self.runs)

    @cached_property
    def ranked_short(self) -> dict[str, Spread]:
        """The same after the smallest budget."""
        return self.order(self.rating, self.short_runs)

    def order(self, name: str, runs: dict[str, Run]) -> dict[str, Spread]:
        """What runs came to in a measure, the best median first."""
        m = self.measures[name]
        found = {id: s for id, r in runs.items() if (s := m.spread(r, name))}
        return dict(sorted(found.items(), key=lambda row: (m.cost(row[1].median), row[0])))

    def clearly(self, a: Spread, b: Spread) -> bool:
        """Whether every seed of the first is better than every seed of the second."""
        return self.measure.cost(a.worst) < self.measure.cost(b.best)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where each contestant stands, and the places that ties leave open."""
        found, all_of = {}, list(self.ranked.values())
        for id, mine in self.ranked.items():
            before = sum(self.measure.cost(s.median) < self.measure.cost(mine.median) for s in all_of)
            above = sum(self.clearly(s, mine) for s in all_of)
            below = sum(self.clearly(mine, s) for s in all_of)
            found[id] = Place(before + 1, above + 1, len(all_of) - below)
        return found

    @cached_property
    def leaders(self) -> list[str]:
        """Those that nobody is clearly better than."""
        return [id for id, place in self.places.items() if place.best == 1]

    @cached_property
    def front(self) -> list[str]:
        """Those that nobody else's medians beat in quality without costing more per sample; the cheapest first."""
        points = {
            id: (cost.median, self.measure.cost(s.median))
            for id, s in self.ranked.items()
            if math.isfinite(s.median) and (cost := self.sampling(id))
        }
        dominated = {
            id
            for id, (cost, loss) in points.items()
            for c, q in points.values()
            if c <= cost and q <= loss and (c, q) != (cost, loss)
        }
        return sorted(points.keys() - dominated, key=lambda id: (points[id], id))

    def sampling(self, id: str) -> Spread | None:
        """CPU milliseconds for one sample; None where nothing could be sampled."""
        return spread(self.runs[id].sample_cpu_ms)

    def said(self, id: str) -> str:
        """A contestant's rating and place in words."""
        m = self.measure
        beside = f" against a {m.line} of {number(m.floor)}" if m.floor is not None else ""
        got = self.ranked[id].median
        said = f"{m.title} {number(got)}{beside}" if math.isfinite(got) else "most seeds failed"
        return f"{said}, {self.standing(id)}"

    def standing(self, id: str) -> str:
        """A contestant's place in words, with those that ties leave open."""
        place = self.places[id]
        return self.place(id) + ("" if place.best == place.worst else f" ({ties(place)})")

    def place(self, id: str) -> str:
        """A contestant's place in words."""
        return f"{ordinal(self.places[id].number)} of {len(self.places)}"


class Tournament(BaseModel):
    """All arenas."""

    date: str
    machine: dict[str, Any] = {}
    budgets: list[float]
    seeds: int
    arenas: dict[str, Arena]

    @property
    def budget(self) -> float:
        """CPU seconds of training by which contestants are ranked."""
        return max(self.budgets)

    @property
    def short(self) -> float:
        """The smallest budget."""
        return min(self.budgets)

    def of(self, id: str) -> list[tuple[str, Arena]]:
        """The arenas in which a contestant has a place."""
        return [(key, arena) for key, arena in self.arenas.items() if id in arena.places]

    @property
    def ratings(self) -> dict[str, dict[str, float]]:
        """By arena and contestant: the median rating, of which more is better."""
        return {
            key: {id: -arena.measure.cost(s.median) for id, s in arena.ranked.items() if math.isfinite(s.median)}
            for key, arena in self.arenas.items()
        }


def load(ids: Collection[str], path: Path = RECORDED) -> Tournament | None:
    """The recorded tournament of those contestants that are among `ids`; None where they have none.

    Raises ValueError where the file is not what the benchmark writes.
    """
    if not path.is_file():
        return None
    try:
        found = Tournament.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        remedy = "run `python benchmarks/tournament.py` again"
        raise ValueError(f"{path}: {where}: {first['msg']}; {remedy}") from None
    arenas = {
        key: a.model_copy(update={name: {i: x for i, x in getattr(a, name).items() if i in ids} for name in KEPT})
        for key, a in found.arenas.items()
    }
    known = {key: a for key, a in arenas.items() if any(math.isfinite(s.median) for s in a.ranked.values())}
    return found.model_copy(update={"arenas": known}) if known else None


KEPT = ("rows", "left_out")
"""Fields of an arena that name contestants."""


def ties(place: Place) -> str:
    """The places that ties leave open, in words."""
    return f"{ordinal(place.best)} to {ordinal(place.worst)} within the spread"


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
