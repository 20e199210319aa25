"""BART and T5 compute what the transformers library computes from the same weights."""

import torch

from reference_impl.core import seed_all
from reference_impl.transformer.bart import BART
from reference_impl.transformer.t5 import T5
from reference_impl.transformer.transformer import END

SIZE = {"channels": 32, "heads": 4, "layers": 2}
ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
PARTS = {"query": "q", "key": "k", "value": "v", "out": "o"}


def pairs(vocab, rows, source, target):
    """Sources with padding of every length, and targets; random tokens."""
    y, ids = torch.randint(END + 1, vocab, (rows, source)), torch.randint(END + 1, vocab, (rows, target))
    for i in range(rows):
        y[i, source - 2 * i :] = 0
    return y, ids


def copied(model, theirs, names):
    """Put their weights into ours, which must use up all of ours; names: our parameter -> their key, or a tensor."""
    weights = {ours: their if isinstance(their, torch.Tensor) else theirs[their] for ours, their in names.items()}
    model.load_state_dict(weights, strict=True)
    return model.double().eval()


@torch.no_grad()
def agree(model, theirs, y, ids, bar=1e-5):
    """Encoder, logits of all targets, and logits from the cache; padding is left out of the comparison."""
    seen = (y != 0).long()
    want = theirs(input_ids=y, attention_mask=seen, decoder_input_ids=ids, output_hidden_states=True)
    memory = model.read(y)
    logits, cache = model.write(ids[:, :3], memory)
    more, _ = model.write(ids[:, 3:], memory, cache)
    logits, v = torch.cat([logits, more], 1), min(logits.shape[-1], want.logits.shape[-1])
    assert (memory[0] - want.encoder_last_hidden_state)[seen.bool()].abs().max() < bar
    assert want.logits.std() > 0.01
    assert (logits[..., :v] - want.logits[..., :v]).abs().max() < bar
    torch.testing.assert_close(logits, model.write(ids, memory)[0])


def test_bart_is_their_bart():
    from transformers import BartConfig, BartForConditionalGeneration

    vocab, context = 50, 24
    seed_all("bart")
    theirs = BartForConditionalGeneration(
        BartConfig(
            vocab_size=vocab + 1, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, max_position_embeddings=context,
            dropout=0.0, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        )
    ).double().eval()  # fmt: skip
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.3)
    theirs.final_logits_bias.normal_()
    names = {
        "bias": theirs.final_logits_bias[0, :vocab],
        "token.weight": "model.shared.weight",
        # their positions begin with two rows that are not used
        "place.weight": theirs.model.encoder.embed_positions.weight[2:],
        "target_place.weight": theirs.model.decoder.embed_positions.weight[2:],
    }
    for kind in ("weight", "bias"):
        names[f"source_norm.{kind}"] = f"model.encoder.layernorm_embedding.{kind}"
        names[f"target_norm.{kind}"] = f"model.decoder.layernorm_embedding.{kind}"
        for stack in ("encoder", "decoder"):
            for i in range(2):
                ours, their = f"{stack}.{i}", f"model.{stack}.layers.{i}"
                blocks = {"attend": "self_attn"} | ({"look": "encoder_attn"} if stack == "decoder" else {})
                for block, name in blocks.items():
                    for part, short in ATTENTION.items():
                        names[f"{ours}.{block}.{part}.{kind}"] = f"{their}.{name}.{short}.{kind}"
                names[f"{ours}.mlp.0.{kind}"] = f"{their}.fc1.{kind}"
                names[f"{ours}.mlp.2.{kind}"] = f"{their}.fc2.{kind}"
                norms = [*blocks.values(), "final"]
                for j, name in enumerate(norms):
                    names[f"{ours}.norms.{j}.{kind}"] = f"{their}.{name}_layer_norm.{kind}"
    model = copied(BART(BART.Config(vocab=vocab, context=context, **SIZE)), theirs.state_dict(), names)
    agree(model, theirs, *pairs(vocab, rows=5, source=20, target=12))


def test_t5_is_their_t5():
    from transformers import T5Config, T5ForConditionalGeneration

    vocab, sentinels = 40, 10
    seed_all("t5")
    theirs = T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocab + sentinels, d_model=32, d_kv=8, d_ff=128, num_layers=2, num_heads=4, dropout_rate=0.0,
            pad_token_id=0, decoder_start_token_id=1, relative_attention_num_buckets=8,
            relative_attention_max_distance=20,
        )
    ).double().eval()  # fmt: skip
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.3)
    first = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    names = {
        "token.weight": "shared.weight",
        "read_bias.weight": f"encoder.{first}",
        "write_bias.weight": f"decoder.{first}",
        "read_norm.weight": "encoder.final_layer_norm.weight",
        "write_norm.weight": "decoder.final_layer_norm.weight",
    }
    for stack in ("encoder", "decoder"):
        blocks = {"attend": "SelfAttention"} | ({"look": "EncDecAttention"} if stack == "decoder" else {})
        for i in range(2):
            ours, their = f"{stack}.{i}", f"{stack}.block.{i}.layer"
            for j, (block, name) in enumerate(blocks.items()):
                for part, short in PARTS.items():
                    names[f"{ours}.{block}.{part}.weight"] = f"{their}.{j}.{name}.{short}.weight"
            last = len(blocks)
            names[f"{ours}.mlp.0.weight"] = f"{their}.{last}.DenseReluDense.wi.weight"
            names[f"{ours}.mlp.2.weight"] = f"{their}.{last}.DenseReluDense.wo.weight"
            for j in range(last + 1):
                names[f"{ours}.norms.{j}.weight"] = f"{their}.{j}.layer_norm.weight"
    cfg = T5.Config(vocab=vocab, sentinels=sentinels, buckets=8, reach=20, **SIZE)
    model = copied(T5(cfg), theirs.state_dict(), names)
    # long enough for distances beyond the last bucket's
    agree(model, theirs, *pairs(vocab, rows=5, source=40, target=30))
