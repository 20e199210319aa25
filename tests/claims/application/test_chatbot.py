"""Claims of the chatbot."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import log

import torch

from reference_impl.adaptation.instruction_tuning import InstructionTuning
from reference_impl.application.chatbot import Chatbot, Reply, plain
from reference_impl.core import Batch, Phase, run, seed_all
from reference_impl.figures import PALETTE, figure
from reference_impl.tasks.dialogues import VALUES, Asked, Dialogues, recalled, told, untold, verdict
from reference_impl.tasks.questions import Questions, about
from reference_impl.tasks.searches import Searches

STAGES = ("text", "dialogues", "preferences")


class Watched(Chatbot):
    """Keeps the model of the first stage too; that of the second is the third one's reference."""

    def phases(self) -> Sequence[Phase]:
        read, follow, prefer = super().phases()
        return read, replace(follow, begin=self.keep), prefer

    def keep(self) -> None:
        object.__setattr__(self, "base", {k: v.clone() for k, v in self.gpt.state_dict().items()})


@cache
@torch.enable_grad()
def stages(seed: int) -> list[Chatbot]:
    """The chatbot after each of its stages."""
    model = run(Watched, task=Dialogues(), seed=seed, evaluate=False).model.eval()
    out = []
    for weights in (model.base, model.reference.state_dict(), model.gpt.state_dict()):
        bot = Chatbot(model.cfg)
        bot.load_state_dict(model.state_dict())
        bot.gpt.load_state_dict(weights)
        out.append(bot.eval())
    return out


@cache
@torch.enable_grad()
def forgetful(seed: int) -> InstructionTuning:
    """The same network after as many steps on dialogues of a single turn."""
    task = Dialogues(turns=1)
    settings = {"steps": Chatbot.Config().steps, "text_share": Chatbot.Config().text_share, "batch_size": 32}
    return run(InstructionTuning, settings, task=task, seed=seed, evaluate=False).model.eval()


def bits(model: Chatbot) -> float:
    """Bits per token of held-out texts."""
    with torch.no_grad():
        return model.loss(Batch(Dialogues().splits["other text"][0][:400]))["loss"].item() / log(2)


def drawn(model: Chatbot, asked: Sequence[Asked], seed: int) -> list[int]:
    """The judge's verdicts on replies drawn at temperature 1."""
    free = Chatbot(model.cfg.model_copy(update={"temperature": 1.0}))
    free.load_state_dict(model.state_dict())
    seed_all(seed)
    replies = free.sample(len(asked), [a.dialogue for a in asked])
    return [verdict(r, a) for r, a in zip(replies, asked, strict=True)]


def wins(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Share of the comparisons that the first replies win; a tie is half a win."""
    return sum((a > b) + (a == b) / 2 for a, b in zip(ours, theirs, strict=True)) / len(ours)


def questions() -> list[tuple[str, str]]:
    """Questions that name a pattern or one of its aliases, each with the id of the page that answers it."""
    return [(question, p[0]) for p in Questions().passages for question, _ in about([p])]


def precision(bot: Chatbot, asked: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Share of the questions whose reply cites the right page, and of those whose first BM25 hit is from it."""
    replies = [bot.chat([], question) for question, _ in asked]
    cited = sum(bool(r.sources) and r.sources[0].split("/")[0] == id for r, (_, id) in zip(replies, asked, strict=True))
    hits = sum([bot.rag.passages[i][0] for i in bot.rag.retrieve(q, 1)] == [id] for q, id in asked)
    return cited / len(asked), hits / len(asked)


def test_remembers_what_was_said_five_turns_ago(claim):
    bot, single = stages(0)[-1], forgetful(0)
    asked = told(5)
    # all that a model of single turns reads is the question
    alone = [a._replace(dialogue=a.slot.asked) for a in asked]
    claim.measure("recall", recalled(bot, asked), baseline=recalled(single, alone))

    said = ["Hello!", "My name is Iris.", "i live in oslo", "How are you?", "i have a parrot", "Nice weather!"]
    said += ["What is my name?", "Where do I live?", "Which color do I like?", "When was GAN introduced?"]
    history: list[tuple[str, Reply]] = []
    lines = ["seed 0, likeliest tokens", ""]
    for turn, message in enumerate(said, 1):
        reply = bot.chat(history, message)
        history.append((message, reply))
        values = VALUES & set(reply.text.split())
        since = next((t for t, old in enumerate(said[: turn - 1], 1) if values & set(plain(old).split())), None)
        trace = f"   <- {reply.sources[0]}" if reply.sources else f"   <- told in turn {since}" if since else ""
        lines += [f"{turn:>2}  user       {message}", f"    assistant  {reply.text}{trace}", ""]
    claim.figure(
        "hero",
        "\n".join(lines),
        caption="A dialogue with the chatbot of the recorded run. What it was told it finds in the dialogue itself; "
        "what it was not told it says; what is about the catalog it looks up, and names the page.",
        alt="Ten turns of a user and the replies, with arrows to the turn or the page that a reply rests on.",
    )


def test_each_stage_moves_its_own_measure(claim):
    models, asked = stages(0), told(5)
    numbers = [(bits(m), recalled(m, asked)) for m in models]
    judged = told(5) + untold()
    marks = [drawn(m, judged, seed) for m, seed in zip(models, (1, 2, 3), strict=True)]
    reference = drawn(models[1], judged, 4)
    won = [wins(m, reference) for m in marks]
    counts = torch.zeros(len(Dialogues().facts["words"]))
    for row in models[0].rows(Dialogues().splits["text"][0]):
        counts += torch.bincount(row[row > 1], minlength=len(counts))
    frequency = counts / counts.sum()
    held = models[0].rows(Dialogues().splits["other text"][0][:400])
    unigram = -frequency[held[held > 1]].clamp(min=1e-9).log2().mean().item()
    claim.measure("bits", numbers[0][0], baseline=unigram)
    claim.measure("recall", numbers[1][1], baseline=numbers[0][1])
    claim.measure("wins", won[2], baseline=won[1])
    claim.measure("recall_kept", numbers[2][1], baseline=numbers[1][1])
    claim.measure("text_forgotten", numbers[1][0], baseline=numbers[0][0])

    fig, axes = figure(7.2, 2.6, columns=3)
    rows = {
        "bits per token of text": [n[0] for n in numbers],
        "facts recalled, five turns": [n[1] for n in numbers],
        "wins against stage 2": won,
    }
    for ax, color, (title, values) in zip(axes, PALETTE, rows.items(), strict=False):
        bars = ax.bar(STAGES, values, color=color, width=0.6)
        ax.bar_label(bars, fmt="%.2f")
        ax.set_title(title)
        ax.margins(y=0.15)
        ax.tick_params(axis="x", rotation=20)
    claim.figure(
        "stages",
        fig,
        caption="All three measures after each stage of one run (seed 0). Text teaches to predict text, dialogues to "
        "answer from what was said, preferences to answer as the judge likes it. The second stage also takes something "
        "away: after it the model expects replies where it once expected text.",
        alt="Three bar charts over the stages: bits per token, facts recalled, wins.",
    )


def test_cites_the_page_of_a_pattern_that_is_named(claim):
    cited, hits = precision(stages(0)[-1], questions())
    claim.measure("precision", cited, baseline=hits)


def test_other_words_lead_to_other_pages(claim):
    bot, task = stages(0)[-1], Searches()
    before = bot.rag.passages
    bot.rag.index(task.passages)
    kinds = {}
    for kind in ("keyword", "paraphrase", "symptom"):
        asked = [(s.question, next(iter(s.wanted))) for s in task.held_out if s.kind == kind]
        kinds[kind] = precision(bot, asked)[0]
    bot.rag.index(before)
    claim.measure("paraphrase", kinds["paraphrase"], baseline=kinds["keyword"])
    claim.measure("symptom", kinds["symptom"], baseline=kinds["keyword"])


def test_single_turns_without_preferences_are_instruction_tuning(claim):
    task = Dialogues(turns=1)
    settings = {"channels": 32, "heads": 2, "steps": 12, "batch_size": 8, "text_share": 0.5, "context": 96}
    weights = []
    for cls, more in ((Chatbot, {"prefer_share": 0.0}), (InstructionTuning, {}), (Chatbot, {"prefer_share": 0.5})):
        model = run(cls, {**settings, **more}, task=task, evaluate=False).model
        weights.append(torch.cat([p.flatten() for p in model.gpt.parameters()]))
    plain, tuned, preferred = weights
    claim.measure("weights", (plain - tuned).abs().max().item(), baseline=(preferred - tuned).abs().max().item())
