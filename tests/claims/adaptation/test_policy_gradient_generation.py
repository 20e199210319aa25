"""Claims of policy gradients, measured on strings of brackets short enough that all which earn a reward are listed."""

from functools import cache
from itertools import product

import torch
from torch import nn

from reference_impl.adaptation.policy_gradient_generation import PolicyGradient
from reference_impl.core import Batch, run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.brackets import Brackets, balanced

TASK = Brackets()
TEXT = TASK.facts["characters"]
EARNING = torch.tensor([[0, *(TEXT.index(c) for c in s)] + [0] * (8 - n) for n in (2, 4, 6, 8) for s in balanced(n)])
"""All 274 strings that earn the reward."""
HELD_OUT = TASK.splits["test"][0]
INTACT = HELD_OUT[PolicyGradient(PolicyGradient.Config(**TASK.facts)).reward(HELD_OUT) > 0]
"""The held-out lines that the noise left intact."""
STEPS, SEEDS = 300, (0, 1, 2)


class Watched(PolicyGradient):
    """Notes every 20 steps where it stands: (step, expected reward, -log p of intact and of all held-out lines)."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self.count, self.path, self.kept = 0, [], {}

    def after_update(self):
        self.count += 1
        if self.count % 20 == 0:
            self.path.append((self.count, *where(self)))
            self.kept[self.count - STEPS] = {k: v.clone() for k, v in self.state_dict().items()}


class LikelihoodAlone(Watched):
    """The first phase and no other."""

    def phases(self):
        return super().phases()[:1]


class RewardAlone(Watched):
    """The second phase and no other."""

    def phases(self):
        return super().phases()[1:]


@cache
@torch.enable_grad()
def trained(kind, seed, **settings):
    return run(kind, settings, task=TASK, seed=seed, evaluate=False).model


def both(seed, entropy_weight=0.0, **settings):
    return trained(Watched, seed, entropy_weight=entropy_weight, **settings)


@torch.no_grad()
def where(model):
    """Expected reward, a sum over all strings that earn one, and nats per intact and per held-out line."""
    surprise = (-model.log_prob(x).mean().item() for x in (INTACT, HELD_OUT))
    return (model.log_prob(EARNING).double().exp().sum().item(), *surprise)


class Caught:
    """Stands for the engine, and keeps the gradients that a step would have followed."""

    def __init__(self, model):
        self.parameters, self.gradients = list(model.parameters()), []

    def minimize(self, name, loss):
        self.gradients.append(flat(loss, self.parameters))

    def average(self, *tensors):
        pass


def flat(loss, parameters):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])


class Enumerated(PolicyGradient):
    """Writes each string of up to four brackets once, and weighs it by N p(x): its batch mean is the expectation."""

    def write(self, prompts, greedy=False):
        return super().write(prompts, greedy) if greedy else prompts_and_answers()

    def advantage(self, x, data, opt):
        return super().advantage(x, data, opt) * len(x) * self.log_prob(x).detach().exp()


@cache
def prompts_and_answers():
    rows = {(0, *row[: (*row, 0).index(0)]) for row in product(range(5), repeat=4)}
    return torch.tensor([row + (0,) * (5 - len(row)) for row in sorted(rows)])


def test_expected_step_is_the_gradient_of_the_expected_reward(claim):
    errors, off_policy = [], []
    for baseline in ("none", "greedy"):
        model = Enumerated(Enumerated.Config(context=4, channels=16, baseline=baseline, entropy_weight=0.0)).double()
        for p in model.parameters():
            nn.init.normal_(p, std=0.4)
        x, caught = prompts_and_answers(), Caught(model)
        p = model.log_prob(x).exp()
        assert abs(p.sum().item() - 1) < 1e-9, "the list is complete"
        true = flat(-(p * model.reward(x)).sum(), caught.parameters)
        model.reinforce(Batch(x), caught)
        errors.append(((caught.gradients[0] - true).norm() / true.norm()).item())
        uniform = flat(-(model.reward(x) * model.log_prob(x)).mean(), caught.parameters)
        off_policy.append(((uniform * (true @ uniform) / (uniform @ uniform) - true).norm() / true.norm()).item())
    claim.measure("error", max(errors), baseline=min(off_policy))


def estimates(model, at, baseline, repeats=40):
    """Gradients (repeats, parameters) of steps of batch 128 with the weights of step `at` of the second phase."""
    frozen = PolicyGradient(model.cfg.model_copy(update={"baseline": baseline}))
    frozen.load_state_dict(model.kept[at])
    caught = Caught(frozen)
    for i in range(repeats):
        frozen.reinforce(TASK.batch("train", i, 128), caught)
    true = flat(-frozen.log_prob(EARNING).exp().sum(), caught.parameters)
    return torch.stack(caught.gradients).double(), true.double()


def test_greedy_baseline_pays_once_the_policy_is_good(claim):
    kinds, bias, ratios, marks = ("none", "greedy", "mean"), [], {}, (0, 20, 40, 60, 80, 100)
    noise = {kind: [] for kind in kinds}
    for seed in SEEDS:
        for at in marks if seed == 0 else (0, 60):
            variance = {}
            for kind in kinds:
                sampled, true = estimates(both(seed), at, kind)
                variance[kind] = sampled.var(0).sum().item()
                along = sampled @ true / (true @ true)
                if kind == "greedy" and at == 60:
                    bias.append(abs(along.mean().item() - 1) / (along.std().item() / len(along) ** 0.5))
                if seed == 0:
                    noise[kind].append(variance[kind])
            ratios.setdefault(at, []).append(variance["greedy"] / variance["none"])
    claim.measure("bias", bias)
    claim.measure("late", ratios[60])
    claim.measure("early", ratios[0])

    fig, ax = figure(6.0, 3.2)
    names = {"none": "no baseline", "greedy": "greedy answer (self-critical)", "mean": "mean of the batch"}
    for color, kind in zip((PALETTE[8], PALETTE[1], PALETTE[0]), kinds, strict=True):
        ax.semilogy(marks, noise[kind], "o-", markersize=4, color=color, label=names[kind])
    earned = dict(zip([r[0] - STEPS for r in both(0).path], [r[1] for r in both(0).path], strict=True))
    ax.set_xticks(marks, [f"{at}\n{earned[at]:.2f}" for at in marks])
    ax.set(xlabel="step by reward, and expected reward there", ylabel="variance of the gradient")
    ax.legend()
    claim.figure(
        "variance",
        fig,
        caption="Variance of the gradient of a step with 128 samples, summed over the weights, at six points of one "
        "run. The greedy string already closes at the first point, when a third of the samples do: a bar of 1 is then "
        "far from the mean and adds noise. Once most samples pass it, it takes nearly all of the noise away.",
        alt="Three curves of variance: the greedy baseline begins highest and ends lowest.",
    )


def test_earns_what_likelihood_cannot_see(claim):
    adapted = [both(seed, 0.05) for seed in SEEDS]
    likelihood = [trained(LikelihoodAlone, seed, steps=2 * STEPS) for seed in SEEDS]
    claim.measure("reward", [m.path[-1][1] for m in adapted], baseline=[m.path[-1][1] for m in likelihood])
    small = {"network": "gpt", "steps": 150}
    gpt = where(both(0, 0.05, **small)), where(trained(LikelihoodAlone, 0, **{**small, "steps": 300}))
    claim.measure("gpt", gpt[0][0], baseline=gpt[1][0])
    claim.measure("likelihood", [m.path[-1][3] for m in adapted], baseline=[m.path[-1][3] for m in likelihood])


def test_reward_alone_writes_the_shortest_string(claim):
    alone, adapted, likelihood = (
        [trained(RewardAlone, seed, entropy_weight=0.0, steps=2 * STEPS) for seed in SEEDS],
        [both(seed, 0.05) for seed in SEEDS],
        [trained(LikelihoodAlone, seed, steps=2 * STEPS) for seed in SEEDS],
    )
    claim.measure("reward", [m.path[-1][1] for m in alone])
    claim.measure("surprise", [m.path[-1][2] for m in alone], baseline=[m.path[-1][2] for m in adapted])
    claim.measure("length", [length(m) for m in alone], baseline=[length(m) for m in adapted])

    runs = {"likelihood": likelihood, "likelihood, then reward": adapted, "reward alone": alone}
    fig, axes = figure(6.8, 3.2, columns=2)
    for color, (name, models) in zip((PALETTE[8], PALETTE[0], PALETTE[1]), runs.items(), strict=True):
        for i, m in enumerate(models):
            steps, reward, surprise, _ = zip(*m.path, strict=True)
            axes[0].plot(steps, reward, color=color, linewidth=1.1, label=name if i == 0 else None)
            axes[1].plot(steps, surprise, color=color, linewidth=1.1)
    for ax in axes:
        ax.axvline(STEPS, color=PALETTE[8], linestyle=":", linewidth=1)
        ax.set_xlabel("training step")
    axes[0].set(ylabel="expected reward", ylim=(0, 1.03))
    axes[0].legend(loc="center right")
    axes[1].set(ylabel="nats per intact held-out line", ylim=(0, None))
    claim.figure(
        "hero",
        fig,
        caption="Three seeds each. Left: likelihood stays at the share of lines that close in its data; from step 300 "
        "(dotted) the reward moves it to one. Reward alone gets there as well. Right: but with a string that is not in "
        "the data, and held-out lines become ever less likely. What text looks like was learned by likelihood.",
        alt="Left: expected reward over steps for three ways to train. Right: surprise at held-out lines.",
    )

    lines = ["first 8 samples of each, seed 0", ""]
    for name, models in runs.items():
        torch.manual_seed(0)
        written = ["".join(TEXT[i] for i in row) for row in models[0].sample(8).tolist()]
        lines.append(f"{name:<26}" + "  ".join(f"{s:<8}" for s in written))
    claim.figure(
        "samples",
        "\n".join(lines) + "\n",
        caption="Likelihood repeats the mistakes of its data, reward corrects them. A network that never saw data "
        "finds the shortest string that earns the reward.",
        alt="Three lines of bracket strings: with mistakes, without, and the same pair of brackets over and over.",
    )


@torch.no_grad()
def length(model):
    """Mean number of brackets in 1,000 samples."""
    return (model.sample(1000) > 0).sum(1).double().mean().item()


def test_entropy_keeps_many_strings_alive(claim):
    kept, lost = ([earning(both(seed, alpha)) for seed in SEEDS] for alpha in (0.05, 0.0))
    counts = [[(-torch.xlogy(p, p)).sum().exp().item() for p in laws] for laws in (kept, lost)]
    claim.measure("strings", counts[0], baseline=counts[1])
    rewards = [[both(seed, alpha).path[-1][1] for seed in SEEDS] for alpha in (0.05, 0.0)]
    claim.measure("price", [b - a for a, b in zip(*rewards, strict=True)])
    start = LikelihoodAlone(PolicyGradient.Config(**TASK.facts))
    start.load_state_dict(both(0).kept[0])

    fig, ax = figure(6.0, 3.2)
    rank = range(1, len(EARNING) + 1)
    laws = {"after likelihood": earning(start), "reward with entropy, α = 0.05": kept[0], "reward, α = 0": lost[0]}
    for color, (name, p) in zip((PALETTE[8], PALETTE[0], PALETTE[1]), laws.items(), strict=True):
        ax.loglog(rank, p.sort(descending=True)[0], color=color, label=name)
    ax.set(xlabel="rank of the string", ylabel="share among strings that close", ylim=(1e-7, 1.5))
    ax.legend(loc="lower left")
    claim.figure(
        "collapse",
        fig,
        caption=f"The {len(EARNING)} strings that close, by rank (seed 0). All earn the same, yet without the entropy "
        "nearly all probability ends on one or two: what is drawn by chance becomes likelier and is drawn more often. "
        "A weight of 0.05 per nat keeps almost all of them.",
        alt="Probability over rank: flat after likelihood and with entropy, steeply falling without.",
    )


@torch.no_grad()
def earning(model):
    """Probabilities of the strings that earn the reward, brought to sum one, float64: (274,)."""
    return model.log_prob(EARNING).double().softmax(0)
