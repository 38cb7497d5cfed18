"""Measuring what methods cost, and keeping it in a folder that survives being killed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor

from restorebench.costs.complexity import SIDE, complexity, image
from restorebench.costs.memory import peak_memory
from restorebench.costs.record import CostIdentity, CostRecord, Latency
from restorebench.costs.runtime import (
    Clock,
    energy_counter,
    interleaved,
    joules,
    network_clock,
    processor,
    restore_clock,
    state_of,
)
from restorebench.errors import BenchError, StoreError
from restorebench.method import Method
from restorebench.plan import Row, config_text
from restorebench.provenance import environment_hash
from restorebench.store import write_atomically

FOLDER = "costs"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is measured of each method, beside its parameters and multiply-accumulates."""

    size: int = SIDE
    """Height and width of the image, in pixels."""
    batch: int = 1
    latency: bool = False
    memory: bool = False

    def identity(self, row: Row, device: torch.device) -> CostIdentity:
        """Return everything that a row's costs depend on."""
        on_cpu = device.type == "cpu"
        return CostIdentity(
            **_of_row(row),
            size=self.size,
            batch=self.batch,
            device=processor(str(device)),
            threads=torch.get_num_threads() if on_cpu else None,
            tf32=not on_cpu and row.precision.startswith("tf32"),
        )


def measure_costs(rows: Iterable[Row], profile: Profile, out: Path | None) -> Iterator[CostRecord]:
    """Measure what the folder does not hold yet; all methods stay in memory meanwhile.

    Args:
        rows: the methods.
        profile: what is measured.
        out: keeps what was measured, and gives it to the next that asks; ``None`` keeps nothing.

    What cannot be measured, or built, is its record's error, which is not kept, so that it is tried
    again.

    Yields:
        Each method's record once it is counted, and again at the end.

    Raises:
        OutputFolderError: if records cannot be written.
        StoreError: if a stored one is damaged.
    """
    known = {} if out is None else read_costs(out)
    subjects = []
    for row in rows:
        try:
            method = row.build()
        except Exception as error:  # a method's constructor is foreign code
            identity = profile.identity(row, torch.device("cpu"))  # it came to no device
            yield CostRecord(key=identity.key, identity=identity, error=_reason(error))
            continue
        assert isinstance(method, Method)  # images that were restored elsewhere cost nothing here
        identity = profile.identity(row, method.device)
        new = CostRecord(key=identity.key, identity=identity)
        subjects.append(_Subject(row, method, known.get(identity.key, new), out))
    for subject in subjects:
        if subject.record.complexity is None:
            counted = subject.attempt(partial(complexity, subject.method, profile.size))
            if counted is not None:
                subject.keep(complexity=counted)
        yield subject.record
    if profile.latency:
        _time(subjects, image(profile.size, profile.batch))
    for subject in subjects:
        if profile.memory and subject.record.memory is None:
            build = subject.row.build
            found = subject.attempt(partial(peak_memory, build, profile.size, profile.batch))
            if found is not None:
                subject.keep(memory=found)
        yield subject.record


def read_costs(out: Path) -> dict[str, CostRecord]:
    """Return the costs that a folder holds, by key.

    Raises:
        StoreError: if one is damaged.
    """
    found = {}
    for path in sorted((out / FOLDER).glob("*.json")):
        try:
            record = CostRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise StoreError(f"{path} is damaged; delete it to measure it again") from error
        if record.key != record.identity.key:
            raise StoreError(
                f"{path} is not what its key was made for; delete it to measure it again"
            )
        found[record.key] = record
    return found


def costs_of(rows: Sequence[Row], records: Iterable[CostRecord]) -> tuple[CostRecord, ...]:
    """Return those records that are of the rows as they are now, by row and then by size."""
    found = sorted(records, key=lambda r: (r.identity.size, r.identity.batch, r.identity.device))
    mine = [_of_row(row) for row in rows]
    return tuple(r for own in mine for r in found if own.items() <= r.identity.model_dump().items())


def _reason(error: Exception) -> str:
    """Return in one line why something could not be measured."""
    reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    return (reason.splitlines() or [type(error).__name__])[0]


def _of_row(row: Row) -> dict[str, str]:
    return {
        "method": row.label,
        "config": config_text(row.config),
        "weights": row.weights,
        "code": row.code,
        "precision": row.precision,
        "environment": environment_hash(),
    }


@dataclass
class _Subject:
    """A method, and what is known of its costs."""

    row: Row
    method: Method
    record: CostRecord
    out: Path | None

    def attempt(self, what: Callable[[], T]) -> T | None:
        """Return a measurement; if it fails, nothing, and the record says why."""
        try:
            return what()
        except Exception as error:  # a network is foreign code
            self.record = self.record.model_copy(update={"error": _reason(error)})
            return None

    def keep(self, **parts: object) -> None:
        """Add measurements to the record, and write it if it is to be kept."""
        self.record = self.record.model_copy(update=parts)
        if self.out is None:
            return
        text = self.record.model_dump_json(indent=1, exclude={"error"}) + "\n"
        write_atomically(self.out / FOLDER / f"{self.record.key}.json", text)


def _time(subjects: Iterable[_Subject], x: Tensor) -> None:
    """Time those that no time is known of, in rounds that go through all of them."""
    timed, clocks = [], dict[tuple[str, str], Clock]()
    for subject in subjects:
        if subject.record.latency is None:
            ready = subject.attempt(partial(_clocks, subject.method, x))
            if ready is not None:
                timed.append(subject)
                clocks |= {(subject.record.key, what): clock for what, clock in ready.items()}
    times = {which: tuple(map(float, rounds)) for which, rounds in interleaved(clocks).items()}
    for subject in timed:
        restore, network = (
            times.get((subject.record.key, what)) for what in ("restore", "network")
        )
        assert restore is not None
        state, energy = state_of(subject.method.network), _energy(subject, x, clocks)
        latency = Latency(restore=restore, network=network, state=state, energy=energy)
        subject.keep(latency=latency)


def _energy(subject: _Subject, x: Tensor, clocks: Mapping[tuple[str, str], Clock]) -> float | None:
    """Return joules a megapixel of the network alone, where something counts them."""
    clock = clocks.get((subject.record.key, "network"))
    counter = energy_counter(subject.method.device)
    if clock is None or counter is None:
        return None
    return joules(clock, counter) / (x.numel() / 3 / 1e6)


def _clocks(method: Method, x: Tensor) -> dict[str, Clock]:
    method.restore(x)  # fails here if it does at all, and not amid the others' rounds
    clocks = {"restore": restore_clock(method, x)}
    if next(method.network.parameters(), None) is not None:
        clocks["network"] = network_clock(method, x)
    return clocks
