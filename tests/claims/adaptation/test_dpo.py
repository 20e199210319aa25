"""Claims of DPO, measured by enumerating all 729 continuations of the prompt that the policy can emit."""

from functools import cache

import torch
import torch.nn.functional as F

from reference_impl.adaptation.dpo import DPO, preference_loss
from reference_impl.adaptation.rlhf import RLHF
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.preferences import SYMBOLS, Preferences, demonstrate, every_answer, reward

EVERYTHING = F.pad(torch.cartesian_prod(*[torch.arange(9)] * 3), (1, 0))
"""All continuations (729, 4): 512 answers, and 217 that contain the prompt's symbol."""
ANSWERS = (EVERYTHING[:, 1:] > 0).all(1)
TRUE = reward(EVERYTHING).double()
BETA = 1.0
LONG = {"beta": BETA, "steps": 400, "batch_size": 512, "lr": 5e-3, "cooldown": 0.8}
"""Settings with which each of 200,000 comparisons is seen about once."""


class Covered(Preferences):
    """Comparisons that cover the answers: of three, two are demonstrations and one is any of `rows`, equally likely."""

    def __init__(self, rows=None, score=reward, comparisons=200_000):
        super().__init__()
        g, rows = torch.Generator().manual_seed(1), every_answer() if rows is None else rows
        a, b = (self.draw(rows, comparisons, g) for _ in range(2))
        self.judge(a, b, torch.rand(comparisons, generator=g) < torch.sigmoid(score(a) - score(b)))

    def draw(self, rows, n, g):
        anyone = rows[torch.randint(len(rows), (n,), generator=g)]
        return torch.where(torch.rand(n, 1, generator=g) < 2 / 3, demonstrate(n, g), anyone)

    def judge(self, a, b, a_wins):
        won, lost = torch.where(a_wins[:, None], a, b), torch.where(a_wins[:, None], b, a)
        self.splits["comparisons"] = (won, lost)


class Unerring(Covered):
    """Comparisons of demonstrations by a judge that always prefers the higher reward; ties are left out."""

    def __init__(self, comparisons=20_000):
        Preferences.__init__(self)
        g = torch.Generator().manual_seed(2)
        a, b = (demonstrate(comparisons, g) for _ in range(2))
        differ = reward(a) != reward(b)
        a, b = a[differ], b[differ]
        self.judge(a, b, reward(a) > reward(b))


@cache
def covered():
    return Covered()


@cache
def trained(seed):
    return run(DPO, LONG, task=covered(), seed=seed, evaluate=False).model


@cache
def at_defaults(task):
    """DPO with its default settings, and what it logged."""
    return run(DPO, task=task(), evaluate=False, log_every=5)[:2]


@torch.no_grad()
def probabilities(model, which=None):
    """Probability of every continuation under the policy or another of its networks, float64: (729,)."""
    return model.log_prob(EVERYTHING, which).double().exp()


@torch.no_grad()
def implicit(model):
    """Implicit reward of every answer: (512,)."""
    return model.reward(every_answer()).double()


def optimum(prior, r, beta, possible=None):
    """prior exp(r / beta) / Z over all continuations, or over the possible ones: (729,)."""
    p = prior * (r / beta).exp()
    p = p if possible is None else p * possible
    return p / p.sum()


def distance(p, q):
    """Total variation."""
    return (p - q).abs().sum().item() / 2


def divergence(p, q):
    """KL(p || q) in nats."""
    return torch.xlogy(p, p / q).sum().item()


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_policy_reaches_the_closed_form_optimum(claim):
    far, before, missed = [], [], []
    for seed in (0, 1, 2):
        model = trained(seed)
        p, prior = probabilities(model), probabilities(model, model.reference)
        # what contains the prompt's symbol is no answer: the judge was never asked
        best = optimum(prior, TRUE, BETA, ANSWERS)
        far.append(distance(p, best))
        before.append(distance(prior, best))
        missed.append(abs((best - p) @ TRUE).item() / ((best - prior) @ TRUE).item())
    claim.measure("total_variation", far, baseline=before)
    claim.measure("reward_gap", missed)

    likely = best.argsort(descending=True)[:24]
    fig, ax = figure(6.6, 3.2)
    at = torch.arange(len(likely))
    ax.bar(at.numpy(), best[likely].numpy(), 0.75, color=PALETTE[0], alpha=0.35, linewidth=0, label="closed form")
    ax.plot(at, p[likely], "o", color=PALETTE[1], markersize=4, label="DPO")
    ax.plot(at, prior[likely], "s", color=PALETTE[2], markersize=3, label="after imitation")
    names = ["".join(SYMBOLS[i] for i in row) for row in EVERYTHING[likely, 1:].tolist()]
    ax.set_xticks(at, names, rotation=90, family="monospace")
    ax.set(ylabel="probability", xlabel="answer")
    ax.legend()
    claim.figure(
        "optimum",
        fig,
        caption="The 24 likeliest answers at the optimum, β = 1. Comparisons alone move the imitating policy (squares) "
        "to where maximizing the judge's reward under a KL penalty would (bars); no reward model was fitted, and the "
        "policy never wrote an answer while it learned.",
        alt="Bars of closed-form probabilities; the points of DPO lie on their tops, those of imitation do not.",
    )


def test_implicit_reward_is_the_true_one(claim):
    true = reward(every_answer()).double()
    judged = [implicit(trained(0)), implicit(at_defaults(Preferences)[0])]
    ones = torch.ones_like(true)
    lines = [torch.linalg.lstsq(torch.stack([true, ones], 1), r[:, None]).solution.flatten() for r in judged]
    claim.measure("pearson", *(correlation(r, true) for r in judged))
    claim.measure("slope", *(line[0].item() for line in lines))

    repeats = torch.tensor([len(set(row)) < 3 for row in every_answer()[:, 1:].tolist()])
    fig, axes = figure(6.6, 3.3, columns=2, sharey=True)
    titles = ("200,000 comparisons that cover the answers", "4,096 comparisons of demonstrations")
    for ax, r, title in zip(axes, judged, titles, strict=True):
        r = r - r[~repeats].mean() + true[~repeats].mean()
        ax.plot([-3.5, 4], [-3.5, 4], color=PALETTE[8], linewidth=1)
        for rows, color, label in ((~repeats, PALETTE[0], "three letters"), (repeats, PALETTE[1], "repeats a letter")):
            ax.scatter(true[rows], r[rows], s=9, color=color, alpha=0.6, linewidths=0, label=label, rasterized=True)
        ax.set(xlabel="judge's reward", title=title)
        ax.title.set_size(9)
    axes[0].set(ylabel="implicit reward, shifted")
    axes[0].legend(loc="upper left")
    claim.figure(
        "hero",
        fig,
        caption="Each dot is one of the 512 answers. Left: β times the log-ratio of policy to reference is the judge's "
        "reward, up to a shift. Right: demonstrations hardly repeat a letter, so comparisons of demonstrations say "
        "nothing about the orange answers, and there the implicit reward is wrong.",
        alt="Left: implicit reward on the diagonal of true reward. Right: answers with repetitions far above it.",
    )


class Continued(DPO):
    """DPO that starts from another model's reference policy instead of from demonstrations."""

    def prepare(self, task):
        self.policy.load_state_dict(task.start)
        self.freeze()

    def phases(self):
        return super().phases()[1:]


def test_same_optimum_as_rlhf(claim):
    teacher = run(RLHF, {"kl_weight": BETA}, task=Preferences(), evaluate=False).model
    prior = probabilities(teacher, teacher.reference)
    with torch.no_grad():
        r = teacher.reward(EVERYTHING).double()
        task = Covered(EVERYTHING, teacher.reward)
    best = optimum(prior, r, BETA)

    # DPO's expected loss where RLHF's own reward model is the judge, as a function of a table of 729 logits
    i, j = torch.cartesian_prod(torch.arange(729), torch.arange(729)).T
    i_wins, steepest = torch.sigmoid(r[i] - r[j]), []
    for p in (best, prior):
        logits = p.log().requires_grad_()
        policy = logits.log_softmax(0)
        each = preference_loss(policy[i], policy[j], prior.log()[i], prior.log()[j], BETA)
        (slope,) = torch.autograd.grad((i_wins * each).mean(), logits)
        steepest.append(slope.abs().max().item())
    claim.measure("gradient", steepest[0] / steepest[1])

    task.start = teacher.reference.state_dict()
    student = run(Continued, LONG, task=task, evaluate=False).model
    p, q = probabilities(student), probabilities(teacher)
    claim.measure("total_variation", distance(p, q), baseline=distance(prior, q))


def test_preferred_answers_lose_probability(claim):
    won, lost = (index(rows) for rows in Preferences().splits["comparisons"])
    (few, few_log), (many, many_log) = at_defaults(Preferences), at_defaults(covered)
    prior, p, q = probabilities(few, few.reference), probabilities(few), probabilities(many)
    best = optimum(prior, TRUE, few.cfg.beta, ANSWERS)
    change = [(law / prior).log()[won].mean().item() for law in (p, best)]
    claim.measure("preferred", change[0], baseline=change[1])
    never = torch.ones(729, dtype=torch.bool)
    never[won] = never[lost] = False
    stray = [law[never].sum().item() for law in (prior, p, q, best)]
    claim.measure("never_compared", stray[1], baseline=stray[0])
    claim.measure("remedied", stray[2], baseline=stray[1])

    fig, (ax, bars) = figure(6.8, 3.2, columns=2, width_ratios=[1.5, 1])
    for log, color, label in ((few_log, PALETTE[1], "4,096"), (many_log, PALETTE[0], "covering")):
        log = [row for row in log if row["phase"] == "prefer"]
        for name, style in (("chosen", "-"), ("rejected", "--")):
            told = f"{'preferred' if name == 'chosen' else 'other'}, {label}"
            ax.plot([r["step"] for r in log], [r[name] for r in log], style, color=color, linewidth=1, label=told)
    ax.axhline(0, color=PALETTE[8], linewidth=1)
    ax.set(xlabel="step", ylabel="change in log-probability, nats", ylim=(-5.5, 0.4))
    ax.legend(loc="lower center", ncols=2, columnspacing=1)
    names = ("imitation", "DPO, 4,096", "DPO, covering", "closed form")
    colors = (PALETTE[2], PALETTE[1], PALETTE[0], PALETTE[8])
    bars.barh(range(4), stray, color=colors, linewidth=0)
    bars.set_yticks(range(4), names)
    for i, share in enumerate(stray):
        bars.annotate(f"{share:.1%}", (share, i), (3, 0), textcoords="offset points", va="center")
    bars.invert_yaxis()
    bars.set(title="on continuations never compared", xlabel="probability", xlim=(0, 1.3 * max(stray)))
    bars.title.set_size(9)
    claim.figure(
        "displacement",
        fig,
        caption="Left: the preferred answers of a batch lose probability while DPO learns, and the others lose more. "
        "Right: where it goes. With 4,096 comparisons much of it ends on continuations that no comparison contains; "
        "with comparisons that cover the answers hardly any. Same settings, β = 0.5.",
        alt="Curves of log-probability below zero for preferred and other answers; bars of stray probability.",
    )


def index(rows):
    """Where rows (n, 4) stand in EVERYTHING: (n,)."""
    return (rows[:, 1:] * torch.tensor([81, 9, 1])).sum(1)


class Watched(DPO):
    """DPO that notes after each step on comparisons how far it is from the reference."""

    def freeze(self):
        super().freeze()
        self.path, self.prior = [], probabilities(self, self.reference)

    def after_update(self):
        if hasattr(self, "path"):
            self.path.append(divergence(probabilities(self), self.prior))


def test_ipo_stops_where_judges_never_err(claim):
    task = Unerring()
    models = {o: run(Watched, {"objective": o}, task=task, evaluate=False).model for o in ("dpo", "ipo")}
    prior = models["ipo"].prior
    # how often an answer beats a demonstration; IPO maximizes this, less beta per nat of divergence
    beats = (TRUE[:, None] > TRUE).double() + 0.5 * (TRUE[:, None] == TRUE)
    best = optimum(prior, beats @ prior, models["ipo"].cfg.beta)
    claim.measure("ipo", distance(probabilities(models["ipo"]), best), baseline=distance(prior, best))
    claim.measure("divergence", models["ipo"].path[-1], baseline=models["dpo"].path[-1])

    fig, ax = figure(6.0, 3.2)
    for name, color in (("dpo", PALETTE[1]), ("ipo", PALETTE[0])):
        path = models[name].path
        ax.semilogy(range(1, len(path) + 1), path, color=color, label=name.upper())
    ax.axhline(divergence(best, prior), color=PALETTE[8], linestyle=":", label="optimum of IPO")
    ax.set(xlabel="step", ylabel="KL(policy ‖ reference), nats")
    ax.legend(loc="center right")
    claim.figure(
        "unerring",
        fig,
        caption="A judge that never errs. The likelihood of its comparisons grows with the margin for ever, so DPO "
        "leaves the reference whatever β is. IPO asks for a fixed margin and stays where its closed form says.",
        alt="DPO's divergence from the reference climbs to about 6 nats; that of IPO settles at 0.15.",
    )
