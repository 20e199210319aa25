"""Mixture of experts: each token is sent to few of many MLPs, so parameters grow and work does not.

Idea
    In the Transformer every token passes every weight. Replace the MLP of a layer by E of them and a router, a linear
    map that scores the experts for each token. Only the k best are run:

        g = softmax(W x),   MoE(x) = sum over the k largest g_e of  g_e MLP_e(x).

    Work per token is that of k MLPs, whatever E, and the router learns through its gates. Left alone, it prefers the
    experts that happen to be ahead, which then learn more and are chosen more. An auxiliary loss holds against it: with
    f_e the share of tokens whose first choice is e, and p_e the mean of g_e over tokens,

        balance = E sum_e f_e p_e,

    which is 1 for an even load and up to E for a collapsed one.

Source
    Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", 2017.
    arXiv:1701.06538
    Auxiliary loss: Fedus, Zoph, Shazeer, "Switch Transformers", 2021. arXiv:2101.03961 (eq. 4-6)

Differs from the paper
    Gates as in Switch, not divided by their sum, for any k; no noise in the router, no capacity beyond which tokens
    are dropped, experts in every layer. Each of several processes has all experts and balances its own tokens.

Shapes
    B batch, T tokens, C channels, E experts, k of them for each token.

Run
    genai-patterns run mixture_of_experts experts=8 steps=300
"""

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Losses, main
from reference_impl.transformer.transformer import MLP, Layer, Transformer, TransformerConfig


class MixtureConfig(TransformerConfig):
    """Settings of the Transformer with experts."""

    experts: PositiveInt = 4
    """E, the MLPs of a layer."""
    chosen: PositiveInt = 2
    """k, the MLPs that each token passes."""
    hidden: PositiveInt = 128
    """Hidden units of one expert."""
    balancing: NonNegativeFloat = 0.03
    """Weight of the loss that spreads tokens evenly over the experts; 0 leaves the router alone."""


class Experts(nn.Module):
    """E MLPs, of which each token passes k: (B, T, C) -> (B, T, C)."""

    def __init__(self, cfg: MixtureConfig) -> None:
        super().__init__()
        if cfg.chosen > cfg.experts:
            raise ValueError(
                f"chosen={cfg.chosen} of experts={cfg.experts}; no token can pass more MLPs than there are"
            )
        self.chosen = cfg.chosen
        self.router = nn.Linear(cfg.channels, cfg.experts, bias=False)
        self.experts = nn.ModuleList(MLP(cfg.channels, cfg.hidden, nn.ReLU) for _ in range(cfg.experts))
        self.balance: Tensor
        """Of the tokens that passed last."""

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and indices of the k experts of each token, best first: (n, C) -> (n, k) both."""
        gates = self.router(x).softmax(-1)
        best, index = gates.topk(self.chosen, -1)
        # eq. 4-6 of Fedus et al.; the share f has no gradient, the mean of the gates has
        share = nn.functional.one_hot(index[:, 0], gates.shape[-1]).to(gates).mean(0)
        self.balance = gates.shape[-1] * (share * gates.mean(0)).sum()
        return best, index

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, -2)
        weights, index = self.route(tokens)
        out = torch.zeros_like(tokens)
        for e, expert in enumerate(self.experts):
            row, rank = (index == e).nonzero(as_tuple=True)
            # an expert that nobody chose is run on no rows, so that every process has gradients for all
            out = out.index_add(0, row, (weights[row, rank, None] * expert(tokens[row])).to(out.dtype))
        return out.view_as(x)


class MixtureOfExperts(Transformer):
    """Transformer whose MLPs are sparse mixtures of experts."""

    Config = MixtureConfig

    def layer(self, cross: bool) -> nn.Module:
        layer = Layer(
            self.cfg.channels, self.cfg.heads, cross=cross, norm_first=self.cfg.norm_first, hidden=self.cfg.hidden
        )
        layer.mlp = Experts(self.cfg)
        return layer

    def loss(self, batch: Batch) -> Losses:
        """The Transformer's loss, the mean balance of the layers, and their weighted sum."""
        nats = super().loss(batch)["loss"]
        balance = torch.stack([m.balance for m in self.modules() if isinstance(m, Experts)]).mean()
        return {"loss": nats + self.cfg.balancing * balance, "nats": nats, "balance": balance}


if __name__ == "__main__":
    main(MixtureOfExperts)
