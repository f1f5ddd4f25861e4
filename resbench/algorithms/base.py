"""The contract of a training algorithm: it represents one weight matrix on tiles and trains it in place."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from resbench.arguments import take_over_arguments
from resbench.costs import Formula
from resbench.crossbar import kernels
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import Device
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import Rows, rows_of
from resbench.crossbar.states import GAMMAS
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile
from resbench.errors import BadValue

#: Stands for `Changes` if a tile itself is the weight, so that there is nothing to recompute.
ALONE = nullcontext()
#: What a state of an algorithm has beside its counters.
OWN = ("steps", GAMMAS)
AS_SAVED = "; build the model like the one that was saved, or load the weights alone, rb.digital_state(model)"


class Counted:
    """Something with counters that a checkpoint keeps: an algorithm, or a part of one such as its schedule."""

    counters: ClassVar[tuple[str, ...]] = ()

    def state(self) -> dict[str, Any]:
        """The counters by name, as plain types."""
        held = {name: getattr(self, name) for name in self.counters}
        return {name: part.state() if isinstance(part, Counted) else copy.copy(part) for name, part in held.items()}

    def refuse_other(self, key: str, state: Mapping[str, Any]) -> None:
        """Refuse a state of other counters, before any of them is taken.

        Args:
            key: what this is, ``algorithm`` or the name of the part.
            state: the counters of a checkpoint.

        Raises:
            BadValue: for a state that lacks a counter or has another one, as that of another algorithm or schedule.
        """
        own, name = self.state(), type(self).__name__
        if lacking := [counter for counter in own if counter not in state]:
            raise BadValue(key, f"{name} counts {', '.join(lacking)}, which the state lacks", AS_SAVED)
        if foreign := [counter for counter in state if counter not in own]:
            raise BadValue(key, f"the state counts {', '.join(foreign)}, which {name} lacks", AS_SAVED)
        for counter in self.counters:
            part = getattr(self, counter)
            if isinstance(part, Counted):
                part.refuse_other(counter, state[counter])

    def restore(self, state: dict[str, Any]) -> None:
        """Take the counters of a checkpoint."""
        for name in self.counters:
            part = getattr(self, name, None)
            if isinstance(part, Counted):
                part.restore(state[name])
            else:
                setattr(self, name, copy.copy(state[name]))


class Algorithm(nn.Module, Counted, ABC):
    """One weight matrix ``[out, in]`` on one or more tiles, and the rule that trains it.

    An instance made from a config holds hyper-parameters only; :meth:`build` returns a copy with tiles for one layer.
    A subclass writes ``__init__`` (hyper-parameters), :meth:`allocate` (its tiles, fast first) and :meth:`update`.
    The forward pass sees the composite weight ``sum_k gamma_k W_k``.

    Attributes:
        title: name of the algorithm in tables. Derived classes do not inherit it; a class without a title is called by
            its name.
        citation: the paper, for tables and pages.
        cost: its hardware cost, a formula of :mod:`resbench.costs`; None leaves it out of cost tables. It is read from
            the source code, so write one call with plain arguments.
        digital: whether layers stay digital; True for the digital reference only.
        counters: names of the attributes that a checkpoint keeps in addition to buffers: numbers, lists of numbers, or
            parts with counters of their own.
        settled: arguments that a class does not take over, because it sets them itself; it refuses them. Where its
            ``__init__`` ends with ``**inherited``, it has its own arguments and those of the class that it derives
            from, except these and positional-only ones.
        reads_batch_loss: whether :meth:`on_batch_end` is called; False saves a synchronisation in each step.
        shape: ``(out, in)`` once built.
        stream: random stream of the layer once built, for the algorithm's own draws.
        steps: optimiser steps so far.
        is_current: whether the tiles are those that belong to the weight. Where processes share the work of a training,
            those of some layers are trained by another process (:mod:`resbench.nn.shared`).
    """

    title: ClassVar[str]
    citation: ClassVar[str]
    cost: ClassVar[Formula | None] = None
    digital: ClassVar[bool] = False
    settled: ClassVar[tuple[str, ...]] = ()
    reads_batch_loss: bool = False
    shape: tuple[int, int]
    stream: Stream
    composite: Tensor | None
    tiles: list[Tile]
    _devices: list[Device]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        take_over_arguments(cls, cls.settled)

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.is_current = True
        # A ModuleList for torch, and a plain list for us, because reading that takes a tenth of the time.
        self.register_module("tiles", nn.ModuleList())
        self.__dict__["tiles"] = []
        self._restless: list[Tile] = []
        self._changes: Changes | None = None
        self.tile_names: list[str] = []
        self.gammas: list[float] = []
        self.register_buffer("composite", None, persistent=False)
        self.register_load_state_dict_post_hook(_compose_after_loading)  # type: ignore[no-untyped-call]

    def __setattr__(self, name: str, value: Any) -> None:
        # Counters change every step, and torch's bookkeeping of parameters and modules takes microseconds.
        if isinstance(value, (int, float, list)):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # Methods that subclasses implement: the first two always, the others if they need them.

    @abstractmethod
    def allocate(self) -> None:
        """Make the tiles with :meth:`add_tile`, fast tile first, and any digital buffers with ``register_buffer``."""

    @abstractmethod
    def update(self, x: Rows, d: Rows, lr: float) -> None:
        """Train on one mini-batch, in place.

        Pass rows to tiles as they are. ``x.dense()`` gives them as a matrix; for a convolution, this call lays out the
        patches. :func:`~resbench.crossbar.rows.outer_sum` computes the gradient without laying them out.

        On a GPU, pulses may wait for the end of the step. Reading ``tile.weight`` starts them; a tensor that was taken
        from it before does not show them.

        Args:
            x: float32 ``[n, in]``, the inputs of the layer (all positions of a convolution, images outermost).
            d: float32 ``[n, out]``, derivative of the loss by the outputs, including the factor of a mean loss.
            lr: learning rate of the optimiser's parameter group; never 0.
        """

    def start(self) -> None:
        """Set counters and digital buffers to their initial values. Called after tiles are made or programmed."""

    def place(self, weight: Tensor) -> None:
        """Write a composite weight to the tiles. By default, the last tile gets all of it, divided by its gamma."""
        for tile in self.tiles[:-1]:
            tile.program(torch.zeros_like(weight))
        self.tiles[-1].program(weight / self.gammas[-1])

    def compose(self) -> None:
        """Recompute the composite weight ``sum_k gamma_k W_k``."""
        composite = self._buffers["composite"]  # faster than the attribute, which torch looks up last
        if composite is not None and self._changes is not None:
            kernels.compose(composite, self.tiles, self.gammas, self._changes)

    def on_batch_end(self, train_loss: float) -> None:
        """Called after each training step with the loss of its mini-batch, if :attr:`reads_batch_loss` is True."""

    def on_epoch_end(self, train_loss: float) -> None:
        """Called after each training epoch with the mean loss of the epoch."""

    # Methods that this class implements.

    def build(self, shape: tuple[int, int], device: Device | Sequence[Device], stream: Stream) -> Self:
        """A copy of this algorithm with tiles for one layer.

        Args:
            shape: ``(out, in)``.
            device: device of all tiles, or one for each tile, fast tile first; the last one is used for further tiles.
            stream: random stream of the layer.

        Raises:
            TypeError: if the subclass does not call ``super().__init__()``.
            ValueError: if the subclass makes no tile, if the algorithm is on tiles already, or if there is no device or
                more devices than tiles.
        """
        if "_modules" not in vars(self):
            raise TypeError(f"{_careless(type(self))} does not call super().__init__(); write it in the first line")
        if self.tiles:
            raise BadValue(
                "algorithm", f"this {type(self).__name__}", "is on tiles already; make another from the class"
            )
        built = copy.deepcopy(self)
        built.shape = shape
        built.stream = stream
        if not isinstance(device, Device) and not device:
            raise BadValue("device", "no device", "; write one for all tiles, or one for each tile, fast tile first")
        built._devices = [device] if isinstance(device, Device) else list(device)
        built.allocate()
        if not built.tiles:
            raise ValueError(f"{place_of(type(self).allocate)} makes no tile; write self.add_tile(name, gamma) in it")
        if len(built._devices) > len(built.tiles):
            counts = f"{len(built._devices)} devices for {len(built.tiles)} tiles"
            raise BadValue("device", counts, "; write one for all, or one for each tile, fast tile first")
        del built._devices
        if built.is_composite:
            built.composite = torch.zeros(shape)
            built._changes = Changes(built.compose).follow(built.tiles)
        built.start()
        return built

    @property
    def is_composite(self) -> bool:
        """Whether the weight is computed from the tiles.

        If only the last tile is visible, with share 1, that tile is the weight and there is no copy.
        """
        visible = [gamma for gamma in self.gammas if gamma != 0]
        return visible != [1.0] or self.gammas[-1] != 1.0 or type(self).compose is not Algorithm.compose

    def add_tile(self, name: str, gamma: float = 1.0) -> Tile:
        """Add the next tile, with share ``gamma`` in the composite weight. Call it in :meth:`allocate`."""
        index = len(self.tiles)
        device = self._devices[min(index, len(self._devices) - 1)]
        tile = make_tile(device, self.shape, self.stream.child("tile", index))
        cast(nn.ModuleList, self._modules["tiles"]).append(tile)
        self.tiles.append(tile)
        if tile.is_restless:
            self._restless.append(tile)
        self.tile_names.append(name)
        self.gammas.append(gamma)
        return tile

    @property
    def weight(self) -> Tensor:
        """The composite weight ``[out, in]``, which the forward pass sees. It is always at the same place in memory."""
        if self.composite is not None:
            return self.composite
        weight: Tensor = self.tiles[-1].weight
        return weight

    def program(self, weight: Tensor) -> None:
        """Set the composite weight, as closely as the devices can represent it, and reset counters and buffers."""
        with self._changes or ALONE:
            self.place(weight)
        self.start()
        self.compose()

    def step(self, pairs: Sequence[tuple[Tensor | Rows, Tensor | Rows]], lr: float) -> None:
        """One optimiser step: train on the (x, d) pairs as one mini-batch, then apply decay and diffusion."""
        if self._changes is None:  # the last tile is the weight itself
            self._step(pairs, lr)
            self.steps += 1
            return
        with self._changes:
            self._step(pairs, lr)
        self.steps += 1
        self.compose()

    def _step(self, pairs: Sequence[tuple[Tensor | Rows, Tensor | Rows]], lr: float) -> None:
        if pairs and lr != 0:
            x, d = pairs[0] if len(pairs) == 1 else (_joined([pair[side] for pair in pairs]) for side in (0, 1))
            dtype = self.tiles[-1].dtype  # digital buffers are kept in the precision of the tiles
            if not (isinstance(x, Rows) and isinstance(d, Rows) and x.dtype is d.dtype is dtype):
                x, d = rows_of(x).cast(dtype), rows_of(d).cast(dtype)
            self.update(x, d, lr)
        for tile in self._restless:
            tile.end_of_step()

    def pass_time(self, seconds: float) -> None:
        """Let the devices of all tiles drift for a time, and recompute the composite weight; see ``Tile.pass_time``."""
        with self._changes or ALONE:
            for tile in self.tiles:
                tile.pass_time(seconds)
        self.compose()

    def named_tiles(self) -> Iterator[tuple[str, float, Tile]]:
        """(name, gamma, tile) of every tile, fast tile first.

        Raises:
            RuntimeError: if another process trains them.
        """
        self._check_current()
        yield from zip(self.tile_names, self.gammas, self.tiles, strict=True)

    def _check_current(self) -> None:
        if not self.is_current:
            raise RuntimeError(
                "another process trains the tiles of this layer; call resbench.nn.collect_tiles(model) in all processes"
            )

    def digital_storage(self) -> dict[str, int]:
        """Number of words in each digital buffer of the algorithm, by name."""
        return {name: buffer.numel() for name, buffer in self.named_buffers(recurse=False) if name != "composite"}

    def get_extra_state(self) -> dict[str, Any]:
        """Counters for the checkpoint, plain types only.

        Raises:
            RuntimeError: if another process trains the tiles.
        """
        self._check_current()
        return {"steps": self.steps, GAMMAS: list(self.gammas), **self.state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the counters of a checkpoint.

        Raises:
            BadValue: for the state of another algorithm, schedule or channel, and for one whose tiles have other shares
                in the weight.
        """
        own = self.state()
        self.refuse_other("algorithm", {name: state[name] for name in state if name in own or name not in OWN})
        shares = state.get(GAMMAS, self.gammas)  # states of earlier versions lack it
        if GAMMAS not in own and shares != self.gammas:
            there, here = (", ".join(f"{share:g}" for share in gammas) for gammas in (shares, self.gammas))
            raise BadValue("gamma", f"the tiles have shares {here}, but the state is of shares {there}", AS_SAVED)
        self.steps = state["steps"]
        self.restore(state)


def _joined(parts: Sequence[Tensor | Rows]) -> Rows:
    """The rows of all parts, one after the other."""
    return Rows(torch.cat([rows_of(part).dense() for part in parts]))


def place_of(function: Any) -> str:
    """Name, file and line of a function, for messages."""
    code = function.__code__
    return f"{function.__qualname__} ({Path(code.co_filename).name}:{code.co_firstlineno})"


def _careless(kind: type) -> str:
    """The first constructor of a class and its bases that calls no other constructor, for messages."""
    constructors = [init for base in kind.__mro__ if inspect.isfunction(init := vars(base).get("__init__"))]
    careless = [init for init in map(inspect.unwrap, constructors) if "__init__" not in init.__code__.co_names]
    return place_of((careless or constructors)[0])


def _compose_after_loading(algorithm: Algorithm, _: object) -> None:
    """Recompute the composite weight, which is not in the checkpoint, after the tiles have been loaded."""
    algorithm.compose()


def series(key: str, value: float | Sequence[float], tiles: int, rule: Callable[[float, int], float]) -> list[float]:
    """One value for each tile, fast tile first: the given list, or ``rule(number, tile)`` of a single number.

    Raises:
        BadValue: for a list of another length.
    """
    if isinstance(value, (int, float)):
        return [rule(float(value), k) for k in range(tiles)]
    if len(value) != tiles:
        raise BadValue(key, f"{len(value)} values for {tiles} tiles", "; write one number, or one for each tile")
    return [float(v) for v in value]
