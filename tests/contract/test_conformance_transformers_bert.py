"""BERT against the one of transformers, with the same weights."""

import re

import pytest
import torch

from reference_impl.transformer.bert import Bert

NAMES = {
    r"layers\.(\d+)\.attend\.(query|key|value)\.": r"bert.encoder.layer.\1.attention.self.\2.",
    r"layers\.(\d+)\.attend\.out\.": r"bert.encoder.layer.\1.attention.output.dense.",
    r"layers\.(\d+)\.norms\.0\.": r"bert.encoder.layer.\1.attention.output.LayerNorm.",
    r"layers\.(\d+)\.mlp\.0\.": r"bert.encoder.layer.\1.intermediate.dense.",
    r"layers\.(\d+)\.mlp\.2\.": r"bert.encoder.layer.\1.output.dense.",
    r"layers\.(\d+)\.norms\.1\.": r"bert.encoder.layer.\1.output.LayerNorm.",
    r"norm\.": r"bert.embeddings.LayerNorm.",
    r"transform\.0\.": r"cls.predictions.transform.dense.",
    r"transform\.2\.": r"cls.predictions.transform.LayerNorm.",
}
"""Our weights, and what transformers calls them."""


def theirs_by_our_names(weights, ours):
    """Their weights under our names; the one segment's vector is added to the positions."""
    table = "bert.embeddings.{}_embeddings.weight".format
    found = {
        "token": weights[table("word")],
        "place": weights[table("position")] + weights[table("token_type")][0],
        "bias": weights["cls.predictions.bias"][:-1],
    }
    for name in ours.keys() - found.keys():
        pattern = next(p for p in NAMES if re.match(p, name))
        found[name] = weights[re.sub(pattern, NAMES[pattern], name)]
    return found


def test_bert_gives_the_logits_and_the_gradient_of_transformers():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    settings = transformers.BertConfig(
        vocab_size=31, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=12, hidden_dropout_prob=0, attention_probs_dropout_prob=0, attn_implementation="eager",
    )  # fmt: skip
    assert (settings.hidden_act, settings.layer_norm_eps) == ("gelu", Bert.Config().epsilon)
    theirs = transformers.BertForMaskedLM(settings).double()
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ours = Bert(Bert.Config(vocab=30, context=11, channels=24, heads=4, layers=3)).double()
    ours.load_state_dict(theirs_by_our_names(theirs.state_dict(), ours.state_dict()))

    # 30 is the mask; the second text is shorter
    ids = torch.randint(1, 31, (2, 12))
    ids[1, 9:] = 0
    there = ids != 0
    expected = theirs(ids, attention_mask=there.long()).logits
    got = ours.predict(ids)
    torch.testing.assert_close(got[there], expected[there][:, :-1], rtol=1e-5, atol=1e-5)
    # the mask's logit is theirs alone, so compare what comes back from the others
    weight = torch.randn(got[there].shape, dtype=torch.float64)
    (got[there] * weight).sum().backward()
    (expected[there][:, :-1] * weight).sum().backward()
    torch.testing.assert_close(
        ours.token.grad, theirs.bert.embeddings.word_embeddings.weight.grad, rtol=1e-5, atol=1e-5
    )
