"""Fine-tuning: go on training a pre-trained model on what it is wanted for, all of it or a part.

Idea
    Pre-training on plenty of data finds weights from which a task with few examples is a short way off. Let phi be
    the weights of the body and V the output layer. Minimize the loss of the task from there,

        min over (phi, V) of  - log p(answer | row; phi, V),        starting at phi_pre.                       (1)

    What may move decides what can be learned and what is kept. With V alone (a linear probe) the features stay as
    they are, right or wrong for the task. With everything, features change, but only along what the examples show:
    inputs unlike them keep the old features under a new V, and a V that starts from nothing drags the features along
    before it is any good. Probing first and then moving everything lets V fit the features, so that little has to move.

Source
    Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018. arXiv:1801.06146
    Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022.
    arXiv:2202.10054 (sec. 3.4, LP-FT)

Differs from the paper
    One learning rate for all layers, which all move at once: no gradual unfreezing. Labels are tokens that the language
    model's own output layer predicts behind the row; for them that layer starts anew at random.

Shapes
    B batch, T tokens of a row less one, V vocabulary.

Run
    genai-patterns run fine_tuning moves=probe_then_all --data labels
"""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.optim import AdamW

from reference_impl import pretrained
from reference_impl.core import Batch, Losses, Metrics, Optimizers, Phase, Task, load, main
from reference_impl.transformer.gpt import GPT, GPTConfig


class FineTuningConfig(GPTConfig):
    """Settings of fine-tuning; those of the GPT are its body's and its pre-training's."""

    base: str = ""
    """Folder of a run of a GPT to start from instead of pre-training; it decides sizes and tokens."""
    moves: Literal["all", "top", "head", "probe_then_all"] = "all"
    """What is tuned: everything, the upper half of the blocks and the output layer, the output layer, or that in the
    first half of the steps and then everything."""
    answer: NonNegativeInt = 0
    """Last tokens of a row that tuning predicts, by an output layer that starts anew; 0: all tokens, with the old."""
    tuning: float = Field(0.4, ge=0)
    """Steps of tuning, as a share of the steps of pre-training."""
    tuning_lr: PositiveFloat = 1e-3
    """Peak learning rate of tuning."""
    probe_lr: PositiveFloat = 3e-2
    """The same while the output layer moves alone."""
    vocab: PositiveInt = 18
    context: PositiveInt = 16
    channels: PositiveInt = 64
    layers: PositiveInt = 2
    steps: NonNegativeInt = 500
    batch_size: PositiveInt = 32


class FineTuning(GPT):
    """GPT that is pre-trained on one stream of rows and tuned on another."""

    task = "dialects"
    Config = FineTuningConfig

    def __init__(self, cfg: FineTuningConfig) -> None:
        super().__init__(cfg)
        # GPT-2's output layer is its table of tokens; here it has to be able to move alone
        self.head.weight = nn.Parameter(self.head.weight.detach().clone())

    def prepare(self, task: Task) -> None:
        """Begin with the weights of a checkpoint or a run, if there is one."""
        cfg, own = self.cfg, self.state_dict()
        if cfg.start:
            found = pretrained.weights(cfg.start, cfg.context)
        else:
            found = load(cfg.base)[0].state_dict() if cfg.base else {}
        if any(name not in own or own[name].shape != w.shape for name, w in found.items()):
            raise ValueError(f"{cfg.base}: no run of a GPT with these sizes; leave out vocab, channels, heads, layers")
        self.load_state_dict({**own, **found})

    def phases(self) -> Sequence[Phase]:
        cfg = self.cfg
        first, steps = 0 if cfg.start or cfg.base else cfg.steps, int(cfg.tuning * cfg.steps)
        probing = {"head": steps, "probe_then_all": steps // 2}.get(cfg.moves, 0)
        phases = [Phase("pre-train", first, self.pretrain, self.optimizers(), stream="pretraining")]
        if probing:
            adam = AdamW(self.head.parameters(), lr=cfg.probe_lr, weight_decay=0.0)
            phases.append(Phase("probe", probing, self.step, {"main": adam}, begin=self.begin))
        if steps > probing:
            # without decay: what the task does not ask for stays where it is
            adam = AdamW(self.moved(), lr=cfg.tuning_lr, weight_decay=0.0)
            begin = (lambda: None) if probing else self.begin
            phases.append(Phase("tune", steps - probing, self.step, {"main": adam}, begin=begin))
        return phases

    def moved(self) -> list[Tensor]:
        """The weights that tuning changes."""
        if self.cfg.moves == "top":
            upper = self.blocks[len(self.blocks) // 2 :]
            return [p for part in (upper, self.last, self.head) for p in part.parameters()]
        return list(self.parameters())

    def begin(self) -> None:
        """Where answers are not a continuation of the row, what the output layer has learned is of no use."""
        if self.cfg.answer:
            self.head.reset_parameters()

    def pretrain(self, batch: Batch, opt: Optimizers) -> Metrics:
        losses = super().loss(batch)
        opt.minimize("main", losses["loss"])
        return losses

    def loss(self, batch: Batch) -> Losses:
        """-log p of the tokens that tuning predicts, in nats per token; batch.x is (B, T+1)."""
        logits, _ = self.logits(batch.x[:, :-1])
        n = self.cfg.answer or logits.shape[1]
        # (1)
        return {"loss": F.cross_entropy(logits[:, -n:].flatten(0, 1), batch.x[:, -n:].flatten())}


if __name__ == "__main__":
    main(FineTuning)
