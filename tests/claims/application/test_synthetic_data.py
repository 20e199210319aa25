"""Claims of synthetic data."""

from functools import cache

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from reference_impl.application.synthetic_data import SyntheticData
from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks import make
from reference_impl.tasks.tables import accuracy, closest, correlation_error, spelled

NAMES = ("wine", "breast_cancer")


@cache
def table(name):
    return make("tables", name)


@cache
def samples(name, seed):
    """Four times as many rows as the model has learned from."""
    task = table(name)
    model = run(SyntheticData, task=task, seed=seed, evaluate=False).model
    seed_all("rows", seed)
    return model.sample(4 * len(task.splits["train"][0]))


def columns_alone(name, seed=0):
    """As many rows whose columns, the label among them, are drawn independently from the training rows."""
    seed_all("columns", seed)
    x, classes = table(name).splits["train"][0], table(name).facts["classes"]
    rows = torch.randint(len(x), (4 * len(x), x.shape[1] - classes + 1))
    features = x[:, :-classes].gather(0, rows[:, :-1])
    return torch.cat([features, x[rows[:, -1], -classes:]], 1)


def copula(name, seed):
    """As many rows from a Gaussian copula for each label, with the law of each column in that class."""
    seed_all("copula", seed)
    (x, y), classes = table(name).splits["train"], table(name).facts["classes"]
    out = []
    for k in range(classes):
        mine = x[y == k, :-classes].double()
        ranks = mine.argsort(0).argsort(0)
        scores = torch.special.ndtri((ranks.double() + 0.5) / len(mine))
        shrunk = 0.95 * torch.corrcoef(scores.T) + 0.05 * torch.eye(mine.shape[1])
        drawn = torch.randn(4 * len(mine), mine.shape[1]).double() @ torch.linalg.cholesky(shrunk).T
        place = (torch.special.ndtr(drawn) * len(mine)).long().clamp(max=len(mine) - 1)
        label = torch.eye(classes)[k].expand(len(place), -1)
        out.append(torch.cat([mine.sort(0).values.gather(0, place).float(), label], 1))
    return torch.cat(out)


def taught(name, x):
    """Accuracy on held-out real rows of a classifier trained on x."""
    classes = table(name).facts["classes"]
    return accuracy(x, x[:, -classes:].argmax(1), *table(name).splits["test"], classes)


def distances(x, to, classes):
    """Distance of each row of x to the closest of `to`, labels left out."""
    return torch.cdist(x[:, :-classes], to[:, :-classes]).min(1).values


def membership(train, test, made, classes):
    """Area under the ROC curve of telling training rows from held-out ones by their distance to a synthetic row."""
    far = torch.cat([distances(train, made, classes), distances(test, made, classes)])
    return float(roc_auc_score([1] * len(train) + [0] * len(test), -far))


def test_classifiers_learn_from_it_as_from_the_data(claim):
    for name in NAMES:
        real = taught(name, table(name).splits["train"][0])
        mine = [taught(name, samples(name, seed)) for seed in range(3)]
        claim.measure(f"{name}_accuracy", mine, baseline=real)
        claim.measure(f"{name}_columns", mine, baseline=[taught(name, columns_alone(name, seed)) for seed in range(3)])
        claim.measure(f"{name}_copula", mine, baseline=[taught(name, copula(name, seed)) for seed in range(3)])
    x, y = table("breast_cancer").splits["train"][0], samples("breast_cancer", 0)
    test = table("breast_cancer").splits["test"][0]
    alone = correlation_error(test, columns_alone("breast_cancer"))
    claim.measure(
        "correlations",
        [correlation_error(test, samples("breast_cancer", seed)) for seed in range(3)],
        baseline=alone,
    )

    facts, pairs = table("breast_cancer").facts, [(0, 3), (6, 7), (21, 26)]
    fig, axes = figure(6.4, 4.4, rows=2, columns=3)
    for row, (kind, points) in zip(axes, {"real": x, "synthetic": y[: len(x)]}.items(), strict=True):
        for ax, (i, j) in zip(row, pairs, strict=True):
            raw = [points[:, k] * facts["std"][k] + facts["mean"][k] for k in (i, j)]
            for label, option in enumerate(facts["options"][-1]):
                mine = points[:, -2:].argmax(1) == label
                color = PALETTE[1 - label]
                ax.scatter(
                    raw[0][mine], raw[1][mine], s=4, color=color, alpha=0.6, linewidths=0, label=option, rasterized=True
                )
            ax.set(xlabel=facts["names"][i].replace("_", " "), ylabel=facts["names"][j].replace("_", " "))
            if i == 0:
                ax.set_title(kind, loc="left")
    for above, below in zip(*axes, strict=True):
        below.set(xlim=above.get_xlim(), ylim=above.get_ylim())
    axes[0, 0].legend(markerscale=3)
    claim.figure(
        "hero",
        fig,
        caption="Three pairs of the thirty columns of the breast cancer table: 427 real rows above, as many "
        "synthetic ones below. Bends, spreads and the overlap of the labels are learned, not only the columns one "
        "by one.",
        alt="Six scatter plots in two rows; the clouds of synthetic rows have the shapes and colors of the real "
        "ones above.",
    )
    claim.figure(
        "rows",
        spelled(samples("wine", 0)[:6], table("wine").facts),
        caption="Six synthetic rows of the wine table, as they are written to a file: units, decimals and names "
        "of the original.",
        alt="Comma-separated rows with a header.",
    )


def test_samples_are_no_copies(claim):
    for name in NAMES:
        (train, _), (test, _), classes = *table(name).splits.values(), table(name).facts["classes"]
        usual = closest(test, train, classes)
        claim.measure(name, [closest(samples(name, s), train, classes) / usual for s in range(3)], baseline=0.0)


def test_synthetic_is_not_private(claim):
    (train, _), (test, _) = table("wine").splits.values()
    few = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:40]]
    settings = {"steps": 3000, "hidden": 256, "batch_size": 40}
    model = run(SyntheticData, settings, task=Task(few, **table("wine").facts), evaluate=False).model
    copies = model.sample(540)
    claim.measure("copied", closest(copies, few, 3) / closest(test, few, 3))
    claim.measure("membership_of_copied", membership(few, test, copies, 3))
    claim.measure("membership", [membership(train, test, samples("wine", s), 3) for s in range(3)])

    fig, axes = figure(6.4, 2.6, columns=2, sharey=True)
    for ax, (title, made, seen) in zip(
        axes,
        [("135 rows, default settings", samples("wine", 0), train), ("40 rows, learned by heart", copies, few)],
        strict=True,
    ):
        bins = np.linspace(0, 4.5, 31)
        ax.hist(distances(test, seen, 3), bins, density=True, color=PALETTE[8], alpha=0.6, label="held-out rows")
        ax.hist(distances(made, seen, 3), bins, density=True, histtype="step", linewidth=1.6, label="synthetic rows")
        ax.set(title=title, xlabel="distance to the closest training row")
    axes[0].legend()
    claim.figure(
        "distances",
        fig,
        caption="How far rows of wine are from the closest row that the model has learned from. With the default "
        "settings synthetic rows are about as far as fresh ones. A wider network, trained longer on fewer rows, "
        "gives back what it has seen.",
        alt="Two histograms: on the left both overlap; on the right synthetic rows pile up at small distances.",
    )


def test_numbers_and_categories_hang_together(claim, tmp_path):
    rng, n = np.random.default_rng(0), 12_000
    label = rng.random(n) < 0.3
    chances = np.where(label[:, None], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6])
    kind = (rng.random((n, 1)) > chances.cumsum(1)).sum(1)
    size = 2 * kind + 0.5 * rng.standard_normal(n)
    price = np.exp(size / 2 + 0.2 * rng.standard_normal(n))
    lines = [f"{a:.3f},{b:.3f},{'abc'[k]},{int(y)}" for a, b, k, y in zip(size, price, kind, label, strict=True)]
    (tmp_path / "made.csv").write_text("\n".join(["size,price,kind,label", *lines]))
    task = make("tables", tmp_path / "made.csv")
    joint, middle, slope = [], [], []
    for seed in range(2):
        x = run(SyntheticData, {"batch_size": 256, "ema": 0.995}, task=task, seed=seed, evaluate=False).model.sample(
            8_000
        )
        facts = task.facts
        found_kind, found_label = x[:, 2:5].argmax(1), x[:, 5:].argmax(1)
        share = torch.stack([((found_label == y) & (found_kind == k)).float().mean() for y in (0, 1) for k in range(3)])
        truth = torch.tensor([0.7 * p for p in (0.1, 0.3, 0.6)] + [0.3 * p for p in (0.6, 0.3, 0.1)])
        joint.append((share - truth).abs().sum().item() / 2)
        sizes = x[:, 0] * facts["std"][0] + facts["mean"][0]
        middle.append(max(abs(sizes[found_kind == k].mean().item() - 2 * k) for k in range(3)))
        prices = x[:, 1] * facts["std"][1] + facts["mean"][1]
        slope.append(torch.corrcoef(torch.stack([sizes, prices.clamp(min=1e-3).log()]))[0, 1].item())
    claim.measure("joint", joint)
    claim.measure("means", middle)
    # sizes have variance 4 var(kind) + 1/4, and the logarithm of the price a quarter of it and 0.04
    of_kind, kinds = truth.view(2, 3).sum(0), torch.arange(3.0)
    variance = 4 * (of_kind @ kinds**2 - (of_kind @ kinds) ** 2).item() + 0.25
    claim.measure("correlation", slope, baseline=(variance / (variance + 0.16)) ** 0.5)


def test_columns_go_to_normal_scores_and_back(claim):
    model = run(SyntheticData, {"steps": 0}, task=table("breast_cancer"), evaluate=False).model
    x = table("breast_cancer").splits["train"][0][:, : model.cfg.numeric]
    z = model.normal_scores(x)
    claim.measure("round_trip", (model.column_values(z) - x).abs().max().item())
    claim.measure("mean", z.mean(0).abs().max().item())
    claim.measure("deviation", (z.std(0) - 1).abs().max().item())
