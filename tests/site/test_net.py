"""The runtime of the live demos computes what torch computes, operation by operation and for whole networks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from catalog.site import assets
from reference_impl.diffusion.classifier_free_guidance import ClassifierFreeGuidance, GuidanceConfig
from reference_impl.energy.energy_based_model import EBM, EBMConfig
from reference_impl.latent_variable.vae import VAE, VAEConfig
from reference_impl.programs import program, rounded, weights, with_slope
from reference_impl.style_transfer.adain import AdaIN, AdaINConfig
from reference_impl.transformer.gpt import GPT, GPTConfig

NET = Path(__file__).parents[2] / "site" / "assets" / "net.js"
SCRIPT = """
if (process.argv[3] === "plain") delete globalThis.WebAssembly;
const Net = require(process.argv[1]), fs = require("fs");
const cases = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const run = ({ program, inputs }) => {
  try {
    const net = Net.load(program), zeros = inputs.map((x) => x.map(() => 0));
    // a run uses the arrays of those before it again, but not those of what came out
    const [, , found] = [zeros, zeros, inputs, zeros].map((x) => net(...x));
    return found.map((t) => ({ shape: t.shape, data: [...t.data].map(String) }));
  }
  catch (error) { return String(error.stack); }
};
console.log(JSON.stringify({ results: cases.map(run), ops: Object.keys(Net.ops), assembled: Net.assembled }));
"""
torch.manual_seed(0)
R, P = torch.randn, torch.rand
x, image = R(2, 3, 4), R(2, 4, 6, 5)


def module(made: nn.Module) -> nn.Module:
    for p in made.parameters():
        p.data = p.data + torch.randn_like(p) / 20  # none of them zero, as fresh biases are
    return rounded(made.eval())


def normalized(channels: int) -> nn.BatchNorm2d:
    """Batch normalization that has seen data."""
    made = nn.BatchNorm2d(channels)
    made(2 * R(50, channels, 3, 3) + 1)
    return made


def rotation(a: Tensor) -> Tensor:
    """Of pairs of numbers, as rotary positions do."""
    angles = torch.polar(torch.ones(3, 1), torch.arange(3.0)[:, None])
    return torch.view_as_real(torch.view_as_complex(a.view(2, 3, 2, 2)) * angles)


energy = module(EBM(EBMConfig(hidden=16)))
CASES: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "add": (lambda a, b: torch.add(a, b, alpha=0.5), (x, R(3, 1))),
    "sub": (lambda a, b: torch.sub(a, b, alpha=2), (x, R(4))),
    "rsub": (lambda a: 1 - a, (x,)),
    "mul, div": (lambda a, b: a * b / 3, (x, R(2, 1, 1))),
    "pow": (lambda a: a**3 + 2**a, (x,)),
    "maximum, minimum": (lambda a, b: torch.maximum(a, b) - torch.minimum(a, b / 2), (x, R(4))),
    "comparisons": (
        lambda a, b: torch.where((a < b) & (a > -1) | (a >= 2) | ~(a <= 1.5), a, b) + ((a == a) & (a != b)).float(),
        (x, R(3, 4)),
    ),
    "where with numbers": (lambda a: torch.where(a > 0, a, -1.0), (x,)),
    "signs": (lambda a: a.abs() + a.neg() * a.sign(), (x,)),
    "exp, log": (lambda a: a.exp().log1p() + a.abs().log() + a.expm1(), (x,)),
    "roots": (lambda a: a.abs().sqrt() + (a.abs() + 1).rsqrt() + (a.abs() + 1).reciprocal(), (x,)),
    "sin, cos, tanh": (lambda a: a.sin() + a.cos() * a.tanh(), (x,)),
    "floor, round": (lambda a: a.floor() + torch.round(a * 2) + torch.round(a - a + 2.5), (x,)),
    "erf": (lambda a: torch.erf(4 * a), (R(200),)),
    "relu, sigmoid, silu": (lambda a: F.relu(a) + torch.sigmoid(a) * F.silu(a), (x,)),
    "softplus": (lambda a: F.softplus(a) + F.softplus(30 * a) + F.softplus(a, 2.0), (x,)),
    "many numbers": (lambda a, b: (a + b) * (b - a) + (a - 3) * b[0] + 2 * (a * b), (R(3, 67), R(3, 67))),
    "sigmoid of many": (lambda a: torch.sigmoid(a) + torch.sigmoid(4 * a) + torch.sigmoid(60 * a), (R(203),)),
    "leaky relu, elu": (lambda a: F.leaky_relu(a, 0.1) + F.elu(a) + F.selu(a), (x,)),
    "gelu": (lambda a: F.gelu(a) + F.gelu(a, approximate="tanh"), (4 * R(50),)),
    "clamp": (lambda a: a.clamp(-0.5, 0.5) + a.clamp(min=0.2) + a.clamp(max=0.1), (x,)),
    "sum, mean": (lambda a: a.sum() + a.sum(1, keepdim=True) + a.mean((0, 2)).unsqueeze(1) + a.mean(-1, True), (x,)),
    "extremes": (lambda a: a.amax(1) + a.amin((0, 2)).sum() + a.argmax(1), (x,)),
    "argmax of all": (lambda a: a.argmax(), (x,)),
    "var": (lambda a: a.var(2, correction=0) + a.var(2) + a.std(2), (x,)),
    "cumsum": (lambda a: a.cumsum(1) + a.cumsum(-1), (x,)),
    "softmax": (lambda a: a.softmax(1) + a.log_softmax(-1), (3 * x,)),
    "layer norm": (module(nn.LayerNorm(4)), (x,)),
    "layer norm of two dimensions": (module(nn.LayerNorm([3, 4], elementwise_affine=False)), (x,)),
    "group norm": (module(nn.GroupNorm(2, 4)), (image,)),
    "batch norm": (module(normalized(4)), (image,)),
    "linear": (module(nn.Linear(4, 5)), (x,)),
    "linear without bias": (module(nn.Linear(4, 5, bias=False)), (x,)),
    "addmm": (lambda a, b, c: torch.addmm(c, a, b, beta=0.5, alpha=2) + a @ b, (R(5, 9), R(9, 11), R(11))),
    "outer product": (lambda a, b: a @ b, (R(6, 1), R(1, 8))),
    "bmm": (lambda a, b: a @ b, (R(2, 3, 4), R(2, 4, 5))),
    "convolution": (module(nn.Conv2d(4, 6, 3, padding=1)), (image,)),
    "convolution, strided": (module(nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)), (image,)),
    "convolution, dilated": (module(nn.Conv2d(4, 2, 2, dilation=2)), (image,)),
    "convolution, grouped": (module(nn.Conv2d(4, 6, 3, groups=2)), (image,)),
    "convolution, strided, dilated and grouped": (
        module(nn.Conv2d(4, 6, (3, 2), stride=(2, 3), padding=(2, 1), dilation=(2, 3), groups=2)), (R(2, 4, 11, 13),),
    ),
    "convolution, strided at the edge": (module(nn.Conv2d(3, 5, 1, stride=3, padding=1)), (R(1, 3, 7, 8),)),
    "convolution, reflecting": (module(nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect")), (image,)),
    "convolution, transposed": (module(nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)), (image,)),
    "convolution, transposed and grouped": (
        module(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)), (image,),
    ),
    "embedding": (module(nn.Embedding(7, 5)), (torch.tensor([[0, 6, 3], [1, 1, 2]]),)),
    "reshaping": (lambda a: a.flatten(1).view(2, -1, 2).unsqueeze(1).squeeze(1).transpose(1, 2) * 2, (x,)),
    "permute": (lambda a: a.permute(2, 0, 1).contiguous() + 0, (x,)),
    "expand": (lambda a: a.unsqueeze(0).expand(5, -1, -1, -1) * 1, (x,)),
    "slice": (lambda a: a[:, 1:, ::2] * a[:, :-1, 1::2] + a[:1, -2:, :2], (x,)),
    "select": (lambda a: a[1] * a[0, :, 2:3] + a[:, -1].sum(), (x,)),
    "cat": (lambda a, b: torch.cat([a, b, a], 1), (x, R(2, 1, 4))),
    "stack, chunk": (lambda a: torch.stack(a.chunk(2, -1), 1) * 2, (x,)),
    "index": (lambda a, i: a[:, i] * 2, (x, torch.tensor([[2, 0], [1, -1]]))),
    "index in two dimensions that lie apart": (lambda a, i: a[:, i, :, i] * 2, (R(2, 3, 4, 5), torch.tensor([2, 0]))),
    "index in two dimensions": (lambda a, i: a[i, :, i] + a[:, i, i][:, :1].sum(), (x, torch.tensor([0, 1]))),
    "full": (lambda a: a + torch.full_like(a, 2) + torch.full((4,), 0.5), (x,)),
    "padding": (lambda a: F.pad(a, (1, 2, 0, 3), value=1.5) * 2, (x,)),
    "padding, negative": (lambda a: F.pad(a, (-1, 1)) * 2, (x,)),
    "upsample": (lambda a: F.interpolate(a, scale_factor=2, mode="nearest"), (image,)),
    "upsample, bilinear": (lambda a: F.interpolate(a, scale_factor=2, mode="bilinear"), (image,)),
    "upsample, corners": (lambda a: F.interpolate(a, size=(9, 7), mode="bilinear", align_corners=True), (image,)),
    "average pool": (lambda a: F.avg_pool2d(a, 2), (image,)),
    "average pool, padded": (lambda a: F.avg_pool2d(a, (3, 2), (2, 1), (1, 0)), (image,)),
    "attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), (R(1, 2, 5, 4),) * 3),
    "rotation": (rotation, (x,)),
    "the decoder of a VAE": (module(VAE(VAEConfig(latent_dim=2))).decode, (R(1, 2),)),
    "a guided step of diffusion": (
        module(ClassifierFreeGuidance(GuidanceConfig())).predict_noise,
        (R(1, 1, 8, 8), torch.tensor([70]), torch.tensor([3])),
    ),
    "a stylized picture": (module(AdaIN(AdaINConfig(shape=(3, 16, 16)))).stylize, (P(1, 3, 16, 16), P(1, 3, 16, 16))),
    "an energy and its slope": (with_slope(energy, "energy", R(4, 2)), (R(4, 2), P(4))),
    "what a GPT says next": (module(GPT(GPTConfig(layers=2))).logits, (torch.randint(0, 32, (1, 9)),)),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What node computes for all cases, with vector registers and without, and the operations that there are."""
    cases = [
        {"program": program(f, *given), "inputs": [t.flatten().tolist() for t in given]} for f, given in CASES.values()
    ]
    path = tmp_path_factory.mktemp("net") / "cases.json"
    path.write_text(json.dumps(cases))
    found = []
    for how in ("assembled", "plain"):
        try:
            done = assets.node("-e", SCRIPT, str(NET), str(path), how)
        except assets.MissingAssets as missing:
            pytest.skip(str(missing))
        assert done.returncode == 0, done.stderr[-500:]
        found.append(json.loads(done.stdout))
    assert [f["assembled"] for f in found] == [True, False]
    used = {step[0] for case in cases for step in case["program"]["steps"]}
    results = dict(zip(CASES, zip(*(f["results"] for f in found), strict=True), strict=True))
    return {"results": results, "ops": set(found[0]["ops"]), "used": used}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_torchs(name: str, answers: dict[str, Any]) -> None:
    function, given = CASES[name]
    with torch.no_grad():
        wanted = function(*given)
    for found in answers["results"][name]:
        assert isinstance(found, list), found
        for got, want in zip(found, tree_leaves(wanted), strict=True):  # a GPT gives its caches too
            assert got["shape"] == list(want.shape)
            values = torch.tensor([float(v.replace("Infinity", "inf")) for v in got["data"]]).view(want.shape)
            torch.testing.assert_close(values, want.float(), rtol=1e-5, atol=1e-5)


def test_every_operation_of_the_runtime_was_tried(answers: dict[str, Any]) -> None:
    assert answers["ops"] - answers["used"] == set()


def test_what_a_page_cannot_compute_is_refused() -> None:
    with pytest.raises(ValueError, match="of complex numbers"):
        program(lambda a: torch.view_as_complex(a).abs(), R(3, 2))


def test_patient_loading_gives_the_same_network_and_lets_the_page_answer() -> None:
    script = """
    const Net = require(process.argv[1]), { program, input } = JSON.parse(process.argv[2]);
    (async () => {
      let turns = 0;
      const turn = () => (++turns % 3 ? undefined : Promise.resolve());
      const net = await Net.load.patiently(turn, program), loaded = turns;
      const [[found], [wanted]] = [await net.patiently(turn, input), Net.load(program)(input)];
      console.log(JSON.stringify({ loaded, ran: turns - loaded, found: [...found.data], wanted: [...wanted.data] }));
    })();
    """
    made = program(module(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))), R(1, 3))
    try:
        done = assets.node("-e", script, str(NET), json.dumps({"program": made, "input": [0.5, -1, 2]}))
    except assets.MissingAssets as missing:
        pytest.skip(str(missing))
    told = json.loads(done.stdout)
    assert told["found"] == told["wanted"]
    assert told["loaded"] > len(made["tensors"])
    assert told["ran"] > 0


def test_parameters_are_stored_in_half_precision_under_their_names() -> None:
    layer = nn.Linear(64, 32)
    made = program(layer, R(1, 64))
    assert len(base64.b64decode(made["data"])) == 2 * (64 * 32 + 32)
    found = weights(made)
    assert torch.equal(found["weight"], layer.weight.half().float())
    assert torch.equal(found["bias"], layer.bias.half().float())


def test_a_slope_is_autograds_and_its_weights_are_stored_once() -> None:
    x, c = R(4, 2, requires_grad=True), P(4)
    (wanted,) = torch.autograd.grad((c * energy.energy(x)).sum(), x)
    both = with_slope(energy, "energy", x.detach())
    e, slope = both(x.detach(), c)
    torch.testing.assert_close(e, energy.energy(x).detach())
    torch.testing.assert_close(slope, wanted)
    made = program(both, x.detach(), c, module=energy)
    numbers = sum(p.numel() for p in energy.parameters())
    assert 2 * numbers <= len(base64.b64decode(made["data"])) < 2 * numbers + 100
    restored = EBM(EBMConfig(hidden=16))
    assert not restored.load_state_dict(weights(made), strict=False).unexpected_keys
    torch.testing.assert_close(restored.energy(x), energy.energy(x))
