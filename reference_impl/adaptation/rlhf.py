"""RLHF: imitate, learn what is preferred, then seek it without drifting from what was imitated.

Idea
    Some qualities are easier to compare than to demonstrate. Three phases turn comparisons into a
    policy pi. (1) Fine-tune on demonstrations. (2) Fit a reward r to comparisons by Bradley and
    Terry's model, P(a preferred to b) = sigmoid(r(a) - r(b)). (3) Maximize

        J(pi) = E_{x ~ pi} [ r(x) - beta log( pi(x) / pi_ref(x) ) ]                           (1)

    where pi_ref is the policy after phase 1, by policy gradients on the policy's own answers. The
    maximum is known, pi* = pi_ref exp(r / beta) / Z: imitation, reweighted by the reward. Without
    the KL term the maximum is the one answer with the highest learned reward, right or wrong.

Source
    Ouyang et al., "Training language models to follow instructions with human feedback", 2022.
    arXiv:2203.02155 (eq. 1 and 2). PPO: Schulman et al., 2017. arXiv:1707.06347 (eq. 7).

Differs from the paper
    An answer is one action: probability ratio, KL and advantage are of whole answers, and the mean
    return of the batch is the baseline, so there is no value network. The reward model is a small
    network of its own and not a copy of the policy. No pre-training loss is mixed in (gamma = 0).

Shapes
    B batch, P prompt, T answer, V vocabulary. A row is a prompt and its answer, (B, P+T).

Run
    genai-patterns run rlhf kl_weight=0.2
"""

from collections.abc import Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.blocks import mlp
from reference_impl.core import Batch, Config, Metrics, Optimizers, Phase, Reference, main
from reference_impl.transformer.gpt import GPT


class RLHFConfig(Config):
    """Settings of RLHF."""

    vocab: PositiveInt = 9
    """V, the number of distinct tokens."""
    context: PositiveInt = 3
    """P + T - 1, the tokens that the last one is predicted from."""
    prompt: PositiveInt = 1
    """P, tokens of a row that are given; the rest is the answer."""
    channels: PositiveInt = 32
    """Width of the policy's residual stream."""
    heads: PositiveInt = 2
    """Attention heads of the policy."""
    layers: PositiveInt = 1
    """Blocks of the policy."""
    hidden: PositiveInt = 64
    """Width of the reward model's two hidden layers."""
    kl_weight: NonNegativeFloat = 0.5
    """beta, the price in reward of a nat of divergence from the imitating policy."""
    ppo_clip: PositiveFloat = 0.2
    """Probability ratios beyond 1 -+ this earn no more."""
    ppo_epochs: PositiveInt = 4
    """Updates on each batch of the policy's own answers."""
    ppo_steps: NonNegativeInt = 100
    """Batches of own answers in phase 3."""
    steps: NonNegativeInt = 250
    """Training steps of phases 1 and 2, each."""
    batch_size: PositiveInt = 256
    """Demonstrations, comparisons or own answers in a step."""
    lr: PositiveFloat = 5e-3
    cooldown: float = 0.5
    """Last fraction of each phase over which the learning rate falls linearly to zero."""


class RLHF(Reference):
    """Supervised fine-tuning, a reward model from comparisons, and PPO with a KL penalty."""

    task = "preferences"
    Config = RLHFConfig

    def __init__(self, cfg: RLHFConfig) -> None:
        super().__init__(cfg)
        if cfg.prompt > cfg.context:
            raise ValueError(f"prompt={cfg.prompt} leaves no answer in rows of context+1={cfg.context + 1} tokens")
        same = cfg.model_dump(include={"vocab", "context", "channels", "heads", "layers", "lr"})
        self.policy = GPT(GPT.Config(**same))
        self.reference = deepcopy(self.policy).requires_grad_(False)
        self.reward_model = mlp((cfg.context + 1 - cfg.prompt) * cfg.vocab, cfg.hidden, 1)

    def phases(self) -> Sequence[Phase]:
        cfg = self.cfg
        reward_model, policy = (torch.optim.AdamW(m.parameters(), lr=cfg.lr) for m in (self.reward_model, self.policy))
        return (
            Phase("imitate", cfg.steps, self.imitate, self.policy.optimizers()),
            Phase("compare", cfg.steps, self.compare, {"main": reward_model}, stream="comparisons"),
            Phase("reinforce", cfg.ppo_steps, self.reinforce, {"main": policy}, begin=self.freeze),
        )

    def imitate(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = self.policy.loss(batch)
        opt.minimize("main", losses["loss"])
        return losses

    def compare(self, batch: Batch, opt: Optimizers) -> Metrics:
        """x holds the preferred rows, y the others."""
        margin = self.reward(batch.x) - self.reward(batch.y)
        # eq. 1 of Ouyang et al., one pair per prompt
        loss = -F.logsigmoid(margin).mean()
        opt.minimize("main", loss)
        return {"loss": loss, "accuracy": (margin > 0).float().mean()}

    def freeze(self) -> None:
        """What was imitated becomes the reference, once."""
        self.reference.load_state_dict(self.policy.state_dict())

    def reinforce(self, batch: Batch, opt: Optimizers) -> Metrics:
        """Only the prompts of the batch are used; the answers are the policy's own."""
        x = self.sample(len(batch.x), batch.x[:, : self.cfg.prompt])
        with torch.no_grad():
            old = self.log_prob(x)
            reward, kl = self.reward(x), old - self.log_prob(x, self.reference)
            # (1) of the docstring, one term per answer. At the optimum all returns are beta log Z: the
            # gradient's noise dies out too, unless one divides by the standard deviation.
            returns = reward - self.cfg.kl_weight * kl
            baseline = returns.mean()
            opt.average(baseline)
            advantage = returns - baseline
        for _ in range(self.cfg.ppo_epochs):
            ratio = (self.log_prob(x) - old).exp()
            clipped = ratio.clamp(1 - self.cfg.ppo_clip, 1 + self.cfg.ppo_clip)
            # eq. 7 of Schulman et al.
            opt.minimize("main", -torch.minimum(ratio * advantage, clipped * advantage).mean())
        return {"reward": reward.mean(), "kl": kl.mean()}

    def reward(self, x: Tensor) -> Tensor:
        """Learned reward of each answer, up to a constant that comparisons cannot see: (B, P+T) -> (B,)."""
        answers = F.one_hot(x[:, self.cfg.prompt :], self.cfg.vocab).flatten(1)
        return self.reward_model(answers.float()).squeeze(1)

    def log_prob(self, x: Tensor, model: GPT | None = None) -> Tensor:
        """log pi(answer | prompt) in nats, exact, of the policy or another model: (B, P+T) -> (B,)."""
        logits, _ = (model or self.policy).logits(x[:, :-1])
        tokens = -F.cross_entropy(logits.transpose(1, 2), x[:, 1:], reduction="none")
        return tokens[:, self.cfg.prompt - 1 :].sum(1)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Answer the prompts y (n, P), by default the token 0: (n, P+T)."""
        if y is None:
            y = torch.zeros(n, self.cfg.prompt, dtype=torch.long, device=self.device)
        return self.policy.sample(n, y)


if __name__ == "__main__":
    main(RLHF)
