"""What all tests share."""

import atexit
import os
import shutil
import tempfile

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
