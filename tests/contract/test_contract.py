"""One suite that every reference passes."""

import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from reference_impl.core import Batch, Reference, checkpoint, load, run, seed_all
from reference_impl.core.runner import CHECKPOINT
from reference_impl.tasks import make

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    p
    for p in (ROOT / "reference_impl").glob("*/*.py")
    if p.parent.name not in {"core", "tasks"} and p.stem != "__init__"
)
pytestmark = pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])


def class_of(path):
    module = importlib.import_module(f"reference_impl.{path.parent.name}.{path.stem}")
    found = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Reference) and c.__module__ == module.__name__
    ]
    assert len(found) == 1, f"{path.name}: one public class, found {found}"
    return found[0]


def small(cls):
    """Settings of a short run: enough steps that a second phase, which may be a quarter as long, moves every weight."""
    return {"steps": 12, "batch_size": min(16, cls.Config().batch_size)}


def condition(task, n=4):
    """What to sample under, where the task says that samples need it."""
    y = task.splits["test"][1]
    return y[:n] if task.facts.get("conditional") else None


def same(a, b):
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@cache
def train(path, folder):
    """One short run for all tests of a reference, and where it lies."""
    cls = class_of(path)
    return run(cls, small(cls), out=folder / path.stem, log_every=1, evaluate=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def trained(path, folder):
    return train(path, folder)


def test_file_is_small_and_documented(path):
    text, cls = path.read_text(), class_of(path)
    doc = importlib.import_module(cls.__module__).__doc__
    assert len(text.splitlines()) <= 200
    for section in ("Idea", "Source", "Shapes", "Run"):
        assert f"\n{section}\n" in doc, section
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi:10\.|https://", doc), "the source can be found"
    for name, field in cls.Config.model_fields.items():
        assert field.description, name
    for banned in (
        r"\.backward\(",
        r"\bargparse\b",
        r"\bprint\(",
        r"\bopen\(",
        r"\btime\.",
        r"\bWORLD_SIZE\b",
        r"torch\.load\b",
    ):
        assert not re.search(banned, text), f"{banned} has no place in a pattern file"


def test_config_round_trips_and_rejects_unknown(path):
    cls = class_of(path)
    assert cls.Config.model_validate_json(cls.Config().model_dump_json()) == cls.Config()
    with pytest.raises(ValidationError):
        cls.Config(no_such_field=1)


def test_logs_finite_numbers(path, trained):
    assert len(trained.history) == sum(p.steps for p in trained.model.phases())
    assert all(
        v == v and abs(v) < float("inf") for row in trained.history for v in row.values() if isinstance(v, float)
    )


def test_samples_look_like_data_and_follow_the_seed(path, trained):
    task = make(class_of(path).task)
    y, x = condition(task), task.batch("train", 0, 4).x
    seed_all(1)
    a = trained.model.sample(4, y)
    seed_all(1)
    b = trained.model.sample(4, y)
    assert same(a, b)
    assert len(a) == 4
    if isinstance(x, torch.Tensor):
        assert a.shape[1:] == x.shape[1:] or task.kind == "text"
        assert a.dtype == x.dtype
        assert bool(torch.isfinite(a.float()).all())
    else:
        assert all(isinstance(s, str) for s in a)


def test_every_trainable_parameter_learns(path, trained):
    if not trained.model.phases():
        pytest.skip("nothing to train")
    seed_all(0, "init")
    before = dict(type(trained.model)(trained.model.cfg).named_parameters())
    dead = [k for k, v in trained.model.named_parameters() if v.requires_grad and torch.equal(before[k], v)]
    assert not dead, dead


def test_resume_is_exact(path, trained, folder, tmp_path, monkeypatch):
    """One run that is cut off again and again, and each time goes on where it was."""
    cls, whole, phases = class_of(path), trained, trained.model.phases()
    n = sum(p.steps for p in phases)
    # of several phases, cuts near both ends fall into the first and the last
    cuts = sorted({n // 2} if len(phases) == 1 else {1, n // 2, n - 1} - {0, -1})
    real, seen = checkpoint.write, []

    def die(path, tensors, header):
        real(path, tensors, header)
        seen.append(path)
        if path.name == CHECKPOINT and len(seen) in cuts:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", die)
        for cut in cuts:
            with pytest.raises(KeyboardInterrupt):
                run(cls, small(cls), out=tmp_path, resume=True, save_every=1, log_every=1, evaluate=False)
            assert len(seen) == cut
            seed_all("something else")
    again = run(cls, small(cls), out=tmp_path, resume=True, save_every=1, log_every=1, evaluate=False)
    assert again.history == whole.history
    for (k, a), b in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert same(a, b), k
    assert (tmp_path / "metrics.jsonl").read_text() == (folder / path.stem / "metrics.jsonl").read_text()


def test_a_loaded_model_gives_the_same_samples(path, trained, folder):
    cls, model = class_of(path), trained.model
    again, record = load(folder / path.stem)
    y = condition(make(cls.task))
    seed_all(2)
    a = model.sample(4, y)
    seed_all(2)
    b = again.sample(4, y)
    assert same(a, b)
    assert record["reference"] == f"{cls.__module__}:{cls.__name__}"


# -- the verbs, wherever they are found


def data(path, n=6):
    x = make(class_of(path).task).batch("test", 0, n).x
    if not isinstance(x, torch.Tensor):
        pytest.skip("observations are no tensors")
    return x


def test_codes(path, trained):
    if not hasattr(trained.model, "encode"):
        pytest.skip("no encode")
    x = data(path)
    with torch.no_grad():
        z = trained.model.encode(x)
        back = trained.model.decode(z)
        again = trained.model.reconstruct(x)
    assert z.ndim == 2
    assert len(z) == len(x)
    assert back.shape == x.shape
    torch.testing.assert_close(back, again)


@pytest.mark.parametrize("verb", ["log_prob", "elbo", "energy", "bits_per_dim"])
def test_one_number_per_observation(path, trained, verb):
    if not hasattr(trained.model, verb):
        pytest.skip(f"no {verb}")
    x = data(path)
    with torch.no_grad():
        seed_all(3)
        together = getattr(trained.model, verb)(x)
        assert together.shape == (len(x),)
        assert bool(torch.isfinite(together).all())
        if verb in {"energy", "log_prob"}:  # no noise inside: each number is its own observation's alone
            alone = torch.cat([getattr(trained.model, verb)(row[None]) for row in x])
            torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-3)


def test_logits_with_and_without_cache(path, trained):
    if not hasattr(trained.model, "logits"):
        pytest.skip("no logits")
    ids = data(path, 3)[:, :12]
    with torch.no_grad():
        whole, _ = trained.model.logits(ids)
        first, cache = trained.model.logits(ids[:, :7])
        second, _ = trained.model.logits(ids[:, 7:], cache)
        torch.testing.assert_close(whole, torch.cat([first, second], 1), rtol=1e-4, atol=1e-4)
        changed = ids.clone()
        changed[:, 9] = (changed[:, 9] + 1) % whole.shape[-1]
        assert torch.equal(trained.model.logits(changed)[0][:, :9], whole[:, :9]), "a token saw its future"


def test_runs_in_bf16(path):
    from reference_impl.core.engine import Engine

    cls = class_of(path)
    r = run(cls, small(cls), engine=Engine("cpu", "bf16"), log_every=1, evaluate=False)
    assert all(v == v for row in r.history for v in row.values() if isinstance(v, float))


def test_loss_is_a_scalar_with_gradient(path, trained):
    cls = class_of(path)
    if cls.loss is Reference.loss or not trained.model.phases():
        pytest.skip("no loss")
    losses = trained.model.loss(Batch(*make(cls.task).batch("train", 0, 8)))
    assert losses["loss"].ndim == 0
    assert losses["loss"].requires_grad
