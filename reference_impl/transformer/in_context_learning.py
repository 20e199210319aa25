"""In-context learning: the prompt is the training set, and attention is the learning algorithm.

Idea
    A trained model answers what no weight of it knows, because examples stand in its prompt. Two circuits do it.

    Induction head. After ... a b ... a, the next token is b. One layer attends to the token before and writes it
    beside each token; a head of a second layer looks for the token that came after an earlier copy of the current
    one, and copies it. One layer cannot: what a key offers there does not contain the token before it.

    Gradient descent. Tokens e_j = (x_j, y_j) are the examples. One layer of attention without softmax, with weights

        Q = K = [[I, 0], [0, 0]],   V = [[0, 0], [W_0, -I]],   P = (eta / N) I,

    turns each into (x_j, y_j - Delta W x_j), where Delta W is a step of size eta down the squared error of W_0 on the
    examples. A query (x, -W_0 x) becomes (x, -(W_0 + Delta W) x): the prediction, up to its sign.

Source
    Olsson et al., "In-context Learning and Induction Heads", 2022. arXiv:2209.11895
    von Oswald et al., "Transformers Learn In-Context by Gradient Descent", 2023. arXiv:2212.07677 (Prop. 1)

Differs from the paper
    Random strings instead of text, and two layers of attention alone, the smallest model that has an induction head.

Shapes
    B batch, T tokens, C channels, N heads or examples, D inputs, V vocabulary.

Run
    genai-patterns run in_context_learning layers=1
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from reference_impl.core import Batch, Losses, main
from reference_impl.transformer.self_attention import Attention, SelfAttention, SelfAttentionConfig


class InContextConfig(SelfAttentionConfig):
    """Settings of the in-context learner."""

    vocab: PositiveInt = 26
    context: PositiveInt = 64
    channels: PositiveInt = 64
    heads: PositiveInt = 2
    layers: PositiveInt = 2
    steps: NonNegativeInt = 900
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 6e-3
    cooldown: float = 0.3


class InContextLearning(SelfAttention):
    """Attention-only language model that learns to continue strings it has never seen."""

    task = "repeats"
    Config = InContextConfig

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(x_t | x_<t) in nats, and the same behind tokens that have occurred before in their row."""
        logits, _ = self.logits(batch.x[:, :-1])
        nats = F.cross_entropy(logits.mT, batch.x[:, 1:], reduction="none")
        again = occurred(batch.x[:, :-1])
        # row by row, so that it does not matter how rows are shared among processes
        behind = (nats * again).sum(1) / again.sum(1).clamp(min=1)
        return {"loss": nats.mean(), "again": behind.mean()}


def occurred(ids: Tensor) -> Tensor:
    """Whether each token has an earlier copy, behind which an induction head can look: (B, T) -> (B, T)."""
    return (ids[:, :, None] == ids[:, None]).tril(-1).any(2)


def gradient_step(w: Tensor, rate: float, examples: int) -> Attention:
    """Attention without softmax that does one step of gradient descent from w (O, D) on so many examples."""
    outputs, inputs = w.shape
    size = inputs + outputs
    layer = Attention(size, 1, bias=False, scale=1.0)
    layer.softmax = nn.Identity()
    # Prop. 1: queries and keys are x, values are the errors W_0 x - y
    look, error = torch.zeros(size, size), torch.zeros(size, size)
    look[:inputs, :inputs] = torch.eye(inputs)
    error[inputs:] = torch.cat([w, -torch.eye(outputs)], 1)
    weights = (look, look, error, rate / examples * torch.eye(size))
    for part, weight in zip((layer.query, layer.key, layer.value, layer.out), weights, strict=True):
        part.weight = nn.Parameter(weight)
    return layer


if __name__ == "__main__":
    main(InContextLearning)
