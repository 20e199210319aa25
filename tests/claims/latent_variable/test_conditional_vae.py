"""Claims of the conditional VAE."""

import math

import torch
from sklearn.svm import SVC
from torch import Tensor
from torch.distributions import MultivariateNormal

from reference_impl.blocks import mlp
from reference_impl.core import Batch, Losses, Reference, Task, run, seed_all
from reference_impl.figures import figure, show_images
from reference_impl.latent_variable.conditional_vae import ConditionalVAE, ConditionalVAEConfig
from reference_impl.latent_variable.vae import VAE
from reference_impl.tasks import make


def test_one_class_is_the_vae(claim):
    task = make("images")
    settings = {"steps": 200, "likelihood": "gaussian", "variance": 0.02}

    def trained(cls: type[VAE], **more: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Losses of all steps, weights, and then bound and samples under the same noise."""
        model, history, _ = run(cls, settings | more, task=task, log_every=1, evaluate=False)
        seed_all("the same noise")
        with torch.no_grad():
            bound, drawn = model.elbo(task.splits["test"][0]), model.sample(100)
        losses = torch.tensor([row["loss"] for row in history], dtype=torch.double)
        return losses, torch.cat([p.detach().flatten() for p in model.parameters()]), bound, drawn

    vae, ten = trained(VAE), trained(ConditionalVAE)
    none, one = trained(ConditionalVAE, classes=0), trained(ConditionalVAE, classes=1)
    for i, name in enumerate(("losses", "weights", "bounds", "samples")):
        gap = max((vae[i] - other[i]).abs().max().item() for other in (none, one))
        # weights of a model with ten labels have other shapes
        claim.measure(name, gap, baseline=None if name == "weights" else (vae[i] - ten[i]).abs().max().item())


def spread(x: Tensor, labels: Tensor) -> float:
    """Standard deviation of a pixel (root of the mean variance) within a class, mean over classes."""
    return torch.stack([x[labels == c].var(0).mean().sqrt() for c in range(10)]).mean().item()


def dressed(model: ConditionalVAE, u: Tensor, labels: Tensor) -> Tensor:
    """Every style (N, Z) in every class (C,), style by style: (N * C, *shape)."""
    y = labels.repeat(len(u))
    return model.decode(model.joined(model.latent(u.repeat_interleave(len(labels), 0), y), y))


def test_samples_obey_the_label_and_stay_diverse(claim):
    task = make("images")
    (train, known), (test, truth) = task.splits["train"], task.splits["test"]
    classifier = SVC(C=10).fit(train.flatten(1), known)
    asked = torch.arange(10).repeat(200)

    def obeyed(model: VAE) -> tuple[float, Tensor]:
        """Share of samples that the classifier finds to be what was asked for, and the samples."""
        drawn = model.sample(len(asked), asked)
        return float((classifier.predict(drawn.flatten(1)) == asked.numpy()).mean()), drawn

    accuracy, ratio = [], []
    for seed in range(3):
        model = run(ConditionalVAE, task=task, seed=seed, evaluate=False).model
        share, drawn = obeyed(model)
        accuracy.append(share)
        ratio.append(spread(drawn, asked) / spread(train, known))
    vae = run(VAE, {"likelihood": "gaussian", "variance": 0.02, "steps": 2000}, task=task, evaluate=False).model
    claim.measure("accuracy", accuracy, baseline=obeyed(vae)[0])
    claim.measure("spread", ratio, baseline=spread(test, truth) / spread(train, known))

    styles, every = torch.randn(6, 16), torch.arange(10)
    rows = torch.cat([(truth == c).nonzero()[:1, 0] for c in (0, 2, 4, 5, 7, 9)])
    with torch.no_grad():
        # what is left of held-out digits when their label is known, in units of the prior
        m, s = model.scales(truth[rows])
        found = (model.encode(test[rows], truth[rows])[:, :16] - m) / s
        grid, again = (dressed(model, u, every) for u in (styles, found))
    blank = torch.zeros_like(test[rows])[:, None]
    sheet = torch.cat([test[rows][:, None], blank, again.view(-1, 10, 1, 8, 8)], 1).flatten(0, 1)
    fig, (left, right) = figure(7.2, 2.4, columns=2, width_ratios=[10, 12])
    show_images(left, grid.clamp(0, 1), columns=10, title="one draw of u in each row")
    show_images(right, sheet.clamp(0, 1), columns=12, title="u of the held-out digit at the left")
    claim.figure(
        "hero",
        fig,
        caption="Samples for the labels 0 to 9. Left: each row is one draw of u, placed by the prior of each class; "
        "slant and weight of the stroke carry over from class to class. Right: u is inferred from a held-out digit "
        "and its label, then decoded under all ten labels. The latent holds the handwriting, since the label "
        "already says which digit it is.",
        alt="Two sheets of digits, columns 0 to 9; within a row all digits share slant and stroke weight.",
    )


class Regressor(Reference):
    """The mean of the right half given the left, by least squares."""

    Config = ConditionalVAE.Config

    def __init__(self, cfg: ConditionalVAEConfig) -> None:
        super().__init__(cfg)
        self.net = torch.nn.Sequential(torch.nn.Flatten(), *mlp(cfg.condition_dim, cfg.hidden, 32))

    def loss(self, batch: Batch) -> Losses:
        error = (self.net(batch.y) - batch.x.flatten(1)).square().sum(1).mean()
        return {"loss": error / (2 * self.cfg.variance)}


def test_best_of_ten_completions_beats_the_mean(claim):
    (train, _), (test, _) = make("images").splits["train"], make("images").splits["test"]
    (given, hidden), (shown, truth) = train.split(4, dim=3), test.split(4, dim=3)
    task = Task(hidden, truth, y=given, test_y=shown, shape=[1, 8, 4], classes=0, condition_dim=32)

    def error(answers: Tensor) -> Tensor:
        """Squared error per pixel of each answer (N, images, ...): (N, images)."""
        return (answers.reshape(len(answers), len(truth), -1) - truth.flatten(1)).square().mean(2)

    best, mean, noisy = [], [], []
    for seed in range(3):
        budget = {"steps": 1000, "hidden": 128, "latent_dim": 8, "variance": 0.03}
        model = run(ConditionalVAE, budget, task=task, seed=seed, evaluate=False).model
        size = sum(p.numel() for p in model.parameters())
        # with 32 inputs and outputs and two hidden layers of h units the regressor has (h + 66) h + 32 weights
        h = round(math.sqrt(33**2 + size - 32) - 33)
        regressor = run(Regressor, {**budget, "hidden": h}, task=task, seed=seed, evaluate=False).model
        assert abs(sum(p.numel() for p in regressor.parameters()) / size - 1) < 0.01
        draws = torch.stack([model.sample(len(shown), shown) for _ in range(10)])
        with torch.no_grad():
            answer = regressor.net(shown)
        # ten guesses for the regressor, too: noise with the covariance of its own held-out errors
        errors = MultivariateNormal(torch.zeros(32), (truth.flatten(1) - answer).T.cov() + 1e-6 * torch.eye(32))
        best.append(error(draws).min(0).values.mean().item())
        mean.append(error(answer[None]).mean().item())
        noisy.append(error(answer + errors.sample((10, len(shown)))).min(0).values.mean().item())
    claim.measure("best_of_ten", best, baseline=mean)
    claim.measure("best_of_ten_guesses", best, baseline=noisy)

    # from the half that leaves least open to the one that leaves most, by the spread of its completions
    order = draws.var(0).flatten(1).sum(1).argsort()
    rows = order[torch.linspace(0.05, 0.999, 8).mul(len(order) - 1).long()]
    fan = [truth[rows], answer.view_as(truth)[rows], *draws[:8, rows]]
    whole = torch.stack([torch.cat([shown[rows], right], 3) for right in fan], 1).clamp(0, 1)
    given_only = torch.cat([shown[rows], torch.full_like(truth[rows], 0.25)], 3)
    fig, axes = figure(6.6, 3.4, columns=4, width_ratios=[1, 1, 1, 8])
    panels = {
        "given": given_only,
        "truth": whole[:, 0],
        "regressor": whole[:, 1],
        "samples": whole[:, 2:].flatten(0, 1),
    }
    for ax, (title, x) in zip(axes, panels.items(), strict=True):
        show_images(ax, x, columns=8 if title == "samples" else 1)
        ax.set_title(title, fontsize=8)
    claim.figure(
        "completions",
        fig,
        caption="The left half of held-out digits, completed. Rows run from the half whose completions agree most to "
        "the one whose completions differ most. Where the half settles the digit, all samples agree; where it does "
        "not, the regressor averages the answers into a smear and the samples give them one by one.",
        alt="Eight rows: a half digit, the true digit, a blurred completion and eight sampled completions.",
    )


def test_bounds_hold_and_classify(claim):
    task = make("images")
    test, truth = task.splits["test"]
    model = run(ConditionalVAE, {"latent_dim": 2, "steps": 1000}, task=task, evaluate=False).model
    side = torch.linspace(-5, 5, 161)
    nodes, cell = torch.cartesian_prod(side, side), (10 / 160) ** 2
    weight = (-nodes.square().sum(1) / 2).exp() * cell / (2 * math.pi)
    given = []
    with torch.no_grad():
        for y in range(10):
            z = model.latent(nodes, torch.full((len(nodes),), y))
            mean = model.decode(model.joined(z, torch.full((len(z),), y))).flatten(1)
            # log p(x|y) = log int p(x|y,u) p(u) du on the grid
            far = torch.cdist(test.flatten(1), mean).square()
            density = -0.5 * (far / 0.02 + 64 * math.log(2 * math.pi * 0.02))
            given.append((density + weight.log()).logsumexp(1))
        exact = torch.stack(given, 1)
        bound = torch.stack([model.elbo(test) for _ in range(50)]).mean(0)
        labeled = torch.stack([model.elbo(test, truth) for _ in range(50)]).mean(0)
        guess = model.classify(test).argmax(1)
    claim.measure("gap", (exact.logsumexp(1) - math.log(10) - bound).mean().item())
    claim.measure("gap_labeled", (exact.gather(1, truth[:, None])[:, 0] - labeled).mean().item())
    best = exact.argmax(1)
    claim.measure("accuracy", (guess == truth).double().mean().item(), baseline=(best == truth).double().mean().item())
