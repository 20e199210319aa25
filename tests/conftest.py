"""What all tests share."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _one_thread():
    """Two busy processes with spinning threads are up to a hundred times slower on two cores."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
