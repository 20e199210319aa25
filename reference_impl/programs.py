"""A network as a program of plain tensor operations, to run where there is no torch: in a page, by `net.js`.

`torch.export` traces a function of tensors into operations of the ATen core set. Whatever does not depend on the
inputs (masks, rotary tables, positions) is worked out here and stored beside the weights. Shapes are the example's.
Weights are rounded to half precision: `rounded` does the same to a module, to compare with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from math import isfinite, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.fx.experimental.proxy_tensor import make_fx

ALIASES = {"view_as_complex", "view_as_real", "clone", "_to_copy", "alias", "detach", "lift_fresh_copy", "contiguous"}
"""Operations that change nothing for numbers that are all single precision, complex ones being pairs of them."""
SKIPPED = {"_assert_tensor_metadata"}


def program(function: Callable[..., Any], *example: Tensor, module: nn.Module | None = None) -> dict[str, Any]:
    """A function of tensors as a program for these shapes.

    module: whose parameters the function uses, where it is not itself a module or one of its methods.
    Returned: `inputs` (shapes), `outputs`, `tensors` (shape; offset, or the value that fills it; and of parameters the
    name and the order of dimensions), `steps` ([operation, arguments, shape of the result]), `data` (base64). A step's
    argument {"$": i} is the i-th value: first the inputs, then the stored tensors, then the results of the steps.

    Raises ValueError for an operation that has no place in a page, such as one of complex numbers that is no product.
    """
    owner = module or (function if isinstance(function, nn.Module) else getattr(function, "__self__", None))

    class Traced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if isinstance(owner, nn.Module):
                self.owner = owner

        def forward(self, *inputs: Tensor) -> Any:
            return function(*inputs)

    example = tuple(x.clone() for x in example)  # of two inputs that are one tensor it would keep one
    with torch.no_grad():
        exported = torch.export.export(Traced().eval(), example).run_decompositions()
        return _Writer(exported, example).written()


def weights(made: dict[str, Any]) -> dict[str, Tensor]:
    """The parameters of a program by name, for `load_state_dict(..., strict=False)` of the module it was made of."""
    data, found = base64.b64decode(made["data"]), {}
    for t in made["tensors"]:
        if "name" in t:
            count = prod(t["shape"])
            flat = torch.frombuffer(bytearray(data[t["offset"] : t["offset"] + 2 * count]), dtype=torch.float16)
            found[t["name"]] = flat.float().view(t["shape"]).permute(*torch.tensor(t["order"]).argsort().tolist())
    return found


def with_slope(module: nn.Module, energy: str, x: Tensor) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """A method E of a module, (B, ...) -> (B,), as a function of x and c (B,): E(x), and the slope in x of sum c E(x).

    x: an example. What comes back is made of forward operations alone, which `program` can write down.
    """

    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Tensor) -> Tensor:
            return getattr(self.module, energy)(x)

    called = Called()

    def both(parameters: dict[str, Tensor], x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        def total(x: Tensor) -> tuple[Tensor, Tensor]:
            e = functional_call(called, parameters, (x,))
            return (c * e).sum(), e

        slope, e = grad(total, has_aux=True)(x)
        return e, slope

    parameters = lambda: dict(called.named_parameters())
    traced = make_fx(both)(parameters(), x, torch.ones(len(x)))
    return lambda x, c: traced(parameters(), x, c)


def rounded(module: nn.Module) -> nn.Module:
    """The module with its parameters and buffers as a program stores them, in place."""
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    return module


class _Writer:
    def __init__(self, exported: Any, example: tuple[Tensor, ...]) -> None:
        self.exported, self.example = exported, example
        self.known: dict[Any, Any] = {}
        """Values of nodes that do not depend on the inputs."""
        self.place: dict[Any, int] = {}
        self.stored: list[tuple[Tensor, str, list[int]]] = []
        self.steps: list[tuple[Any, list[Any], Any]] = []

    def written(self) -> dict[str, Any]:
        graph, signature = self.exported.graph, self.exported.graph_signature
        state = {**self.exported.state_dict, **self.exported.constants}
        held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        held |= signature.inputs_to_lifted_tensor_constants
        inputs, moving, outputs = [], [], []
        for node in graph.nodes:
            if node.op == "placeholder":
                if node.name in held:
                    self.known[node] = state[held[node.name]]
                else:
                    inputs.append(node)
            elif node.op == "output":
                outputs = list(node.args[0])
            elif all(n in self.known for n in node.all_input_nodes):
                self.known[node] = node.target(*self._values(node.args), **self._values(node.kwargs))
            elif _name(node) not in SKIPPED:
                moving.append(node)
        names: dict[Any, tuple[str, list[int]]] = {}
        """Of parameters and buffers: the name, and in which order its dimensions stand here."""
        for node, value in self.known.items():
            if (
                node.name in held
                and value.is_floating_point()
                and node.name not in signature.inputs_to_lifted_tensor_constants
            ):
                names[node] = held[node.name].removeprefix("owner."), list(range(value.ndim))
            elif node.op == "call_function" and _name(node) == "permute" and node.args[0] in names:
                name, order = names[node.args[0]]
                names[node] = name, [order[i] for i in node.args[1]]
        used = [n for node in moving for n in node.all_input_nodes if n in self.known]
        used += [n for n in outputs if n in self.known]
        # a parameter that is used in several orders of its dimensions is stored once
        kept: dict[str, Any] = {}
        for node in dict.fromkeys(used):
            if node in names:
                kept.setdefault(names[node][0], node)
        again = [n for n in dict.fromkeys(used) if n in names and kept[names[n][0]] is not n]
        for i, node in enumerate([*inputs, *(n for n in dict.fromkeys(used) if n not in again)]):
            self.place[node] = i
            if node in self.known:
                self.stored.append((_real(self.known[node]), *names.get(node, ("", []))))
        first = len(self.place)
        for node in again:
            name, order = names[node]
            stored = names[kept[name]][1]
            self._add(node, first, "permute", [{"$": self.place[kept[name]]}, [stored.index(d) for d in order]])
        for node in moving:
            self._step(node, first)
        tensors, data = self._packed()
        return {
            "inputs": [list(x.shape) for x in self.example],
            "outputs": [self.place[n] for n in outputs],
            "tensors": tensors,
            "steps": self.steps,
            "data": base64.b64encode(data).decode(),
        }

    def _step(self, node: Any, first: int) -> None:
        name = _name(node)
        if name == "split_with_sizes":
            return
        if name == "getitem" and _name(node.args[0]) == "split_with_sizes":
            x, sizes, *dim = node.args[0].args
            start = sum(sizes[: node.args[1]])
            self._add(node, first, "slice", [{"$": self.place[x]}, *(dim or [0]), start, start + sizes[node.args[1]]])
            return
        if name == "getitem":
            self.place[node] = self.place[node.args[0]]  # a normalization: its second and third result serve training
            if node.args[1] != 0 and node.users:
                raise ValueError(f"{node}: the result {node.args[1]} of {node.args[0]} is used")
            return
        if name in ALIASES:
            self.place[node] = self.place[node.args[0]]
            return
        if any(_complex(n) for n in [node, *node.all_input_nodes]):
            if name not in {"mul", "slice", "unsqueeze", "select", "squeeze"}:
                raise ValueError(f"{node}: {name} of complex numbers")
            name = f"complex_{name}"
        full = {a.name: a.default_value for a in node.target._schema.arguments if a.has_default_value()}
        names = [a.name for a in node.target._schema.arguments]
        full |= dict(zip(names, node.args, strict=False)) | node.kwargs
        self._add(node, first, name, [self._argument(full[n]) for n in names if n in full and n not in _IGNORED])

    def _add(self, node: Any, first: int, name: str, arguments: list[Any]) -> None:
        value = node.meta["val"]
        shape = list((value[0] if isinstance(value, (tuple, list)) else value).shape)
        self.place[node] = first + len(self.steps)
        self.steps.append((name, arguments, shape))

    def _argument(self, value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return {"$": self.place[value]}
        if isinstance(value, (list, tuple)):
            return [self._argument(v) for v in value]
        if isinstance(value, float) and not isfinite(value):
            return {"#": str(value)}  # JSON has no word for it
        return value if isinstance(value, (int, float, str, type(None))) else str(value)

    def _values(self, arguments: Any) -> Any:
        return torch.fx.node.map_arg(arguments, lambda n: self.known[n])

    def _packed(self) -> tuple[list[dict[str, Any]], bytes]:
        """Half precision for parameters, single for what was worked out (positions, masks, tables)."""
        table: list[dict[str, Any]] = [
            {"shape": list(t.shape)} | ({"name": name, "order": order} if name else {})
            for t, name, order in self.stored
        ]
        data = b""
        for row, (tensor, name, _) in sorted(zip(table, self.stored, strict=True), key=lambda r: bool(r[1][1])):
            if not name and tensor.unique().numel() == 1 and tensor.isfinite().all():
                row["fill"] = tensor.unique().item()
                continue
            row["offset"] = len(data)  # single precision comes first, so that all of it is aligned
            data += tensor.detach().to(torch.float16 if name else torch.float32).contiguous().numpy().tobytes()
        return table, data


_IGNORED = {"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "generator"}


def _name(node: Any) -> str:
    return getattr(node.target, "_opname", None) or node.target.__name__


def _complex(node: Any) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.is_complex()


def _real(value: Tensor) -> Tensor:
    return torch.view_as_real(value) if value.is_complex() else value


def text(made: dict[str, Any]) -> str:
    """A program as JSON."""
    return json.dumps({"schema": 1, **made}, separators=(",", ":")) + "\n"
