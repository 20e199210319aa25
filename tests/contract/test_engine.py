"""Several processes, interruption, precision: what the engine and the runner promise."""

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
import warnings
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from catalog import cli
from reference_impl.adversarial.gan import GAN
from reference_impl.core import Batch, Config, Reference, Task, checkpoint, load, main, run
from reference_impl.core.engine import Engine
from reference_impl.core.noise import SharedNoise
from reference_impl.core.runner import lr_scale
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.latent_variable.vae import VAE

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_STEP = [
    "reference_impl.latent_variable.autoencoder:Autoencoder", "reference_impl.latent_variable.vae:VAE",
    "reference_impl.latent_variable.beta_vae:BetaVAE", "reference_impl.flow.realnvp:RealNVP",
    "reference_impl.diffusion.ddpm:DDPM", "reference_impl.transformer.gpt:GPT", "reference_impl.recurrent.lstm:LSTM",
    "reference_impl.recurrent.rnn:RNN", "reference_impl.recurrent.gru:GRU",
    "reference_impl.flow.neural_spline_flow:NeuralSplineFlow",
    "reference_impl.diffusion.classifier_free_guidance:ClassifierFreeGuidance",
    "reference_impl.diffusion.ddim:DDIM", "reference_impl.diffusion.diffusion_ode_solver:DiffusionODESolver",
    "reference_impl.transformer.self_attention:SelfAttention",
    "reference_impl.transformer.rotary_position_embedding:RotaryPositionEmbedding",
    "reference_impl.transformer.grouped_query_attention:GroupedQueryAttention",
    "reference_impl.inference.truncation_sampling:TruncationSampling",
    "reference_impl.application.music_generation:MusicGenerator",
    "reference_impl.inference.constrained_decoding:ConstrainedDecoding",
    "reference_impl.inference.chain_of_thought:ChainOfThought", "reference_impl.agent.tool_use:ToolUse",
]  # fmt: skip
OWN_STEP = [
    "reference_impl.latent_variable.vq_vae:VQVAE", "reference_impl.inference.quantization:Quantization",
    "reference_impl.inference.speculative_decoding:SpeculativeDecoding",
]  # fmt: skip
# compared in double precision: games and deep stacks of normalization enlarge what single precision rounds away
DIVIDED = [
    "reference_impl.latent_variable.denoising_autoencoder:DenoisingAutoencoder",
    "reference_impl.latent_variable.sparse_autoencoder:SparseAutoencoder",
    "reference_impl.latent_variable.conditional_vae:ConditionalVAE",
    "reference_impl.style_transfer.neural_style_transfer:NeuralStyleTransfer",
    "reference_impl.style_transfer.style_transfer_network:StyleTransferNetwork",
    "reference_impl.style_transfer.adain:AdaIN",
    "reference_impl.trust.sample_quality_metrics:TwoSampleTest",
    "reference_impl.diffusion.flow_matching:FlowMatching",
    "reference_impl.application.synthetic_data:SyntheticData",
    "reference_impl.flow.glow:Glow",
    "reference_impl.flow.normalizing_flow:NormalizingFlow",
    "reference_impl.autoregressive.made:MADE",
    "reference_impl.autoregressive.autoregressive_model:AutoregressiveModel",
    "reference_impl.autoregressive.pixelcnn:PixelCNN",
    "reference_impl.flow.masked_autoregressive_flow:MAF",
    "reference_impl.application.molecule_generation:MoleculeGenerator",
    "reference_impl.application.video_generation:VideoDiffusion",
    "reference_impl.application.time_series_generation:TimeSeriesGenerator",
    "reference_impl.transformer.in_context_learning:InContextLearning",
    "reference_impl.transformer.bert:Bert",
    "reference_impl.transformer.bert_generation:BertGeneration",
    "reference_impl.inference.kv_cache:CachedSelfAttention",
    "reference_impl.energy.score_matching:ScoreMatching",
    "reference_impl.diffusion.score_sde:ScoreSDE",
    "reference_impl.diffusion.consistency_model:ConsistencyModel",
    "reference_impl.diffusion.diffusion_inverse_solver:DiffusionInverseSolver",
    "reference_impl.application.inpainting:Inpainting",
    "reference_impl.application.image_restoration:ImageRestoration",
    "reference_impl.application.super_resolution:SuperResolution",
    "reference_impl.recurrent.ctc:CTC",
    "reference_impl.application.speech_recognition:SpeechRecognizer",
    "reference_impl.recurrent.seq2seq:Seq2Seq",
    "reference_impl.recurrent.attention_seq2seq:AttentionSeq2Seq",
    "reference_impl.transformer.transformer:Transformer",
    "reference_impl.application.machine_translation:Translator",
    "reference_impl.application.image_captioning:ImageCaptioner",
]
GAMES = [
    "reference_impl.transformer.mamba:Mamba",
    "reference_impl.adversarial.gan:GAN", "reference_impl.adversarial.conditional_gan:ConditionalGAN",
    "reference_impl.adversarial.infogan:InfoGAN", "reference_impl.adversarial.wgan:WGAN",
    "reference_impl.adversarial.wgan_gp:WGANGP", "reference_impl.adversarial.dcgan:DCGAN",
    "reference_impl.adversarial.pix2pix:Pix2Pix", "reference_impl.adversarial.cyclegan:CycleGAN",
    "reference_impl.diffusion.latent_diffusion:LatentDiffusion", "reference_impl.latent_variable.vae_gan:VAEGAN",
    "reference_impl.multimodal.text_to_image:TextToImage",
    "reference_impl.application.sentiment_analysis:SentimentAnalysis",
    "reference_impl.transformer.bart:BART", "reference_impl.transformer.t5:T5",
    "reference_impl.application.text_summarization:Summarizer",
    "reference_impl.application.question_answering:QuestionAnswering",
    "reference_impl.adaptation.fine_tuning:FineTuning", "reference_impl.adaptation.lora:LoRA",
    "reference_impl.adaptation.dpo:DPO", "reference_impl.adaptation.reward_model:RewardModel",
    "reference_impl.adaptation.best_of_n:BestOfN",
    "reference_impl.energy.boltzmann_machine:BoltzmannMachine", "reference_impl.energy.energy_based_model:EBM",
    "reference_impl.adaptation.policy_gradient_generation:PolicyGradient", "reference_impl.adaptation.grpo:GRPO",
    "reference_impl.adaptation.instruction_tuning:InstructionTuning", "reference_impl.application.chatbot:Chatbot",
]  # fmt: skip
TOGETHER = {
    torch.float32: {"none": DEFAULT_STEP + OWN_STEP, "full": DEFAULT_STEP},
    torch.float64: {"none": DIVIDED + GAMES, "full": DIVIDED},
}
"""What two processes train, by the type of its numbers and the kind of sharding."""
at_length = pytest.mark.timeout(1000)
"""Two starts of up to 480 s, so that a busy machine is no failure."""
trained = runpy.run_path(str(ROOT / "tests/contract/ranks.py"))["trained"]


def torchrun(*args):
    """Run in two processes; once more where one of them was killed by a memory fault.

    gloo's own threads release tensors that Python knows, and in torch 2.13 that ends a process now and then, in the
    midst of a run as at its end (see `Engine.close`, and pull request 179291 of pytorch). A second fault in a row,
    any other exit, and a wrong number fail.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for last in (False, True):
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=480)
        if last or not re.search(r"Signal \d+ \(SIG(SEGV|ABRT)\)", done.stderr):
            break
        warnings.warn("a process of two was killed by a memory fault of gloo: ran again", stacklevel=2)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@cache
def alone(reference, dtype):
    """Losses of one process at the same global batch."""
    torch.set_num_threads(1)
    return [[v for v in row.values() if isinstance(v, float)] for row in trained(reference, dtype).history]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Where two processes left what they computed in numbers of this type; they are started once for each type."""

    @cache
    def folder(dtype):
        out = tmp_path_factory.mktemp("two")
        kinds = [word for shard, references in TOGETHER[dtype].items() for word in (shard, ",".join(references))]
        torchrun("tests/contract/ranks.py", out, str(dtype).removeprefix("torch."), *kinds)
        return out

    return folder


def compare(folder, shard, dtype, bar):
    for reference in TOGETHER[dtype][shard]:
        name = reference.split(":")[1]
        zero, one = (json.loads((folder / shard / name / f"{rank}.json").read_text()) for rank in (0, 1))
        assert zero["sums"] == one["sums"], f"{name}: the ranks ended with different weights"
        for here, there in zip(alone(reference, dtype), zero["losses"], strict=True):
            assert here == pytest.approx(there, rel=bar(name), abs=bar(name)), name


@at_length
@pytest.mark.parametrize("shard", ["none", "full"])
def test_two_processes_compute_what_one_computes(two, shard):
    # Muon, which trains GPTs and the prior of VQ-VAE, orthogonalizes in bfloat16 and so enlarges what rounds otherwise
    sharded = {"GPT", "MusicGenerator", "TruncationSampling", "ConstrainedDecoding"}
    by_muon = sharded if shard == "full" else {"VQVAE", "Quantization"}
    compare(two(torch.float32), shard, torch.float32, lambda name: 1e-4 if name in by_muon else 1e-5)


@at_length
@pytest.mark.parametrize("shard", ["none", "full"])
def test_two_processes_differ_by_rounding_alone(two, shard):
    compare(two(torch.float64), shard, torch.float64, lambda name: 1e-8)


@at_length
def test_a_sharded_run_goes_on_in_one_process(two, tmp_path):
    out = shutil.copytree(two(torch.float32) / "full" / "VAE", tmp_path / "VAE")
    cfg = {"steps": 18, "batch_size": 16, "cooldown": 0}
    resumed = run(VAE, cfg, out=out, resume=True, log_every=1, evaluate=False)
    whole = run(VAE, cfg, log_every=1, evaluate=False)
    assert resumed.history[-1]["step"] == 17
    assert resumed.history[-1]["loss"] == pytest.approx(whole.history[-1]["loss"], rel=1e-5)


def test_the_command_line_runs_under_torchrun(tmp_path):
    torchrun("-m", "catalog", "run", "vae", "steps=10", "batch_size=16", "--out", tmp_path)
    model, record = load(tmp_path)
    assert record["config"]["steps"] == 10
    assert model.sample(2).shape == (2, 1, 8, 8)


def test_a_step_of_its_own_is_not_sharded():
    engine = Engine("cpu", shard="full")
    try:
        with pytest.raises(ValueError, match=r"GAN has a training step of its own.*shard 'none'"):
            run(GAN, {"steps": 1}, engine=engine)
    finally:
        engine.close()


def test_a_batch_that_cannot_be_shared_is_refused():
    engine = Engine("cpu")
    engine.world = 3
    with pytest.raises(ValueError, match="batch_size=16 cannot be shared evenly by 3"):
        run(VAE, {"batch_size": 16}, engine=engine)


@pytest.mark.parametrize("kind", [{"device": "tpu!"}, {"device": "cuda"}, {"precision": "int4"}, {"shard": "half"}])
def test_what_cannot_be_had_is_refused(kind):
    if kind.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ValueError, match=next(iter(kind))):
        Engine(**kind)


# -- interruption


@pytest.mark.parametrize("reference", [VAE, GAN])
def test_sigkill_at_any_moment_and_resume_give_the_same_bits(tmp_path, reference):
    steps = 250
    run(reference, {"steps": steps, "batch_size": 32}, out=tmp_path / "whole", save_every=7, evaluate=False)
    out, kills = tmp_path / "killed", 0
    settings = [f"steps={steps}", "batch_size=32", "--save-every", "7", "--resume", "--out", str(out)]

    def start():
        command = [sys.executable, "-m", reference.__module__, *settings]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for delay in (0.15, 0.4, 0.7):
        process = start()
        deadline = time.monotonic() + 60
        while not (out / "checkpoint.safetensors").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(delay)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills, "it ended before it could be killed: raise the steps"
    assert start().wait(120) == 0
    whole, killed = (checkpoint.read(tmp_path / d / "weights.safetensors")[0] for d in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[k], killed[k]) for k in whole)
    assert (out / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_resume_of_another_configuration_is_refused(tmp_path):
    run(VAE, {"steps": 3, "batch_size": 16}, out=tmp_path, evaluate=False)
    with pytest.raises(ValueError, match=r"is of another run.*batch_size"):
        run(VAE, {"steps": 3, "batch_size": 32}, out=tmp_path, resume=True)
    longer = run(VAE, {"steps": 5, "batch_size": 16}, out=tmp_path, resume=True, log_every=1, evaluate=False)
    assert [r["step"] for r in longer.history][-2:] == [3, 4], "a run may be prolonged"


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x80\x04not ours")
    with pytest.raises(ValueError, match="not a checkpoint of this project"):
        run(VAE, {"steps": 3}, out=tmp_path, resume=True)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="not a checkpoint of this project"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no trained model"):
        load(tmp_path / "nowhere")


def test_code_outside_the_references_is_not_loaded(tmp_path):
    run(VAE, {"steps": 1}, out=tmp_path, evaluate=False)
    tensors, header = checkpoint.read(tmp_path / "weights.safetensors")
    header["run"]["reference"] = "os:system"
    checkpoint.write(tmp_path / "weights.safetensors", tensors, header)
    with pytest.raises(ValueError, match="not one of the references"):
        load(tmp_path)


# -- parts


def test_shared_noise_is_the_rows_of_what_one_process_draws():
    draws = [
        lambda n: torch.randn(n, 3),
        lambda n: torch.rand((n, 2)),
        lambda n: torch.randn(size=(n, 2)),
        lambda n: torch.randint(9, (n,)),
        lambda n: torch.randint(2, 9, (n, 2)),
        lambda n: torch.randn_like(torch.zeros(n, 5)),
        lambda n: torch.rand_like(torch.zeros(n, 5)),
        lambda n: torch.bernoulli(torch.full((n, 4), 0.5)),
        lambda n: nn.Dropout(0.3)(torch.ones(n, 5)),
        lambda n: torch.randn(7),
    ]
    for draw in draws:
        parts = []
        for rank in (0, 1):
            torch.manual_seed(0)
            with SharedNoise(4, rank, 2):
                parts.append((draw(4), torch.randn(4, 1)))
        torch.manual_seed(0)
        # bernoulli compares with uniform numbers there, so that its rows can be shared: the same law, other bits
        whole = (torch.rand(8, 4) < 0.5).float() if draw is draws[-3] else draw(8)
        after = torch.randn(8, 1)
        if draw is draws[-1]:
            assert torch.equal(parts[0][0], parts[1][0])
            assert torch.equal(parts[0][0], whole)
        else:
            assert torch.equal(torch.stack([p[0] for p in parts], 1).flatten(0, 1), whole)
        assert torch.equal(torch.stack([p[1] for p in parts], 1).flatten(0, 1), after), (
            "the generator moved on differently"
        )


def test_shared_multinomial_follows_the_probabilities():
    p = torch.tensor([0.1, 0.0, 0.6, 0.3]).expand(5000, 4)
    parts = []
    for rank in (0, 1):
        torch.manual_seed(0)
        with SharedNoise(5000, rank, 2):
            parts.append(torch.multinomial(p, 1).squeeze(1))
    assert not torch.equal(*parts)
    share = torch.bincount(torch.cat(parts), minlength=4) / 10_000
    assert share.tolist() == pytest.approx([0.1, 0.0, 0.6, 0.3], abs=0.02)


def test_learning_rate_rises_stays_and_falls():
    scale = [lr_scale(4, 0.5, s, 20) for s in range(20)]
    assert scale[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert scale[9:12] == pytest.approx([1.0, 1.0, 0.9])
    assert scale[-1] == pytest.approx(0.1)


class Tied(Reference):
    """A model with shared weights, a buffer and state that is no tensor."""

    task = "images"

    def __init__(self, cfg):
        super().__init__(cfg)
        self.a = nn.Linear(64, 64)
        self.b = nn.Linear(64, 64)
        self.b.weight = self.a.weight
        self.seen = 0

    def loss(self, batch):
        return {"loss": (self.b(self.a(batch.x.flatten(1))) - batch.x.flatten(1)).square().mean()}

    def after_update(self):
        self.seen += 1

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]


def test_tied_weights_and_other_state_are_kept(tmp_path):
    cfg, task = Config(steps=4, batch_size=8), Task(torch.rand(32, 1, 8, 8))
    a = run(Tied, cfg.model_dump(), task=task, out=tmp_path, evaluate=False).model
    tensors, header = checkpoint.read(tmp_path / "checkpoint.safetensors")
    b = Tied(cfg)
    checkpoint.restore(b, tensors, header["state"])
    assert b.seen == a.seen == 4
    assert torch.equal(a.a.weight, b.b.weight)


def test_gradients_of_one_player_leave_the_other_alone():
    class Two(Reference):
        task = "images"

        def __init__(self, cfg):
            super().__init__(cfg)
            self.g, self.d = nn.Linear(64, 64), nn.Linear(64, 1)

        def optimizers(self):
            return {n: torch.optim.SGD(getattr(self, n).parameters(), lr=0.1) for n in "gd"}

        def step(self, batch, opt):
            opt.minimize("g", self.d(self.g(batch.x.flatten(1))).mean())
            assert all(p.grad is None for p in self.d.parameters())
            return {}

    run(Two, {"steps": 2, "batch_size": 4}, task=Task(torch.rand(8, 1, 8, 8)), evaluate=False)


def test_ema_follows_every_step():
    r = run(DDPM, {"steps": 3, "batch_size": 8}, evaluate=False)
    assert any(
        not torch.equal(a, b) for a, b in zip(r.model.averaged.parameters(), r.model.net.parameters(), strict=True)
    )
    assert isinstance(r.model.loss(Batch(torch.rand(4, 1, 8, 8))), dict)


COMMANDS = {
    "reference_impl.latent_variable.vae": ([], lambda: main(VAE)),
    "catalog": (["run", "vae"], cli.main),
}
"""Modules that train a VAE: the words before its settings, and what they call."""


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("stepz=3", "did you mean 'steps'?"),
        ("steps=many", "valid integer"),
        ("--data=nowhere", "no such file or folder"),
        ("--device=tpu", "device 'tpu'"),
    ],
)
def test_unusable_arguments_end_with_exit_code_2(tmp_path, monkeypatch, capsys, module, argument, message):
    words, command = COMMANDS[module]
    monkeypatch.setattr(sys, "argv", [module, *words, argument, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("module", COMMANDS)
def test_a_process_that_was_asked_for_the_unusable_shows_no_traceback(tmp_path, module):
    command = [sys.executable, "-m", module, *COMMANDS[module][0], "--device=tpu", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "device 'tpu'" in done.stderr
    assert "Traceback" not in done.stderr
