"""Claims of GRPO, measured on sums of digits that a checker compares."""

from functools import cache
from math import comb

import torch
from torch import nn

from reference_impl.adaptation.grpo import GRPO
from reference_impl.adaptation.policy_gradient_generation import PolicyGradient
from reference_impl.core import Batch, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.sums import MISTAKEN, Sums
from reference_impl.transformer.gpt import GPT

TASK = Sums()
TEXT = TASK.facts["characters"]
MOST, ASKED, SEEDS = 64, 128, (0, 1, 2)
RIGHT, QUESTIONS = (a[:ASKED] for a in TASK.splits["test"])
UNTAUGHT = (RIGHT[:, 1:5] == TEXT.index(str(MISTAKEN))).any(1)
"""Held-out questions in which a 7 has to be added, which no demonstration does right."""


class Watched(GRPO):
    """Keeps, every ten steps by reward, how many of the answers to each held-out question are right."""

    def freeze(self):
        super().freeze()
        self.count, self.path = 0, [(0, correct(self, 8))]
        self.before = correct(self)

    def after_update(self):
        if hasattr(self, "path"):
            self.count += 1
            if self.count % 20 == 0:
                self.path.append((self.count, correct(self, 8)))


@cache
@torch.enable_grad()
def trained(seed):
    return run(Watched, task=TASK, seed=seed, evaluate=False).model


@torch.no_grad()
def correct(model, samples=MOST):
    """Right ones of this many answers to each held-out question, (ASKED,)."""
    state = torch.get_rng_state()
    seed_all("answers")
    right = model.reward(model.write(QUESTIONS.repeat(samples, 1)), RIGHT.repeat(samples, 1))
    torch.set_rng_state(state)
    return right.view(samples, -1).sum(0)


@cache
def after(seed):
    return correct(trained(seed))


def passed(right, k, n=MOST):
    """pass@k, without bias, from the right ones of n answers: 1 - C(n - c, k) / C(n, k), mean over questions."""
    return sum(1 - comb(n - int(c), k) / comb(n, k) for c in right) / len(right)


def gains(k):
    return [passed(after(seed), k) - passed(trained(seed).before, k) for seed in SEEDS]


def test_a_checker_raises_pass_at_1(claim):
    one = [[passed(c, 1) for c in counts] for counts in zip(*counted(), strict=True)]
    claim.measure("pass_at_1", one[1], baseline=one[0])

    ks = [2**i for i in range(7)]
    fig, axes = figure(6.8, 3.2, columns=2)
    for i, (before, later) in enumerate(counted()):
        for color, right, name in ((PALETTE[8], before, "supervised start"), (PALETTE[0], later, "after GRPO")):
            curve = [passed(right, k) for k in ks]
            axes[0].plot(ks, curve, "o-", markersize=3, color=color, linewidth=1.1, label=None if i else name)
        steps, means = zip(*[(at, (c / 8).mean().item()) for at, c in trained(SEEDS[i]).path], strict=True)
        taught, untaught = (
            [(c[rows] / 8).mean().item() for _, c in trained(SEEDS[i]).path] for rows in (~UNTAUGHT, UNTAUGHT)
        )
        for color, line, name in (
            (PALETTE[0], means, "all questions"),
            (PALETTE[2], taught, "without a 7"),
            (PALETTE[1], untaught, "with a 7"),
        ):
            axes[1].plot(steps, line, color=color, linewidth=1.1, label=None if i else name)
    axes[0].set_xscale("log", base=2)
    axes[0].set_xticks(ks, [str(k) for k in ks])
    axes[0].set(xlabel="answers to each question, k", ylabel="pass@k", ylim=(0, 1))
    axes[1].set(xlabel="step by reward", ylabel="answers that are right", ylim=(0, 1))
    for ax in axes:
        ax.legend()
    claim.figure(
        "hero",
        fig,
        caption="128 held-out questions, three seeds. Left: the share of questions of which at least one of k answers "
        "is right. One answer is right far more often than before; with 64 to choose from nothing was gained. "
        "Right: most of the rise are questions that the start got right at times. No demonstration adds a 7 right, and "
        "sums with one stay mostly wrong; a seed may find some of them by luck.",
        alt="Left: pass@k before rises steeply with k, after GRPO it is high and flat. Right: learning curves.",
    )

    model, lines = trained(0), ["first held-out questions, one answer each, seed 0", ""]
    seed_all(0)
    for row, right in zip(model.write(QUESTIONS[:8]).tolist(), model.results(RIGHT[:8]), strict=True):
        text = "".join(TEXT[i] for i in row)
        lines.append(f"{text:<18} right: {right}   {'' if text.endswith(':' + right) else 'wrong'}".rstrip())
    claim.figure(
        "answers",
        "\n".join(lines) + "\n",
        caption="Answers after GRPO: the totals so far modulo ten, and the last three of them again as the result that "
        "the checker compares.",
        alt="Eight questions with worked answers and the right results.",
    )


def counted():
    """Right answers of each question at the supervised start and after training, for each seed."""
    return [(trained(seed).before, after(seed)) for seed in SEEDS]


def test_pass_at_64_hardly_moves(claim):
    claim.measure("ratio", [a / b for a, b in zip(gains(MOST), gains(1), strict=True)])
    claim.measure("untaught", [passed(after(seed)[UNTAUGHT], 1) for seed in SEEDS])


def small(kind, **settings):
    """A model with random weights in double precision, large enough that its samples differ."""
    model = kind(kind.Config(channels=16, layers=1, **settings)).double()
    for p in model.policy.parameters():
        nn.init.normal_(p, std=0.3)
    return model


class Caught:
    """Stands for the engine, and keeps the gradient that a step would have followed."""

    def __init__(self, model):
        self.parameters, self.gradient = [p for p in model.parameters() if p.requires_grad], torch.empty(0)

    def minimize(self, name, loss):
        self.gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, self.parameters)])

    def average(self, *tensors):
        pass


def test_advantages_need_no_critic(claim):
    model = small(GRPO, group=16)
    data = TASK.splits["checked"][0][:8].repeat(16, 1)
    x = model.write(data[:, : model.cfg.prompt])
    # some right answers, which random weights would hardly give
    x = torch.where(torch.rand(len(x), 1) < 0.4, data, x)
    advantage = model.advantage(x, data, Caught(model)).view(16, 8)
    claim.measure("sum", advantage.sum(0).abs().max().item(), baseline=advantage.abs().max().item())
    shared = model.cfg.model_dump(include={"vocab", "context", "channels", "heads", "layers"})
    policy = sum(p.numel() for p in GPT(GPT.Config(**shared)).parameters())
    claim.measure("critic", sum(p.numel() for p in model.parameters() if p.requires_grad) - policy)


class Judged:
    """Answers of one length, and a reward that random ones earn about half of the time."""

    def write(self, prompts, greedy=False):
        x, p = super().write(prompts, greedy), self.cfg.prompt
        return torch.cat([x[:, :p], x[:, p:].clamp(min=1)], 1)

    def reward(self, x, data=None):
        return (x[:, self.cfg.prompt :].sum(1) % 2).double()


class GroupJudged(Judged, GRPO):
    """GRPO with that reward."""


class Plain(Judged, PolicyGradient):
    """REINFORCE with that reward."""


def test_one_plain_update_is_reinforce(claim):
    groups, settings = 16, {"group": 16, "kl_weight": 0.0, "updates": 1, "normalize": False}
    rows = TASK.splits["checked"][0]
    errors = {}
    for name, other in (("equal", {}), ("normalized", {"normalize": True})):
        model = small(GroupJudged, **{**settings, **other})
        facts = {**TASK.facts, "network": "gpt", "channels": 16, "layers": 1}
        known = {k: v for k, v in facts.items() if k in PolicyGradient.Config.model_fields}
        plain = Plain(PolicyGradient.Config(**known, baseline="mean", entropy_weight=0.0)).double()
        plain.policy.load_state_dict(model.policy.state_dict())
        of_group, of_plain = Caught(model), Caught(plain)
        seed_all(0)
        # one question, so that the mean of the batch is that of the group
        model.reinforce(Batch(rows[:1].repeat(groups, 1)), of_group)
        seed_all(0)
        plain.reinforce(Batch(rows[:1].repeat(groups, 1)), of_plain)
        length = model.cfg.context + 1 - model.cfg.prompt
        errors[name] = distance(length * of_group.gradient, of_plain.gradient)
    claim.measure("gradient", errors["equal"], baseline=errors["normalized"])


def distance(a, b):
    return ((a - b).norm() / b.norm()).item()


def test_kl_term_has_the_gradient_of_the_reverse(claim):
    # three tokens and eight draws in exact proportion to their probabilities 1/8, 3/8 and 4/8
    rows = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2])
    logits = torch.tensor([1, 3, 4], dtype=torch.float64).log().requires_grad_()
    reference = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64).log()
    model, log_p = small(GRPO, kl_weight=1.0), logits.log_softmax(0)
    drawn = log_p[rows, None]
    none, all_count = torch.zeros(8).double(), torch.ones(8, 1)
    term = -model.objective(drawn, drawn.detach(), reference[rows, None], none, all_count)
    to_reference, from_reference = ((a.exp() * (a - b)).sum() for a, b in ((log_p, reference), (reference, log_p)))
    claim.measure("value", abs(term.item() - to_reference.item()), baseline=abs(term.item() - from_reference.item()))
    pull, forward, reverse = (
        torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (term, to_reference, from_reference)
    )
    claim.measure("gradient", distance(pull, reverse), baseline=distance(pull, forward))
