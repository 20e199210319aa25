"""The only training loop in the repository.

Two rules make resuming exact without saving an iterator or a generator: the batch of step k is a
pure function of (seed, k), and so is the noise drawn in step k.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import checkpoint
from .engine import Engine
from .reference import Batch, Metrics, Reference
from .task import Score, Task

CHECKPOINT, WEIGHTS, RECORD, LOG = "checkpoint.safetensors", "weights.safetensors", "run.json", "metrics.jsonl"


class Result(NamedTuple):
    """What a run leaves."""

    model: Reference
    history: list[dict[str, Any]]
    """One row for each logged step: phase, step, and what the step returned."""
    scores: list[Score]


def seed_all(*key: object) -> None:
    """Make all randomness from here on a function of `key`."""
    value = int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)


def run(
    cls: type[Reference],
    overrides: Mapping[str, object] | None = None,
    *,
    task: Task | None = None,
    data: str | None = None,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    save_every: int = 200,
    log_every: int = 10,
    engine: Engine | None = None,
    evaluate: bool = True,
    progress: Callable[[str, int, int, Mapping[str, float]], None] = lambda *_: None,
) -> Result:
    """Train, score and keep one reference. Everything in the repository that trains goes through here.

    task: what to learn; by default the class's own, on `data` (a path or a known name) where given.
    out: folder for checkpoint, log and weights; nothing is written without it.
    resume: go on from `out`'s checkpoint; the result has the same bits as an uninterrupted run.
    progress: called after each logged step with (phase, step, steps, metrics).

    Raises ValueError for a checkpoint of another configuration, or a batch that ranks cannot share.
    """
    engine = engine or Engine()
    if task is None:
        from ..tasks import make

        task = make(cls.task, data)
    cfg = configure(cls, task, overrides)
    if cfg.batch_size % engine.world:
        raise ValueError(f"batch_size={cfg.batch_size} cannot be shared evenly by {engine.world} processes")
    seed_all(seed, "init")
    model = cls(cfg)
    resumed = checkpoint.read(out / CHECKPOINT) if resume and out and (out / CHECKPOINT).exists() else None
    if not resumed:
        # before the weights are divided among processes, since it may set them
        seed_all(seed, "prepare")
        model.prepare(task)
    engine.setup(model)
    phases = model.phases()
    optimizers = {f"{p.name}.{name}": o for p in phases for name, o in p.optimizers.items()}
    identity = {
        "reference": name_of(cls),
        "config": cfg.model_dump(mode="json", exclude={"steps"}),
        "seed": seed,
        "facts": task.facts,
    }
    at, first, history = 0, 0, []
    if resumed and out:
        tensors, header = resumed
        if differ := [k for k in identity if header["run"].get(k) != json.loads(json.dumps(identity[k]))]:
            was, now = ({k: r[k] for k in differ} for r in (header["run"], identity))
            raise ValueError(f"{out / CHECKPOINT} is of another run: it has {was}, this one {now}; give another --out")
        checkpoint.restore(model, tensors, header["state"], optimizers)
        at, first = header["phase"], header["step"]
        history = [row for row in read_log(out) if (row["phase_index"], row["step"]) < (at, first)]
    if out and engine.is_main:
        out.mkdir(parents=True, exist_ok=True)
        (out / LOG).write_text("".join(json.dumps(row) + "\n" for row in history), encoding="utf-8")

    def save(phase: int, step: int) -> None:
        if out:
            tensors, plain = checkpoint.gather(model, optimizers)
            if engine.is_main:
                checkpoint.write(
                    out / CHECKPOINT, tensors, {"run": identity, "phase": phase, "step": step, "state": plain}
                )

    model.train()
    for i in range(at, len(phases)):
        phase, start = phases[i], first if i == at else 0
        engine.bind(phase)
        if start == 0:
            seed_all(seed, phase.name, "begin")
            phase.begin()
        for step in range(start, phase.steps):
            batch = task.batch(phase.stream, step, cfg.batch_size, seed=seed, rank=engine.rank, world=engine.world)
            batch = Batch(*(t.to(engine.device) if isinstance(t, Tensor) else t for t in batch))
            engine.lr_scale = lr_scale(cfg.warmup, cfg.cooldown, step, phase.steps)
            seed_all(seed, phase.name, step)
            with engine.stepping(len(batch.x)):
                metrics = phase.step(batch, engine)
                model.after_update()
            if step % log_every == 0 or step == phase.steps - 1:
                row = {"phase": phase.name, "phase_index": i, "step": step, **averaged(metrics, engine)}
                history.append(row)
                if out and engine.is_main:
                    with open(out / LOG, "a", encoding="utf-8") as f:
                        f.write(json.dumps(row) + "\n")
                progress(phase.name, step + 1, phase.steps, {k: v for k, v in row.items() if isinstance(v, float)})
            if (step + 1) % save_every == 0:
                save(i, step + 1)
    save(max(0, len(phases) - 1), phases[-1].steps if phases else 0)
    return finish(model, task, engine, identity, history, out, evaluate)


def finish(
    model: Reference,
    task: Task,
    engine: Engine,
    identity: dict[str, Any],
    history: list[dict[str, Any]],
    out: Path | None,
    evaluate: bool,
) -> Result:
    """Score the trained model and write its weights and record; a sharded model is gathered first."""
    tensors, plain = checkpoint.gather(model)
    if engine.shard == "full":
        model = type(model)(model.cfg).to(engine.device)
        checkpoint.restore(model, tensors, plain)
    model.eval()
    seed_all(identity["seed"], "evaluate")
    with torch.no_grad():
        scores = task.evaluate(model) if evaluate and engine.is_main else []
    if out and engine.is_main:
        record = {
            **identity,
            "kind": task.kind,
            "config": model.cfg.model_dump(mode="json"),
            "torch": torch.__version__,
            "parameters": sum(p.numel() for p in model.parameters()),
        }
        checkpoint.write(out / WEIGHTS, tensors, {"state": plain, "run": record})
        record["scores"] = [s._asdict() for s in scores]
        (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    engine.barrier()
    return Result(model, history, scores)


def load(folder: str | Path, device: str = "cpu") -> tuple[Reference, dict[str, Any]]:
    """A trained model from a run's folder, in eval mode, and the record of its run.

    Raises FileNotFoundError where the run is missing or unfinished, ValueError where it is not ours.
    """
    path = Path(folder) / WEIGHTS
    try:
        tensors, header = checkpoint.read(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no trained model; train one with `run ID --out {folder}`, or --resume an unfinished one"
        ) from None
    record = header["run"]
    module, _, name = record["reference"].partition(":")
    if not module.startswith("reference_impl."):
        raise ValueError(f"{path}: names the code {record['reference']!r}, which is not one of the references")
    cls = getattr(importlib.import_module(module), name)
    model = cls(cls.Config(**record["config"]))
    checkpoint.restore(model, tensors, header["state"])
    return model.to(device).eval(), record


def configure(cls: type[Reference], task: Task, overrides: Mapping[str, object] | None) -> Any:
    """The Config of a run: its defaults, then what the data decides, then the overrides."""
    decided = {k: v for k, v in task.facts.items() if k in cls.Config.model_fields}
    return cls.Config(**{**decided, **(overrides or {})})


def name_of(cls: type[Reference]) -> str:
    """`module:Class`, also when the module runs as a script."""
    spec = importlib.import_module(cls.__module__).__spec__
    return f"{spec.name if spec and cls.__module__ == '__main__' else cls.__module__}:{cls.__qualname__}"


def lr_scale(warmup: int, cooldown: float, step: int, steps: int) -> float:
    """Factor on the learning rate: up over `warmup` steps, flat, down over the last `cooldown` of all."""
    return min(1.0, (step + 1) / (warmup + 1), (steps - step) / (cooldown * steps) if cooldown else 1.0)


def averaged(metrics: Metrics, engine: Engine) -> dict[str, float]:
    """Mean over processes of each metric."""
    values = torch.tensor([float(v.detach() if isinstance(v, Tensor) else v) for v in metrics.values()]).double()
    if engine.world > 1:
        values = values.to(engine.device)
        engine.average(values)
    return dict(zip(metrics, values.tolist(), strict=True))


def read_log(out: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl; a last line cut short by a kill is left out."""
    if not (out / LOG).exists():
        return []
    lines = (out / LOG).read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
