"""What each process of the two-process tests runs: `torchrun --nproc-per-node 2 ranks.py OUT SHARD DTYPE ID...`."""

import importlib
import json
import sys
from pathlib import Path

import torch

from reference_impl.core import run
from reference_impl.core.checkpoint import gather
from reference_impl.core.engine import Engine
from reference_impl.tasks import make


def trained(reference, dtype, **kw):
    """A short run, everything in it of this type of number."""
    module, name = reference.split(":")
    cls = getattr(importlib.import_module(module), name)
    task = make(cls.task)
    for stream, split in task.splits.items():
        task.splits[stream] = tuple(
            t.to(dtype) if isinstance(t, torch.Tensor) and t.is_floating_point() else t for t in split
        )
    torch.set_default_dtype(dtype)
    try:
        cfg = {"steps": 4, "batch_size": 16, "cooldown": 0}
        return run(cls, cfg, task=task, log_every=1, evaluate=False, **kw)
    finally:
        torch.set_default_dtype(torch.float32)


def main(out, shard, dtype, references):
    torch.set_num_threads(1)
    engine = Engine("cpu", shard=shard)
    for reference in references:
        name = reference.split(":")[1]
        result = trained(reference, getattr(torch, dtype), engine=engine, out=Path(out) / name, save_every=2)
        tensors, _ = gather(result.model)
        sums = {k: t.double().sum().item() for k, t in tensors.items()}
        losses = [[v for v in row.values() if isinstance(v, float)] for row in result.history]
        (Path(out) / f"{name}.{engine.rank}.json").write_text(json.dumps({"sums": sums, "losses": losses}))
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
