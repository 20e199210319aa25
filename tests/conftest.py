"""What all tests share."""

import atexit
import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
if "CATALOG_CACHE" not in os.environ:  # not the user's: made by the first process, which the others inherit it from
    os.environ["CATALOG_CACHE"] = tempfile.mkdtemp(prefix="catalog-cache-")
    atexit.register(shutil.rmtree, os.environ["CATALOG_CACHE"], ignore_errors=True)


@pytest.fixture(autouse=True)
def _one_thread():
    """Two busy processes with spinning threads are up to a hundred times slower on two cores."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture
def cpu() -> Iterator[Callable[[Callable[[], Any]], float]]:
    """Seconds of processor time that a call takes in this thread: the quickest of three.

    The collector leaves out what earlier tests of this process hold: one pass over that takes longer than the call.
    """

    def once(ask: Callable[[], Any]) -> float:
        started = time.thread_time()
        ask()
        return time.thread_time() - started

    gc.collect()
    gc.freeze()
    yield lambda ask: min(once(ask) for _ in range(3))
    gc.unfreeze()
