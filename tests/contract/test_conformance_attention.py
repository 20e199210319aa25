"""Attention gives what torch's own layers give with the same weights."""

import torch
from torch import nn
from torch.nn import functional as F

from reference_impl.transformer.grouped_query_attention import GroupedAttention
from reference_impl.transformer.self_attention import Attention, hide_future


def test_attention_equals_torch_multihead_attention():
    torch.manual_seed(0)
    ours, theirs = Attention(48, 6).double(), nn.MultiheadAttention(48, 6, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
        x, source = torch.randn(3, 10, 48).double(), torch.randn(3, 7, 48).double()
        for y, mask in [(x, hide_future(10, 10, x.device).double()), (source, None)]:
            expected, _ = theirs(x, y, y, attn_mask=mask, need_weights=False)
            torch.testing.assert_close(ours(x, ours.keys(y), mask), expected, rtol=0, atol=1e-5)


def test_attention_equals_torch_scaled_dot_product_attention():
    torch.manual_seed(1)
    layer, x = Attention(32, 4).double(), torch.randn(2, 9, 32).double()
    with torch.no_grad():
        k, v = layer.keys(x)
        heads = F.scaled_dot_product_attention(layer.split(layer.query(x)), k, v, is_causal=True)
        expected = layer.out(heads.transpose(1, 2).flatten(2))
        torch.testing.assert_close(layer(x, (k, v), hide_future(9, 9, x.device)), expected, rtol=0, atol=1e-5)


def test_grouped_attention_equals_torch_scaled_dot_product_attention_with_groups():
    torch.manual_seed(2)
    layer, x = GroupedAttention(32, 8, 2).double(), torch.randn(2, 9, 32).double()
    with torch.no_grad():
        k, v = layer.keys(x)
        q = layer.split(layer.query(x))
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        expected = layer.out(heads.transpose(1, 2).flatten(2))
        torch.testing.assert_close(layer(x, (k, v), hide_future(9, 9, x.device)), expected, rtol=0, atol=1e-5)
