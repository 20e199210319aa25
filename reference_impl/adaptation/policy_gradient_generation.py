"""Policy gradients for sequences: write, look at the reward, make likelier what earned more than expected.

Idea
    A model p that was trained by likelihood repeats its data, mistakes included, in proportion. Let R(x) say how good
    a whole string x is. R may be a parser, a test or a metric: nothing in it can be differentiated. Yet

        grad E_{x ~ p}[ R(x) ] = E_{x ~ p}[ (R(x) - b) grad log p(x) ]                              (1)

    needs the derivative of log p alone. As E[grad log p] = 0, any b that does not depend on x may be taken off, and
    a good one takes off most of the noise. Self-critical training takes b = R(greedy string): what the model would
    do in use is the bar that its samples have to pass. With R(x) - alpha log p(x) in place of R(x) the entropy counts
    as well, and the best law is no longer one string but p(x) = exp(R(x) / alpha) / Z.

Source
    Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992.
    doi:10.1007/BF00992696
    Ranzato et al., "Sequence Level Training with Recurrent Neural Networks", 2016. arXiv:1511.06732.
    Rennie et al., "Self-critical Sequence Training for Image Captioning", 2017. arXiv:1612.00563.

Differs from the paper
    Brackets that close instead of captions and translations, so that every string which earns a reward can be
    listed. Likelihood and reward are trained one after the other and not mixed.

Shapes
    B batch, P prompt, T the tokens that follow it, V vocabulary. A row is a prompt and its answer, (B, P+T).

Run
    genai-patterns run policy_gradient_generation baseline=none
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from reference_impl.core import Batch, Config, Metrics, Optimizers, Phase, Reference, main
from reference_impl.recurrent.rnn import RNN
from reference_impl.transformer.gpt import GPT

END = 0
"""Ends an answer, and pads it."""


class PolicyGradientConfig(Config):
    """Settings of training by likelihood and then by reward."""

    network: Literal["rnn", "gpt"] = "rnn"
    """What predicts the next token."""
    vocab: PositiveInt = 5
    """V, the number of distinct tokens."""
    context: PositiveInt = 8
    """P + T - 1, the tokens that the last one is predicted from."""
    prompt: PositiveInt = 1
    """P, tokens of a row that are given; the rest is the answer."""
    characters: tuple[str, ...] = ("", "(", ")", "[", "]")
    """The text of each token."""
    channels: PositiveInt = 64
    """Width of the network."""
    heads: PositiveInt = 2
    """Attention heads, for gpt."""
    layers: PositiveInt = 1
    """Blocks, for gpt."""
    baseline: Literal["greedy", "mean", "none"] = "greedy"
    """b: the return of the greedy answer, the mean return of the batch, or 0."""
    entropy_weight: NonNegativeFloat = 0.05
    """alpha, the reward for a nat of entropy."""
    reward_lr: PositiveFloat = 2e-3
    """Peak learning rate of the second phase."""
    steps: NonNegativeInt = 300
    """Training steps by likelihood, and as many by reward."""
    batch_size: PositiveInt = 128
    """Rows of data, or answers of its own, in a step."""
    lr: PositiveFloat = 4e-3
    cooldown: float = 0.5
    clip: float = 1.0


class PolicyGradient(Reference):
    """Language model that is trained by likelihood and then by REINFORCE on a reward of whole strings."""

    task = "brackets"
    Config = PolicyGradientConfig

    def __init__(self, cfg: PolicyGradientConfig) -> None:
        super().__init__(cfg)
        if cfg.prompt > cfg.context:
            raise ValueError(f"prompt={cfg.prompt} leaves no answer in rows of context+1={cfg.context + 1} tokens")
        if len(cfg.characters) != cfg.vocab:
            raise ValueError(f"{len(cfg.characters)} characters, and vocab={cfg.vocab}: each token needs its text")
        kind = GPT if cfg.network == "gpt" else RNN
        shared = {"vocab", "context", "channels", "heads", "layers", "lr"} & set(kind.Config.model_fields)
        self.policy = kind(kind.Config(**cfg.model_dump(include=shared)))

    def phases(self) -> Sequence[Phase]:
        cfg, by_reward = self.cfg, torch.optim.AdamW(self.policy.parameters(), lr=self.cfg.reward_lr)
        return (
            Phase("imitate", cfg.steps, self.imitate, self.policy.optimizers()),
            Phase("reinforce", cfg.steps, self.reinforce, {"main": by_reward}),
        )

    def imitate(self, batch: Batch, opt: Optimizers) -> Metrics:
        """Likelihood: -log p in nats per token of the answers in the data."""
        log_p, counts = self.tokens(batch.x)
        loss = -(log_p.sum(1) / counts.sum(1)).mean()
        opt.minimize("main", loss)
        return {"loss": loss}

    def reinforce(self, batch: Batch, opt: Optimizers) -> Metrics:
        """Only the prompts of the batch are used, and what the reward takes from it; the answers are the policy's."""
        x = self.write(batch.x[:, : self.cfg.prompt])
        advantage = self.advantage(x, batch.x, opt)
        log_p = self.log_prob(x)
        # (1) of the docstring: its gradient is that of the expected return
        opt.minimize("main", -(advantage * log_p).mean())
        return {"reward": self.reward(x, batch.x).mean(), "entropy": -log_p.mean()}

    def advantage(self, x: Tensor, data: Tensor, opt: Optimizers) -> Tensor:
        """R(x) - b of each answer, to the prompts of these rows of the data: (B, P+T) twice -> (B,)."""
        returns = self.returns(x, data)
        if self.cfg.baseline == "none":
            return returns
        if self.cfg.baseline == "greedy":
            return returns - self.returns(self.write(data[:, : self.cfg.prompt], greedy=True), data)
        mean = returns.mean()
        opt.average(mean)
        # each sample is part of the mean: in expectation (1) shrinks by 1 - 1/B
        return returns - mean

    @torch.no_grad()
    def returns(self, x: Tensor, data: Tensor) -> Tensor:
        """R(x) - alpha log p(x): (B, P+T) twice -> (B,)."""
        return self.reward(x, data) - self.cfg.entropy_weight * self.log_prob(x)

    def reward(self, x: Tensor, data: Tensor | None = None) -> Tensor:
        """R(x) in [0, 1], here whether all brackets close; override it. Rows of data may tell what is asked for."""
        answers = ("".join(self.cfg.characters[i] for i in row) for row in x[:, self.cfg.prompt :].tolist())
        return torch.tensor([float(closes(answer)) for answer in answers], device=x.device)

    def tokens(self, x: Tensor, model: RNN | GPT | None = None) -> tuple[Tensor, Tensor]:
        """log p of each token of the answers, 0 behind the first END, and which count: (B, P+T) -> (B, T) twice."""
        p = self.cfg.prompt
        logits, _ = (model or self.policy).logits(x[:, :-1])
        log_p = logits[:, p - 1 :].log_softmax(-1).gather(2, x[:, p:, None]).squeeze(2)
        counts = F.pad((x[:, p:-1] == END).cumsum(1), (1, 0)) == 0
        return log_p * counts, counts

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(answer | prompt) in nats, exact: (B, P+T) -> (B,)."""
        return self.tokens(x)[0].sum(1)

    @torch.no_grad()
    def write(self, prompts: Tensor, greedy: bool = False) -> Tensor:
        """Answer prompts (n, P), by draws or by the likeliest token at each step: (n, P+T)."""
        ids = new = prompts
        cache, ended = None, torch.zeros(len(ids), 1, dtype=torch.bool, device=ids.device)
        while ids.shape[1] <= self.cfg.context:
            logits, cache = self.policy.logits(new, cache)
            last = logits[:, -1].float()
            # Gumbel's trick: the largest of the noisy logits is a draw from their softmax
            noisy = last if greedy else last - (-torch.rand_like(last).log()).log()
            new = noisy.argmax(1, keepdim=True).masked_fill(ended, END)
            ended, ids = ended | (new == END), torch.cat([ids, new], 1)
        return ids

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Answer the prompts y (n, P), by default END alone: (n, P+T)."""
        return self.write(torch.full((n, self.cfg.prompt), END, device=self.device) if y is None else y)


def closes(text: str) -> bool:
    """Whether there are brackets, and each closes the one that was opened last; other characters do not matter."""
    left = []
    for c in text:
        if c in "([":
            left.append(c)
        elif c in ")]" and (not left or left.pop() + c not in ("()", "[]")):
            return False
    return not left and any(c in "()[]" for c in text)


if __name__ == "__main__":
    main(PolicyGradient)
