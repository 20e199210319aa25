"""Several optimizers as one, so that a step that has one loss stays the default step."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer


class Joint(Optimizer):
    """Steps each part on its own parameters; state and parameter groups are those of the parts together."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        super().__init__([g for part in parts for g in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Make the parts work on this optimizer's state and groups."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.state, part.param_groups = self.state, [next(groups) for _ in part.param_groups]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As for any optimizer."""
        super().load_state_dict(state_dict)
        self._share()

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every part; gradients are there already, so closures are not served."""
        for part in self.parts:
            part.step()
