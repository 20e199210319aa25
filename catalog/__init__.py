"""The catalog of generative-AI patterns, to ask questions of.

>>> import catalog
>>> cat = catalog.load()
>>> cat["vae"].year
2013
>>> print(cat.related("vae"))            # doctest: +SKIP
>>> print(cat.path("vae", "diffusion"))  # doctest: +SKIP
>>> cat.graph                            # a frozen networkx.MultiDiGraph    # doctest: +SKIP

Everything is loaded when first used: importing this package imports neither pydantic, networkx nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog import Catalog, Related, RelatedList, Route, Step
    from .errors import BadQuestion, CatalogError, NoPath, Problem, UnknownPattern
    from .graph import RELATIONS, RelationKind
    from .schema import Entry
    from .search import Hit, Hits
    from .store import load

_HOME = {
    "load": "store",
    "Catalog": "catalog", "Related": "catalog", "RelatedList": "catalog",
    "Route": "catalog", "Step": "catalog",
    "BadQuestion": "errors", "CatalogError": "errors", "NoPath": "errors",
    "Problem": "errors", "UnknownPattern": "errors",
    "RELATIONS": "graph", "RelationKind": "graph",
    "Entry": "schema",
    "Hit": "search", "Hits": "search",
}  # fmt: skip

__all__ = [
    "RELATIONS", "BadQuestion", "Catalog", "CatalogError", "Entry", "Hit", "Hits", "NoPath", "Problem", "Related",
    "RelatedList", "RelationKind", "Route", "Step", "UnknownPattern", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("genai-patterns")
        except PackageNotFoundError:  # a checkout on the path, not installed
            return "0+unknown"
    if not name.startswith("_") and hasattr(__getattr__("Catalog"), name):
        raise AttributeError(f"{name} is asked of a catalog: cat = catalog.load(), then cat.{name}", name=name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
