"""GRPO's objective is that of trl's trainer: same log-probabilities, advantages and masks, same loss and gradient.

trl multiplies the KL term by the ratio of probabilities unless told not to; the paper does not.
"""

import pytest
import torch

from reference_impl.adaptation.grpo import GRPO
from reference_impl.core import Batch

PROMPT, ANSWER, ROWS, VOCAB = 4, 6, 8, 20


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """trl's trainer around a tiny GPT-2 with random weights; nothing is downloaded."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    words = {f"w{i}": i for i in range(VOCAB)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), pad_token="w0", eos_token="w0"
    )
    torch.manual_seed(0)
    shape = {"vocab_size": VOCAB, "n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2, "initializer_range": 0.4}
    ends = {"bos_token_id": 0, "eos_token_id": 0, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
    folder = str(tmp_path_factory.mktemp("trl"))
    # the trainer reads its reference model from where this one was read
    GPT2LMHeadModel(GPT2Config(**shape, **ends)).double().save_pretrained(folder)
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64)
    settings = GRPOConfig(
        output_dir=folder, loss_type="grpo", beta=0.3, use_bias_correction_kl=False, epsilon=0.1, num_generations=4,
        per_device_train_batch_size=ROWS, report_to="none", use_cpu=True, bf16=False,
        save_strategy="no",
    )  # fmt: skip
    asked = Dataset.from_dict({"prompt": ["w1 w2"] * ROWS})
    return GRPOTrainer(model, lambda **_: [0.0] * ROWS, settings, train_dataset=asked, processing_class=tokenizer)


def test_loss_and_gradient_equal(trainer):
    torch.manual_seed(1)
    x = torch.randint(1, VOCAB, (ROWS, PROMPT + ANSWER))
    lengths = torch.randint(1, ANSWER + 1, (ROWS,))
    counts = torch.arange(ANSWER) < lengths[:, None]
    model = trainer.model

    def log_probs():
        law = model(x).logits[:, PROMPT - 1 : -1].log_softmax(-1)
        return law.gather(2, x[:, PROMPT:, None]).squeeze(2)

    with torch.no_grad():
        # far enough from the policy that some ratios are clipped on either side
        old, reference = (log_probs() + 0.2 * torch.randn(ROWS, ANSWER).double() for _ in range(2))
    advantage = torch.randn(ROWS).double()
    theirs = trainer._compute_loss(model, {
        "prompt_ids": x[:, :PROMPT], "prompt_mask": torch.ones(ROWS, PROMPT, dtype=torch.long),
        "completion_ids": x[:, PROMPT:], "completion_mask": counts.long(), "advantages": advantage,
        "old_per_token_logps": old, "ref_per_token_logps": reference,
    })  # fmt: skip
    ours = GRPO(GRPO.Config(kl_weight=0.3, ppo_clip=0.1))
    clipped = ((log_probs() - old).exp() - 1).abs() > 0.1
    assert 0.2 < clipped[counts].float().mean() < 0.9
    mine = -ours.objective(log_probs(), old, reference, advantage, counts)
    assert mine.item() == pytest.approx(theirs.item(), abs=1e-5)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for a, b in zip(*(torch.autograd.grad(loss, parameters) for loss in (mine, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_advantages_equal_those_of_the_paper_in_trls_order():
    ours, rewards = GRPO(GRPO.Config(group=4, kl_weight=0.3)), torch.tensor([[1, 0, 0, 1], [1, 1, 1, 1.0]])
    ours.returns = lambda x, data: rewards.T.flatten()
    mine = ours.advantage(torch.zeros(8, 14), torch.zeros(8, 14), None).view(4, 2).T
    # trl divides by the standard deviation with G - 1, plus 1e-4
    theirs = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    torch.testing.assert_close(mine, theirs)


def test_groups_must_fit():
    model = GRPO(GRPO.Config(group=5))
    with pytest.raises(ValueError, match=r"8 answers in a process cannot be divided into groups of group=5"):
        model.reinforce(Batch(torch.zeros(8, 14, dtype=torch.long)), None)
