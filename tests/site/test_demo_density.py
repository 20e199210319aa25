"""The density studio: particles of four models are where the references take them from the same noise."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from reference_impl.adversarial.gan import GAN, GANConfig
from reference_impl.diffusion.score_sde import ScoreSDE, ScoreSDEConfig
from reference_impl.energy.energy_based_model import EBM, EBMConfig, langevin
from reference_impl.flow.realnvp import RealNVP, RealNVPConfig
from reference_impl.tasks.measures import modes_covered
from reference_impl.tasks.points import ring_centers
from tests.site.working import Draws, kept, press, restored, same, shown

SHOWN = "document.querySelector('#demo-density .stage').shown"


def played(page: Any, demo: Any, model: str, *moves: tuple[str, str, int]) -> tuple[Any, Tensor, Draws]:
    """What is shown after choosing a model and moving sliders by keys, where particles started, and the next draws."""
    demo.get_by_role("combobox", name="Model").select_option(model)
    for label, key, times in moves:
        press(demo.get_by_role("slider", name=label), key, times)
    demo.get_by_role("button", name="Play again").press("Enter")
    page.wait_for_function(SHOWN)
    found = shown(demo)
    draws = Draws(found["seed"])
    start = torch.tensor(found["start"]).view(-1, 2)
    assert found["model"] == model
    assert len(start) == found["n"]
    return found, start, draws


@torch.no_grad()
def test_flow(started: Any) -> None:
    page, demo, wrong = started("density")
    model = RealNVP(RealNVPConfig(shape=(2,), levels=0, hidden=64)).eval()
    restored(model, kept("realnvp", "layers"))
    found, start, draws = played(page, demo, "flow", ("Temperature", "ArrowLeft", 3))
    same(found["start"], 0.7 * draws.normals(200, 2))
    same(found["samples"], model.decode(start))
    assert not wrong


@torch.no_grad()
def test_gan(started: Any) -> None:
    page, demo, wrong = started("density")
    model = GAN(GANConfig(shape=(2,), latent_dim=2, hidden=128))
    restored(model.averaged, kept("gan", "generate"))
    found, start, draws = played(page, demo, "gan")
    same(found["start"], draws.normals(200, 2))
    same(found["samples"], model.averaged(start))
    assert not wrong


def test_five_steps_of_diffusion_stop_short(started: Any) -> None:
    page, demo, _ = started("density")
    played(page, demo, "diffusion")
    demo.get_by_label("Steps").fill("5")
    page.wait_for_function(f"{SHOWN}?.steps === 5")
    assert shown(demo)["near"] < 0.5


@torch.no_grad()
@pytest.mark.parametrize("equation", ["sde", "ode"])
def test_diffusion(started: Any, monkeypatch: pytest.MonkeyPatch, equation: str) -> None:
    page, demo, wrong = started("density")
    model = ScoreSDE(ScoreSDEConfig(hidden=14, solver_steps=30))
    restored(model.averaged, kept("score_sde", "noise"))
    found, x, draws = played(page, demo, "diffusion", *[("Noise put back", "Home", 1)] * (equation == "ode"))
    assert found["steps"] == 30
    one = torch.ones(len(x))
    same(found["start"], model.marginal(one)[1] * draws.normals(*x.shape))
    monkeypatch.setattr(torch, "randn_like", lambda x: draws.normals(*x.shape))
    for t, after in pairwise(model.grid()):
        step = after - t
        x = model.sde_step(x, t * one, step) if equation == "sde" else x + step * model.velocity(x, t * one)
    same(found["samples"], x)
    assert found["near"] > 0.8
    assert not wrong


@torch.no_grad()
def test_energy(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page, demo, wrong = started("density")
    program = kept("energy_based_model", "energy")
    model, chains = EBM(EBMConfig(octaves=3)), program["facts"]
    restored(model, program)
    moves = [
        ("Particles", "Home", 1),
        ("Steps", "Home", 1),
        ("Steps", "ArrowRight", 4),
        ("Temperature", "ArrowRight", 2),
    ]
    found, start, draws = played(page, demo, "energy", *moves)
    assert (found["n"], found["steps"], found["heat"]) == (50, 30, 1.2)
    same(found["start"], chains["wide"] * draws.normals(50, 2))
    monkeypatch.setattr(torch, "randn_like", lambda x: draws.normals(*x.shape))
    monkeypatch.setattr(torch, "rand_like", lambda x: torch.tensor([draws.uniform() for _ in range(len(x))]))
    x, made = langevin(lambda x: model.energy(x) / 1.2, start, 30, **chains)
    assert 0.2 < made < 1
    same(found["samples"], x)
    assert not wrong


def test_what_is_told_of_the_particles(started: Any) -> None:
    page, demo, _ = started("density")
    found, _, _ = played(page, demo, "energy")
    modes, share = modes_covered(torch.tensor(found["samples"]).view(-1, 2), ring_centers(), 0.1, 1)
    assert (found["modes"], found["near"]) == (modes, pytest.approx(share))
    assert f"{100 * share:.1f} %" in demo.locator(".stage [role=status]").inner_text()
    before = found["samples"]
    demo.get_by_role("button", name="New noise").press("Enter")
    page.wait_for_function(SHOWN)
    assert shown(demo)["samples"] != before
