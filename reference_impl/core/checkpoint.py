"""One file per checkpoint: safetensors, with everything that is no tensor as JSON in its header.

torch.distributed.checkpoint was tried first; its metadata is a pickle, and no pickle is ever
loaded here. Sharded state is gathered, so a run may go on with another number of processes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import safe_open
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from .reference import Reference


def gather(
    model: Reference, optimizers: dict[str, Optimizer] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All state as (tensors by name, JSON); every rank must call it."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {"model": {}, "optimizers": {}}

    def put(into: dict[str, Any], path: str, key: str, value: Any) -> None:
        if isinstance(value, Tensor):
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            tensors[f"{path}/{key}"] = whole.detach().cpu().contiguous().clone()
        else:
            into[key] = value

    for key, value in model.state_dict().items():
        put(plain["model"], "model", key, value)
    for name, optimizer in (optimizers or {}).items():
        state = optimizer.state_dict()
        into = plain["optimizers"][name] = {"groups": state["param_groups"], "state": {}}
        for i, entries in state["state"].items():
            into["state"][str(i)] = {}
            for key, value in entries.items():
                put(into["state"][str(i)], f"optimizers/{name}/{i}", key, value)
    return tensors, plain


def write(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write aside, flush, rename: a killed run leaves the previous file or this one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    with open(aside, "wb") as f:
        f.write(safetensors.torch.save(tensors, {"json": json.dumps(header)}))
        f.flush()
        os.fsync(f.fileno())
    os.replace(aside, path)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write` wrote. ValueError where the file is something else."""
    try:
        with safe_open(path, framework="pt") as f:
            return {k: f.get_tensor(k) for k in f.keys()}, json.loads((f.metadata() or {})["json"])  # noqa: SIM118
    except FileNotFoundError:
        raise
    except Exception as err:
        raise ValueError(f"{path}: not a checkpoint of this project ({err}); remove it to start anew") from None


def restore(
    model: Reference, tensors: dict[str, Tensor], plain: dict[str, Any], optimizers: dict[str, Optimizer] | None = None
) -> None:
    """Put state from `read` into the model and its optimizers, sharded as they are."""

    def like(value: Tensor, place: Any) -> Tensor:
        if isinstance(place, DTensor) and value.shape == place.shape:
            return distribute_tensor(value.to(place.device), place.device_mesh, place.placements)
        return value

    here = model.state_dict()
    state = {k[6:]: like(v, here.get(k[6:])) for k, v in tensors.items() if k.startswith("model/")}
    model.load_state_dict({**state, **plain["model"]}, assign=False)
    for name, optimizer in (optimizers or {}).items():
        saved, params = plain["optimizers"][name], [p for g in optimizer.param_groups for p in g["params"]]
        prefix, states = f"optimizers/{name}/", {int(i): dict(s) for i, s in saved["state"].items()}
        for key, value in tensors.items():
            if key.startswith(prefix):
                i, entry = key[len(prefix) :].split("/", 1)
                states[int(i)][entry] = like(value, params[int(i)])
        optimizer.load_state_dict({"state": states, "param_groups": saved["groups"]})
