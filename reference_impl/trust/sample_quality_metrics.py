"""Sample-quality metrics: two samples, data and generated, and the numbers that compare them.

Idea
    Nothing is known of the data density p and the model's q but a sample of each. Instruments
    differ in what they keep of the samples:

    - Frechet distance: two means and covariances, |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)).
    - MMD: the means of features phi, |E phi(x) - E phi(y)|^2, by the kernel k(x, y) =
      phi(x)'phi(y) alone; a cubic kernel makes it KID, and a Gaussian one sees every
      difference, given enough observations.
    - Precision and recall: whether a point lies among the k-nearest-neighbor balls of the other
      sample. Density counts the balls, coverage asks which balls of the data are hit.
    - Classifier two-sample test: a classifier c learns to tell them apart and is examined on
      held-out points. Its best log-loss is log 2 - JSD(p, q), at c = p / (p + q).

    Each is read beside its floor, which is what it says of two samples of the data.

Source
    Heusel et al., 2017, arXiv:1706.08500 (Frechet); Binkowski et al., 2018, arXiv:1801.01401
    (KID); Gretton et al., 2012 (MMD); Kynkaanniemi et al., 2019, arXiv:1904.06991; Naeem et al.,
    2020, arXiv:2002.09797; Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", 2017,
    arXiv:1610.06545

Differs from the papers
    Observations are compared as they come, pixel by pixel, not as activations of an Inception
    network; whoever has such features brings them as rows. All neighborhoods have the same k.

Shapes
    N, M observations of the two samples, D = prod(shape) numbers each.

Run
    genai-patterns run sample_quality_metrics --data samples.npz   (arrays `real`, `generated`)
"""

from collections.abc import Callable
from math import log, prod

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from reference_impl.core import Batch, Config, Losses, Reference, Task, main


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance, squared, of Gaussians fitted to (N, D), (M, D): 0 is best."""
    a, b = a.double(), b.double()
    gap, ca, cb = a.mean(0) - b.mean(0), a.T.cov(), b.T.cov()
    # tr (C C')^(1/2) is the sum of the roots of the eigenvalues of C C', real up to rounding
    root = torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum()
    return float(gap @ gap + ca.trace() + cb.trace() - 2 * root)


def mmd(a: Tensor, b: Tensor, kernel: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Unbiased squared MMD of (N, D), (M, D), so it can be negative (Gretton et al., eq. 3)."""
    a, b = a.double(), b.double()
    # no point is compared with itself: those terms are what makes the plain mean too large
    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kernel(a, a), kernel(b, b))]
    return float(within[0] + within[1] - 2 * kernel(a, b).mean())


def cubic(a: Tensor, b: Tensor) -> Tensor:
    """KID's kernel, which compares moments up to the third (Binkowski et al.): (N, M)."""
    return (a @ b.T / a.shape[1] + 1) ** 3


def gaussian(width: float) -> Callable[[Tensor, Tensor], Tensor]:
    """exp(-|x - y|^2 / 2 width^2), under which only equal distributions have MMD 0."""
    return lambda a, b: torch.exp(-0.5 * (torch.cdist(a, b) / width) ** 2)


def neighborhoods(real: Tensor, fake: Tensor, k: int) -> dict[str, float]:
    """Precision, recall, density and coverage of `fake` (M, D) for data `real` (N, D)."""
    real, fake = real.double(), fake.double()
    # distance of each point to the k-th nearest other one: the first is the point itself
    r_real, r_fake = (torch.cdist(x, x).kthvalue(k + 1, 1).values for x in (real, fake))
    d = torch.cdist(real, fake)
    in_real, in_fake = d <= r_real[:, None], d <= r_fake  # (N, M)
    return {
        # Kynkaanniemi et al., eq. 1-2
        "precision": float(in_real.any(0).double().mean()),
        "recall": float(in_fake.any(1).double().mean()),
        # Naeem et al.: how many balls a sample is in, and how many balls hold a sample
        "density": float(in_real.sum(0).double().mean() / k),
        "coverage": float(in_real.any(1).double().mean()),
    }


def nn_accuracy(a: Tensor, b: Tensor) -> float:
    """Share of (N, D), (N, D) whose nearest other point is of the same sample, 0.5 is best.

    A classifier two-sample test without training, by leave-one-out.
    """
    z, label = torch.cat([a, b]).double(), torch.cat([torch.zeros(len(a)), torch.ones(len(b))])
    d = torch.cdist(z, z)
    d.fill_diagonal_(torch.inf)
    return float((label[d.argmin(1)] == label).double().mean())


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and a root R of the covariance C = RR' of (N, D), also a singular one: (D,), (D, D)."""
    x = x.double()
    variance, direction = torch.linalg.eigh(x.T.cov().view(x.shape[1], -1))
    return x.mean(0), direction * variance.clamp(min=0).sqrt()


class TwoSampleConfig(Config):
    """Settings of the instruments."""

    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one observation."""
    hidden: PositiveInt = 256
    """Width of the classifier's two hidden layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of hidden units that are dropped in training."""
    neighbors: PositiveInt = 5
    """k: the ball around a point reaches to its k-th nearest neighbor in the same sample."""
    steps: NonNegativeInt = 1000
    lr: PositiveFloat = 5e-3
    cooldown: float = Field(0.5, ge=0, le=1)


class TwoSampleTest(Reference):
    """Comparison of two samples; the classifier is the instrument that has to be trained.

    What `sample` draws is the Gaussian that the Frechet distance takes for the data.
    """

    task = "comparisons"
    Config = TwoSampleConfig

    def __init__(self, cfg: TwoSampleConfig) -> None:
        super().__init__(cfg)
        d, h, drop = prod(cfg.shape), cfg.hidden, cfg.dropout
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(d, h), nn.ReLU(), nn.Dropout(drop),
            nn.Linear(h, h), nn.ReLU(), nn.Dropout(drop), nn.Linear(h, 1), nn.Flatten(0),
        )  # fmt: skip
        self.mean: Tensor
        self.root: Tensor  # covariance is root root'
        self.register_buffer("mean", torch.zeros(cfg.shape))
        self.register_buffer("root", torch.eye(d))

    def prepare(self, task: Task) -> None:
        """Mean and covariance of the real observations."""
        mean, root = moments(task.splits["train"][0].flatten(1))
        self.mean.copy_(mean.view_as(self.mean))
        self.root.copy_(root)

    def discriminate(self, x: Tensor) -> Tensor:
        """log p(x) / q(x) as the classifier sees it: (B, *shape) -> (B,)."""
        deviation = self.root.square().sum().div(len(self.root)).sqrt()
        return self.classifier((x - self.mean) / deviation)

    def loss(self, batch: Batch) -> Losses:
        """Log-loss between real batch.x and generated batch.y, each half the weight, in nats."""
        real, fake = self.discriminate(batch.x), self.discriminate(batch.y)
        right = ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2
        return {"loss": -(logsigmoid(real).mean() + logsigmoid(-fake).mean()) / 2, "accuracy": right}

    @torch.no_grad()
    def compare(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Every instrument on two held-out samples (N, *shape), (N, *shape)."""
        learned = self.loss(Batch(real, fake))
        a, b = real.flatten(1).cpu(), fake.flatten(1).cpu()
        return {
            "Frechet distance": frechet(a, b),
            "KID": mmd(a, b, cubic),
            # the median distance, a usual choice of width (Gretton et al., section 8)
            "squared MMD": mmd(a, b, gaussian(float(torch.cdist(a, b).median()))),
            **neighborhoods(a, b, self.cfg.neighbors),
            "nearest neighbor": nn_accuracy(a, b),
            "classifier": float(learned["accuracy"]),
            # on average at most JSD(p, q), and equal to it for the best classifier
            "divergence": log(2) - float(learned["loss"]),
        }

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n draws of the Gaussian with the data's mean and covariance: (n, *shape)."""
        noise = torch.randn(n, len(self.root), device=self.device)
        return self.mean + (noise @ self.root.T).view(n, *self.cfg.shape)


if __name__ == "__main__":
    main(TwoSampleTest)
