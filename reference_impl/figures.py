"""Pictures: of samples and of training, for people; and SVG that follows a page's light or dark."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from .core.runner import Result
    from .core.task import Task
    from .sound import Note

PALETTE = ["#3b7dd8", "#d9730d", "#2a9d6f", "#c2417c", "#8a63d2", "#9a8700", "#0e97a7", "#d1495b", "#7a7f87", "#5b6abf"]
"""Ten colors that read on white and on near-black."""
INK = "#010203"
"""Stands for the color of the page's own text; becomes `currentColor` in SVG."""
MARGIN = 0.03
"""Inches around all that is drawn, since a page sets a figure in its own type."""
STYLE = {
    "axes.prop_cycle": mpl.cycler(color=PALETTE), "image.cmap": "gray_r", "lines.linewidth": 1.6,
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "legend.frameon": False,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "svg.fonttype": "none", "svg.hashsalt": "patterns", "figure.dpi": 100, "savefig.dpi": 140,
}  # fmt: skip
mpl.rcParams.update(STYLE)


def figure(width: float = 6.4, height: float = 3.6, rows: int = 1, columns: int = 1, **kw: Any) -> tuple[Figure, Any]:
    """A figure in the house style and its axes, as `pyplot.subplots` returns them; sizes in inches."""
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(rows, columns, **kw)


def whole(fig: Figure) -> Bbox:
    """The box of a figure, in inches, larger than the figure itself where something reaches over the edge."""
    for _ in range(2):  # after one, the layout has not settled: titles of pictures may stand too high
        fig.draw_without_rendering()
    return Bbox.union([fig.bbox_inches, fig.get_tightbbox().padded(MARGIN)])


def svg(fig: Figure) -> str:
    """The figure as SVG text that takes its ink from the page. The same figure gives the same bytes."""
    out = io.StringIO()
    fig.savefig(out, format="svg", bbox_inches=whole(fig), metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"(?<=data:image/png;base64,)[^\"]{60000,}", few_colors, text)
    return re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px; font-family: inherit", text)


def few_colors(encoded: re.Match[str]) -> str:
    """A large embedded PNG with 127 colors of its own and transparency: a third of the bytes."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(encoded[0])))
    colors = image.convert("RGB").quantize(127, dither=Image.Dither.NONE)
    if image.mode == "RGBA":
        colors.putpalette([*(colors.getpalette() or [])[:381], 0, 0, 0])
        colors.paste(127, mask=image.getchannel("A").point(lambda alpha: 255 * (alpha == 0)))
    out = io.BytesIO()
    colors.save(out, "PNG", transparency=127)
    return base64.b64encode(out.getvalue()).decode()


def png(fig: Figure) -> bytes:
    """The figure as PNG on white."""
    out = io.BytesIO()
    fig.savefig(out, format="png", bbox_inches=whole(fig), facecolor="white")
    return out.getvalue()


def tile(images: Any, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """(N, C, H, W) or (N, H, W) in [0, 1] side by side: (rows, columns[, 4]); gaps and NaN are transparent."""
    x = np.asarray(images, dtype=float)
    x = x[:, None] if x.ndim == 3 else x
    if x.shape[1] == 3:
        x = np.concatenate([np.nan_to_num(x).clip(0, 1), ~np.isnan(x[:, :1])], axis=1)
    n, c, h, w = x.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), np.nan if c == 1 else 0.0)
    for i in range(n):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = x[i].transpose(1, 2, 0)
    return sheet[..., 0] if c == 1 else sheet


def show_images(
    ax: Axes, images: Any, columns: int | None = None, title: str = "",
    vmin: float = 0.0, vmax: float = 1.0, cmap: str = "gray_r",
) -> None:  # fmt: skip
    """Draw images (N, C, H, W) or (N, H, W) as one sheet: dark ink on light, or photographs with cmap="gray"."""
    sheet = tile(images, columns)
    # photographs go into SVG pixel by pixel, which is small; enlarged first they would not be
    interpolation = "none" if sheet.ndim == 3 else "nearest"
    ax.imshow(sheet, vmin=vmin, vmax=vmax, interpolation=interpolation, cmap=cmap)
    ax.set_title(title)
    ax.axis("off")


def strips(rows: Mapping[str, Any], columns: int) -> Figure:
    """The first `columns` of several sets of images (N, C, H, W), one labeled row for each set."""
    height, width = (side + 1 for side in next(iter(rows.values())).shape[2:])
    fig, ax = figure(6.6, 0.1 + 5.6 * len(rows) * height / (columns * width))
    show_images(ax, np.concatenate([np.asarray(x[:columns]) for x in rows.values()]), columns)
    ax.axis("on")
    ax.set_xticks([])
    ax.set_yticks([(i + 0.5) * height - 1 for i in range(len(rows))], list(rows))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    # a page's font may be wider than the one that the layout knows
    fig.get_layout_engine().set(rect=(0.03, 0, 0.97, 1))  # type: ignore[union-attr]
    return fig


def piano_roll(ax: Axes, notes: Sequence[Note], bar: int, colors: Sequence[str] = PALETTE[:1]) -> None:
    """Notes as strokes at their pitch, and bar lines; every two bars have the next color."""
    for n in notes:
        color = colors[n.start // (2 * bar) % len(colors)]
        ax.plot([n.start + 0.1, n.start + n.length - 0.1], [n.pitch] * 2, color=color, lw=4, solid_capstyle="butt")
    end = max((n.start + n.length for n in notes), default=bar)
    for at in range(0, end + 1, bar):
        ax.axvline(at, color=INK, lw=0.4, alpha=0.4)
    ax.set(xlim=(-0.5, end + 0.5), xticks=[], ylabel="MIDI pitch")
    ax.margins(y=0.2)


def show(
    kind: str, samples: Any, facts: dict[str, Any], columns: int | None = None, condition: Any = None
) -> Figure | str:
    """Samples of a task as people want to see them: a figure, or text; with their condition where that is text too."""
    if kind == "text":
        from .tasks.text import spelled

        return "\n\n---\n\n".join(spelled(samples, facts))
    if kind == "sentences":
        from .tasks.sentences import spelled

        written = spelled(samples, facts)
        given = [""] * len(written) if condition is None else [f"{y} -> " for y in spelled(condition, facts)]
        return "\n".join(map("".join, zip(given, written, strict=True)))
    if kind == "strings":
        return "\n".join(map(str, samples))
    if kind == "table":
        from .tasks.tables import spelled

        return spelled(samples, facts)
    if kind == "molecule":
        from .figures_molecules import draw_molecule
        from .tasks.molecules import spelled

        strings = spelled(samples[:30], facts["symbols"])
        fig, axes = figure(9, 1.4 * -(-len(strings) // 6), -(-len(strings) // 6), 6, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        for ax, smiles in zip(axes.flat, strings, strict=False):
            draw_molecule(ax, smiles)
        return fig
    if kind == "tune":
        from .tasks.tunes import notes, read

        tunes = [read(row) for row in samples[:12].tolist()]
        fig, axes = figure(7, 1.1 * len(tunes), len(tunes), squeeze=False)
        for ax, (_, bar, steps) in zip(axes.flat, tunes, strict=True):
            piano_roll(ax, notes(steps), bar)
        return fig
    x = samples.detach().cpu().float().numpy()
    if kind == "video":
        x = x[:12]
        fig, ax = figure(0.8 * x.shape[1], 0.8 * len(x))
        show_images(ax, x.reshape(-1, *x.shape[2:]), x.shape[1], cmap="gray")
        return fig
    if kind == "series":
        x = x[:6]
        fig, axes = figure(6.4, 1.1 * len(x), len(x), squeeze=False, sharex=True)
        for ax, row in zip(axes[:, 0], x, strict=True):
            ax.plot(row, linewidth=1)
        return fig
    if kind == "vector" and x[0].size <= 3:
        fig, ax = figure(4, 4)
        ax.scatter(x[:, 0], x[:, 1], s=6, alpha=0.6, linewidths=0)
        ax.set_aspect("equal")
        return fig
    if kind == "vector":
        fig, ax = figure(6, 0.25 * len(x) + 1)
        ax.imshow(x.reshape(len(x), -1), aspect="auto", cmap="coolwarm")
        return fig
    shape = facts.get("shape") or (1, x[0].size, 1)
    if len(shape) == 1:
        side = int(np.sqrt(shape[0]))
        shape = (1, side, shape[0] // side)
    cmap = "gray" if kind == "photo" else "gray_r"
    fig, ax = figure(5, 5)
    show_images(ax, x.reshape(len(x), *shape[-3:]), columns, vmin=min(0.0, float(x.min())), cmap=cmap)
    return fig


def curves(history: Sequence[dict[str, Any]]) -> Figure:
    """What each phase logged, one panel a quantity."""
    series: dict[str, list[tuple[int, float]]] = {}
    for i, row in enumerate(history):
        for key, value in row.items():
            if isinstance(value, float):
                series.setdefault(f"{row['phase']}: {key}", []).append((row.get("step", i), value))
    columns = min(3, max(1, len(series)))
    rows = -(-max(1, len(series)) // columns)
    fig, axes = figure(3.2 * columns, 2.3 * rows, rows, columns, squeeze=False)
    for ax in axes.flat[len(series) :]:
        ax.axis("off")
    for ax, (name, points) in zip(axes.flat, series.items(), strict=False):
        ax.plot(*zip(*points, strict=True))
        ax.set_title(name)
        ax.set_xlabel("step")
    return fig


def write_run(result: Result, task: Task, out: Path, seed: int, n: int = 64) -> list[str]:
    """Draw samples and curves of a run into its folder; returns the names of the files."""
    from .core import seed_all

    names = []
    if result.history:
        (out / "curves.png").write_bytes(png(curves(result.history)))
        names.append("curves.png")
    seed_all(seed, "show")
    y = task.splits["test"][1]
    condition = y[:n] if task.facts.get("conditional") and y is not None else None
    n = len(condition) if condition is not None else n if task.kind != "text" else 3
    samples = result.model.sample(n, condition)
    shown = show(task.kind, samples, task.facts, condition=condition)
    name = "samples.txt" if isinstance(shown, str) else "samples.png"
    (out / name).write_bytes(shown.encode() if isinstance(shown, str) else png(shown))
    names.append(name)
    if task.kind == "tune":
        from .sound import midi, wav
        from .tasks.tunes import notes, read

        key, bar, steps = read(samples[0].tolist())
        (out / "sample.wav").write_bytes(wav(notes(steps)))
        (out / "sample.mid").write_bytes(midi(notes(steps), bar=bar, key=key))
        names += ["sample.wav", "sample.mid"]
    return names
