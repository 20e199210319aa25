"""GRPO: several answers to each question, checked, and each compared with the others of its group.

Idea
    A policy gradient needs to know how well the policy usually does on a question, and PPO trains a second network to
    guess it. Sample G answers o_1 .. o_G to the same question instead; their rewards r_i tell. The advantage

        A_i = (r_i - mean(r_1 .. r_G)) / std(r_1 .. r_G)                                            (1)

    of an answer goes to all its tokens. With rho = p(token) / p_old(token) the objective is, per token,

        min(rho A_i, clip(rho, 1 - eps, 1 + eps) A_i) - beta (q - log q - 1),   q = p_ref / p,      (2)

    averaged over the tokens of an answer and then over answers. The last term estimates KL(p, p_ref); it is never
    negative, and keeps the policy near its start. Where a program can check answers there is no reward model either:
    the policy and a frozen copy of it are all the networks there are.

Source
    Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models", 2024.
    arXiv:2402.03300 (eq. 3 and 4).
    DeepSeek-AI, "DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via Reinforcement Learning", 2025.
    arXiv:2501.12948.

Differs from the paper
    Sums of digits instead of mathematics, a reward for the answer alone and none for its format, and a start that was
    taught by demonstrations with mistakes. The frozen copy is not renewed.

Shapes
    B answers, Q = B/G questions, G answers to each, P question, T answer. A row is both, (B, P+T).

Run
    genai-patterns run grpo group=16
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.adaptation.policy_gradient_generation import PolicyGradient, PolicyGradientConfig
from reference_impl.core import Batch, Metrics, Optimizers, Phase, main


class GRPOConfig(PolicyGradientConfig):
    """Settings of GRPO."""

    group: int = Field(8, ge=2)
    """G, answers to each question."""
    normalize: bool = True
    """Divide by the standard deviation of the group."""
    ppo_clip: PositiveFloat = 0.2
    """eps: ratios of probability beyond 1 -+ this earn no more."""
    kl_weight: NonNegativeFloat = 0.04
    """beta, the price of a nat of divergence from the supervised start."""
    updates: PositiveInt = 2
    """Updates on each batch of answers."""
    baseline: Literal["group"] = "group"
    """b: the mean return of the answers to the same question."""
    entropy_weight: NonNegativeFloat = 0.0
    network: Literal["rnn", "gpt"] = "gpt"
    vocab: PositiveInt = 14
    context: PositiveInt = 13
    prompt: PositiveInt = 6
    characters: tuple[str, ...] = ("", "\ufffd", *"0123456789:=")
    layers: PositiveInt = 2
    reward_lr: PositiveFloat = 1e-3
    steps: NonNegativeInt = 240
    """Training steps by demonstrations, and half as many by reward."""
    batch_size: PositiveInt = 128
    """Demonstrations, or answers of its own, in a step."""


class GRPO(PolicyGradient):
    """Policy gradient with the group as the critic, on answers that a checker compares."""

    task = "sums"
    Config = GRPOConfig
    cfg: GRPOConfig

    def __init__(self, cfg: GRPOConfig) -> None:
        super().__init__(cfg)
        self.reference = deepcopy(self.policy).requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        imitate, reinforce = super().phases()
        return imitate, replace(reinforce, steps=self.cfg.steps // 2, stream="checked", begin=self.freeze)

    def freeze(self) -> None:
        """The supervised start becomes the reference, once."""
        self.reference.load_state_dict(self.policy.state_dict())

    def reinforce(self, batch: Batch, opt: Optimizers) -> Metrics:
        """The first Q rows of the batch are asked, G times each; of their answers only the result is used."""
        g = self.cfg.group
        if len(batch.x) % g:
            raise ValueError(f"{len(batch.x)} answers in a process cannot be divided into groups of group={g}")
        # answer i is to question i mod Q, so that processes can share groups evenly
        data = batch.x[: len(batch.x) // g].repeat(g, 1)
        x = self.write(data[:, : self.cfg.prompt])
        with torch.no_grad():
            advantage = self.advantage(x, data, opt)
            old, reference = self.tokens(x)[0], self.tokens(x, self.reference)[0]
        for _ in range(self.cfg.updates):
            log_p, counts = self.tokens(x)
            opt.minimize("main", -self.objective(log_p, old, reference, advantage, counts))
        return {"reward": self.reward(x, data).mean(), "spread": (advantage != 0).float().mean()}

    def advantage(self, x: Tensor, data: Tensor, opt: Optimizers) -> Tensor:
        """(1) of the docstring, for answers in the order question 1 .. Q, G times: (B, P+T) twice -> (B,)."""
        returns = self.returns(x, data).view(self.cfg.group, -1)
        above = returns - returns.mean(0)
        # a group in which all earn the same teaches nothing: 0 / 1e-4
        return (above / (returns.std(0) + 1e-4) if self.cfg.normalize else above).flatten()

    def objective(self, log_p: Tensor, old: Tensor, reference: Tensor, advantage: Tensor, counts: Tensor) -> Tensor:
        """(2) of the docstring, from log-probabilities of tokens (B, T), advantages (B,) and which tokens count."""
        rho, a, eps = (log_p - old).exp(), advantage[:, None], self.cfg.ppo_clip
        # eq. 3 of Shao et al., inside the sums
        gain = torch.minimum(rho * a, rho.clamp(1 - eps, 1 + eps) * a)
        # eq. 4
        log_q = reference - log_p
        each = gain - self.cfg.kl_weight * (log_q.exp() - log_q - 1)
        return ((each * counts).sum(1) / counts.sum(1)).mean()

    def reward(self, x: Tensor, data: Tensor | None = None) -> Tensor:
        """Whether what follows the last `:` is what it is in the rows of data: (B, P+T) twice -> (B,) of 0 and 1."""
        pairs = zip(self.results(x), self.results(x if data is None else data), strict=True)
        return torch.tensor([float(given == right) for given, right in pairs], device=x.device)

    def results(self, x: Tensor) -> list[str]:
        """The text behind the last `:` of each answer; without one, the whole answer."""
        answers = ("".join(self.cfg.characters[i] for i in row) for row in x[:, self.cfg.prompt :].tolist())
        return [answer.rpartition(":")[2] for answer in answers]


if __name__ == "__main__":
    main(GRPO)
