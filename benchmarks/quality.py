"""Quality of a reference against the CPU seconds it took, over seeds: `python benchmarks/quality.py gan --seeds 3`.

Trains on one thread through the same `run` as everybody, then scores on held-out data; further arguments are
settings of the reference (`name=value`). What stands beside a number is its noise floor or baseline.
"""

import argparse
import statistics
import time

import torch

import catalog
from reference_impl.core import run
from reference_impl.core.engine import Engine
from reference_impl.core.main import parse
from reference_impl.tasks import make


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
