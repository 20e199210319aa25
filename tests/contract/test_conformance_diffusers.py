"""The samplers take the steps of the diffusers library: same weights, schedule and noise, same numbers.

The library counts levels from 0, so that its level t - 1 is our t, and its last step ends outside its table.
"""

from itertools import pairwise

import pytest
import torch

from reference_impl.core import seed_all
from reference_impl.diffusion.ddim import DDIM, walk
from reference_impl.diffusion.ddpm import DDPM
from reference_impl.diffusion.diffusion_ode_solver import DiffusionODESolver, heun, multistep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
T, STEPS = 100, 20
PATH = range(T, -1, -T // STEPS)


@pytest.fixture(scope="module")
def diffusers():
    return pytest.importorskip("diffusers", reason="pip install diffusers to compare with it")


def made(cls, shape=(1, 8, 8)):
    """A model whose small random weights predict something that depends on state and level; and noise."""
    seed_all("conformance", shape)
    model = cls(cls.Config(shape=shape, timesteps=T))
    return model, torch.randn(4, *shape)


def settings(model, **more):
    return {
        "num_train_timesteps": T,
        "trained_betas": model.beta[1:].numpy(),
        "timestep_spacing": "trailing",
        "prediction_type": "epsilon",
        **more,
    }


def predicted(model, x, t):
    """Noise at the library's level t."""
    return model.predict_noise(x, torch.full((len(x),), int(t) + 1))


def same(ours, theirs):
    """Equal to 1e-5 of their size."""
    assert ((ours - theirs).abs().max() / theirs.abs().max()).item() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=["images", "vectors"])
def test_ancestral_steps(diffusers, shape, monkeypatch):
    model, x = made(DDPM, shape)
    scheduler = diffusers.DDPMScheduler(
        **settings(model), variance_type="fixed_small", clip_sample=model.image, clip_sample_range=1.0
    )
    # beta in single precision, as one minus a ratio of these, would be off by 1e-4 of itself at the lowest levels
    model.beta, model.abar = model.beta.double(), (1 - model.beta.double()).cumprod(0)
    scheduler.alphas_cumprod = model.abar[1:]
    scheduler.set_timesteps(T)
    noise = torch.randn(T + 1, *x.shape)
    module = __import__("diffusers.schedulers.scheduling_ddpm", fromlist=["randn_tensor"])
    ours = theirs = x
    for t in scheduler.timesteps.tolist():
        monkeypatch.setattr(module, "randn_tensor", lambda *_, t=t, **__: noise[t + 1])
        monkeypatch.setattr(torch, "randn_like", lambda *_, t=t, **__: noise[t + 1])
        # each step from the same state, as untrained weights enlarge what rounds differently
        theirs = scheduler.step(predicted(model, ours, t), t, ours).prev_sample
        ours = model.denoise(ours, t + 1)
        same(ours, theirs)


@torch.no_grad()
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_steps(diffusers, eta, monkeypatch):
    model, x = made(DDIM)
    scheduler = diffusers.DDIMScheduler(**settings(model), clip_sample=True, clip_sample_range=1.0)
    scheduler.set_timesteps(STEPS)
    noise = torch.randn(T + 1, *x.shape)
    ours = theirs = x
    for t, s in pairwise(PATH):
        assert t - 1 in scheduler.timesteps
        monkeypatch.setattr(torch, "randn_like", lambda *_, t=t, **__: noise[t])
        ours = walk(model, ours, [t, s], eta=eta)
        # theirs makes the noise agree with the clipped data only when told to
        theirs = scheduler.step(
            predicted(model, theirs, t - 1),
            t - 1,
            theirs,
            eta=eta,
            use_clipped_model_output=True,
            variance_noise=noise[t],
        ).prev_sample
    same(ours, theirs)


@torch.no_grad()
@pytest.mark.parametrize("order", [1, 2])
def test_dpm_solver_steps(diffusers, order):
    model, x = made(DiffusionODESolver, (2,))
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **settings(model), algorithm_type="dpmsolver++", solver_order=order, solver_type="midpoint",
        lower_order_final=False, final_sigmas_type="zero",
    )  # fmt: skip
    scheduler.set_timesteps(STEPS)
    assert scheduler.timesteps.tolist() == [t - 1 for t in PATH[:-1]]
    theirs = x
    for t in scheduler.timesteps:
        theirs = scheduler.step(predicted(model, theirs, t), t, theirs).prev_sample
    same(multistep(model, x, PATH, order=order), theirs)


@torch.no_grad()
def test_heun_steps(diffusers):
    model, x = made(DiffusionODESolver, (2,))
    scheduler = diffusers.HeunDiscreteScheduler(**settings(model))
    scheduler.set_timesteps(STEPS)
    # theirs is the state over the square root of abar
    theirs = x / model.abar[T].sqrt()
    for t in scheduler.timesteps:
        state = scheduler.scale_model_input(theirs, t)
        theirs = scheduler.step(predicted(model, state, t), t, theirs).prev_sample
    same(heun(model, x, PATH), theirs)
