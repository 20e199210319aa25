"""The tournament's instruments, its clock, and the file it left: benchmarks/tournament.py."""

import base64
import io
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image
from sklearn.neighbors import NearestNeighbors

import catalog

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import arenas  # noqa: E402
import tournament  # noqa: E402
from quality import reference, trained  # noqa: E402

RECORDED: dict[str, Any] = json.loads(tournament.OUT.read_text(encoding="utf-8"))
ROWS = [
    pytest.param(key, pattern, id=f"{key}-{pattern}")
    for key, arena in RECORDED["arenas"].items()
    for pattern in arena["rows"]
]


@pytest.fixture(scope="module", params=list(arenas.ARENAS))
def arena(request: pytest.FixtureRequest) -> arenas.Arena:
    return arenas.ARENAS[request.param]()


# -- instruments


def test_energy_distance_of_numbers_is_scipys_squared() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=300), rng.gamma(2.0, size=200)
    ours = arenas.energy_distance(torch.from_numpy(a)[:, None], torch.from_numpy(b)[:, None])
    assert ours == pytest.approx(scipy.stats.energy_distance(a, b) ** 2, rel=1e-6)


def test_energy_distance_of_gaussians_is_the_closed_form() -> None:
    """X - Y is N(m, 2I) in the plane, whose length is a Rice variable; E|X - X'| = sqrt(pi)."""
    g, n, m = torch.Generator().manual_seed(0), 3000, 1.5
    a, b = torch.randn(n, 2, generator=g), torch.randn(n, 2, generator=g) + torch.tensor([m, 0.0])
    apart = math.sqrt(2) * scipy.stats.rice.mean(m / math.sqrt(2))
    # V-statistics count the distance 0 of each point to itself
    expected = 2 * apart - 2 * math.sqrt(math.pi) * (1 - 1 / n)
    assert arenas.energy_distance(a, b) == pytest.approx(expected, abs=0.06)
    assert arenas.energy_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_neighborhoods_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(200, 5)), rng.normal(0.5, 1.2, size=(150, 5))
    nearest = NearestNeighbors().fit(real)
    radius = nearest.kneighbors(real, arenas.NEIGHBORS + 1)[0][:, -1]
    d = np.linalg.norm(real[:, None] - fake, axis=2)
    ours = arenas.neighborhoods(torch.from_numpy(real), torch.from_numpy(fake), arenas.NEIGHBORS)
    assert ours["precision"] == pytest.approx((d <= radius[:, None]).any(0).mean())
    assert ours["coverage"] == pytest.approx((d <= radius[:, None]).any(1).mean())


@pytest.mark.parametrize("shape", list(arenas.Density.shapes))
def test_log_densities_are_those_of_the_draws(shape: str) -> None:
    """The density integrates to 1, and its mean logarithm over draws is that over the plane."""
    law, step = arenas.Density.shapes[shape], 0.02
    axis = torch.arange(-3, 3, step) + step / 2
    log_p = torch.cat([law(torch.cartesian_prod(part, axis)) for part in axis.split(100)]).double()
    p = log_p.exp() * step**2
    assert float(p.sum()) == pytest.approx(1, abs=2e-3)
    entropy = -float((p * log_p)[p > 0].sum())
    drawn = law(arenas.Points(shape).splits["train"][0])
    assert -float(drawn.mean()) == pytest.approx(entropy, abs=4 * float(drawn.std()) / math.sqrt(len(drawn)) + 2e-3)


def test_n_grams_are_witten_bells() -> None:
    text, vocab = "abracadabra", 5
    # one character is predicted from one: a alone has 5 of 11 counts, 5 kinds; after b only r has been seen, twice
    (order0, order1) = arenas.smoothed(text, ["br"], vocab, order=1)
    alone = (2 + 5 * (1 / vocab)) / (11 + 5)
    after = (2 + 1 * alone) / (2 + 1)
    assert 2**-order0 == pytest.approx(alone)
    assert 2**-order1 == pytest.approx(after)
    for order in range(4):
        each = [arenas.smoothed(text, ["abr" + c], vocab, 3)[order] for c in "abcdr"]
        known = arenas.smoothed(text, ["abr"], vocab, 3)[order]
        # bits are per character, and "abr" has two that are predicted
        assert sum(2 ** -(3 * bits - 2 * known) for bits in each) == pytest.approx(1, abs=1e-4)


def test_an_unseen_context_leaves_shorter_ones() -> None:
    bits = arenas.smoothed("abababab", ["cab"], 3, 4)
    assert bits[2] == bits[3] == bits[4]


@pytest.mark.parametrize(
    ("pattern", "passes"),
    [("gan", 1), ("ddpm", 100), ("ddim", 20), ("pixelcnn", 64), ("classifier_free_guidance", 200)],
)
def test_passes_through_the_network_are_counted(pattern: str, passes: int) -> None:
    arena = arenas.Images()
    model, _ = trained(reference(pattern), {"steps": 1}, arena.tasks[0], 0)
    assert tournament.evaluations(arena, model, 4) == passes


# -- the clock


class Clock:
    """Training that takes 0.5 s before and some per step, and more of it in long runs."""

    def __init__(self, slower: float) -> None:
        self.slower, self.ran = slower, []

    def __call__(self, steps: int) -> float:
        self.ran.append(steps)
        return 0.5 + steps * (0.01 if steps < 500 else 0.01 * self.slower)


def test_pace_separates_what_a_step_costs_from_what_precedes_it() -> None:
    clock = Clock(1)
    pace = tournament.Pace(clock, least=2)
    assert pace.steps(10.5) == 1000
    assert sum(clock.ran) < 1000


def test_a_run_that_the_pilot_misjudged_is_repeated() -> None:
    clock = Clock(1.5)
    steps, (_, seconds) = tournament.paced(
        lambda steps, seed: ([], clock(steps)), tournament.Pace(clock, least=2), budget=10.5
    )
    assert seconds == pytest.approx(10.5, rel=tournament.CLOSE)
    assert steps == 667


# -- the file


def test_every_pattern_of_a_task_competes_or_is_left_out_with_a_reason(arena: arenas.Arena) -> None:
    recorded = RECORDED["arenas"][arena.key]
    assert sorted(recorded["rows"]) == arena.contestants(catalog.load())
    assert recorded["left_out"] == arena.left_out
    assert not set(recorded["rows"]) & set(arena.left_out)
    own = {e.id for e in catalog.load() if reference(e.id).task == arena.task}
    assert own <= set(recorded["rows"]) | set(arena.left_out)
    assert all(len(reason) > 15 for reason in arena.left_out.values())


def test_every_pattern_of_images_and_bits_is_considered_for_points() -> None:
    considered = {e.id for e in catalog.load() if reference(e.id).task in ("images", "bits", "points")}
    recorded = RECORDED["arenas"]["density"]
    assert considered == set(recorded["rows"]) | set(recorded["left_out"])


@pytest.mark.parametrize(("key", "pattern"), ROWS)
def test_rows_are_current_and_complete(key: str, pattern: str) -> None:
    arena, rows = arenas.ARENAS[key](), RECORDED["arenas"][key]["rows"][pattern]
    measures = RECORDED["arenas"][key]["measures"]
    assert not tournament.stale(arena, pattern, rows, RECORDED["budgets"]), (
        f"run `python benchmarks/tournament.py --changed`: the code of {pattern} is no longer what was measured"
    )
    for row in rows:
        if row.get("note", "").startswith("failed"):
            assert not row["values"]
            continue
        assert arena.rating in row["values"]
        assert set(row["values"]) <= set(measures)
        assert row["steps"] > 0
        assert row["parameters"] > 0
        assert row["evaluations"] is None or row["evaluations"] > 0
        assert row["shown"]
        for numbers in (row["train_cpu_s"], row["sample_cpu_ms"], *row["values"].values()):
            assert len(numbers) == RECORDED["seeds"]
            finite = all(v is not None and math.isfinite(v) for v in numbers)
            assert finite or "diverged" in row["note"]
        assert statistics.median(row["train_cpu_s"]) == pytest.approx(row["budget"], rel=tournament.KEPT)


def test_floors_are_what_the_data_score(arena: arenas.Arena) -> None:
    now = json.loads(json.dumps(tournament.rounded(tournament.described(arena))))
    then = {k: v for k, v in RECORDED["arenas"][arena.key].items() if k != "rows"}
    assert now.keys() - {"rows"} == then.keys()
    for name, measure in now.pop("measures").items():
        recorded = then["measures"][name]
        assert {k: v for k, v in measure.items() if not isinstance(v, float | dict)} == {
            k: v for k, v in recorded.items() if not isinstance(v, float | dict)
        }
        assert measure["floor"] == pytest.approx(recorded["floor"], rel=1e-3)
        assert measure.get("beside", {}) == pytest.approx(recorded.get("beside", {}), rel=1e-3)
    then.pop("measures")
    assert inked(now.pop("shown")) == inked(then.pop("shown"))
    assert {k: v for k, v in now.items() if k != "rows"} == then


def inked(shown: str) -> Any:
    """The points of a picture, whichever way they were packed; text as it is."""
    head, _, packed = shown.partition("base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(packed)))).tolist() if packed else head


def test_pictures_show_the_samples() -> None:
    images, density = arenas.Images(), arenas.Density()
    shown = np.array(inked(images.shown(images.real())))
    first = 255 - np.asarray(images.held_out[0].view(8, 8) * 255)
    assert np.abs(shown[:, 1:9] - first).max() <= 0.5
    grid = torch.tensor([[-2.0, 2.0]]).expand(200, 2)
    nothing = torch.full((200, 2), math.nan)
    one, two, three = np.split(np.array(inked(density.shown([grid, nothing, -grid]))), 3, axis=1)
    assert np.argwhere(one == 0).tolist() == [[3, 4]]  # the highest row comes first, after one empty column
    assert (two == 255).all()
    assert np.argwhere(three < 255).tolist() == [[31, 32]]


# -- the program


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/tournament.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**tournament.os.environ, "PYTHONPATH": str(ROOT)}
    )


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the program, called in this process, says of arguments that it ends for."""

    def said(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["tournament.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            tournament.main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    return said


def test_a_contestant_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    out, small = tmp_path / "t.json", ("--budget", "1", "--seeds", "2", "--jobs", "1", "--only", "beta_vae")
    first = ran(*small, "--out", str(out))
    assert first.returncode == 0, first.stderr
    assert "1/1 images beta_vae: 0.25 s: [" in first.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    less, more = found["arenas"]["images"]["rows"]["beta_vae"]
    assert (less["budget"], more["budget"]) == (0.25, 1)
    assert more["steps"] > 2 * less["steps"]
    assert less["note"].startswith(f"trained for {less['steps']} steps")
    assert statistics.median(more["values"]["distance"]) < statistics.median(less["values"]["distance"])
    assert found["arenas"]["images"]["rows"].keys() == {"beta_vae"}
    for row in (less, more):  # so short a run may miss its budget, and would be run again
        row["train_cpu_s"] = [row["budget"]] * 2
    out.write_text(json.dumps(found), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["tournament.py", *small, "--changed", "--out", str(out)])
    tournament.main()
    assert "beta_vae" not in capsys.readouterr().err
    assert json.loads(out.read_text(encoding="utf-8"))["arenas"] == found["arenas"]
    assert "has other budgets and seeds" in refused("--budget", "2", "--changed", "--out", str(out))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "vea"), "--only vea: no contestant"),
        (("--budget", "0"), "more than 0"),
        (("--seeds", "x"), "--seeds"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(
    arguments: tuple[str, ...], said: str, refused: Callable[..., str]
) -> None:
    assert said in refused(*arguments)
