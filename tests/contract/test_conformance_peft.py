"""The updates of LoRA are those of the peft library: same weights, same logits, beside the weights and merged."""

import pytest
import torch

from reference_impl.adaptation.fine_tuning import FineTuning
from reference_impl.adaptation.lora import LoRA


@torch.no_grad()
@pytest.mark.parametrize(("rank", "alpha"), [(1, 1), (3, 8)])
def test_low_rank_updates_equal_those_of_peft(rank, alpha):
    peft = pytest.importorskip("peft", reason="pip install peft to compare with it")
    torch.manual_seed(0)
    small = {"channels": 16, "heads": 2}
    ours = LoRA(LoRA.Config(**small, rank=rank, alpha=alpha)).double()
    for p in ours.parameters():
        p.copy_(torch.randn_like(p) / p.shape[-1] ** 0.5)
    plain = FineTuning(FineTuning.Config(**small)).double()
    plain.load_state_dict({name: w for name, w in ours.state_dict().items() if not name.startswith("updates.")})
    ids = torch.randint(18, (3, 16))
    without = plain.logits(ids)[0]

    settings = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=["qkv", "out"])
    theirs = peft.get_peft_model(plain, settings).double()
    for name, update in zip(ours.places, ours.updates, strict=True):
        layer = theirs.base_model.model.get_submodule(name)
        layer.lora_A["default"].weight.copy_(update.A)
        layer.lora_B["default"].weight.copy_(update.B)
        torch.testing.assert_close(update.matrix(), layer.get_delta_weight("default"), rtol=0, atol=1e-10)
    expected = theirs.base_model.model.logits(ids)[0]
    assert (expected - without).abs().max() > 0.1, "the updates matter"
    torch.testing.assert_close(ours.logits(ids)[0], expected, rtol=0, atol=1e-10)

    merged, by_peft = ours.merged().state_dict(), theirs.merge_and_unload().state_dict()
    assert merged.keys() == by_peft.keys()
    for name, w in merged.items():
        torch.testing.assert_close(w, by_peft[name], rtol=0, atol=1e-10)
