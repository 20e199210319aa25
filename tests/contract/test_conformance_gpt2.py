"""The GPT in GPT-2's layout is GPT-2: same weights, same logits, same tokens, read from the files that people have."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from catalog.cli import cli
from reference_impl.tasks.text import Text, encoded, spelled
from reference_impl.transformer.gpt import GPT

TEXT = "A model of text predicts the next token, 12 or 1½ at a time; it's naïve, it'll learn — 日本.\n\n" * 300


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder as published: config.json, model.safetensors, vocab.json, merges.txt, tokenizer.json; and the model."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=299, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=48, n_embd=32, n_layer=3, n_head=4,
        initializer_range=0.2, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    model.save_pretrained(folder)
    tokenizer.model.save(str(folder))
    return folder, model, tokenizer


def started(folder):
    model = GPT(GPT.Config(start=str(folder)))
    model.prepare(None)
    return model.eval()


@torch.no_grad()
def test_logits_equal(checkpoint):
    folder, theirs, _ = checkpoint
    ours, ids = started(folder), torch.randint(300, (3, 48))
    assert (ours.logits(ids)[0] - theirs(ids).logits).abs().max() <= 1e-5
    first, cache = ours.logits(ids[:, :20])
    rest, _ = ours.logits(ids[:, 20:], cache)
    assert (torch.cat([first, rest], 1) - theirs(ids).logits).abs().max() <= 1e-5
    x = ids[:, :10]
    assert ours.log_prob(x).mean().item() == pytest.approx(-theirs(x, labels=x).loss.item() * 9, rel=1e-5)


@torch.no_grad()
def test_greedy_continuation_equals(checkpoint):
    folder, theirs, _ = checkpoint
    ours, prompt = started(folder), torch.randint(300, (2, 5))
    ours.law = lambda logits: torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    expected = theirs.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_length=40, do_sample=False, pad_token_id=0,
        eos_token_id=None,
    )  # fmt: skip
    assert torch.equal(ours.sample(2, prompt, 40), expected)
    # positions end at 48; beyond, it goes on from the last half
    assert ours.sample(2, prompt, 100).shape == (2, 100)


@pytest.mark.parametrize("kept", [("merges.txt", "vocab.json"), ("tokenizer.json",)])
def test_tokens_equal(checkpoint, tmp_path, kept):
    folder, _, tokenizer = checkpoint
    for name in ("config.json", "model.safetensors", *kept):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "own.txt").write_text(TEXT * 4)
    task = Text(tmp_path / "own.txt", context=32, start=str(tmp_path))
    for text in ("A model", TEXT, "¾ of Ⅻ _x_ don't\t\n  stop  😀"):
        ids = encoded(text, task.facts)
        assert ids.tolist() == [tokenizer.encode(text, add_special_tokens=False).ids]
        assert spelled(ids, task.facts) == [text]
    assert task.batch("train", 0, 2).x.shape == (2, 33)
    assert task.facts["vocab"] == tokenizer.get_vocab_size()


def test_run_goes_on_from_it_and_sample_writes(checkpoint, tmp_path):
    folder, _, _ = checkpoint
    (tmp_path / "own.txt").write_text(TEXT * 4)
    command = [
        "run",
        "gpt",
        f"start={folder}",
        "context=32",
        "steps=40",
        "lr=3e-3",
        "--data",
        str(tmp_path / "own.txt"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "catalog", *command, "--out", str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"] - 1
    for source in (tmp_path / "run", folder):
        got = CliRunner().invoke(cli, ["sample", "gpt", "--from", str(source), "-n", "1", "--prompt", "A model of"])
        assert got.exit_code == 0, got.output
        assert got.stdout.startswith("A model of")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "no trained model"),
        ("config.json", "{", "not JSON"),
        ("config.json", '{"model_type": "llama"}', "only GPT-2 checkpoints"),
        ("model.safetensors", None, "weights are read from safetensors alone"),
        ("model.safetensors", "x", "not a safetensors file"),
        ("merges.txt", "#version: 0.2\na b", "not in GPT-2's order"),
        ("vocab.json", None, "vocab.json: no such file"),
    ],
)
def test_refusals_help(checkpoint, tmp_path, name, content, message):
    bad = tmp_path / "bad"
    shutil.copytree(checkpoint[0], bad)
    (bad / name).unlink()
    if content is not None:
        (bad / name).write_text(content)
    got = CliRunner().invoke(cli, ["sample", "gpt", "--from", str(bad), "-n", "1"])
    assert got.exit_code == 2
    assert message in got.output


def test_sizes_that_contradict_the_checkpoint_are_refused(checkpoint):
    with pytest.raises(ValueError, match="channels=64, but the checkpoint"):
        GPT.Config(start=str(checkpoint[0]), channels=64)
