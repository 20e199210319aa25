"""Claims of RLHF, measured by enumerating all 729 continuations of the prompt that the policy can emit."""

from functools import cache

import torch
import torch.nn.functional as F

from reference_impl.adaptation.rlhf import RLHF
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.preferences import Preferences, every_answer, reward
from reference_impl.transformer.gpt import GPT

EVERYTHING = F.pad(torch.cartesian_prod(*[torch.arange(9)] * 3), (1, 0))
"""All continuations (729, 4): 512 answers, and 217 that contain the prompt's symbol."""
ANSWERS = (EVERYTHING[:, 1:] > 0).all(1)
TRUE = reward(EVERYTHING).double()
SEEDS = (0, 1, 2)


class Watched(RLHF):
    """RLHF that notes where its policy stands after each step of phase 3, when reference and reward are fixed."""

    def freeze(self):
        super().freeze()
        self.path, self.prior, self.learned = [], probabilities(self, reference=True), learned(self)

    def after_update(self):
        if hasattr(self, "path"):
            self.path.append(where(self, probabilities(self)))


@cache
def trained(kl_weight, seed=0):
    return run(Watched, {"kl_weight": kl_weight}, task=Preferences(), seed=seed, evaluate=False).model


@torch.no_grad()
def probabilities(model, reference=False):
    """Probability of every continuation under the policy or its reference, float64: (729,)."""
    return model.log_prob(EVERYTHING, model.reference if reference else None).double().exp()


@torch.no_grad()
def learned(model):
    """Learned reward of every continuation, shifted to have mean zero under the reference policy: (729,)."""
    r = model.reward(EVERYTHING).double()
    return r - probabilities(model, reference=True) @ r


def optimum(model, kl_weight):
    """pi_ref exp(r / beta) / Z over all continuations: (729,)."""
    return (model.prior.log() + model.learned / kl_weight).softmax(0)


def where(model, p):
    """(KL from the reference in nats, mean learned reward, mean true reward) of a distribution p (729,)."""
    return (torch.xlogy(p, p / model.prior).sum().item(), (p @ model.learned).item(), (p @ TRUE).item())


def test_policy_approaches_the_closed_form_optimum(claim):
    beta = 0.5
    distance, untrained, gap = [], [], []
    for seed in SEEDS:
        model = trained(beta, seed)
        p, best = probabilities(model), optimum(model, beta)
        distance.append((p - best).abs().sum().item() / 2)
        untrained.append((model.prior - best).abs().sum().item() / 2)
        # rewards are measured from the reference policy's mean
        gap.append(1 - where(model, p)[1] / where(model, best)[1])
    claim.measure("total_variation", distance, baseline=untrained)
    claim.measure("reward_gap", [abs(g) for g in gap])

    model, weights = trained(beta), (1.0, 0.5, 0.25, 0.1)
    curve = [where(model, optimum(model, b)) for b in torch.logspace(1.3, -1.3, 60).tolist()]
    fig, ax = figure(6.2, 3.8)
    ax.plot(*zip(*[(0, 0), *[c[:2] for c in curve]], strict=True), color=PALETTE[0], label="closed form, every β")
    for i, b in enumerate(weights):
        kl, r, _ = where(trained(b), probabilities(trained(b)))
        ax.plot(kl, r, "o", color=PALETTE[1], label="trained by PPO" if i == 0 else None)
        ax.annotate(f"β = {b:g}", (kl, r), (7, -10), textcoords="offset points")
    ax.plot(0, 0, "s", color=PALETTE[2])
    ax.annotate("imitation only", (0, 0), (9, -3), textcoords="offset points", color=PALETTE[2])
    top = model.learned.max().item()
    ax.axhline(top, color=PALETTE[8], linestyle=":", linewidth=1)
    ax.annotate("best single answer", (0, top), (0, 3), textcoords="offset points", color=PALETTE[8])
    ax.set(xlabel="KL(policy ‖ reference), nats", ylabel="mean learned reward", ylim=(-0.3, top + 0.4))
    ax.legend(loc="lower right")
    claim.figure(
        "hero",
        fig,
        caption="What reward costs. Each point is a policy trained with its own penalty β; the line is the best "
        "reward that any policy can have at a divergence, from the closed form. Training ends on the line, and β "
        "chooses the place.",
        alt="Learned reward against KL: four trained policies lie on the concave curve of closed-form optima.",
    )

    p, q, best = probabilities(model), model.prior, optimum(model, beta)
    fig, ax = figure(4.6, 4.0)
    span = [1e-6, 1]
    ax.loglog(span, span, color=PALETTE[8], linewidth=1)
    ax.scatter(best, q, s=7, color=PALETTE[2], linewidths=0, alpha=0.6, label="after imitation", rasterized=True)
    ax.scatter(best, p, s=7, color=PALETTE[1], linewidths=0, label="after PPO", rasterized=True)
    ax.set(xlabel="probability at the optimum", ylabel="probability under the policy", xlim=span, ylim=span)
    ax.legend(loc="lower right")
    claim.figure(
        "optimum",
        fig,
        caption="Every continuation of the prompt, 729 in all, at β = 0.5. Policy gradients move the imitating policy "
        "(green) onto the optimum known in closed form (diagonal), over five orders of magnitude of probability.",
        alt="Scatter of policy probability against optimal probability; after PPO points lie along the diagonal.",
    )


def test_penalty_prevents_reward_hacking(claim):
    with_kl, without = ([trained(beta, seed) for seed in SEEDS] for beta in (0.5, 0.0))
    proxies = [[m.path[-1][1] for m in models] for models in (with_kl, without)]
    truths = [[m.path[-1][2] for m in models] for models in (with_kl, without)]
    before = [(m.prior @ TRUE).item() for m in without]
    claim.measure("true_reward", truths[0], baseline=truths[1])
    claim.measure("learned_reward", proxies[0], baseline=proxies[1])
    claim.measure("hacked", truths[1], baseline=before)
    distinct = torch.tensor([len(set(row)) == 3 for row in EVERYTHING[:, 1:].tolist()]) & ANSWERS
    fits = [[correlation(m.learned[rows], TRUE[rows]) for m in without] for rows in (distinct, ANSWERS)]
    claim.measure("reward_model_fit", fits[0], baseline=fits[1])

    fig, axes = figure(6.6, 3.2, columns=2, sharey=True)
    for ax, models, title in zip(axes, (without, with_kl), ("no penalty, β = 0", "β = 0.5"), strict=True):
        for i, m in enumerate(models):
            _, r, true = zip(*m.path, strict=True)
            steps = range(1, len(r) + 1)
            ax.semilogx(steps, r, color=PALETTE[0], linewidth=1, label="learned reward" if i == 0 else None)
            ax.semilogx(steps, true, color=PALETTE[1], linewidth=1, label="true reward" if i == 0 else None)
        ax.axhline(before[0], color=PALETTE[2], linestyle=":", linewidth=1, label="true, before PPO")
        ax.set(xlabel="step of PPO", title=title)
    axes[0].set(ylabel="reward per answer")
    axes[1].legend(loc="lower right")
    claim.figure(
        "hacking",
        fig,
        caption="Three seeds. The judge dislikes repetition, but demonstrations hardly repeat, so the learned reward "
        "does not know. Without a penalty PPO ends at one answer that repeats a letter, in two seeds the best letter "
        "three times: learned reward goes on rising while the true reward falls below where imitation had left it.",
        alt="Left: without penalty learned reward rises and true reward collapses. Right: both rise and stay.",
    )


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_penalty_matters_under_pressure(claim):
    for name, beta in (("mild", 0.5), ("strong", 0.1)):
        ends = [trained(beta, seed).path[-1] for seed in SEEDS]
        passing = [true_reward_at(trained(0.0, seed).path, end[1]) for seed, end in zip(SEEDS, ends, strict=True)]
        if name == "mild":
            claim.measure(name, [abs(end[2] - p) for end, p in zip(ends, passing, strict=True)])
        else:
            claim.measure(name, [end[2] for end in ends], baseline=passing)

    model = trained(0.0)
    fig, ax = figure(6.0, 3.4)
    curve = [where(model, optimum(model, b)) for b in torch.logspace(1.3, -1.6, 60).tolist()]
    ax.plot([c[1] for c in curve], [c[2] for c in curve], color=PALETTE[0], label="closed form, every β")
    path = {"color": PALETTE[3], "linewidth": 1, "label": "on the way with β = 0"}
    ax.plot([c[1] for c in model.path], [c[2] for c in model.path], ".-", **path)
    for i, b in enumerate((1.0, 0.5, 0.25, 0.1)):
        _, r, true = trained(b).path[-1]
        ax.plot(r, true, "o", color=PALETTE[1], label="end of training with β > 0" if i == 0 else None)
        ax.annotate(f"{b:g}", (r, true), (0, 6), textcoords="offset points", ha="center")
    ax.set(xlabel="mean learned reward", ylabel="mean true reward", ylim=(-1.8, 3.6))
    ax.legend(loc="lower left")
    claim.figure(
        "pressure",
        fig,
        caption="True against learned reward. At first a run without penalty (each dot a step) passes where runs with "
        "β = 1 and 0.5 end: there the penalty only stops in time. Further on it gives up variety too early, and at "
        "equal learned reward it is worse than policies with a penalty.",
        alt="The unpenalized path follows the closed-form curve up to a learned reward of 1.8 and then falls below it.",
    )


def true_reward_at(path, r):
    """True reward when a training path (KL, learned, true) first reaches the learned reward r, by interpolation."""
    i = next(i for i, step in enumerate(path) if step[1] >= r)
    (_, r0, t0), (_, r1, t1) = path[i - 1], path[i]
    return t0 + (t1 - t0) * (r - r0) / (r1 - r0)


def test_without_ppo_it_is_next_token_training(claim):
    task, cfg = Preferences(), RLHF.Config(steps=60, ppo_steps=0)
    whole = run(RLHF, {"steps": 60, "ppo_steps": 0}, task=task, evaluate=False).model
    same = ("steps", "batch_size", "lr", "warmup", "cooldown", "channels", "heads", "layers")
    alone = run(GPT, {name: getattr(cfg, name) for name in same}, task=task, evaluate=False).model
    pairs = zip(whole.policy.parameters(), alone.parameters(), strict=True)
    claim.measure("weights", max((a - b).abs().max().item() for a, b in pairs))
    with torch.no_grad():
        claim.measure("log_prob", (whole.log_prob(every_answer()) - alone.log_prob(every_answer())).abs().max().item())
