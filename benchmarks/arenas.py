"""Where patterns compete: data, contestants, and how samples are judged beside what the data themselves score."""

import base64
import io
import math
import re
import statistics
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from PIL import Image
from quality import Judge, reference
from torch import Tensor

import catalog
from catalog.digest import of_code
from reference_impl.core import Reference, Task
from reference_impl.tasks import TASKS, make
from reference_impl.tasks.points import SIGMA, Points, grid_centers
from reference_impl.trust.sample_quality_metrics import frechet, moments, neighborhoods

ROOT = Path(__file__).resolve().parents[1]
NEIGHBORS = 5
Values = dict[str, float]


def energy_distance(a: Tensor, b: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| of samples (N, D), (M, D): at least 0, and 0 for equal laws alone.

    Szekely & Rizzo, "Energy statistics", 2013. Of two samples of one law it is about (1/N + 1/M) E|x - x'|.
    """
    a, b = a.double(), b.double()
    return float(2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean())


def picture(tiles: Tensor) -> str:
    """Ink from 0 to 1, side by side: (N, H, W) -> a PNG as a data URI."""
    ink = torch.cat(list(F.pad(tiles, (1, 1))), 1)
    png = io.BytesIO()
    Image.fromarray((255 * (1 - ink)).round().byte().numpy()).save(png, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def mean_of(each: Iterable[Mapping[str, float]]) -> Values:
    """The mean of every measure."""
    rows = list(each)
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


class Arena(ABC):
    """Data, who competes on them, and how samples are judged."""

    key: ClassVar[str]
    title: ClassVar[str]
    task: ClassVar[str]
    """All references with this task compete, unless left out."""
    guests: ClassVar[dict[str, dict[str, object]]] = {}
    """Patterns whose own task is another, and what has to be set for these data."""
    left_out: ClassVar[dict[str, str]]
    rating: ClassVar[str]
    """The measure that ranks."""
    unit: ClassVar[str]
    """What one sample is."""
    shown_is: ClassVar[str]
    """What `shown` shows of the samples."""
    draws = 1
    """How often so many samples are drawn from each model."""
    n: int
    """Samples of a draw."""

    @cached_property
    def tasks(self) -> Sequence[Task]:
        """A contestant learns each with its share of the budget."""
        return [make(self.task)]

    @property
    @abstractmethod
    def data(self) -> str:
        """The data, in a sentence."""

    @abstractmethod
    def measures(self) -> dict[str, dict[str, Any]]:
        """What is measured, and what the data themselves score or, where `line` is baseline, a simple model does."""

    def draw(self, model: Reference, n: int) -> Tensor:
        """n samples."""
        return model.sample(n)

    @abstractmethod
    def judge(self, models: Sequence[Reference], samples: Sequence[Tensor]) -> Values:
        """Every measure that a contestant allows, given a model of each task and all draws of each."""

    @abstractmethod
    def shown(self, samples: Sequence[Tensor]) -> str:
        """Samples to look at, of all that were drawn: text, or a picture as a data URI."""

    @abstractmethod
    def real(self) -> Sequence[Tensor]:
        """Held-out data in the form of samples."""

    def contestants(self, cat: catalog.Catalog) -> list[str]:
        """Ids of those who compete."""
        own = [e.id for e in cat if reference(e.id).task == self.task and e.id not in self.left_out]
        return sorted({*own, *self.guests})

    def digest(self, pattern: str) -> str:
        """Of all code and data that a contestant's numbers come from; how they are judged is not in it."""
        task = f"reference_impl.tasks.{TASKS[self.task].partition(':')[0]}"
        return of_code(ROOT, reference(pattern).__module__, "reference_impl.core.runner", task)


class Images(Arena):
    """Digits, drawn whole."""

    key, task, rating, unit = "images", "images", "distance", "image"
    title = "Images of digits"
    shown_is = "Ten images, the first that the first seed drew."
    left_out: ClassVar = {
        "diffusion_inverse_solver": "draws given a measurement; without one its samples are those of DDPM",
        "inpainting": "fills holes in given images; without one it is a diffusion inverse solver, and that is DDPM",
    }
    draws = 3
    lacking = 3
    """The digit that is left out of real images to see what that costs."""

    def __init__(self) -> None:
        (train, self.labels), (real, _) = self.tasks[0].splits["train"], self.tasks[0].splits["test"]
        self.n = len(real)
        self.train, self.held_out = train.flatten(1), real.flatten(1)
        self.sides = real.shape[-2:]

    @property
    def data(self) -> str:
        return (
            f"scikit-learn's handwritten digits, 8x8 pixels in 17 grays: {len(self.train):,} to learn from, "
            f"{len(self.held_out)} held out."
        )

    @cached_property
    def classifier(self) -> Judge:
        return Judge(self.tasks[0])

    def compare(self, draws: Sequence[Tensor]) -> Values:
        """Draws (n, D) against the n held-out images: the mean over draws."""
        each, margins = [], self.classifier.margins
        for fake in draws:
            near = neighborhoods(self.held_out, fake, NEIGHBORS)
            each.append(
                {
                    "distance": energy_distance(margins(self.held_out), margins(fake)),
                    "frechet": frechet(margins(self.held_out), margins(fake)),
                    "pixels": energy_distance(self.held_out, fake),
                    "precision": near["precision"],
                    "coverage": near["coverage"],
                }
            )
        return mean_of(each)

    def draw(self, model: Reference, n: int) -> Tensor:
        """n samples; those who draw by label are asked for labels as frequent as in training."""
        rows = torch.randint(len(self.labels), (n,))
        return model.sample(n, self.labels[rows] if getattr(model, "conditional", False) else None)

    def real(self) -> Sequence[Tensor]:
        return [self.held_out]

    def shown(self, samples: Sequence[Tensor]) -> str:
        return picture(samples[0][:10].reshape(-1, *self.sides).clamp(0, 1))

    def gaussian(self) -> Values:
        """What a Gaussian with the training images' mean and covariance scores."""
        (mean, root), g = moments(self.train), torch.Generator().manual_seed(0)
        noise = torch.randn(self.draws * self.n, len(root), generator=g, dtype=root.dtype)
        return self.compare((mean + noise @ root.T).float().clamp(0, 1).split(self.n))

    def independent(self) -> float:
        """Held-out bits per pixel where each pixel has its own frequencies of grays, one count added to each."""
        levels = self.tasks[0].facts["levels"]
        grays = torch.arange(levels)[:, None, None]
        train, real = ((x * (levels - 1)).round().long() for x in (self.train, self.held_out))
        counts = (train == grays).sum(1) + 1.0  # (levels, D)
        return float(-(counts / counts.sum(0)).log2().gather(0, real).mean())

    def measures(self) -> dict[str, dict[str, Any]]:
        floor, plain = self.compare(self.train.split(self.n)[: self.draws]), self.gaussian()
        lacking = self.compare(self.train[self.labels != self.lacking].split(self.n)[: self.draws])
        same, beside = "training images in place of samples", "one Gaussian"
        pairs = self.classifier.margins(self.held_out[:1]).shape[1]
        return {
            "distance": {
                "title": "Distance", "unit": "margins", "better": "lower",
                "floor": floor["distance"], "floor_is": same,
                "beside": {beside: plain["distance"], f"images without {self.lacking}s": lacking["distance"]},
                "what": f"Energy distance of {self.n} samples and as many held-out images, mean of {self.draws} draws. "
                f"An image stands for the {pairs} margins, one for each pair of digits, that a support vector machine "
                "trained on the real ones gives it.",
            },
            "frechet": {
                "title": "Fréchet distance", "unit": "margins²", "better": "lower",
                "floor": floor["frechet"], "floor_is": same, "beside": {beside: plain["frechet"]},
                "what": "As far as means and covariances of the same margins tell, which is how FID compares.",
            },
            "pixels": {
                "title": "Distance of pixels", "unit": "pixels", "better": "lower",
                "floor": floor["pixels"], "floor_is": same, "beside": {beside: plain["pixels"]},
                "what": "Energy distance of the images as they are, where one pixel counts like another.",
            },
            "precision": {
                "title": "Precision", "unit": "share", "better": "higher",
                "floor": floor["precision"], "floor_is": same, "beside": {beside: plain["precision"]},
                "what": "Fidelity: samples that lie no farther from a held-out image than its fifth neighbor does.",
            },
            "coverage": {
                "title": "Coverage", "unit": "share", "better": "higher",
                "floor": floor["coverage"], "floor_is": same, "beside": {beside: plain["coverage"]},
                "what": "Diversity: held-out images that have a sample no farther away than their fifth neighbor.",
            },
            "labels": {
                "title": "Right label", "unit": "share", "better": "higher",
                "floor": self.classifier.svm.score(self.held_out, self.tasks[0].splits["test"][1]),
                "floor_is": "held-out images",
                "what": "Of those that draw by label: samples in which a classifier of real images finds that label.",
            },
            "bits": {
                "title": "Bits per pixel", "unit": "bits", "better": "lower",
                "floor": self.independent(), "floor_is": "each pixel by its own frequencies", "line": "baseline",
                "what": "Held-out: exact for PixelCNN, an upper bound for flows, which learn images with noise added. "
                "None for VAEs, whose likelihood is that of black and white pixels.",
            },
        }  # fmt: skip

    def judge(self, models: Sequence[Reference], samples: Sequence[Tensor]) -> Values:
        (model,), values = models, self.compare([x.flatten(1).clamp(0, 1) for x in samples])
        if getattr(model, "conditional", False):
            values["labels"] = self.classifier.score(model, self.n).value
        if hasattr(model, "bits_per_dim"):
            values["bits"] = float(model.bits_per_dim(self.held_out.view(-1, *model.cfg.shape)).mean())  # type: ignore[operator]
        return values


def log_grid(x: Tensor) -> Tensor:
    """Log-density of 25 round Gaussians on a grid: (N, 2) -> (N,)."""
    squared = (x[:, None] - grid_centers()).square().sum(2)
    return (-squared / (2 * SIGMA**2)).logsumexp(1) - math.log(25 * 2 * math.pi * SIGMA**2)


def log_moons(x: Tensor, steps: int = 500) -> Tensor:
    """Log-density of two half circles with noise 0.1, by the midpoint rule along them: (N, 2) -> (N,)."""
    t = math.pi * (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    arcs = torch.cat([torch.stack([t.cos() - 0.5, t.sin() - 0.25], 1), torch.stack([0.5 - t.cos(), 0.25 - t.sin()], 1)])
    # the distances of all points at once are hundreds of megabytes
    log_sums = [(-torch.cdist(part, arcs).square() / 0.02).logsumexp(1) for part in x.double().split(1000)]
    return (torch.cat(log_sums) - math.log(len(arcs) * 2 * math.pi * 0.01)).float()


def log_checkerboard(x: Tensor) -> Tensor:
    """Log-density of the uniform law on 8 of 16 unit squares: (N, 2) -> (N,)."""
    square = (x + 2).floor()
    inside = (square >= 0).all(1) & (square < 4).all(1) & (square.sum(1) % 2 == 0)
    return torch.where(inside, -math.log(8), -math.inf)


class Density(Arena):
    """Three shapes in the plane whose density is known."""

    key, task, rating, unit = "density", "points", "distance", "point"
    title = "Densities in the plane"
    shown_is = "Where the points fall that the first seed drew; the darkest is as dense as the data."
    shapes: ClassVar = {"grid25": log_grid, "moons": log_moons, "checkerboard": log_checkerboard}
    n = 2000
    """Samples, and held-out points, that are compared."""
    sets = 3
    """Disjoint sets of training points whose mean is the floor."""
    cells, edge = 35, 2.5
    """Of a picture: squares along a side, and the coordinate at which it ends."""
    inside = 0.99
    """Share of the true law that its smallest region has to hold in which a sample counts as plausible."""
    images_only = "its network is for images"
    no_codes = "draws codes from N(0, I), which its encoder has no reason to fill: the images show it"
    set_by_hand = "its likelihood is of bits, or of numbers with a variance that has to be set for each shape"
    needs_labels = "draws by label, and points have none"
    guests: ClassVar = {
        "autoregressive_model": {"visible": 2}, "made": {}, "ddpm": {}, "ddim": {}, "diffusion_ode_solver": {},
        "flow_matching": {}, "gan": {}, "wgan": {}, "wgan_gp": {}, "realnvp": {}, "neural_spline_flow": {}, "glow": {},
        "denoising_autoencoder": {},
    }  # fmt: skip
    left_out: ClassVar = {
        "autoencoder": no_codes, "sparse_autoencoder": no_codes,
        "vae": set_by_hand, "beta_vae": set_by_hand, "conditional_vae": set_by_hand, "vae_gan": set_by_hand,
        "dcgan": images_only, "pixelcnn": "draws one of a few grays for each pixel", "vq_vae": images_only,
        "conditional_gan": needs_labels, "classifier_free_guidance": needs_labels,
        "infogan": "a GAN with codes to be found again, and the GAN competes",
        "diffusion_inverse_solver": Images.left_out["diffusion_inverse_solver"],
        "inpainting": Images.left_out["inpainting"],
        "boltzmann_machine": "its units are bits", "restricted_boltzmann_machine": "its units are bits",
    }  # fmt: skip

    @cached_property
    def tasks(self) -> Sequence[Task]:
        return [Points(shape) for shape in self.shapes]

    @property
    def data(self) -> str:
        train, test = (len(self.tasks[0].splits[s][0]) for s in ("train", "test"))
        return (
            "25 narrow Gaussians on a grid, two moons, a checkerboard: of each "
            f"{train:,} points to learn from and {test:,} held out. The budget is for all three, a third each."
        )

    @cached_property
    def held_out(self) -> list[Tensor]:
        return [task.splits["test"][0][: self.n] for task in self.tasks]

    def real(self) -> Sequence[Tensor]:
        return self.held_out

    def counted(self, x: Tensor) -> Tensor:
        """How many points fall into each square, the highest row first: (N, 2) -> (cells, cells)."""
        at = ((x[(x.abs() < self.edge).all(1)] / self.edge + 1) / 2 * self.cells).long()
        counts = torch.bincount(at[:, 1] * self.cells + at[:, 0], minlength=self.cells**2)
        return counts.view(self.cells, self.cells).flip(0).float()

    def shown(self, samples: Sequence[Tensor]) -> str:
        full = [counts[counts > 0].quantile(0.95) for counts in map(self.counted, self.held_out)]
        maps = [(self.counted(x) / most).clamp(max=1) for x, most in zip(samples, full, strict=True)]
        return picture(torch.stack(maps))

    @cached_property
    def thresholds(self) -> list[Tensor]:
        """Least log-density in the smallest region that holds most of each law; all that is as dense counts."""
        train = (task.splits["train"][0] for task in self.tasks)
        return [law(x).quantile(1 - self.inside) - 1e-6 for law, x in zip(self.shapes.values(), train, strict=True)]

    @cached_property
    def floors(self) -> Values:
        """What training points score in the place of samples."""
        train = [task.splits["train"][0].split(self.n)[: self.sets] for task in self.tasks]
        return mean_of(self.compare(points) for points in zip(*train, strict=True))

    def compare(self, samples: Sequence[Tensor]) -> Values:
        """Samples (N, 2) of each shape against its held-out points and its true density."""
        values, shares = {}, []
        for (shape, law), x, real, least in zip(
            self.shapes.items(), samples, self.held_out, self.thresholds, strict=True
        ):
            values[shape] = energy_distance(real, x)
            coverage = neighborhoods(real, x, NEIGHBORS)["coverage"]
            shares.append({"plausible": float((law(x) >= least).double().mean()), "coverage": coverage})
        return values | mean_of(shares)

    def ratio(self, values: Values) -> float:
        """Geometric mean, over shapes, of the distance in floors."""
        return statistics.geometric_mean(values[shape] / self.floors[shape] for shape in self.shapes)

    def excess(self, models: Sequence[Reference]) -> float:
        """Held-out log-density, in nats, that is missing to that of the true law: mean over shapes."""
        missing = [
            law(x).mean() - model.log_prob(x).mean()  # type: ignore[operator]
            for law, x, model in zip(self.shapes.values(), self.held_out, models, strict=True)
        ]
        return statistics.fmean(map(float, missing))

    def measures(self) -> dict[str, dict[str, Any]]:
        same = "training points in place of samples"
        titles = {"grid25": "grid", "moons": "moons", "checkerboard": "checkerboard"}
        return {
            "distance": {
                "title": "Energy distance, in floors", "unit": "floors", "better": "lower",
                "floor": 1.0, "floor_is": same,
                "what": f"How far {self.n:,} samples are from as many held-out points, divided by what training points "
                "score; geometric mean of the shapes.",
            },
            **{
                shape: {
                    "title": f"Energy distance, {title}", "unit": "", "better": "lower",
                    "floor": self.floors[shape], "floor_is": same,
                    "what": "0 for equal distributions alone, in units of the plane.",
                }
                for shape, title in titles.items()
            },
            "excess": {
                "title": "Missing log-likelihood", "unit": "nats", "better": "lower", "floor": 0.0,
                "floor_is": "the true density",
                "what": "Held-out log-density below that of the truth, where it is exact: an estimate of the KL "
                "divergence from the truth, mean of the shapes.",
            },
            "plausible": {
                "title": "Plausible samples", "unit": "share", "better": "higher",
                "floor": self.floors["plausible"], "floor_is": same,
                "what": f"Fidelity: samples in the smallest region that holds {self.inside:.0%} of the true law; mean "
                "of the shapes.",
            },
            "coverage": {
                "title": "Coverage", "unit": "share", "better": "higher",
                "floor": self.floors["coverage"], "floor_is": same,
                "what": "Diversity: held-out points that have a sample no farther away than their fifth neighbor; "
                "mean of the shapes.",
            },
        }  # fmt: skip

    def judge(self, models: Sequence[Reference], samples: Sequence[Tensor]) -> Values:
        values = self.compare(samples)
        if all(hasattr(model, "log_prob") for model in models):
            values["excess"] = self.excess(models)
        return {"distance": self.ratio(values), **values}


def smoothed(text: str, windows: Sequence[str], vocab: int, order: int) -> list[float]:
    """Bits per character of n-grams of order 0 to `order` with Witten & Bell's smoothing (1991, method C).

    Learned from the text; of each window all characters but the first are predicted from those before them in it.
    """
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for i, c in enumerate(text):
        for k in range(min(order, i) + 1):
            seen[text[i - k : i]][c] += 1
    totals = {before: sum(counts.values()) for before, counts in seen.items()}
    bits = torch.zeros(order + 1)
    for window in windows:
        for i in range(1, len(window)):
            p = 1 / vocab
            for k in range(order + 1):
                # a context that was never seen says nothing, nor does a longer one
                if counts := seen.get(window[i - k : i]) if k <= i else None:
                    n = totals[window[i - k : i]]
                    p = (counts[window[i]] + len(counts) * p) / (n + len(counts))
                bits[k] -= math.log2(p)
    return (bits / sum(len(w) - 1 for w in windows)).tolist()


class Sequences(Arena):
    """The catalog's prose, character by character."""

    key, task, rating, unit = "sequences", "text", "bits", "text of 128 characters"
    title = "Text, character by character"
    shown_is = "The first text that the first seed wrote."
    same_model = "changes how a trained model writes, not what is learned; its own claims measure that"
    left_out: ClassVar = {
        "kv_cache": same_model, "speculative_decoding": same_model, "truncation_sampling": same_model,
        "quantization": "a trained GPT with rounded weights; its own claims measure what that costs",
    }  # fmt: skip
    n = 64
    order = 8
    """Characters of context that n-grams have at most."""

    @cached_property
    def windows(self) -> list[str]:
        return self.spelled(self.real()[0])

    @cached_property
    def text(self) -> str:
        return self.spelled(self.tasks[0].splits["train"][0][None])[0]

    @cached_property
    def words(self) -> set[str]:
        return set(re.findall(r"[a-z]+", self.text.lower()))

    def spelled(self, ids: Tensor) -> list[str]:
        characters = self.tasks[0].facts["characters"]
        return ["".join(characters[i] for i in row) for row in ids.tolist()]

    @property
    def data(self) -> str:
        train, test = (len(self.tasks[0].splits[s][0]) for s in ("train", "test"))
        return f"Prose of this catalog: {train:,} characters to learn from, {test:,} held out, windows of 128."

    def real(self) -> Sequence[Tensor]:
        return [self.tasks[0].windows().x]  # type: ignore[attr-defined]

    def shown(self, samples: Sequence[Tensor]) -> str:
        return self.spelled(samples[0][:1])[0]

    def known(self, texts: Sequence[str]) -> float:
        """Share of whole words that the training text has; the first and last of a text may be cut."""
        said = [word for text in texts for word in re.findall(r"[a-z]+", text.lower())[1:-1]]
        return sum(word in self.words for word in said) / max(1, len(said))

    def measures(self) -> dict[str, dict[str, Any]]:
        orders = smoothed(self.text, self.windows, self.tasks[0].facts["vocab"], self.order)
        best = min(range(len(orders)), key=orders.__getitem__)
        return {
            "bits": {
                "title": "Bits per character", "unit": "bits", "better": "lower",
                "floor": orders[best], "floor_is": f"the best n-gram ({best} characters of context)",
                "line": "baseline",
                "beside": {"frequencies of characters": orders[0]},
                "what": "Held-out. What n-grams with Witten-Bell smoothing need stands beside, the order being the "
                f"best of 0 to {self.order} on the held-out text itself.",
            },
            "words": {
                "title": "Known words", "unit": "share", "better": "higher",
                "floor": self.known(self.windows), "floor_is": "held-out text",
                "what": f"Words in {self.n} samples that the training text has.",
            },
        }  # fmt: skip

    def judge(self, models: Sequence[Reference], samples: Sequence[Tensor]) -> Values:
        known = self.known([text for draw in samples for text in self.spelled(draw)])
        return {"bits": self.tasks[0].evaluate(models[0])[0].value, "words": known}


ARENAS: dict[str, type[Arena]] = {arena.key: arena for arena in (Images, Density, Sequences)}
