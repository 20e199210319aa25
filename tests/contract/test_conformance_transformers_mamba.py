"""Mamba computes what the transformers library computes from the same weights."""

import re

import torch

from reference_impl.core import seed_all
from reference_impl.transformer.mamba import Mamba, MambaConfig


def renamed(key):
    """Our name of one of their parameters: layers.0.mixer.D is mixers.0.D, layers.0.norm.weight norms.0.weight."""
    return re.sub(r"layers\.(\d+)\.(mixer|norm)\.", r"\2s.\1.", key.removeprefix("backbone."))


@torch.no_grad()
def test_mamba_is_their_mamba():
    from transformers import MambaConfig as TheirConfig
    from transformers import MambaForCausalLM

    seed_all("mamba")
    size = {"vocab": 30, "channels": 24, "expand": 2, "state": 5, "rank": 3, "window": 4, "layers": 3}
    theirs = MambaForCausalLM(
        TheirConfig(
            vocab_size=30, hidden_size=24, expand=2, state_size=5, time_step_rank=3, conv_kernel=4, num_hidden_layers=3,
            use_mambapy=False, use_cache=False,
        )
    ).double().eval()  # fmt: skip
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.2)
    weights = {renamed(k): v for k, v in theirs.state_dict().items() if k != "lm_head.weight"}
    ids = torch.randint(30, (3, 21))
    want = theirs(ids).logits
    assert want.std() > 0.1
    for parallel in (False, True):
        model = Mamba(MambaConfig(**size, parallel=parallel)).double().eval()
        model.load_state_dict(weights, strict=True)
        torch.testing.assert_close(model.logits(ids)[0].float(), want, rtol=0, atol=1e-5)
        first, cache = model.logits(ids[:, :8])
        second, _ = model.logits(ids[:, 8:], cache)
        torch.testing.assert_close(torch.cat([first, second], 1).float(), want, rtol=0, atol=1e-5)
