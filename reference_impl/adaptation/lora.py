"""LoRA: the weights stay as they are, and a product of two thin matrices is added to some of them.

Idea
    Tuning changes a matrix W (O, I) by some D of the same size, one for every task. Freeze W and give D few numbers,

        h = W x + (alpha / r) B A x,        A (r, I),  B (O, r),  r << min(O, I).                              (3)

    Only A and B are trained and kept: r (O + I) numbers instead of O I. B starts at zero, so that tuning starts at the
    pre-trained model itself. Afterwards W + (alpha / r) B A is a matrix like any other, and costs nothing when used.

    What is given up is the rank of D: by Eckart and Young's theorem the best product of rank r misses D by the
    singular values behind the r-th. It works as far as what tuning wants has few large ones.

Source
    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2022. arXiv:2106.09685 (eq. 3)

Differs from the paper
    Queries, keys and values are one matrix in the GPT here and share an adapter; the paper adapts queries and values.
    No dropout before A.

Shapes
    B batch, T tokens, O outputs and I inputs of a matrix (O, I), r rank.

Run
    genai-patterns run lora rank=1
"""

from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from reference_impl.adaptation.fine_tuning import FineTuning, FineTuningConfig
from reference_impl.core import main


class LoRAConfig(FineTuningConfig):
    """Settings of LoRA; those of fine-tuning are the pre-training's and the body's."""

    moves: Literal["adapters"] = "adapters"  # type: ignore[assignment]
    """What is tuned: B and A, and the output layer where it starts anew."""
    rank: PositiveInt = 2
    """r, rows of A and columns of B."""
    alpha: PositiveFloat = 2.0
    """Divided by r it scales the update, so that another rank needs no other learning rate."""
    adapted: tuple[str, ...] = ("qkv", "query", "key", "value", "out")
    """Names of the linear maps that get an update; these are those of attention, in either layout."""
    tuning_lr: PositiveFloat = 1e-2


class LowRank(nn.Module):
    """(alpha / r) B A, added to what a linear map gives."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(layer.out_features, rank))
        self.scale = alpha / rank
        layer.register_forward_hook(self)

    def forward(self, layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        """Called after the map: x (..., I) and W x (..., O) -> h (..., O)."""
        # eq. 3; never as a matrix (O, I)
        return out + self.scale * F.linear(F.linear(given[0], self.A), self.B)

    def matrix(self) -> Tensor:
        """What is added to the weight, (O, I)."""
        return self.scale * self.B @ self.A


class LoRA(FineTuning):
    """Fine-tuning of low-rank updates of chosen matrices, all else frozen."""

    Config = LoRAConfig

    def __init__(self, cfg: LoRAConfig) -> None:
        super().__init__(cfg)
        linear = {name: m for name, m in self.named_modules() if isinstance(m, nn.Linear)}
        self.places = [name for name in linear if name.split(".")[-1] in cfg.adapted]
        if not self.places:
            raise ValueError(
                f"adapted={','.join(cfg.adapted)}: no linear map has such a name; there are {', '.join(linear)}"
            )
        self.updates = nn.ModuleList(LowRank(linear[name], cfg.rank, cfg.alpha) for name in self.places)

    def optimizers(self) -> dict[str, Optimizer]:
        """Those of pre-training, which knows nothing of the updates."""
        made, updates = super().optimizers(), {id(p) for p in self.updates.parameters()}
        for group in made["main"].param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in updates]
        return made

    def moved(self) -> list[Tensor]:
        """The updates, and the output layer where it starts anew."""
        return [*self.updates.parameters(), *(self.head.parameters() if self.cfg.answer else ())]

    @torch.no_grad()
    def merged(self) -> FineTuning:
        """The same function with plain weights W + (alpha / r) B A and nothing beside them."""
        same = FineTuning.Config.model_fields.keys() - {"moves"}
        plain = FineTuning(FineTuning.Config(**self.cfg.model_dump(include=set(same)))).to(self.updates[0].B)
        state = self.state_dict()
        for name, update in zip(self.places, self.updates, strict=True):
            state[f"{name}.weight"] = state[f"{name}.weight"] + update.matrix()
        plain.load_state_dict({name: state[name] for name in plain.state_dict()})
        return plain.eval()


if __name__ == "__main__":
    main(LoRA)
