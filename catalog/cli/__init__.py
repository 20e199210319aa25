"""The command line `genai-patterns`, also `python -m catalog`."""

from . import agents, ask, choose, compare, export, run, site, walks, write
from .shell import cli, main

__all__ = ["agents", "ask", "choose", "cli", "compare", "export", "main", "run", "site", "walks", "write"]
