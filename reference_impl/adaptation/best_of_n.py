"""Best-of-n: write several answers, keep the one that a reward model likes best.

Idea
    Draw x_1 .. x_n independently from a policy pi and return the one with the highest reward r. No
    weight changes. Where no two answers tie, let F(x) be the probability that one draw scores below
    r(x). The best of n has density n F^(n-1) pi, whatever pi and r are, and so

        KL( best || pi ) = log n - (n-1)/n,                                                     (1)

    and it beats one more draw with probability n/(n+1). With ties it is exactly

        P(best = x) = pi(x) ( F_<=(r)^n - F_<(r)^n ) / ( F_<=(r) - F_<(r) ),   r = r(x),           (2)

    and (1) is an upper bound. The price is n answers for one; the gain is that of the best
    reward a policy could have at this divergence, nearly.

Source
    Stiennon et al., "Learning to summarize from human feedback", 2020. arXiv:2009.01325.
    Beirami et al., "Theoretical guarantees on the best-of-n alignment policy", 2024. arXiv:2401.01879.

Differs from the paper
    A small GPT and answers of a few letters, so that (2) can be enumerated.

Shapes
    n answers, N candidates for each, P prompt, T answer, K answers of an enumerated policy.

Run
    genai-patterns run best_of_n candidates=64
"""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor

from reference_impl.adaptation.reward_model import RewardModel, RewardModelConfig
from reference_impl.core import Phase, Reference, main


class BestOfNConfig(RewardModelConfig):
    """Settings of best-of-n."""

    candidates: PositiveInt = 16
    """N, answers drawn for each one returned."""


class BestOfN(Reference):
    """A policy whose answers a reward model chooses from."""

    task = "preferences"
    Config = BestOfNConfig

    def __init__(self, cfg: BestOfNConfig) -> None:
        super().__init__(cfg)
        # brings the policy whose answers it grades
        self.scorer = RewardModel(cfg)

    def phases(self) -> Sequence[Phase]:
        """Those of the reward model: choosing needs no training of its own."""
        return self.scorer.phases()

    def reward(self, x: Tensor) -> Tensor:
        """What candidates are chosen by: (B, P+T) -> (B,)."""
        return self.scorer.reward(x)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """The best of N answers to each of the prompts y (n, P), by default the token 0: (n, P+T)."""
        if y is None:
            y = torch.zeros(n, 1, dtype=torch.long, device=self.device)
        candidates = self.scorer.sample(n * self.cfg.candidates, y.repeat_interleave(self.cfg.candidates, 0))
        best = self.reward(candidates).view(n, -1).argmax(1)
        return candidates.view(n, self.cfg.candidates, -1)[torch.arange(n), best]


def law(p: Tensor, r: Tensor, n: int) -> Tensor:
    """Probability that each of K answers is the best of n draws, exact: (K,), (K,) -> (K,) in float64.

    p holds their probabilities, all above zero, r their rewards. Of tied candidates any may be kept.
    """
    p = p.double() / p.double().sum()
    levels, level = r.unique(return_inverse=True)
    mass = torch.zeros(len(levels), dtype=p.dtype).index_add(0, level, p)
    upto = mass.cumsum(0)
    # eq. 2
    return p * ((upto**n - (upto - mass) ** n) / mass)[level]


if __name__ == "__main__":
    main(BestOfN)
