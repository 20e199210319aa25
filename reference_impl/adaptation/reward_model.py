"""Reward model: a language model that grades a whole answer, fitted to which of two people preferred.

Idea
    People cannot put a number on an answer but can say which of two is better. Let each answer have a
    score r and let the higher one win with a probability that depends on the difference alone,

        P(a preferred to b) = sigmoid( r(a) - r(b) ),

    Bradley and Terry's model. The score is read by a linear head from the last token of a language
    model, and the likelihood of the comparisons is maximized,

        L(r) = -E log sigmoid( r(a) - r(b) ).                                                    (1)

    Comparisons fix r up to one constant, and only for answers like those that were compared.

Source
    Christiano et al., "Deep reinforcement learning from human preferences", 2017. arXiv:1706.03741.
    Stiennon et al., "Learning to summarize from human feedback", 2020. arXiv:2009.01325 (section 3.4).
    Bradley, Terry, 1952. doi:10.1093/biomet/39.3-4.324

Differs from the paper
    A small GPT and answers of a few letters. As in Stiennon et al. it starts from the model that was
    trained on demonstrations; scores are not shifted afterwards to have mean zero.

Shapes
    B batch, P prompt, T answer, V vocabulary. A row is a prompt and its answer, (B, P+T).

Run
    genai-patterns run reward_model
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Config, Metrics, Optimizers, Phase, Reference, main
from reference_impl.transformer.gpt import GPT


class RewardModelConfig(Config):
    """Settings of the reward model."""

    vocab: PositiveInt = 9
    """V, the number of distinct tokens."""
    context: PositiveInt = 3
    """P + T - 1, the tokens that the last one is predicted from."""
    channels: PositiveInt = 32
    """Width of the residual stream, of the policy and of the reward model."""
    heads: PositiveInt = 2
    """Attention heads."""
    layers: PositiveInt = 1
    """Blocks."""
    steps: NonNegativeInt = 250
    """Training steps on demonstrations, and again on comparisons."""
    batch_size: PositiveInt = 256
    """Demonstrations or comparisons in a step."""
    lr: PositiveFloat = 5e-3
    cooldown: float = 0.5
    """Last fraction of each phase over which the learning rate falls linearly to zero."""


class RewardModel(Reference):
    """A GPT that writes answers, and its copy with a scalar head that grades them."""

    task = "preferences"
    Config = RewardModelConfig

    def __init__(self, cfg: RewardModelConfig) -> None:
        super().__init__(cfg)
        same = cfg.model_dump(include={"vocab", "channels", "heads", "layers", "lr"})
        self.policy = GPT(GPT.Config(context=cfg.context, **same))
        # the last token is read too, not only predicted
        self.trunk = GPT(GPT.Config(context=cfg.context + 1, **same))
        self.trunk.head = nn.Linear(cfg.channels, 1, bias=False)
        nn.init.zeros_(self.trunk.head.weight)

    def phases(self) -> Sequence[Phase]:
        steps = self.cfg.steps
        return (
            Phase("imitate", steps, self.imitate, self.policy.optimizers()),
            Phase("compare", steps, self.compare, self.trunk.optimizers(), "comparisons", self.inherit),
        )

    def imitate(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = self.policy.loss(batch)
        opt.minimize("main", losses["loss"])
        return losses

    def inherit(self) -> None:
        """The reward model starts with what imitation taught the policy, all but the head."""
        self.trunk.token.load_state_dict(self.policy.token.state_dict())
        self.trunk.blocks.load_state_dict(self.policy.blocks.state_dict())

    def compare(self, batch: Batch, opt: Optimizers) -> Metrics:
        """x holds the preferred rows, y the others."""
        margin = self.reward(batch.x) - self.reward(batch.y)
        # (1) of the docstring
        loss = -F.logsigmoid(margin).mean()
        opt.minimize("main", loss)
        return {"loss": loss, "accuracy": (margin > 0).float().mean()}

    def reward(self, x: Tensor) -> Tensor:
        """Score of each answer, up to a constant that comparisons cannot see: (B, P+T) -> (B,)."""
        scores, _ = self.trunk.logits(x)
        return scores[:, -1, 0]

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """What the imitating policy answers to prompts y (n, P), by default the token 0: (n, P+T)."""
        if y is None:
            y = torch.zeros(n, 1, dtype=torch.long, device=self.device)
        return self.policy.sample(n, y)


if __name__ == "__main__":
    main(RewardModel)
