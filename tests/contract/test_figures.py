"""Figures are whole: nothing that is drawn reaches over their edge."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from reference_impl.figures import figure, png, show_images, svg

ASCENT = 0.76
"""How high the tallest letters stand over their line, in the size of the type."""


def labels(text: str) -> tuple[list[float], dict[str, tuple[float, float, float]]]:
    """The view box of an SVG, and of each label the size and where its middle or its beginning stands."""
    root = ET.fromstring(text)
    found = {}
    for e in root.iter("{http://www.w3.org/2000/svg}text"):
        size = (e.get("style") or "").removeprefix("font-size: ").partition("px")[0]
        found[e.text or ""] = (float(size), float(e.get("x") or 0), float(e.get("y") or 0))
    return [float(v) for v in root.attrib["viewBox"].split()], found


def columns() -> Figure:
    """Tall sheets of pictures side by side, whose titles stand too high until the layout has settled."""
    fig, axes = figure(6.6, 4.3, columns=8)
    for ax, title in zip(axes, "abdfhklt", strict=True):
        show_images(ax, np.ones((5, 8, 8)), 1, title)
    return fig


def test_titles_of_pictures_are_whole():
    box, found = labels(svg(columns()))
    assert box == pytest.approx([0, 0, 6.6 * 72, 4.3 * 72])  # there is room for them in the figure as it was asked for
    assert set("abdfhklt") <= set(found)
    for size, _, y in found.values():
        assert y > ASCENT * size


@pytest.mark.parametrize(("x", "y"), [(-0.6, 0.5), (1.4, 0.5), (0.5, -0.3), (0.5, 1.3)])
def test_a_label_far_outside_is_whole(x: float, y: float):
    fig, ax = figure(4, 3)
    ax.plot([1, 3, 2])
    plain = labels(svg(fig))[0]
    fig.text(x, y, "far outside", ha="center")
    box, found = labels(svg(fig))
    size, middle, line = found["far outside"]
    assert box[2] > plain[2] or box[3] > plain[3]
    half = 0.25 * size * len("far outside")
    assert half < middle < box[2] - half
    assert ASCENT * size < line < box[3]
    drawn = np.asarray(Image.open(io.BytesIO(png(fig))).convert("L")) < 250
    assert drawn.any()
    assert not drawn[[0, -1]].any()
    assert not drawn[:, [0, -1]].any()


def test_a_figure_with_everything_inside_keeps_its_size():
    fig, ax = figure(4, 3)
    ax.plot([1, 3, 2])
    ax.set(xlabel="x", ylabel="y", title="t")
    assert labels(svg(fig))[0] == pytest.approx([0, 0, 288, 216])
