"""What a reference is: a Config, a Reference, and the Phases in which it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    from .task import Task

Losses = dict[str, Tensor]
"""Named scalars; the entry "loss" is minimized, every entry is logged."""
Metrics = Mapping[str, Tensor | float]
"""Named scalars to log."""


class Batch(NamedTuple):
    """One global batch, or this process's share of it."""

    x: Any
    """Observations: a tensor (B, *shape), or a list where they are no tensors."""
    y: Any = None
    """Condition of each observation: label, prompt, probe, question, ..."""


class Config(BaseModel):
    """Hyperparameters. Frozen; unknown names are errors; the string below a field documents it.

    A subclass that changes a default repeats the name and the value, not the string.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        for name, field in cls.model_fields.items():
            parents = (b.model_fields[name] for b in cls.__mro__[1:] if name in getattr(b, "model_fields", {}))
            field.description = field.description or next((f.description for f in parents), None)

    steps: NonNegativeInt = 1000
    """Training steps (of every phase that does not name its own)."""
    batch_size: PositiveInt = 128
    """Global batch size; each of N processes gets 1/N of it."""
    lr: PositiveFloat = 1e-3
    """Peak learning rate."""
    warmup: NonNegativeInt = 0
    """Steps over which the learning rate rises from zero."""
    cooldown: float = Field(0.0, ge=0, le=1)
    """Last fraction of the steps over which the learning rate falls linearly to zero."""
    clip: NonNegativeFloat = 0.0
    """Largest gradient norm per optimizer; 0 turns clipping off."""


class Optimizers(Protocol):
    """What a training step may ask for: all that a pattern knows of the engine."""

    def forward(self, batch: Batch) -> Losses:
        """`self.loss(batch)`, through whatever wraps the module."""
        ...

    def minimize(self, name: str, loss: Tensor) -> None:
        """Backward into this optimizer's parameters only, average over processes, clip, step."""
        ...

    def apply(self, name: str, grads: Iterable[Tensor]) -> None:
        """The same with gradients that the pattern computed itself, one per parameter."""
        ...

    def average(self, *tensors: Tensor) -> None:
        """Replace each tensor by its mean over processes, in place."""
        ...


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one step function. Most patterns have one, some none or several."""

    name: str
    steps: int
    step: Callable[[Batch, Optimizers], Metrics]
    optimizers: Mapping[str, Optimizer]
    stream: str = "train"
    """Which of the task's splits it learns from."""
    begin: Callable[[], None] = lambda: None
    """Called before the phase's first step; not when resuming inside it."""


class Reference(nn.Module):
    """A generative pattern: a module that owns all its state and knows how to learn and to sample.

    Define `loss` and `sample`. Override `optimizers` for other or more optimizers, `after_update`
    for what follows each step (a moving average), `step` where learning is not "descend the loss",
    `phases` where it is not one loop, `prepare` where something is computed from the data first.

    Verbs that a pattern may also have, and the contract suite then checks:

    - `encode(x)`: code of each observation, (B, *shape) -> (B, Z)
    - `decode(z)`: observation of each code, (B, Z) -> (B, *shape), in the range of the data
    - `reconstruct(x)`: (B, *shape) -> (B, *shape)
    - `log_prob(x)`: exact log-density or log-probability in nats, (B, ...) -> (B,)
    - `elbo(x)`: lower bound of the same, in nats, (B, ...) -> (B,)
    - `energy(x)`: -log p(x) up to a constant, (B, ...) -> (B,)
    - `logits(ids, cache)`: next-token logits and the longer cache, (B, T) -> (B, T, V)
    """

    task: ClassVar[str]
    """Name of the task it learns unless told otherwise (`reference_impl.tasks`)."""
    Config: ClassVar[type[Config]] = Config

    def __init__(self, cfg: Any) -> None:
        super().__init__()
        self.cfg = cfg

    @property
    def device(self) -> torch.device:
        """Where its tensors live."""
        return next(chain(self.parameters(), self.buffers()), torch.empty(0)).device

    def loss(self, batch: Batch) -> Losses:
        raise NotImplementedError(f"{type(self).__name__} has no loss: override step or phases")

    def sample(self, n: int, y: Any = None) -> Any:
        """n new observations, like `batch.x`; `y` is the condition of each, where there is one."""
        raise NotImplementedError(f"{type(self).__name__} cannot sample")

    def prepare(self, task: Task) -> None:
        """Called once, before the first step of a fresh run; not when resuming."""

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": torch.optim.AdamW(self.parameters(), lr=self.cfg.lr)}

    def step(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = opt.forward(batch)
        opt.minimize("main", losses["loss"])
        return losses

    def after_update(self) -> None:
        """Called after every step of every phase."""

    def phases(self) -> Sequence[Phase]:
        return (Phase("train", self.cfg.steps, self.step, self.optimizers()),)

    def forward(self, batch: Batch) -> Losses:
        """`loss`, under the one name that FSDP and torch.compile wrap."""
        return self.loss(batch)
