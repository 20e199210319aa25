"""Time series: processes with a known law, and what users bring."""

import numpy as np
import pytest
import torch

from reference_impl.application.time_series_generation import TimeSeriesGenerator
from reference_impl.core import run
from reference_impl.figures import show
from reference_impl.tasks import make
from reference_impl.tasks.series import (
    PROCESSES,
    ar2,
    autocorrelation,
    coverage,
    crps,
    crps_gauss,
    draw,
    forecast,
    toeplitz,
)


@pytest.mark.parametrize("name", PROCESSES)
def test_drawn_series_have_the_law(name):
    r = PROCESSES[name](60)
    assert torch.linalg.eigvalsh(toeplitz(r)).min() > 0, "an autocorrelation of some process"
    x = draw(r, 20_000, torch.Generator().manual_seed(0))
    assert x.var().item() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(autocorrelation(x), r[1:21], atol=0.02, rtol=0)


def test_exact_forecast_is_the_recursion():
    r = ar2(13)
    past = draw(r, 5)[:, :10]
    mean, deviation = forecast(r, past, 2)
    one = 1.5 * past[:, -1] - 0.75 * past[:, -2]
    torch.testing.assert_close(mean, torch.stack([one, 1.5 * one - 0.75 * past[:, -1]], 1))
    # variance of the noise that keeps the process at variance 1, and of two of its terms
    noise = 1 - 1.5 * r[1] + 0.75 * r[2]
    torch.testing.assert_close(deviation.square(), torch.stack([noise, noise * (1 + 1.5**2)]))


def test_scores_of_a_gaussian():
    g = torch.Generator().manual_seed(0)
    paths = 2 + 3 * torch.randn(200_000, 1, 4, generator=g)
    future = torch.tensor([[-1.0, 2.0, 4.0, 9.0]])
    torch.testing.assert_close(crps(paths, future), crps_gauss(torch.tensor(2.0), torch.tensor(3.0), future).double(),
                               atol=0.03, rtol=0)  # fmt: skip
    assert coverage(paths, future) == 0.75, "9 lies 2.3 deviations above"


def table(path, rows=330, header="load,flow"):
    """Two noisy seasons around 100 and -5."""
    t, rng = np.arange(rows), np.random.default_rng(0)
    x = np.stack([100 + 20 * np.sin(t / 3), -5 + np.cos(t / 5)], 1) + rng.normal(size=(rows, 2)) / 10
    np.savetxt(path, x, "%.4f", ",", header=header, comments="")
    return path


def test_a_users_series(tmp_path):
    task = make("series", table(tmp_path / "t.csv"))
    assert task.facts["names"] == ["load", "flow"]
    assert task.facts["mean"] == pytest.approx([100, -5], abs=3)
    x, test = task.splits["train"][0], task.splits["test"][0]
    assert x.shape == (2 * (264 - 96), 97)
    assert test.shape == (2 * (330 - 264), 97), "each value of the last fifth is the last of a window"
    model = run(TimeSeriesGenerator, {"steps": 3, "batch_size": 8, "channels": 8}, task=task).model
    y = test[:3, :40]
    assert torch.equal(model.sample(3, y, length=50)[:, :40], y)
    assert show(task.kind, model.sample(2), task.facts) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1\n", r"row 3: 1 cells, but 2 columns"),
        ("day,load\n2024-01-01,3\n", r"row 2: '2024-01-01' in 'day' is no finite number"),
        ("load\n1\nnan\n", r"row 3: 'nan' in 'load' is no finite number; fill gaps"),
        ("load\n1\n2\n", r"2 rows of numbers; at least 291 are needed"),
        ("load\n" + "7\n" * 300, r"load never changes"),
        ("", r"0 rows of numbers"),
    ],
)
def test_series_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        make("series", tmp_path / "t.csv")


def test_what_is_no_series(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"known: ar2, seasonal, ou"):
        make("series", "bitcoin")
    (tmp_path / "t.txt").write_text("1\n2\n")
    with pytest.raises(ValueError, match=r"a \.csv file with a column"):
        make("series", tmp_path / "t.txt")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x001")
    with pytest.raises(ValueError, match=r"not a comma-separated UTF-8 text"):
        make("series", tmp_path / "t.csv")
