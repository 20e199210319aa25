"""GPT-2 checkpoints as others publish them: a folder with config.json, model.safetensors and the tokenizer's files."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reference_impl.core import Config
from reference_impl.transformer.self_attention import Keys
from reference_impl.transformer.transformer import Layer

SIZES = {
    "vocab": "vocab_size", "context": "n_positions", "channels": "n_embd", "heads": "n_head", "layers": "n_layer"
}  # fmt: skip


class Start(Config):
    """Settings of a model that can start from a checkpoint."""

    layout: Literal["modern", "gpt2"] = "modern"
    """The network: the file's own, or that of GPT-2."""
    start: str = ""
    """Folder of a GPT-2 checkpoint to start from; it decides layout, sizes and tokens."""

    @model_validator(mode="before")
    @classmethod
    def of_checkpoint(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Sizes are the checkpoint's; the context alone may be shorter. Its weights are changed gently."""
        if not given.get("start"):
            return given
        found = settings(given["start"])
        for name in found.keys() & given.keys() - {"context"}:
            if str(given[name]) != str(found[name]):
                raise ValueError(f"{name}={given[name]}, but the checkpoint {given['start']} has {found[name]}")
        found["context"] = min(int(given.get("context", found["context"])), found["context"])
        return {"lr": 2e-4, **given, **found}


class Block(Layer):
    """GPT-2's: a layer of the Transformer that normalizes first, with GELU as tanh approximates it."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg.channels, cfg.heads, activation=partial(nn.GELU, approximate="tanh"))

    def forward(self, x: Tensor, past: Keys | None, turn: Tensor, hide: Tensor) -> tuple[Tensor, Keys]:  # type: ignore[override]
        """As a block of the GPT here: `hide` is the mask, and nothing turns."""
        return super().forward(x, hide, past)


def settings(folder: str | Path) -> dict[str, Any]:
    """The settings of the GPT that the checkpoint is. FileNotFoundError or ValueError where it is none."""
    found = document(folder, "config.json")
    kind, activation = found.get("model_type"), found.get("activation_function", "gelu_new")
    if kind != "gpt2" or activation != "gelu_new" or missing(found):
        reason = f"model_type {kind!r}, activation_function {activation!r}, without {missing(found) or 'nothing'}"
        raise ValueError(f"{folder}: {reason}; only GPT-2 checkpoints can be read: model_type 'gpt2' with gelu_new")
    return {"layout": "gpt2", **{ours: found[theirs] for ours, theirs in SIZES.items()}}


def missing(found: dict[str, Any]) -> str:
    """The sizes that a config lacks."""
    return ", ".join(name for name in SIZES.values() if not isinstance(found.get(name), int))


def merges(folder: str | Path) -> list[str]:
    """The joins of its tokenizer, as lines of merges.txt, from vocab.json and that file or from tokenizer.json."""
    path = Path(folder) / "merges.txt"
    if path.is_file():
        lines = path.read_text(encoding="utf-8").split("\n")
        joins, ids = (
            [line for line in lines if line and not line.startswith("#version")],
            document(folder, "vocab.json"),
        )
    else:
        try:
            model = document(folder, "tokenizer.json")["model"]
            joins, ids = [p if isinstance(p, str) else " ".join(p) for p in model["merges"]], model["vocab"]
        except FileNotFoundError:
            raise FileNotFoundError(f"{folder}: neither merges.txt nor tokenizer.json; one of them is needed") from None
        except (KeyError, TypeError):
            raise ValueError(f"{folder}/tokenizer.json: no byte-pair encoding, and only that can be read") from None
    if any(ids.get(join.replace(" ", "")) != 256 + i for i, join in enumerate(joins)):
        raise ValueError(f"{folder}: ids of tokens are not in GPT-2's order: 256 bytes, then one for each join")
    return joins


def weights(folder: str | Path, context: int) -> dict[str, Tensor]:
    """The weights under the names that the GPT here has; of its positions the first `context`."""
    path = Path(folder) / "model.safetensors"
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; weights are read from safetensors alone") from None
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file ({error})") from None
    return renamed(tensors, context)


def renamed(tensors: dict[str, Tensor], context: int) -> dict[str, Tensor]:
    """A GPT-2's weights by our names. Its linear maps are stored as (in, out), ours as (out, in)."""
    names = {
        r"wte\.weight": "token.weight", r"wpe\.weight": "place.weight", r"ln_f\.(\w+)": r"last.\1",
        r"h\.(\d+)\.ln_1\.(\w+)": r"blocks.\1.norms.0.\2", r"h\.(\d+)\.ln_2\.(\w+)": r"blocks.\1.norms.1.\2",
        r"h\.(\d+)\.attn\.c_attn\.(\w+)": r"blocks.\1.attend.QKV.\2",
        r"h\.(\d+)\.attn\.c_proj\.(\w+)": r"blocks.\1.attend.out.\2",
        r"h\.(\d+)\.mlp\.c_fc\.(\w+)": r"blocks.\1.mlp.0.\2", r"h\.(\d+)\.mlp\.c_proj\.(\w+)": r"blocks.\1.mlp.2.\2",
    }  # fmt: skip
    out: dict[str, Tensor] = {}
    for name, value in tensors.items():
        for theirs, ours in names.items():
            if match := re.fullmatch(r"(?:transformer\.)?" + theirs, name):
                value = (value.T if re.search(r"\.c_\w+\.weight$", name) else value).float().contiguous()
                ours = match.expand(ours)
                # one map for queries, keys and values there, three here
                parts = ("query", "key", "value") if "QKV" in ours else ("",)
                out |= {ours.replace("QKV", p): v for p, v in zip(parts, value.chunk(len(parts)), strict=True)}
    if "token.weight" not in out or "place.weight" not in out:
        raise ValueError("the weights are not those of a GPT-2: wte.weight or wpe.weight is missing")
    out["place.weight"] = out["place.weight"][:context]
    # the head is the table of tokens
    return {**out, "head.weight": out["token.weight"]}


def document(folder: str | Path, name: str) -> dict[str, Any]:
    """A JSON file of the folder."""
    path = Path(folder) / name
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; a GPT-2 checkpoint is a folder with config.json")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; a GPT-2 checkpoint has it")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
