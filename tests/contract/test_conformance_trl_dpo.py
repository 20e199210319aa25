"""DPO and IPO against trl's trainer: same weights and comparisons, same loss, rewards and gradient."""

from types import SimpleNamespace

import pytest
import torch

from reference_impl import pretrained
from reference_impl.adaptation.dpo import DPO
from reference_impl.core import Batch
from reference_impl.transformer.gpt import GPT

PAIRS = [("ab", "cde", "fgh"), ("ba", "hhc", "dab"), ("cc", "bed", "ace"), ("fe", "gag", "had")]
"""Prompt, preferred answer, other answer; the trainer ends each answer with a full stop."""
BETA = 0.3


def their_trainer(folder, objective, policy, reference):
    """trl's trainer, and one batch as it collates it."""
    import datasets
    import transformers
    import trl
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = Tokenizer(models.WordLevel({c: i for i, c in enumerate("abcdefgh.")}, unk_token="."))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    settings = trl.DPOConfig(
        str(folder), beta=BETA, loss_type=["sigmoid" if objective == "dpo" else "ipo"], report_to=[], use_cpu=True,
        per_device_train_batch_size=len(PAIRS), gradient_checkpointing=False, bf16=False,
    )  # fmt: skip
    names = ("prompt", "chosen", "rejected")
    rows = [dict(zip(names, pair, strict=True)) for pair in PAIRS]
    trainer = trl.DPOTrainer(
        policy, reference, settings, train_dataset=datasets.Dataset.from_list(rows),
        processing_class=transformers.PreTrainedTokenizerFast(tokenizer_object=letters, eos_token=".", pad_token="."),
    )  # fmt: skip
    return trainer, next(iter(trainer.get_train_dataloader()))


def our_gpt(theirs):
    model = GPT(GPT.Config(layout="gpt2", vocab=9, context=8, channels=16, heads=2, layers=2)).double()
    model.load_state_dict(pretrained.renamed(theirs.state_dict(), 8))
    return model


@pytest.mark.parametrize("objective", ["dpo", "ipo"])
def test_loss_rewards_and_gradient_are_those_of_trl(tmp_path, objective):
    pytest.importorskip("trl")
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=9, n_positions=8, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5, attn_implementation="eager"
    )
    torch.manual_seed(0)
    policy, reference = (transformers.GPT2LMHeadModel(config).double() for _ in range(2))
    # their IPO is of means over the tokens of an answer, four here, and ours of sums
    scale = 4 if objective == "ipo" else 1
    ours = DPO(DPO.Config(vocab=9, context=5, prompt=2, beta=BETA / scale, objective=objective))
    ours.policy, ours.reference = our_gpt(policy), our_gpt(reference)

    trainer, batch = their_trainer(tmp_path, objective, policy, reference)
    # it computes the logits in single precision
    theirs = trainer.compute_loss(policy, batch)
    theirs.backward()
    ids = batch["input_ids"]
    assert ids.shape == (8, 6), "no padding: all rows are of one length"
    rows = Batch(*ids.chunk(2))
    losses = []
    ours.prefer(rows, SimpleNamespace(minimize=lambda name, loss: losses.append(loss)))
    losses[0].backward()
    torch.testing.assert_close(losses[0] / scale**2, theirs.double(), rtol=1e-5, atol=1e-5)
    gradient = ours.policy.token.weight.grad / scale**2
    torch.testing.assert_close(gradient, policy.transformer.wte.weight.grad, rtol=1e-5, atol=1e-5)
    logged = trainer._metrics["train"]
    for name, x in (("chosen", rows.x), ("rejected", rows.y)):
        assert scale * ours.reward(x).mean().item() == pytest.approx(logged[f"rewards/{name}"][0], rel=1e-5)
