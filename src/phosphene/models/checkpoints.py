"""Which part of a checkpoint holds a network's weights: training scripts nest state dicts and prefix their names.

A checkpoint is flattened to dotted names first, `model_ema.module.conv1.weight`, so that containers (`state_dict`,
`model`, ...) and prefixes (`module.`, `backbone.`, ...) are the same thing: whatever stands before the network's own
names. Nothing is guessed: weights are taken from where every name and every shape of the network is, and nothing else
that could have been learnt stands beside them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from phosphene.core.errors import Mistake

WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Segments of names that come from wrapping a module, wherever it stands: they say nothing about it."""

COUNTERS = {
    "num_batches_tracked", "total_ops", "total_params", "n_averaged", "num_updates", "decay", "epoch", "step",
    "global_step", "iteration", "initted", "attn_mask",
}  # fmt: skip
"""Last segments of names of what counts or masks: batches, operations (thop), averaged steps, epochs."""

AVERAGED = re.compile(r"(^|[._-])(ema|swa|averaged?)([._-]|$)", re.IGNORECASE)
"""Names of weights that were averaged over the training, which are those that people evaluate."""


@dataclass
class Entries:
    """What a checkpoint holds, by dotted names.

    Attributes:
        tensors: all of them.
        folder: for each name, that of the container it stands in, with a dot at its end.
        others: names of what is no tensor, in the containers that hold some.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    folder: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


@dataclass
class Found:
    """The weights for a network.

    Attributes:
        state: by the network's own names.
        said: what a user should know about how they were found.
    """

    state: dict[str, Tensor]
    said: list[str]


def entries(content: Any) -> Entries:
    """What is in a checkpoint, however deep in dicts."""
    found = Entries()

    def enter(container: Mapping[Any, Any], folder: str) -> None:
        named = {key: value for key, value in container.items() if isinstance(key, str)}
        holds = any(isinstance(value, Tensor) for value in named.values())
        for key, value in named.items():
            name = folder + key
            if isinstance(value, Tensor):
                found.tensors[name], found.folder[name] = value, folder
            elif isinstance(value, Mapping) and value:
                enter(value, f"{name}.")
            elif holds:
                found.others.append(name)
                found.folder[name] = folder

    if isinstance(content, Mapping):
        enter(content, "")
    return found


def weights_for(own: Mapping[str, Tensor], given: Entries) -> Found:
    """The weights of a checkpoint for a network with these.

    Raises:
        Mistake: they do not fit, or several do; to be said behind the file's name.
    """
    spellings = list(_spellings(own, given))
    for names in spellings:
        if fitting := [prefix for prefix in names.prefixes() if names.misfits(prefix) == []]:
            prefix, said = _chosen(names, fitting)
            return Found(names.state(prefix), said + names.left_out(prefix))
    names = spellings[0]
    misfits = names.misfits(next(iter(names.prefixes()), names.largest()))
    more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
    raise Mistake(f"does not fit the network: {', '.join(misfits[:3])}{more}")


def _chosen(names: "_Names", fitting: Sequence[str]) -> tuple[str, list[str]]:
    """The prefix whose weights are taken; of several, those that are the same, else those that were averaged."""
    first, *others = fitting
    if all(_same(names.state(first), names.state(other)) for other in others):
        return first, []
    called = [f"'{prefix.rstrip('.')}'" if prefix else "its own names" for prefix in fitting]
    several = f"holds weights that fit under {', '.join(called[:-1])} and {called[-1]}"
    averaged = [prefix for prefix in fitting if AVERAGED.search(prefix)]
    if len(averaged) != 1:
        raise Mistake(f"{several}; save those that are meant alone")
    return averaged[0], [f"{several}; '{averaged[0].rstrip('.')}', which was averaged over the training, was taken"]


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(v.dtype == other[name].dtype and torch.equal(v, other[name]) for name, v in one.items())


def _spellings(own: Mapping[str, Tensor], given: Entries) -> Iterator["_Names"]:
    """Ways to compare names: as they are, without wrappers, and without what all names of the network begin with."""
    plain = {name: name for name in own}
    yield _Names(own, given, plain, {name: name for name in given.tensors})
    bare = {_unwrapped(name): name for name in own}, {_unwrapped(name): name for name in given.tensors}
    unwraps = len(bare[0]) == len(own) and len(bare[1]) == len(given.tensors)
    if unwraps:
        yield _Names(own, given, *bare)
    shorter, held = bare if unwraps else (plain, {name: name for name in given.tensors})
    while len({name.partition(".")[0] for name in shorter}) == 1:
        shorter = {name.partition(".")[2]: whole for name, whole in shorter.items()}
        if len({name.rpartition(".")[0] for name in shorter}) < 2:  # one module's weight and bias are in every network
            return
        yield _Names(own, given, shorter, held)


def _unwrapped(name: str) -> str:
    return ".".join(segment for segment in name.split(".") if segment not in WRAPPERS)


def _counts(name: str, value: Tensor) -> bool:
    """Whether this was not learnt: whole numbers, or a single one of a known name."""
    known = name.rpartition(".")[2] in COUNTERS
    return not is_lazy(value) and ((known and (value.numel() <= 1 or name.endswith("attn_mask"))) or _whole(value))


def _whole(value: Tensor) -> bool:
    return not (value.is_floating_point() or value.is_complex() or value.is_quantized)


@dataclass
class _Names:
    """One way to compare the names of a network with those of a checkpoint.

    Attributes:
        own: the network's tensors.
        given: the checkpoint's.
        wanted: from each of the network's names as it is compared to the name.
        held: the same of the checkpoint.
    """

    own: Mapping[str, Tensor]
    given: Entries
    wanted: dict[str, str]
    held: dict[str, str]

    def prefixes(self) -> list[str]:
        """What stands before names of the network in the checkpoint, the most frequent first, then the shortest."""
        found: Counter[str] = Counter()
        for name in self.held:
            segments = name.split(".")
            for i in range(len(segments)):
                if ".".join(segments[i:]) in self.wanted:
                    found["".join(f"{segment}." for segment in segments[:i])] += 1
        return sorted(found, key=lambda prefix: (-found[prefix], len(prefix), prefix))

    def largest(self) -> str:
        """The container that holds most tensors."""
        return Counter(self.given.folder[name] for name in self.given.tensors).most_common(1)[0][0]

    @cached_property
    def _tied(self) -> dict[str, list[str]]:
        """Names as they are compared that are one and the same tensor: of those a file may hold one."""
        groups: dict[Any, list[str]] = {}
        for name, whole in self.wanted.items():
            value = self.own[whole]
            plain = not is_lazy(value) and not value.is_meta and value.numel() > 0
            groups.setdefault((value.data_ptr(), value.shape, value.stride()) if plain else name, []).append(name)
        return {name: group for group in groups.values() for name in group}

    def _source(self, prefix: str, name: str) -> str | None:
        """The checkpoint's name of what goes into the network's, both as they are compared."""
        names = [prefix + name, *(prefix + other for other in self._tied[name])]
        return next((self.held[one] for one in names if one in self.held), None)

    def state(self, prefix: str) -> dict[str, Tensor]:
        """The weights that stand behind this prefix, by the network's own names."""
        found = {whole: self._source(prefix, name) for name, whole in self.wanted.items()}
        return {whole: self.given.tensors[source] for whole, source in found.items() if source is not None}

    def _beside(self, prefix: str) -> list[str]:
        """The checkpoint's tensors in the same containers that are not taken, by their names there."""
        taken = {self._source(prefix, name) for name in self.wanted}
        folders = {self.given.folder[name] for name in taken if name is not None} or {self.largest()}
        taken |= {self.held[prefix + name] for name in self.wanted if prefix + name in self.held}
        return [name for name in self.given.folder if self.given.folder[name] in folders and name not in taken]

    def misfits(self, prefix: str) -> list[str]:
        """What is missing behind this prefix, unknown there, or of another shape; counters may be both."""
        state, spelled = self.state(prefix), {whole: name for name, whole in self.held.items()}
        found = [
            f"{n} is missing"
            for n, value in self.own.items()
            if n not in state and (is_lazy(value) or not _whole(value))
        ]
        found += [
            f"{spelled[name].removeprefix(prefix)} is unknown to the network"
            for name in self._beside(prefix)
            if name in spelled and spelled[name].startswith(prefix) and not _counts(name, self.given.tensors[name])
        ]
        return found + [
            f"{name} is {tuple(value.shape)} instead of {tuple(self.own[name].shape)}"
            for name, value in state.items()
            if not is_lazy(self.own[name])
            and value.shape != self.own[name].shape
            and not value.numel() == self.own[name].numel() == 1
        ]

    def left_out(self, prefix: str) -> list[str]:
        """A sentence about what the checkpoint has and the network has not, or the other way round."""
        beside = [name.removeprefix(self.given.folder[name]) for name in self._beside(prefix)]
        state = self.state(prefix)
        missing = [name for name in self.own if name not in state]
        said = [f"left out {_some(beside)}, which the network has not"] if beside else []
        counts = "they only count" if len(missing) > 1 else "it only counts"
        return said + ([f"is without {_some(missing)}; {counts}"] if missing else [])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
