"""What decoding costs, on one thread: `python benchmarks/decoding.py`, or `--from RUN` for a target trained before.

Writes the same number of tokens by recomputation, with a cache, and with speculation, and prints for each the tokens
per second of processor time and the token passes through target and draft; then bytes and held-out loss of the target
with its weights in fewer and fewer bits. Without `--from` a GPT and a draft for it learn the built-in text first, for
`--steps` steps; a run given there is one of speculative_decoding (`genai-patterns run speculative_decoding`).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from reference_impl.core import Batch, load, run, seed_all
from reference_impl.inference.quantization import Quantization
from reference_impl.inference.speculative_decoding import SpeculativeDecoding
from reference_impl.tasks import make
from reference_impl.transformer.gpt import GPT


@torch.no_grad()
def recompute(model: GPT, ids: Tensor, length: int) -> Tensor:
    """Continue ids (n, P) to (n, length) with a pass over the whole text for each token."""
    while ids.shape[1] < length:
        law = model.law(model.logits(ids)[0][:, -1])
        ids = torch.cat([ids, torch.multinomial(law, 1)], 1)
    return ids


def measured(pair: SpeculativeDecoding, write: Callable[[], object], tokens: int) -> tuple[float, list[int]]:
    """Tokens per CPU second, and passes, calls of the target and passes of the draft, per token."""
    counts = [0, 0, 0]

    def target(_: nn.Module, given: tuple[Tensor]) -> None:
        counts[0] += given[0].numel()
        counts[1] += len(given[0])

    def draft(_: nn.Module, given: tuple[Tensor]) -> None:
        counts[2] += given[0].numel()

    hooks = [m.token.register_forward_pre_hook(f) for m, f in ((pair.target, target), (pair.draft, draft))]
    seed_all("decoding")
    started = time.process_time()
    write()
    rate = tokens / (time.process_time() - started)
    for hook in hooks:
        hook.remove()
    return rate, counts


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--from", dest="run", type=Path, help="folder of a run of speculative_decoding")
    p.add_argument("--data", help="text to learn and to measure the loss on (default: the catalog's prose)")
    p.add_argument("--steps", type=int, default=300, help="training steps without --from (default: %(default)s)")
    p.add_argument("--texts", type=int, default=8, help="texts to write, one after the other (default: %(default)s)")
    args = p.parse_args()
    torch.set_num_threads(1)
    try:
        task = make("text", args.data)
        pair = load(args.run)[0] if args.run else None
    except (ValueError, FileNotFoundError) as err:
        raise SystemExit(f"error: {err}") from None
    if pair is None:
        settings = {"channels": 128, "layers": 4, "steps": args.steps}
        pair = run(SpeculativeDecoding, settings, task=task, evaluate=False).model.eval()
    if not isinstance(pair, SpeculativeDecoding) or pair.cfg.vocab != task.facts["vocab"]:
        raise SystemExit(f"error: {args.run}: no run of speculative_decoding on this text")

    length = pair.cfg.context + 1
    prompts, tokens = task.windows(args.texts).x[:, :1], args.texts * pair.cfg.context
    ways = {
        "recomputed": lambda: [recompute(pair.target, y[None], length) for y in prompts],
        "cached": lambda: [pair.target.sample(1, y[None], length) for y in prompts],
        "cached, all texts at once": lambda: pair.target.sample(len(prompts), prompts, length),
        f"speculative, {pair.cfg.guesses} guesses": lambda: [pair.write(y[None], length) for y in prompts],
    }
    print(f"{'':26}{'tokens/s':>10}{'per token: passes':>20}{'calls':>8}{'draft passes':>15}")
    for name, write in ways.items():
        rate, counts = measured(pair, write, tokens)
        passes, calls, drafted = (c / tokens for c in counts)
        print(f"{name:26}{rate:10.0f}{passes:20.2f}{calls:8.2f}{drafted:15.2f}")

    x, calibration = task.windows(100).x, task.batch("train", 0, 16).x[:, :-1]
    whole = sum(w.numel() * w.element_size() for w in pair.target.parameters())
    with torch.no_grad():
        loss = pair.target.loss(Batch(x))["loss"].item()
        print(f"\n{'weights':26}{'bytes':>10}{'share':>8}{'loss, nats':>12}{'perplexity ratio':>18}")
        print(f"{'float32':26}{whole:10d}{1:8.3f}{loss:12.4f}{1:18.3f}")
        for bits in (8, 6, 4, 3, 2):
            for method in ("nearest", "compensated"):
                cfg = {**pair.target.cfg.model_dump(), "bits": bits, "method": method}
                model = Quantization(Quantization.Config(**cfg))
                model.load_state_dict(pair.target.state_dict(), strict=False)
                model.quantize(calibration)
                size = sum(t.numel() * t.element_size() for t in model.packed().values())
                after = model.loss(Batch(x))["loss"].item()
                ratio = torch.tensor(after - loss).exp().item()
                print(f"{f'{bits} bits, {method}':26}{size:10d}{size / whole:8.3f}{after:12.4f}{ratio:18.3f}")


if __name__ == "__main__":
    main()
