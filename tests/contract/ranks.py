"""What each process of the two-process tests runs: `torchrun --nproc-per-node 2 ranks.py OUT SHARD ID...`."""

import importlib
import json
import sys
from pathlib import Path

import torch

from reference_impl.core import run
from reference_impl.core.checkpoint import gather
from reference_impl.core.engine import Engine


def main(out, shard, references):
    torch.set_num_threads(1)
    engine = Engine("cpu", shard=shard)
    for reference in references:
        module, name = reference.split(":")
        cls = getattr(importlib.import_module(module), name)
        cfg = {"steps": 12, "batch_size": 16, "cooldown": 0}
        result = run(cls, cfg, engine=engine, log_every=1, evaluate=False, out=Path(out) / name, save_every=6)
        tensors, _ = gather(result.model)
        sums = {k: t.double().sum().item() for k, t in tensors.items()}
        losses = [[v for v in row.values() if isinstance(v, float)] for row in result.history]
        (Path(out) / f"{name}.{engine.rank}.json").write_text(json.dumps({"sums": sums, "losses": losses}))
    engine.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
