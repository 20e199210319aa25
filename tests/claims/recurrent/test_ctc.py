"""Claims of CTC."""

import itertools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from reference_impl.core import Batch, Losses, run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.ctc import BLANK, CTC, log_likelihood
from reference_impl.recurrent.lstm import LSTM
from reference_impl.tasks.tones import BANDS, PER_SECOND, Tones, error_rate


def spelled(path: tuple[int, ...]) -> tuple[int, ...]:
    """The labels of a path: repeats merged, then blanks dropped."""
    return tuple(k for k, _ in itertools.groupby(path) if k != BLANK)


def enumerated(q: Tensor, labels: tuple[int, ...]) -> Tensor:
    """log p(l | y) of one input (T, K) as the sum over all K^T paths."""
    paths = [p for p in itertools.product(range(q.shape[1]), repeat=len(q)) if spelled(p) == labels]
    return torch.stack([q[range(len(q)), p].sum() for p in paths]).logsumexp(0)


def test_recursion_sums_over_all_alignments(claim):
    differences = []
    # with equal neighbors, one label, none, and as many frames as labels
    for frames, labels in (
        (7, (1, 2, 1)),
        (7, (1, 1)),
        (6, (2, 2, 1)),
        (6, (2,)),
        (5, ()),
        (3, (1, 2, 1)),
        (5, (1, 1, 2)),
    ):
        q = torch.randn(frames, 3, dtype=torch.float64).log_softmax(-1)
        got = log_likelihood(q[None], torch.tensor([frames]), torch.tensor([labels or (BLANK,)]))
        differences.append((got - enumerated(q, labels)).abs().item())
    claim.measure("enumeration", max(differences))

    # the same in one padded batch, and with torch's loss beside it, down to the gradients
    logits = torch.randn(8, 60, 11, dtype=torch.float64, requires_grad=True)
    lengths, frames = torch.randint(1, 12, (8,)), torch.randint(30, 61, (8,))
    labels = torch.randint(1, 4, (8, 12)) * (torch.arange(12) < lengths[:, None])
    q = logits.log_softmax(-1)
    ours = -log_likelihood(q, frames, labels)
    theirs = F.ctc_loss(q.transpose(0, 1), labels, frames, lengths, reduction="none")
    claim.measure("torch", (ours - theirs).abs().max().item())
    grads = [torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0] for loss in (ours, theirs)]
    claim.measure("gradient", (grads[0] - grads[1]).abs().max().item())


class Watched(CTC):
    """Keeps, after some steps, the alignment it believes in."""

    when = (1, 100, 150, 300)
    said: str
    y: Tensor

    def __init__(self, cfg) -> None:
        super().__init__(cfg)
        self.seen: list[Tensor] = []
        self.done = 0

    def after_update(self) -> None:
        self.done += 1
        if self.done in self.when:
            self.seen.append(self.occupied())

    def occupied(self) -> Tensor:
        """Posterior of labels and blank in each frame (T, K), given the string: gradient of log p(l | y) by log q."""
        q, frames = self.read(self.y[None])
        return torch.autograd.grad(log_likelihood(q, frames, self.labels([self.said])).sum(), q)[0][0]


class Segmented(CTC):
    """The same network as a classifier of frames, taught as if all labels of a string were equally long."""

    def loss(self, batch: Batch) -> Losses:
        q, frames = self.read(batch.y)
        labels, t = self.labels(batch.x), torch.arange(q.shape[1])
        place = t * (labels != BLANK).sum(1, keepdim=True) // frames[:, None]
        target = labels.gather(1, place.clamp(max=labels.shape[1] - 1)).where(t < frames[:, None], -1)
        return {"loss": F.nll_loss(q.flatten(0, 1), target.flatten(), ignore_index=-1)}

    @torch.no_grad()
    def decode_runs(self, y: Tensor, shortest: int) -> list[str]:
        """The labels of all runs of at least so many frames."""
        heard = []
        for row, length in zip(*self.read(y), strict=True):
            labels, runs = row.argmax(-1)[:length].unique_consecutive(return_counts=True)
            kept = labels[runs >= shortest].tolist()
            heard.append("".join(self.cfg.alphabet[k - 1] for k, _ in itertools.groupby(kept) if k != BLANK))
        return heard


def test_learns_from_unsegmented_labels(claim):
    task = Tones()
    said, y = task.splits["test"]
    shown = next(i for i, text in enumerate(said) if len(set(text)) == 4)
    Watched.said, Watched.y = said[shown], y[shown][: int((y[shown, :, 0] >= 0).sum())]
    ours, theirs = [], []
    heard: dict[str, list[str]] = {}
    for seed, cls in enumerate((Watched, CTC, CTC)):
        model = run(cls, task=task, seed=seed, evaluate=False).model
        ours.append(error_rate(said, model.sample(len(y), y)))
        baseline = run(Segmented, task=task, seed=seed, evaluate=False).model
        # the baseline may choose which runs are too short to count
        tried = {shortest: error_rate(said, baseline.decode_runs(y, shortest)) for shortest in range(1, 9)}
        best = min(tried, key=lambda shortest: tried[shortest])
        theirs.append(tried[best])
        if seed == 0:
            watched = model
            for split in ("test", "longer"):
                x, frames = task.splits[split]
                heard[split] = model.sample(len(x), frames)
                heard[f"{split}, segmented"] = baseline.decode_runs(frames, best)
    claim.measure("error", ours, baseline=theirs)

    fig, axes = figure(6.6, 6.2, rows=1 + len(Watched.when), sharex=True)
    frames = Watched.y
    axes[0].imshow(
        frames.T.numpy(), aspect="auto", origin="lower", cmap="viridis", interpolation="nearest",
        extent=(0, len(frames) / PER_SECOND, 0, BANDS),
    )  # fmt: skip
    axes[0].set(ylabel="band", title=f"said: {' '.join(Watched.said)}")
    for ax, step, gamma in zip(axes[1:], Watched.when, watched.seen, strict=True):
        seconds = (np.arange(len(gamma)) + 0.5) / PER_SECOND
        for i, digit in enumerate(Watched.said):
            share = gamma[:, 1 + int(digit)].numpy()
            ax.fill_between(seconds, share, color=PALETTE[i], alpha=0.7, linewidth=0, label=digit, rasterized=True)
        ax.set(ylim=(0, 1.05), yticks=[0, 1], title=f"after {step} step{'s' * (step > 1)}")
    axes[1].legend(loc="upper right", ncols=4)
    axes[-1].set_xlabel("seconds")
    claim.figure(
        "hero",
        fig,
        caption="Which label each frame is spent on, according to the network, given the string but not where its "
        "digits lie: posteriors over all alignments of a held-out recording (blank left out). At first blank takes "
        "most, and labels may lie wherever their order allows; then the alignments that help to predict gain weight, "
        "and in the end each label claims a frame or two, and blank the rest.",
        alt="A spectrogram; below it four panels in which broad overlapping hills turn into narrow separate spikes.",
    )

    fig, ax = figure(6.0, 2.8)
    for color, name, suffix in ((PALETTE[0], "CTC", ""), (PALETTE[1], "frames, evenly segmented", ", segmented")):
        rates = {}
        for split in ("test", "longer"):
            x = task.splits[split][0]
            for n in sorted(set(map(len, x))):
                rows = [i for i, text in enumerate(x) if len(text) == n]
                rates[n] = error_rate([x[i] for i in rows], [heard[split + suffix][i] for i in rows])
        ax.plot(list(rates), list(rates.values()), "o-", color=color, markersize=4, label=name)
    ax.axvspan(0.8, 4.2, color=PALETTE[8], alpha=0.2, linewidth=0, label="lengths of training")
    ax.set(xlabel="digits in the string", ylabel="label error rate", ylim=(-0.01, None))
    ax.legend()
    claim.figure(
        "length",
        fig,
        caption="Label error rate on held-out strings by their length, first seed. A classifier of frames that is "
        "taught as if all digits of a string were equally long learns what digits sound like, and wrong borders; CTC "
        "needs no borders.",
        alt="Error rate against length: CTC near zero from 1 to 8 digits, the frame classifier well above.",
    )


def test_one_label_per_frame_is_next_token_prediction(claim):
    letters, channels, length = "abcdefgh", 16, 20
    language = LSTM(LSTM.Config(vocab=len(letters), channels=channels)).double()
    model = CTC(CTC.Config(alphabet=letters, bands=len(letters), channels=channels)).double()
    forward, backward = model.readers
    with torch.no_grad():
        # frames are tokens, one-hot; nothing is read backward; blank is out of the question
        forward.core.load_state_dict(language.core.state_dict())
        forward.token.weight.copy_(language.token.weight.T)
        forward.token.bias.zero_()
        forward.head.weight[1:], forward.head.bias[1:] = language.head.weight, language.head.bias
        forward.head.weight[0], forward.head.bias[0] = 0, -1e3
        for p in backward.head.parameters():
            p.zero_()
    # neighbors differ, since equal ones would need a blank between them
    x = torch.randint(1, len(letters), (16, length + 1)).cumsum(1) % len(letters)
    strings = ["".join(letters[i] for i in row[1:]) for row in x]
    nats = model.loss(Batch(strings, F.one_hot(x[:, :-1], len(letters)).double()))["loss"]
    claim.measure("difference", (nats + language.log_prob(x).mean()).abs().item())
