"""`Session`: one run from plan to files, which the command line drives step by step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from restorebench.allocator import keep_freed_memory
from restorebench.board.files import Written, write_board
from restorebench.board.folders import own_folder
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style
from restorebench.catalog import Catalog
from restorebench.costs.complexity import SIDE
from restorebench.costs.profiling import Profile, costs_of, measure_costs, read_costs
from restorebench.costs.record import CostRecord
from restorebench.method import Method
from restorebench.pictures import Pictures, folders_of, keep_nothing, tidy
from restorebench.planning import make_plans
from restorebench.record import Record
from restorebench.reduced import beside_float32
from restorebench.restored import RestoredFolder
from restorebench.rows import OPTIONS, Options
from restorebench.run_manifest import add_session, add_workers
from restorebench.runner import measure
from restorebench.store import Store, read_journals
from restorebench.suite import Suite


class Session:
    """One run from plan to files. The CLI drives it step by step; `run` in one go.

    Args:
        suite: a suite, its name, or the path of a YAML file.
        methods: names, methods that are already built, or folders of images restored elsewhere.
            ``name@checkpoint`` tells several checkpoints of one network apart.
        options: everything else.
        out: the run folder; ``runs/<suite>`` by default. The same command goes on from there.
        catalog: where names are looked up.

    Raises:
        BenchError: for anything that makes the whole run impossible.
    """

    def __init__(
        self,
        suite: str | Suite,
        methods: Sequence[str | Method | RestoredFolder],
        options: Options,
        out: Path | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self.catalog = catalog or Catalog.installed()
        self.options = options
        self._asked = suite if isinstance(suite, str) else suite.name
        self.plans = make_plans(self.catalog, suite, methods, options)
        """One for each protocol."""
        self.out = (out or Path("runs") / self.plans[0].suite.name).expanduser()
        self._records: list[Record] = []
        self.missing = 0
        """How many records of the plan were not there to be gathered."""

    @property
    def total(self) -> int:
        """How many records there will be, over all methods and protocols."""
        return sum(len(column.drawn) for plan in self.plans for _, column in plan.cells())

    @property
    def cost_sizes(self) -> tuple[int, ...]:
        """Heights and widths of images that costs are measured at, in pixels."""
        return self.plans[0].suite.costs or ((SIDE,) if self.options.costs else ())

    def measure(self) -> Iterator[Record]:
        """Score what is not scored yet, and yield every image's record.

        Raises:
            OutputFolderError: if the run folder cannot be written.
            StoreError: if another process is writing to it.
        """
        self._records = []
        keep_freed_memory()
        with self.opened() as store:
            keep = Pictures(self.out).keep if self.options.pictures else keep_nothing
            for record in measure(self.plans, store, keep, self.options.batch):
                self._records.append(record)
                yield record

    def measure_costs(self) -> Iterator[CostRecord]:
        """Measure what each method costs, where suite or options ask for it.

        Yields:
            Each method's record, again when it has grown.

        Raises:
            OutputFolderError: if the run folder cannot be written.
            StoreError: if a stored cost is damaged.
        """
        rows = [row for row in self.plans[0].rows if row.absent is None]
        for size in self.cost_sizes:
            yield from measure_costs(rows, Profile(size=size, latency=True), self.out)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Hold the run folder, with this session in its manifest.

        Raises:
            OutputFolderError: if the run folder cannot be written.
            StoreError: if another process is writing to it.
        """
        started = datetime.now(UTC)
        with Store(self.out, f"{started:%Y%m%dT%H%M%S}-{os.getpid()}") as store:
            asked = {"suite": self._asked, **OPTIONS.dump_python(self.options, mode="json")}
            self._sessions = add_session(self.out, store.session, started, self.plans, asked)
            yield store

    def gather(
        self, stored: Mapping[str, Record], workers: Sequence[Mapping[str, Any]], device: str
    ) -> None:
        """Take the records of the plan that others have measured; what is not there is missing.

        Args:
            stored: records by key.
            workers: what the manifest says of those who measured them.
            device: what they were asked to measure on.
        """
        self._sessions = add_workers(self.out, workers, device, self.plans[0].device)
        keys = [
            plan.identity(row, column, item).key
            for plan in self.plans
            for row, column in plan.cells()
            for item in column.drawn
        ]
        self._records = [stored[key] for key in keys if key in stored]
        self.missing = len(keys) - len(self._records)

    def finish(self, style: Style = "plain") -> list[Written]:
        """Write each protocol's board and every installed renderer's file.

        The first protocol's board lies in the run folder itself, any other in a folder within it
        that is called after the protocol; see `own_folder`.

        Raises:
            OutputFolderError: if the run folder cannot be written.
        """
        tidy(self.out)
        boards = []
        costs = costs_of(self.plans[0].rows, read_costs(self.out).values())
        # Where a run in float32 would have left what another precision is compared with.
        stored = {} if self.options.precision == "float32" else read_journals(self.out)
        for plan in self.plans:
            records = [r for r in self._records if r.identity.protocol == plan.protocol.id]
            pictures = folders_of(self.out)
            said = beside_float32(plan, records, stored)
            board = Leaderboard.of(said, records, self._sessions, costs, pictures)
            folder = own_folder(self.out, board.info, first=plan is self.plans[0])
            boards.append(write_board(board, folder, self.catalog, style))
        return boards
