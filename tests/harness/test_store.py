"""The store: durable, resumable, owned by one process, and honest about damage."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.errors import OutputFolderError, StoreError
from restorebench.record import Identity, Record
from restorebench.store import Journal, Store, read_journals, write_atomically


def record(image: str = "a", error: str | None = None, **scores: float) -> Record:
    identity = Identity(
        method="m",
        config="{}",
        weights="none needed",
        code="c",
        precision="float32",
        device="cpu",
        environment="e",
        task="t",
        mix="",
        data="real",
        data_fingerprint="f",
        protocol="p",
        stream_start=0,
        image=image,
    )
    return Record(key=identity.key, identity=identity, scores=scores, error=error, session="s")


@given(st.dictionaries(st.sampled_from(["psnr", "ssim"]), st.floats(allow_nan=False)))
def test_a_record_comes_back_bit_for_bit(scores: dict[str, float]) -> None:
    kept = record().model_copy(update={"scores": scores})
    assert Record.model_validate_json(kept.model_dump_json()) == kept


def test_records_outlive_the_process(tmp_path: Path) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
    with Store(tmp_path, "two") as store:
        found = store.find(record("a").key)
        assert found is not None
        assert found.scores == {"psnr": 30.0}
        assert store.find(record("b").key) is None


def test_a_torn_last_line_is_measured_again_and_costs_nothing_else(tmp_path: Path) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
        store.append(record("b", psnr=31.0))
    journal = tmp_path / "journal" / "0001-one.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    with Store(tmp_path, "two") as store:
        assert store.find(record("a").key) is not None
        assert store.find(record("b").key) is None
        store.append(record("b", psnr=31.0))
    assert len(read_journals(tmp_path)) == 2


def test_a_damaged_line_is_named_not_skipped(tmp_path: Path) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
        store.append(record("b", psnr=31.0))
    journal = tmp_path / "journal" / "0001-one.jsonl"
    journal.write_text(journal.read_text().replace('"schema_version":1', '"schema_version":7', 1))
    with pytest.raises(StoreError, match=r"0001-one\.jsonl:1 is no record"):
        read_journals(tmp_path)


def test_a_success_supersedes_a_failure_and_never_the_other_way_round(tmp_path: Path) -> None:
    with Store(tmp_path, "1") as store:
        store.append(record("a", error="broken"))
        assert store.find(record("a").key) is None
    with Store(tmp_path, "2") as store:
        store.append(record("a", psnr=30.0))
    with Store(tmp_path, "3") as store:
        store.append(record("a", error="broken again"))
    assert read_journals(tmp_path)[record("a").key].scores == {"psnr": 30.0}


def test_a_record_that_holds_more_scores_supersedes_one_with_fewer(tmp_path: Path) -> None:
    with Store(tmp_path, "1") as store:
        store.append(record("a", psnr=30.0))
        store.append(record("a", psnr=30.0, lpips=0.1))
    with Store(tmp_path, "2") as store:
        store.append(record("a", psnr=30.0))
    assert read_journals(tmp_path)[record("a").key].scores == {"psnr": 30.0, "lpips": 0.1}


@pytest.mark.parametrize(
    "change", [{"weights": "x"}, {"data_fingerprint": "x"}, {"protocol": "x"}, {"code": "x"}]
)
def test_a_record_made_otherwise_is_never_reused(tmp_path: Path, change: dict[str, str]) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
        other = record("a").identity.model_copy(update=change)
        assert store.find(other.key) is None


def test_a_second_process_is_refused_while_the_first_writes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from restorebench.store import Store\n"
        "with Store(Path(sys.argv[1]), 'other'): pass"
    )
    with Store(tmp_path, "one"):
        command = [sys.executable, "-c", code, str(tmp_path)]
        refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "is being written by another run" in refused.stderr
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_a_damaged_folder_is_not_kept_locked(tmp_path: Path) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
    journal = tmp_path / "journal" / "0001-one.jsonl"
    journal.write_text("no record\n")
    for session in ("two", "three"):
        with pytest.raises(StoreError, match=r"0001-one\.jsonl:1 is no record"):
            Store(tmp_path, session).__enter__()
    journal.unlink()
    with Store(tmp_path, "four") as store:
        assert store.find(record("a").key) is None


def test_a_session_never_writes_to_an_older_journal(tmp_path: Path) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
    journal = tmp_path / "journal" / "0001-one.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    with Store(tmp_path, "one") as store:
        store.append(record("b", psnr=31.0))
    assert sorted(p.name for p in journal.parent.iterdir()) == ["0001-one.jsonl", "0002-one.jsonl"]
    assert set(read_journals(tmp_path)) == {record("b").key}


def test_sessions_are_ordered_by_the_lock_and_not_by_the_clock(tmp_path: Path) -> None:
    labels = ["2026-11-21", "2026-11-20", "1970-01-01"]  # the clock is set back twice
    for label in labels:
        with Store(tmp_path, label) as store:
            store.append(record("a", error=f"failed on {label}"))
    assert store.session == "0003-1970-01-01"
    assert read_journals(tmp_path)[record("a").key].error == "failed on 1970-01-01"


def test_a_record_under_a_key_that_is_not_its_own_is_named(tmp_path: Path) -> None:
    with Store(tmp_path, "one") as store:
        store.append(record("a", psnr=30.0))
    journal = tmp_path / "journal" / "0001-one.jsonl"
    journal.write_text(journal.read_text().replace('"weights":"none needed"', '"weights":"good"'))
    with pytest.raises(StoreError, match=r"0001-one\.jsonl:1 is not what its key was made for"):
        read_journals(tmp_path)


def test_what_a_killed_session_left_half_written_is_cleared(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from restorebench.store import write_atomically\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(Path(sys.argv[1]) / 'deep' / 'table', 'x')"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert [p.name[:7] for p in (tmp_path / "deep").iterdir()] == [".table."]
    with Store(tmp_path, "next"):
        assert list((tmp_path / "deep").iterdir()) == []


def test_an_interrupt_leaves_the_old_file_and_no_half_of_a_new_one(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "table", "old")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from restorebench.store import write_atomically\n"
        "os.fsync = lambda handle: signal.raise_signal(signal.SIGINT)\n"
        "write_atomically(Path(sys.argv[1]) / 'table', 'new')"
    )
    stopped = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert b"KeyboardInterrupt" in stopped.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["table"]
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFolderError, match=r"cannot be written .* choose another --out"):
        Store(tmp_path / "file" / "run", "one").__enter__()


def test_a_disk_that_takes_no_more_is_said_so_and_what_was_written_stays(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from restorebench.errors import OutputFolderError
from restorebench.store import Store, write_atomically
sys.path.insert(0, sys.argv[2])
from test_store import record

resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
with Store(Path(sys.argv[1]), "one") as store:
    for number in range(100):
        try:
            store.append(record(str(number), psnr=30.0))
        except OutputFolderError as error:
            print(number, error)
            break
try:
    write_atomically(Path(sys.argv[1]) / "table", b"x" * 5000)
except OutputFolderError:
    pass
"""
    command = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    number, _, message = done.stdout.partition(" ")
    assert "cannot be written" in message, done.stderr
    assert "what was measured before is safe" in message
    assert 0 < int(number) == len(read_journals(tmp_path)) < 100
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "journal"]


def test_an_atomic_write_replaces_or_leaves(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "sub" / "a.txt", "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    with pytest.raises(OutputFolderError):
        write_atomically(path / "below a file", "three")
    assert path.read_text() == "two"


def test_workers_write_beside_the_session_that_holds_the_lock(tmp_path: Path) -> None:
    with Store(tmp_path, "front") as store, Journal(tmp_path, f"{store.session}.a") as first:
        with Journal(tmp_path, f"{store.session}.b") as second:
            for number, journal in enumerate((store, first, second)):
                journal.append(record(str(number), psnr=30.0))
        assert first.find(record("2").key) is None
    assert {r.identity.image for r in read_journals(tmp_path).values()} == {"0", "1", "2"}
    with Store(tmp_path, "next") as store:
        assert store.session == "0002-next"


def test_a_journal_is_never_another_workers(tmp_path: Path) -> None:
    with Journal(tmp_path, "0001-front.a") as mine:
        mine.append(record("a", psnr=30.0))
        again = Journal(tmp_path, mine.session)
        with pytest.raises(StoreError, match="is another worker's"), again:
            pass
    assert len(read_journals(tmp_path)) == 1
