"""Chain of thought: a model writes the steps that lead to an answer, and reads them while it goes on.

Idea
    A Transformer spends the same number of layers on every token. Between a question q and an answer a that it has to
    give at once lie these layers and no more, so what takes T steps one after another does not fit for large T,
    however wide they are. A worked answer s, a instead is written token by token, and each written token is input:

        p(s, a | q) = prod_t p(s_t | q, s_<t) * p(a | q, s).

    Every step may now be one that a single pass can do, as "parity so far, next bit -> parity so far"; the text
    serves as the state of the computation, and its length is the time that may be spent.

    The reference is a small GPT, trained from scratch on worked answers (a scratchpad). That large models do such steps
    when a prompt shows them, without being trained for it, is another observation (Wei et al.) and is not shown here.

Source
    Nye et al., "Show Your Work: Scratchpads for Intermediate Computation with Language Models", 2021. arXiv:2112.00114.
    Wei et al., "Chain-of-Thought Prompting Elicits Reasoning in Large Language Models", 2022. arXiv:2201.11903.

Differs from the paper
    One task, the parity of a string of bits, whose steps are known; answers are drawn at a low temperature.

Shapes
    B batch, Q tokens of a question, T tokens of a question with its worked answer, V vocabulary.

Run
    genai-patterns run chain_of_thought steps=300
"""

import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from reference_impl.core import Batch, Losses, main
from reference_impl.transformer.gpt import GPT, GPTConfig


class ChainOfThoughtConfig(GPTConfig):
    """Settings of the GPT that works answers out."""

    prompt: PositiveInt = 17
    """Q, the tokens of a question; what follows them is learned."""
    channels: PositiveInt = 64
    heads: PositiveInt = 4
    layers: PositiveInt = 2
    temperature: PositiveFloat = 0.1
    steps: NonNegativeInt = 500
    batch_size: PositiveInt = 32


class ChainOfThought(GPT):
    """GPT that is asked for the steps and then the answer."""

    task = "parities"
    Config = ChainOfThoughtConfig

    def loss(self, batch: Batch) -> Losses:
        """Mean of -log p(token | question, what is written) in nats, over what follows the question; batch.x (B, T)."""
        logits, _ = self.logits(batch.x[:, :-1])
        # the bits of a question follow no law that could be learned
        worked = batch.x[:, self.cfg.prompt :]
        return {"loss": F.cross_entropy(logits[:, self.cfg.prompt - 1 :].transpose(1, 2), worked)}


if __name__ == "__main__":
    main(ChainOfThought)
