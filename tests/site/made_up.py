"""A tournament with made-up numbers."""

from __future__ import annotations

from typing import Any

from catalog.site.standings import Arena, Run, Tournament

Seeds = list[float | None]


def arena(rows: dict[str, Seeds], ms: dict[str, float] | None = None, short: dict[str, Seeds] | None = None,
          **measure: Any) -> Arena:  # fmt: skip
    """Contestants with these ratings, costs per sample (1 ms unless given) and ratings after a quarter of the time."""

    def run(id: str, budget: float, values: Seeds) -> Run:
        return Run(
            budget=budget, steps=int(100 * budget), train_cpu_s=[budget, budget + 0.1, budget - 0.1],
            sample_cpu_ms=[(ms or {}).get(id, 1.0)] * 3, parameters=12345, evaluations=1, values={"distance": values},
        )  # fmt: skip

    runs = {id: [run(id, 20, values)] for id, values in rows.items()}
    for id, values in (short or {}).items():
        runs[id].append(run(id, 5, values))
    m = {"title": "distance", "better": "lower", "floor": 0.5, "floor_is": "real data against real data"} | measure
    return Arena.model_validate(
        {
            "title": "Pictures", "data": "Nothing real.", "sample": "image", "rating": "distance",
            "measures": {"distance": m}, "rows": runs, "left_out": {},
        }
    )  # fmt: skip


def tournament(**arenas: Arena) -> Tournament:
    return Tournament(date="2026-01-02", budgets=[5, 20], seeds=3, arenas=arenas)
