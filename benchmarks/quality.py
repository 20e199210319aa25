"""Quality of a reference against the CPU seconds it took, over seeds: `python benchmarks/quality.py gan --seeds 3`.

Trains on one thread through the same `run` as everybody, then scores on held-out data; further arguments are
settings of the reference (`name=value`). What stands beside a number is its noise floor or baseline. Of images drawn
by label it also prints how often a support vector machine, trained on the real training images, finds the label.
"""

import argparse
import statistics
import time

import torch
from sklearn.svm import SVC

import catalog
from reference_impl.core import Reference, Score, Task, run
from reference_impl.core.engine import Engine
from reference_impl.core.main import parse
from reference_impl.tasks import make


class Judge:
    """A classifier of real images, fitted once, that says whether samples have the labels asked for."""

    def __init__(self, task: Task) -> None:
        (x, y), self.held_out = task.splits["train"], task.splits["test"]
        self.classes, self.svm = task.facts["classes"], SVC(C=10).fit(x[:10_000].flatten(1), y[:10_000])

    def score(self, model: Reference, n: int = 2000) -> Score:
        """Share of n samples, as many of each class, to which it gives their label; beside it, of held-out images."""
        y, (x, labels) = torch.arange(n) % self.classes, self.held_out
        share, best = self.svm.score(model.sample(n, y).flatten(1), y), self.svm.score(x.flatten(1), labels)
        return Score("conditional accuracy", share, "share", "higher", best, "held-out images")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("id", help="pattern")
    p.add_argument("overrides", nargs="*", metavar="name=value")
    p.add_argument("--data", help="file, folder or known name")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--precision", default="fp32")
    args = p.parse_args()
    torch.set_num_threads(1)
    module, _, name = catalog.load()[args.id].implementation.reference.partition(":")
    cls = getattr(__import__(module, fromlist=[name]), name)
    overrides, task = parse(cls.Config, args.overrides), make(cls.task, args.data)
    by_label = cls.task in ("images", "enlarged") and "classes" in cls.Config.model_fields
    judge = Judge(task) if by_label and task.splits["test"][1] is not None else None
    rows: dict[str, list[float]] = {}
    against: dict[str, tuple[float, str]] = {}
    for seed in range(args.seeds):
        started = time.process_time()
        result = run(
            cls, overrides, task=task, seed=seed, engine=Engine("cpu", args.precision), log_every=100, evaluate=False
        )
        rows.setdefault("training, CPU seconds", []).append(time.process_time() - started)
        with torch.no_grad():
            scores = task.evaluate(result.model)
            # references may turn to an unconditional model where the data have no labels
            if judge and getattr(result.model, "conditional", False):
                scores.append(judge.score(result.model))
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
