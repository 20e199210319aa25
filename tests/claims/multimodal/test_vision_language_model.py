"""Claims of the vision-language model."""

from functools import cache

import torch
from torch import Tensor

from reference_impl.blocks_words import numbered
from reference_impl.core import Task, run, seed_all
from reference_impl.figures import PALETTE, figure, show_images
from reference_impl.multimodal.vision_language_model import VisionLanguageModel
from reference_impl.tasks import make
from reference_impl.tasks.asked import questions
from reference_impl.tasks.scenes import drawn
from reference_impl.transformer.gpt import GPT

TASK = cache(lambda: make("asked"))


@cache
@torch.enable_grad()
def prepared(words: bool = True) -> VisionLanguageModel:
    """Tower and GPT, each trained on its own; without `words`, the GPT's text does not tell of scenes."""
    if words:
        return later(TASK(), slice(0, 2))
    task = make("asked")
    task.splits["text"] = (task.splits["text"][0], None)
    return later(task, slice(1, 2), keep=("clip",))


@torch.enable_grad()
def later(task: Task, which: slice, keep: tuple[str, ...] = (), words: bool = True, **cfg) -> VisionLanguageModel:
    """Some of the phases of the default run, from the weights `keep` of what was prepared."""
    start = {k: v for k, v in prepared(words).state_dict().items() if k.startswith(keep)} if keep else {}

    class Later(VisionLanguageModel):
        def phases(self):
            return super().phases()[which]

        def prepare(self, task: Task) -> None:
            self.load_state_dict(start, strict=False)

    return run(Later, cfg, task=task, evaluate=False).model


ALL = ("clip", "reader", "projector")


@cache
def connected(projector_share: float = 0.5, words: bool = True, blind: bool = False) -> VisionLanguageModel:
    """Connected as in the default run; `blind`: with empty pictures in place of all."""
    task = make("asked") if blind else TASK()
    if blind:
        x, y = task.splits["train"]
        task.splits["train"] = (x, torch.full_like(y, 0.5))
    return later(task, slice(2, 4), ALL, words, projector_share=projector_share)


def answered(model: VisionLanguageModel, blind: bool = False) -> float:
    """Share of held-out questions that it answers."""
    x, y = TASK().splits["test"]
    asked = [text.partition("?")[0] + "?" for text in x]
    return TASK().right(model.answer(torch.full_like(y, 0.5) if blind else y, asked))


def test_answers_come_from_the_picture(claim):
    model = connected()
    seeing, blind = answered(model), answered(connected(blind=True), blind=True)
    claim.measure("answered", seeing, baseline=blind)
    x, y = TASK().splits["test"]
    asked = [text.partition("?")[0] + "?" for text in x]
    claim.measure("other_picture", TASK().right(model.answer(y.roll(1, 0), asked)), baseline=seeing)
    watched(claim)


def watched(claim) -> None:
    """Where the GPT looks in the picture when it is about to answer."""
    model = connected()
    y, scenes = drawn(60, seed=21, most=3, fewest=3)
    shown = []
    for i, things in enumerate(scenes):
        asked = [text.partition("?")[0] + "?" for text in questions(things) if text.startswith(("what", "is"))]
        if len(shown) < 4:
            shown.append((i, [asked[0], *asked[2:4]]))
    fig, axes = figure(6.6, 7.0, len(shown), 4)
    for row, (i, asked) in zip(axes, shown, strict=True):
        show_images(row[0], y[i : i + 1])
        for ax, question in zip(row[1:], asked, strict=True):
            light = attention(model, y[i : i + 1], question)
            light = (light / light.max()).repeat_interleave(8, 0).repeat_interleave(8, 1)
            pixels = y[i].permute(1, 2, 0)
            ax.imshow((pixels * (0.15 + 0.85 * light[..., None])).numpy(), interpolation="none")
            (answer,) = model.answer(y[i : i + 1], [question])
            ax.set_title(f"{question}\n{answer}", fontsize=8)
            ax.axis("off")
    claim.figure(
        "hero",
        fig,
        caption="Four held-out pictures and three questions about each, with the model's answers. Bright quarters have "
        "the largest share of the attention that the question mark, from which the answer is read, pays to the picture "
        "in the GPT's last block. It shows where was looked, not what would change the answer.",
        alt="Four rows: a picture of three shapes, and three copies of it with parts darkened, under questions and "
        "answers.",
    )


@torch.no_grad()
def attention(model: VisionLanguageModel, y: Tensor, question: str) -> Tensor:
    """Attention that the question mark pays to each cell of a picture in the last block, mean over heads: (2, 2)."""
    seen: list[Tensor] = []
    watch = model.reader.blocks[-1].softmax.register_forward_hook(lambda _, __, weights: seen.append(weights))
    model.logits(numbered([question], model.cfg.words)[:, :-1], before=model.before(y))
    watch.remove()
    parts = seen[0][0, :, -1, : 4 * model.cfg.vectors]
    return parts.mean(0).view(2, 2, model.cfg.vectors).sum(2)


def test_the_projector_alone_goes_a_long_way(claim):
    alone, everything = connected(projector_share=1.0), connected(projector_share=0.0)
    shares = {"projector alone": answered(alone), "projector and GPT": answered(everything)}
    claim.measure("answered", shares["projector alone"], baseline=shares["projector and GPT"])
    trained = sum(p.numel() for p in alone.projector.parameters())
    claim.measure("trained", trained / sum(p.numel() for p in alone.parameters()), baseline=1.0)
    wordless = connected(projector_share=1.0, words=False)
    shares["projector alone, GPT that\nnever read about scenes"] = answered(wordless)
    claim.measure("wordless", shares["projector alone, GPT that\nnever read about scenes"], baseline=answered(alone))
    shares["projector and GPT,\nempty pictures"] = answered(connected(blind=True), blind=True)

    fig, ax = figure(5.8, 2.4)
    bars = ax.barh(list(shares)[::-1], list(shares.values())[::-1], color=[PALETTE[1], *[PALETTE[0]] * 3])
    ax.bar_label(bars, fmt="%.2f", padding=3)
    ax.set(xlabel="held-out questions answered", xlim=(0, 1.1))
    claim.figure(
        "projector",
        fig,
        caption="What 250 steps on pictures with questions give. A projector with a fortieth of the weights is enough "
        "if the GPT has read about such scenes in words; a frozen GPT that has not knows no words for what it sees.",
        alt="Four bars; the projector alone is close to training the GPT along, and far above the two below.",
    )


@torch.no_grad()
def test_without_a_picture_it_is_the_gpt(claim):
    seed_all("gpt")
    words = tuple(TASK().facts["words"])
    model = VisionLanguageModel(VisionLanguageModel.Config(words=words)).double()
    for p in model.reader.parameters():
        torch.nn.init.normal_(p, std=0.3)
    gpt = GPT(model.reader.cfg).double()
    gpt.load_state_dict(model.reader.state_dict())
    ids = numbered(["what color is top left? red"] * 2 + ["what shape is top left? cross"], words)[:, :8]
    ours, theirs = model.logits(ids)[0], gpt.logits(ids)[0]
    claim.measure("logits", (ours - theirs).abs().max().item())
    text = model.before(["red ring no shape"] * 3)
    whole = torch.cat([numbered(["red ring no shape"] * 3, words)[:, 1:-1], ids], 1)
    claim.measure("text", (model.logits(ids, before=text)[0] - gpt.logits(whole)[0][:, 4:]).abs().max().item())
    picture = model.before(torch.rand(3, 3, 16, 16).double())
    claim.measure("picture", (model.logits(ids, before=picture)[0] - theirs).abs().max().item())
