"""A board's files: its data, and what every installed renderer makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorebench.board.comparison_table import save_comparison
from restorebench.board.folders import names_left_out
from restorebench.board.leaderboard import Leaderboard
from restorebench.board.table import Style
from restorebench.catalog import Catalog
from restorebench.errors import OutputFolderError, RenderError, SetupError


@dataclass(frozen=True, slots=True)
class Written:
    """A board, and what became of its files."""

    board: Leaderboard
    files: tuple[Path, ...]
    failures: tuple[str, ...]
    """One line for each renderer that failed."""
    left_out: tuple[str, ...]
    """Rows of the board that lay there before, which this one lacks."""

    def check(self) -> None:
        """Raise the renderers' failures.

        Raises:
            RenderError: if there are any.
        """
        if self.failures:
            raise RenderError("; ".join(self.failures))


def write_board(
    board: Leaderboard, folder: Path, catalog: Catalog, style: Style = "plain"
) -> Written:
    """Write the board's data and one file for each installed renderer; one may fail alone.

    Raises:
        OutputFolderError: if the folder cannot be written.
    """
    left_out = names_left_out(folder, board.info)
    files, failures = board.save(folder), []
    if board.printed:
        files.append(save_comparison(board, folder))
    for name in catalog.names("renderers"):
        try:
            files.append(catalog.renderer(name)(board, folder, style))
        except OutputFolderError:
            raise
        except SetupError as error:
            failures.append(str(error))
        except (Exception, SystemExit) as error:  # a renderer is foreign code
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            failures.append(f"renderer {name!r} failed: {reason}; the other files are written")
    return Written(board, tuple(files), tuple(failures), left_out)
