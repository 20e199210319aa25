"""The rational-quadratic spline agrees with zuko's for the same widths, heights and slopes."""

import math
from functools import partial

import pytest
import torch

from reference_impl.flow.neural_spline_flow import SMALLEST, spline

BINS, BOUND = 8, 3.0
# beyond the ends too, where both are the identity
POINTS = torch.linspace(-1.5 * BOUND, 1.5 * BOUND, 200, dtype=torch.float64)
close = partial(torch.testing.assert_close, rtol=0, atol=1e-10)


@pytest.fixture
def pair():
    """zuko's transform of random unconstrained numbers (200, 3K - 1) in double precision, and our spline.

    zuko bounds the numbers before the softmax or the exponential; ours adds a least size after it. So ours gets the
    numbers that lead to zuko's widths, heights and slopes.
    """
    transforms = pytest.importorskip("zuko").transforms
    torch.manual_seed(0)
    theta = 2 * torch.randn(len(POINTS), 3 * BINS - 1, dtype=torch.float64)
    parts = theta.split([BINS, BINS, BINS - 1], -1)
    theirs = transforms.MonotonicRQSTransform(*parts, bound=BOUND, slope=1e-2)
    sizes = [
        ((ends.diff() / (2 * BOUND) - SMALLEST) / (1 - BINS * SMALLEST)).log()
        for ends in (theirs.horizontal, theirs.vertical)
    ]
    # inverse of the softplus, less what makes zeros the identity
    slopes = (theirs.derivatives[:, 1:-1] - SMALLEST).expm1().log() - math.log(math.expm1(1 - SMALLEST))
    return theirs, spline(torch.cat([*sizes, slopes], -1), BINS, BOUND)


def test_knots_are_those_of_zuko(pair):
    theirs, ours = pair
    close(tuple(ours), (theirs.horizontal, theirs.vertical, theirs.derivatives))


def test_value_and_log_derivative_are_those_of_zuko(pair):
    theirs, ours = pair
    value, log_slope = ours.at(POINTS)
    assert log_slope.abs().max() > 1
    close((value, log_slope), theirs.call_and_ladj(POINTS))


def test_inverse_is_that_of_zuko(pair):
    theirs, ours = pair
    close(ours.inverse_at(POINTS), theirs.inv(POINTS))
