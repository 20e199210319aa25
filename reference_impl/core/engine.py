"""How gradients become updates, on one process or many. The only module that knows about ranks."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore

from .noise import SharedNoise
from .reference import Batch, Losses, Phase, Reference


class Engine:
    """Implements `Optimizers` with torch.distributed alone, under `torchrun` or without it.

    shard="none" replicates: every process holds the whole model and gradients are averaged between
    backward and step, which serves any number of optimizers and hand-made gradients. shard="full"
    splits parameters, gradients and optimizer state with FSDP2; it serves patterns whose step is
    the default one and refuses the others. precision="bf16" computes under autocast.

    Raises ValueError for a device, precision or sharding that cannot be had here.
    """

    def __init__(self, device: str = "auto", precision: str = "fp32", shard: str = "none") -> None:
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        local = int(os.environ.get("LOCAL_RANK", 0))
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = device.partition(":")[0]
        if kind == "cuda" and not torch.cuda.is_available():
            raise ValueError("device 'cuda': torch sees no CUDA device here; use 'cpu' or 'auto'")
        if precision not in {"fp32", "bf16"}:
            raise ValueError(f"precision {precision!r}: one of fp32, bf16")
        if shard not in {"none", "full"}:
            raise ValueError(f"shard {shard!r}: one of none, full")
        try:
            self.device = torch.device("cuda", local) if device == "cuda" else torch.device(device)
        except RuntimeError:
            raise ValueError(f"device {device!r}: one of auto, cpu, cuda, cuda:N, mps") from None
        self.precision, self.shard, self.lr_scale = precision, shard, 1.0
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if (self.world > 1 or shard == "full") and not dist.is_initialized():
            alone = {"store": HashStore(), "rank": 0, "world_size": 1} if self.world == 1 else {}
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo", **alone)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def setup(self, model: Reference) -> None:
        """Move the model here, make all ranks start alike, shard where asked."""
        self.model = model.to(self.device)
        if self.world > 1:
            for t in [*model.parameters(), *model.buffers()]:
                dist.broadcast(t.data, 0)
        if self.shard == "full":
            kind = type(model)
            if kind.step is not Reference.step or kind.phases is not Reference.phases:
                raise ValueError(
                    f"{kind.__name__} has a training step of its own, which cannot be sharded: use shard 'none'"
                )
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            mesh = init_device_mesh(self.device.type, (self.world,))
            for child in model.children():
                if any(True for _ in child.parameters()) and not isinstance(child, torch.nn.ModuleList):
                    fully_shard(child, mesh=mesh)
            fully_shard(model, mesh=mesh)

    def bind(self, phase: Phase) -> None:
        """Serve the optimizers of this phase from here on."""
        self.optimizers = phase.optimizers
        for o in phase.optimizers.values():
            for g in o.param_groups:
                g.setdefault("initial_lr", g["lr"])

    @contextlib.contextmanager
    def stepping(self, rows: int) -> Iterator[None]:
        """Around one training step of `rows` local observations: shared noise, precision."""
        with contextlib.ExitStack() as stack:
            if self.world > 1:
                stack.enter_context(SharedNoise(rows, self.rank, self.world))
            if self.precision == "bf16":
                stack.enter_context(torch.autocast(self.device.type, torch.bfloat16))
            yield

    # -- the Optimizers protocol
    def forward(self, batch: Batch) -> Losses:
        return self.model(batch)

    def minimize(self, name: str, loss: Tensor) -> None:
        with torch.autocast(self.device.type, enabled=False):
            self.optimizers[name].zero_grad()
            if self.shard == "full":
                loss.backward()  # FSDP's own hooks average and scatter
            else:
                loss.backward(inputs=self._params(name))  # a GAN's g-loss leaves no gradients in D
            self._update(name)

    def apply(self, name: str, grads: Iterable[Tensor]) -> None:
        for p, g in zip(self._params(name), grads, strict=True):
            p.grad = g.to(p.dtype)
        self._update(name)

    def average(self, *tensors: Tensor) -> None:
        if self.world > 1 and tensors:
            flat = torch.cat([t.reshape(-1) for t in tensors]) / self.world
            dist.all_reduce(flat)
            for t, s in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                t.copy_(s.view_as(t))

    def _params(self, name: str) -> list[Tensor]:
        return [p for g in self.optimizers[name].param_groups for p in g["params"] if p.requires_grad]

    def _update(self, name: str) -> None:
        optimizer, params = self.optimizers[name], self._params(name)
        if self.shard == "none":
            self.average(*[p.grad for p in params if p.grad is not None])
        if clip := self.model.cfg.clip:
            torch.nn.utils.clip_grad_norm_(params, clip)
        for g in optimizer.param_groups:
            g["lr"] = g["initial_lr"] * self.lr_scale
        optimizer.step()

    def barrier(self) -> None:
        if self.world > 1:
            dist.barrier()

    def close(self) -> None:
        """End the process group; only after success, since after a failure other ranks may wait in a collective.

        gloo's own thread may still hold the last collective's tensors while Python shuts down, which
        aborts the process (seen with torch 2.13 in a quarter of two-rank runs); so let it finish.
        """
        if dist.is_initialized():
            gloo = dist.get_backend() == "gloo"
            self.barrier()
            dist.destroy_process_group()
            gc.collect()
            if gloo and self.world > 1:
                time.sleep(0.3)
