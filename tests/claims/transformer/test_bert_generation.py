"""Claims of generation with BERT."""

from collections.abc import Callable
from functools import cache
from typing import ClassVar

import torch
from matplotlib.colors import ListedColormap
from torch import Tensor
from torch.nn import functional as F

from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.hidden import cycle, draw, predicted
from reference_impl.tasks.sentences import BEGIN, END
from reference_impl.transformer.bert import Bert
from reference_impl.transformer.bert_generation import BertGeneration
from reference_impl.transformer.gpt import GPT
from reference_impl.transformer.transformer import Transformer

SYMBOLS, LENGTH = 3, 5
# a visible Markov chain, but for the last digit of a logarithm
SOURCE = cycle(SYMBOLS, moves=0.8, clear=1 - 1e-9)
STRINGS = torch.cartesian_prod(*[torch.arange(SYMBOLS)] * LENGTH)
"""All strings of the source; the models' symbols count from 1."""


@cache
@torch.enable_grad()
def masked(steps: int) -> BertGeneration:
    """BERT, trained on strings of the source."""
    settings = {"vocab": SYMBOLS + 1, "context": LENGTH - 1, "channels": 32, "lr": 2e-3, "batch_size": 64}
    torch.manual_seed(0)
    task = Task(draw(SOURCE, 8000, LENGTH) + 1)
    model = run(BertGeneration, {**settings, "steps": steps}, task=task, evaluate=False).model
    assert isinstance(model, BertGeneration)
    return model


@cache
@torch.enable_grad()
def causal(steps: int) -> GPT:
    """GPT of the same size, trained on the same strings behind a 0, in batches of the same size."""
    settings = {"vocab": SYMBOLS + 1, "context": LENGTH, "channels": 32, "layers": 2, "batch_size": 64}
    torch.manual_seed(0)
    task = Task(F.pad(draw(SOURCE, 8000, LENGTH) + 1, (1, 0)))
    model = run(GPT, {**settings, "steps": steps}, task=task, evaluate=False).model
    assert isinstance(model, GPT)
    return model


@torch.no_grad()
def of_masked(x: Tensor, t: Tensor) -> Tensor:
    """log p(x_t = . | all others) of BERT, for a place t (B,) in each x (B, T): (B, V), symbols from 0."""
    rows, model = torch.arange(len(x)), masked(100)
    hidden = (x + 1).index_put((rows, t), torch.tensor(model.mask))
    return model.double().predict(hidden)[rows, t, 1:].log_softmax(-1)


@torch.no_grad()
def of_causal(x: Tensor, t: Tensor) -> Tensor:
    """The same of GPT, by its probabilities of the strings with each symbol at that place."""
    rows, model = torch.arange(len(x)), causal(100).double()
    others = [x.index_put((rows, t), torch.tensor(symbol)) + 1 for symbol in range(SYMBOLS)]
    return torch.stack([model.log_prob(F.pad(string, (1, 0))) for string in others], 1).log_softmax(-1)


def residuals(conditional: Callable[[Tensor, Tensor], Tensor], n: int = 500) -> Tensor:
    """How far n random cycles (a, b) -> (a', b) -> (a', b') -> (a, b') -> (a, b) are from adding up to zero.

    Each step adds log p(new | others) - log p(old | others) of the place that changes; if all conditionals are those of
    one joint distribution, this is the change of its logarithm, and over a cycle the sum is zero.
    """
    g, rows = torch.Generator().manual_seed(0), torch.arange(n)
    x = torch.randint(SYMBOLS, (n, LENGTH), generator=g)
    places = torch.rand(n, LENGTH, generator=g).argsort(1)[:, :2]
    start, total = x, torch.zeros(n, dtype=torch.float64)
    shift = torch.randint(1, SYMBOLS, (n, 2), generator=g)
    for step in range(4):
        t, by = places[:, step % 2], shift[:, step % 2] * (1 if step < 2 else -1)
        old, new = x[rows, t], (x[rows, t] + by) % SYMBOLS
        law = conditional(x, t)
        total += law[rows, new] - law[rows, old]
        x = x.index_put((rows, t), new)
    assert torch.equal(x, start), "a cycle ends where it began"
    return total.abs()


def test_conditionals_belong_to_no_joint_distribution(claim):
    ours, causal_ones = residuals(of_masked), residuals(of_causal)
    claim.measure("residual", ours.mean().item(), baseline=causal_ones.mean().item())


def distance(x: Tensor) -> float:
    """Total variation between the shares of the strings x (n, T), symbols from 1, and the source's law."""
    law = predicted(SOURCE, STRINGS).gather(2, STRINGS[..., None])[..., 0].prod(1)
    places = SYMBOLS ** torch.arange(LENGTH - 1, -1, -1)
    # a padding id is no string of the source, and counts as wrong
    valid = x[(x > 0).all(1)] - 1
    share = torch.bincount((valid * places).sum(1), minlength=len(STRINGS)) / len(x)
    return 0.5 * ((share - law).abs().sum().item() + 1 - len(valid) / len(x))


@torch.no_grad()
def test_gibbs_sampling_approaches_the_source(claim):
    n, model, gpt = 4000, masked(600), causal(600)
    seed_all(0)
    ancestral = distance(gpt.sample(n, torch.zeros(n, 1, dtype=torch.long), length=LENGTH + 1)[:, 1:])
    floor = distance(draw(SOURCE, n, LENGTH) + 1)
    x = torch.randint(1, SYMBOLS + 1, (n, LENGTH))
    free, far, film = torch.ones_like(x, dtype=torch.bool), [distance(x)], {0: x[:12]}
    for sweeps in range(1, 21):
        x = model.sweep(x, free)
        far.append(distance(x))
        film[sweeps] = x[:12]
    claim.measure("after_1", far[1], baseline=ancestral)
    claim.measure("after_5", far[5], baseline=far[1])
    claim.measure("after_20", far[20], baseline=far[5])

    fig, ax = figure(6.0, 3.0)
    ax.plot(range(21), far, "o-", markersize=3, label="Gibbs sampling from BERT")
    ax.axhline(ancestral, color=PALETTE[1], linestyle="--", label="GPT, as many passes as one sweep")
    ax.axhline(floor, color=PALETTE[8], linestyle=":", label="the source itself, 4,000 strings")
    ax.set(xlabel="sweeps over the five places", ylabel="total variation from the source", ylim=(0, None))
    ax.set_xticks(range(0, 21, 5))
    ax.legend()
    claim.figure(
        "sweeps",
        fig,
        caption="Distance of 4,000 strings from the law of their source, from random strings on, in sweeps that "
        "redraw each place once. The chain comes near in five sweeps and then stays where the learned conditionals "
        "lead it. GPT, which has one joint law, needs the passes of a single sweep.",
        alt="A curve falls steeply in five sweeps and levels out above two horizontal lines.",
    )

    fig, axes = figure(7.0, 2.6, columns=7)
    shades = ListedColormap([PALETTE[0], PALETTE[1], PALETTE[2]])
    shown = {f"{k} sweep{'s' * (k != 1)}": film[k] for k in (0, 1, 2, 3, 5, 20)}
    for ax, (title, strings) in zip(axes, {**shown, "source": draw(SOURCE, 12, LENGTH) + 1}.items(), strict=True):
        # a string that goes round without a stop has one shade
        ax.imshow(
            ((strings - torch.arange(LENGTH)) % SYMBOLS).numpy(), cmap=shades, vmin=0, vmax=2, interpolation="nearest"
        )
        ax.set_title(title, fontsize=8)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    claim.figure(
        "hero",
        fig,
        caption="Twelve chains, one a row, from random strings on. The source steps to the next of three symbols, or "
        "stays; a place is shaded by its symbol less its position, so a string without a stop has one shade, and "
        "each stop changes it. BERT redraws one place at a time, given the other four, and order spreads. At the "
        "right, strings of the source.",
        alt="Seven panels of twelve rows of five colored squares: mixed colors at first, rows of one or two later.",
    )


class WarmStarted(Transformer):
    """A Transformer that goes on from BERT's weights."""

    body: ClassVar[BertGeneration | None] = None

    def prepare(self, task: Task) -> None:
        if self.body is not None:
            self.body.start(self)


def test_warm_start_knows_words_that_no_pair_has(claim):
    nouns, genders, neutral, first_noun = 120, 3, 3, 7
    size = {"vocab": first_noun + nouns, "context": 6, "channels": 64}
    body_settings = {"norm_first": True, "activation": "relu", "epsilon": 1e-5, "steps": 1000, "lr": 2e-3}
    reached: list[list[float]] = [[], []]
    for seed in range(3):
        torch.manual_seed(seed)
        gender = torch.randint(genders, (nouns,))

        def texts(n: int, hidden: float, known: int = nouns, gender: Tensor = gender) -> Tensor:
            """Three nouns, each after the article of its gender, or with probability `hidden` after a neutral one."""
            noun = torch.randint(known, (n, 3))
            article = torch.where(torch.rand(n, 3) < hidden, neutral, gender[noun] + neutral + 1)
            return torch.stack([article, noun + first_noun], 2).flatten(1)

        def pairs(n: int, known: int, gender: Tensor = gender) -> tuple[Tensor, Tensor]:
            """The three articles, from BEGIN to END, and the text with neutral ones."""
            y = texts(n, 1.0, known)
            articles = gender[y[:, 1::2] - first_noun] + neutral + 1
            return F.pad(F.pad(articles, (1, 0), value=BEGIN), (0, 1), value=END), y

        task = Task(texts(8000, 0.3))
        body = run(
            BertGeneration, {**size, **body_settings, "batch_size": 64}, task=task, seed=seed, evaluate=False
        ).model
        # the pairs name every other noun
        (x, y), (test_x, test_y) = pairs(200, nouns // 2), pairs(1000, nouns)
        for out, start in zip(reached, (body, None), strict=True):
            WarmStarted.body = start
            settings = {**size, "steps": 200, "batch_size": 40, "lr": 1e-3, "warmup": 20}
            model = run(WarmStarted, settings, task=Task(x, y=y), seed=seed, evaluate=False).model
            written = model.sample(len(test_y), test_y, length=test_x.shape[1])
            out.append((written == test_x).all(1).float().mean().item())
    claim.measure("exact_match", reached[0], baseline=reached[1])

    fig, ax = figure(4.6, 2.4)
    for color, x, name in zip(PALETTE, reached, ("from BERT", "from random weights"), strict=False):
        ax.plot(x, [name] * len(x), "o", color=color)
    # half of the nouns known, the others guessed among three genders
    guess = (0.5 + 0.5 / genders) ** 3
    ax.axvline(guess, color=PALETTE[8], linestyle=":")
    ax.set(xlim=(0, 1.03), ylim=(-0.6, 1.6), xlabel="held-out targets written exactly")
    claim.figure(
        "warm_start",
        fig,
        caption="An encoder-decoder writes the articles of three nouns after 200 pairs that name half of the nouns; "
        "three runs. Dotted: half of the nouns known, the others guessed. The encoder met all nouns with their "
        "articles in text without pairs.",
        alt="Three points near one for the warm start, three near the dotted line at 0.3 for random weights.",
    )


def test_without_sweeps_it_is_bert(claim):
    size = {"vocab": 20, "context": 11, "channels": 32, "passes": 4}
    still, moving = (BertGeneration(BertGeneration.Config(**size, sweeps=sweeps)) for sweeps in (0, 1))
    bert = Bert(Bert.Config(**size))
    for p in bert.parameters():
        torch.nn.init.normal_(p, std=0.3)
    for model in (still, moving):
        model.load_state_dict(bert.state_dict())
    drawn = []
    for model in (bert, still, moving):
        seed_all(0)
        drawn.append(model.sample(32))
    claim.measure(
        "different", int((drawn[0] != drawn[1]).sum()), baseline=(drawn[0] != drawn[2]).double().mean().item()
    )
