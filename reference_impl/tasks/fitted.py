"""The task of a run whose settings the data have to follow."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..core.task import Task
from . import lookup


def fitted(name: str, data: Any, settings: Mapping[str, Any]) -> Task:
    """`make(name, data)` with those of the settings that the task has too, such as the length of windows of text."""
    cls = lookup(name)
    shared = {k: v for k, v in settings.items() if k in inspect.signature(cls).parameters and k != "data"}
    return cls(*([] if data is None else [data]), **shared)
