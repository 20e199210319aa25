"""What each process of the two-process tests runs: `torchrun --nproc-per-node 2 ranks.py OUT DTYPE SHARD IDS...`.

Any number of pairs SHARD IDS, the references of one kind of sharding with commas between them.
"""

import importlib
import json
import sys
from functools import cache
from pathlib import Path

import torch

from reference_impl.core import run
from reference_impl.core.checkpoint import gather
from reference_impl.core.engine import Engine
from reference_impl.tasks import make


@cache
def data(name, dtype):
    """A task with its numbers of this type, made once for all who learn it."""
    task = make(name)
    for stream, split in task.splits.items():
        task.splits[stream] = tuple(
            t.to(dtype) if isinstance(t, torch.Tensor) and t.is_floating_point() else t for t in split
        )
    return task


def trained(reference, dtype, **kw):
    """A short run, everything in it of this type of number."""
    module, name = reference.split(":")
    cls = getattr(importlib.import_module(module), name)
    task = data(cls.task, dtype)
    torch.set_default_dtype(dtype)
    try:
        cfg = {"steps": 4, "batch_size": min(16, cls.Config().batch_size), "cooldown": 0}
        return run(cls, cfg, task=task, log_every=1, evaluate=False, **kw)
    finally:
        torch.set_default_dtype(torch.float32)


def main(out, dtype, *kinds):
    torch.set_num_threads(1)
    for shard, references in zip(kinds[::2], kinds[1::2], strict=True):
        engine = Engine("cpu", shard=shard)
        for reference in references.split(","):
            name = reference.split(":")[1]
            folder = Path(out) / shard / name
            result = trained(reference, getattr(torch, dtype), engine=engine, out=folder, save_every=3)
            tensors, _ = gather(result.model)
            sums = {k: t.double().sum().item() for k, t in tensors.items()}
            losses = [[v for v in row.values() if isinstance(v, float)] for row in result.history]
            (folder / f"{engine.rank}.json").write_text(json.dumps({"sums": sums, "losses": losses}))
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
