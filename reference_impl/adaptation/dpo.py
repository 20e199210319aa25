"""DPO: learn from comparisons directly; the policy is its own reward model.

Idea
    Among all policies pi, E[r] - beta KL(pi || pi_ref) is highest at pi* = pi_ref exp(r / beta) / Z, where RLHF
    is heading. Solve that for the reward,

        r(x) = beta log( pi*(x) / pi_ref(x) ) + beta log Z,                                     (5)

    and put it into Bradley and Terry's model of comparisons, P(a preferred to b) = sigmoid(r(a) - r(b)).
    Z cancels, since a and b answer one prompt, and a likelihood of the policy alone is left:

        L(pi) = -E log sigmoid( beta log( pi(a) / pi_ref(a) ) - beta log( pi(b) / pi_ref(b) ) ). (7)

    No reward model is fitted and nothing is sampled while learning. Only the difference of the two log-ratios
    counts, so the preferred answer may lose probability as long as the other loses more.

Source
    Rafailov et al., "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
    2023. arXiv:2305.18290 (eq. 5 and 7). IPO: Azar et al., 2023. arXiv:2310.12036 (eq. 17).

Differs from the paper
    A small GPT and answers of a few letters instead of a large model and sentences; AdamW instead of RMSprop.

Shapes
    B batch, P prompt, T answer, V vocabulary. A row is a prompt and its answer, (B, P+T).

Run
    genai-patterns run dpo beta=0.2
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.core import Batch, Config, Metrics, Optimizers, Phase, Reference, main
from reference_impl.transformer.gpt import GPT


class DPOConfig(Config):
    """Settings of DPO."""

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
    beta: PositiveFloat = 0.5
    """The reward that one nat of log-ratio stands for; in RLHF's words, the price of a nat of divergence."""
    objective: Literal["dpo", "ipo"] = "dpo"
    """dpo: the likelihood of the comparisons; ipo: a margin of 1 / (2 beta) nats, no less and no more."""
    steps: NonNegativeInt = 250
    """Training steps on demonstrations, and again on comparisons."""
    batch_size: PositiveInt = 256
    """Demonstrations or comparisons in a step."""
    lr: PositiveFloat = 5e-3
    cooldown: float = 0.5
    """Last fraction of each phase over which the learning rate falls linearly to zero."""


class DPO(Reference):
    """Supervised fine-tuning, then the likelihood of comparisons under the policy's own log-ratios."""

    task = "preferences"
    Config = DPOConfig

    def __init__(self, cfg: DPOConfig) -> None:
        super().__init__(cfg)
        if cfg.prompt > cfg.context:
            raise ValueError(f"prompt={cfg.prompt} leaves no answer in rows of context+1={cfg.context + 1} tokens")
        same = cfg.model_dump(include={"vocab", "context", "channels", "heads", "layers", "lr"})
        self.policy = GPT(GPT.Config(**same))
        self.reference = deepcopy(self.policy).requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        cfg, policy = self.cfg, torch.optim.AdamW(self.policy.parameters(), lr=self.cfg.lr)
        return (
            Phase("imitate", cfg.steps, self.imitate, self.policy.optimizers()),
            Phase("prefer", cfg.steps, self.prefer, {"main": policy}, "comparisons", self.freeze),
        )

    def imitate(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = self.policy.loss(batch)
        opt.minimize("main", losses["loss"])
        return losses

    def freeze(self) -> None:
        """What was imitated becomes the reference, once."""
        self.reference.load_state_dict(self.policy.state_dict())

    def prefer(self, batch: Batch, opt: Optimizers) -> Metrics:
        """x holds the preferred rows, y the others."""
        chosen, rejected = self.log_prob(batch.x), self.log_prob(batch.y)
        with torch.no_grad():
            before = self.log_prob(batch.x, self.reference), self.log_prob(batch.y, self.reference)
        loss = preference_loss(chosen, rejected, *before, self.cfg.beta, self.cfg.objective).mean()
        opt.minimize("main", loss)
        return {"loss": loss, "chosen": (chosen - before[0]).mean(), "rejected": (rejected - before[1]).mean()}

    def reward(self, x: Tensor) -> Tensor:
        """The reward under which this policy is optimal, up to a constant, eq. 5: (B, P+T) -> (B,)."""
        return self.cfg.beta * (self.log_prob(x) - self.log_prob(x, self.reference))

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


def preference_loss(
    chosen: Tensor, rejected: Tensor, chosen_ref: Tensor, rejected_ref: Tensor, beta: float, objective: str = "dpo"
) -> Tensor:
    """Loss of each comparison, from log-probabilities of whole answers in nats, all (B,): (B,).

    chosen and rejected are under the policy, chosen_ref and rejected_ref under the frozen reference.
    """
    margin = (chosen - chosen_ref) - (rejected - rejected_ref)
    if objective == "ipo":
        # eq. 17 of Azar et al., whose tau is beta
        return (margin - 1 / (2 * beta)) ** 2
    # eq. 7 of Rafailov et al.
    return -F.logsigmoid(beta * margin)


if __name__ == "__main__":
    main(DPO)
