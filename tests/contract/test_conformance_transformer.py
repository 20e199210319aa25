"""With the same weights, our Transformer computes what torch's own does."""

import pytest
import torch
from torch import nn

from reference_impl.core import seed_all
from reference_impl.transformer.self_attention import Attention
from reference_impl.transformer.transformer import Layer, Transformer


def copy_attention(ours: Attention, theirs: nn.MultiheadAttention) -> None:
    """Queries, keys and values are one matrix there."""
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
    theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())


def copy_layer(ours: Layer, theirs: nn.Module) -> None:
    copy_attention(ours.attend, theirs.self_attn)
    if ours.look is not None:
        copy_attention(ours.look, theirs.multihead_attn)
    for norm, name in zip(ours.norms, ("norm1", "norm2", "norm3"), strict=False):
        getattr(theirs, name).load_state_dict(norm.state_dict())
    theirs.linear1.load_state_dict(ours.mlp[0].state_dict())
    theirs.linear2.load_state_dict(ours.mlp[2].state_dict())


@torch.no_grad()
@pytest.mark.parametrize("norm_first", [True, False])
def test_torchs_transformer_gives_the_same_numbers(norm_first):
    seed_all(0)
    ours = Transformer(
        Transformer.Config(vocab=11, context=9, channels=16, heads=4, layers=2, norm_first=norm_first)
    ).double()
    for p in ours.parameters():
        p.add_(0.1 * torch.randn_like(p))
    arguments = {
        "d_model": 16, "nhead": 4, "dim_feedforward": 64, "dropout": 0.0, "batch_first": True,
        "norm_first": norm_first, "dtype": torch.float64,
    }  # fmt: skip
    ends = [nn.LayerNorm(16, dtype=torch.float64) if norm_first else None for _ in range(2)]
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(**arguments), 2, norm=ends[0], enable_nested_tensor=False
    )
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**arguments), 2, norm=ends[1])
    # it draws new weights for the parts that it is given, so they are copied after
    theirs = nn.Transformer(16, 4, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)
    for mine, other in ((ours.encoder, encoder), (ours.decoder, decoder)):
        for layer, copy in zip(mine, other.layers, strict=True):
            copy_layer(layer, copy)
    if norm_first:
        encoder.norm.load_state_dict(ours.read_norm.state_dict())
        decoder.norm.load_state_dict(ours.write_norm.state_dict())

    y = torch.tensor([[3, 4, 5, 6, 7, 2], [8, 9, 2, 0, 0, 0]])
    x = torch.randint(3, 11, (2, 8))
    hidden = y == 0
    want = theirs(
        ours.embed(y), ours.embed(x), src_key_padding_mask=hidden, memory_key_padding_mask=hidden,
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(8, dtype=torch.float64),
    )  # fmt: skip
    logits, _ = ours.write(x, ours.read(y))
    torch.testing.assert_close(logits, ours.head(want), rtol=0, atol=1e-10)
