"""Quality of a reference against the CPU seconds it took, over seeds: `python benchmarks/quality.py gan --seeds 3`.

Trains on one thread through the same `run` as everybody, then scores on held-out data; further arguments are
settings of the reference (`name=value`). What stands beside a number is its noise floor or baseline. Of images drawn
by label it also prints how often a support vector machine, trained on the real training images, finds the label.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Mapping

import torch
from sklearn.svm import SVC
from torch import Tensor

import catalog
from reference_impl.core import Reference, Score, Task, run
from reference_impl.core.engine import Engine
from reference_impl.core.main import parse
from reference_impl.tasks import make


class Judge:
    """A classifier of real images, fitted once, that says whether samples have the labels asked for."""

    def __init__(self, task: Task) -> None:
        (x, y), self.held_out = task.splits["train"], task.splits["test"]
        self.classes = task.facts["classes"]
        self.svm = SVC(C=10, decision_function_shape="ovo").fit(x[:10_000].flatten(1), y[:10_000])

    def score(self, model: Reference, n: int = 2000) -> Score:
        """Share of n samples, as many of each class, to which it gives their label; beside it, of held-out images."""
        y, (x, labels) = torch.arange(n) % self.classes, self.held_out
        share, best = self.svm.score(model.sample(n, y).flatten(1), y), self.svm.score(x.flatten(1), labels)
        return Score("conditional accuracy", share, "share", "higher", best, "held-out images")

    def margins(self, x: Tensor) -> Tensor:
        """Of images, how clearly each belongs to one of two classes, for all pairs: (N, D) -> (N, K (K - 1) / 2)."""
        return torch.from_numpy(self.svm.decision_function(x.numpy()))


def reference(pattern: str) -> type[Reference]:
    """The class that implements a pattern."""
    module, _, name = catalog.load()[pattern].implementation.reference.partition(":")
    return getattr(importlib.import_module(module), name)


def trained(
    cls: type[Reference], overrides: Mapping[str, object], task: Task, seed: int, precision: str = "fp32"
) -> tuple[Reference, float]:
    """A model trained on one thread of the processor, not yet scored, and the CPU seconds that it took."""
    torch.set_num_threads(1)
    started, engine = time.process_time(), Engine("cpu", precision)
    model = run(cls, overrides, task=task, seed=seed, engine=engine, log_every=100, evaluate=False).model
    return model, time.process_time() - started


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("id", help="pattern")
    p.add_argument("overrides", nargs="*", metavar="name=value")
    p.add_argument("--data", help="file, folder or known name")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--precision", default="fp32")
    args = p.parse_args()
    cls = reference(args.id)
    overrides, task = parse(cls.Config, args.overrides), make(cls.task, args.data)
    by_label = cls.task in ("images", "enlarged") and "classes" in cls.Config.model_fields
    judge = Judge(task) if by_label and task.splits["test"][1] is not None else None
    rows: dict[str, list[float]] = {}
    against: dict[str, tuple[float, str]] = {}
    for seed in range(args.seeds):
        model, seconds = trained(cls, overrides, task, seed, args.precision)
        rows.setdefault("training, CPU seconds", []).append(seconds)
        with torch.no_grad():
            scores = task.evaluate(model)
            # references may turn to an unconditional model where the data have no labels
            if judge and getattr(model, "conditional", False):
                scores.append(judge.score(model))
        for s in scores:
            rows.setdefault(f"{s.name}, {s.unit}", []).append(s.value)
            if s.baseline is not None:
                against[f"{s.name}, {s.unit}"] = (s.baseline, s.against)
    for name, values in rows.items():
        beside = ""
        if name in against:
            floor, what = against[name]
            beside = f"   {what}: {floor:.4g}" + (f", ratio {statistics.median(values) / floor:.3g}" if floor else "")
        print(f"{name}: median {statistics.median(values):.4g} of {' '.join(f'{v:.4g}' for v in values)}{beside}")


if __name__ == "__main__":
    main()
