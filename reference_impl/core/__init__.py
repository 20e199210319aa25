"""Everything that the pattern files do not repeat: the loop, ranks, checkpoints, data, pictures."""

from .main import main
from .optimizers import Joint
from .reference import Batch, Config, Losses, Metrics, Optimizers, Phase, Reference
from .runner import Result, load, run, seed_all
from .task import Score, Task

__all__ = [
    "Batch", "Config", "Joint", "Losses", "Metrics", "Optimizers", "Phase", "Reference",
    "Result", "Score", "Task", "load", "main", "run", "seed_all",
]  # fmt: skip
