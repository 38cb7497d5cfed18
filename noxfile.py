"""Set-up and every check in one place: `nox -l` lists the sessions.

Every session installs the locked versions of constraints.txt, so that a fresh machine gives the
numbers of this one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types"]

CONSTRAINTS = ("-c", "constraints.txt")
BROWSER = next(filter(shutil.which, ("chromium", "google-chrome", "chromium-browser")), None)
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, options: Sequence[str] = ()) -> None:
    """Install the project, editable, with some of its dependency groups; `options` are pip's."""
    needed = [name for group in groups for name in nox.project.dependency_groups(PYPROJECT, group)]
    session.install(*CONSTRAINTS, *options, "-e", ".", *needed)


@nox.session
def bench(session: nox.Session) -> None:
    """Score methods on a suite: `nox -s bench -- --suite three_deg`."""
    install(session)
    session.run("restorebench", "run", *session.posargs)


@nox.session
def regress(session: nox.Session) -> None:
    """Gate checkpoints: `nox -s regress -- --suite three_deg -m hair --weights new.ckpt`."""
    install(session)
    command = Path(session.bin) / "restorebench"
    # Not session.run, since nox knows no exit codes but 0 and 1.
    raise SystemExit(subprocess.run([command, "gate", *session.posargs]).returncode)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; those of pages, too, if there is a browser."""
    install(session, "test", *(["browser"] if BROWSER else []))
    # One thread for each of the two workers: more would only wait for one another.
    workers = ["-n", "2", "--dist", "worksteal"]
    session.run("pytest", *(session.posargs or workers), env={"OMP_NUM_THREADS": "1"})


@nox.session
def perf(session: nox.Session) -> None:
    """Compare times with the authors' way, in turns; print the ratios and write perf.json."""
    install(session, "test")
    session.run("python", "-m", "tests.perf", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read thousands of spoilt specs, images, checkpoints and journals; print the outcomes."""
    install(session, "test")
    environment = {"OMP_NUM_THREADS": "1", "FUZZ_ROUNDS": "2500"}
    session.run("pytest", "-s", "tests/harness/test_fuzz.py", *session.posargs, env=environment)


@nox.session
def crash(session: nox.Session) -> None:
    """Kill a run at fifty random moments, and see that it always ends with the same files."""
    install(session, "test")
    environment = {"OMP_NUM_THREADS": "1", "CRASH_KILLS": "50"}
    session.run("pytest", "-s", "tests/harness/test_kill.py", *session.posargs, env=environment)


@nox.session
def iqa(session: nox.Session) -> None:
    """Test the perceptual metrics of the extra [iqa]; installs 7 GB, CUDA's torch among them."""
    # The triple "=" leaves out CPU builds such as 2.13.0+cpu, which the registry's torchvision
    # cannot be imported beside.
    pins = ("-c", "constraints-iqa.txt", "torch===2.13.0", "-e", ".[iqa]")
    needed = nox.project.dependency_groups(PYPROJECT, "test")
    session.install(*CONSTRAINTS, *pins, *needed)
    golden = ("tests/benchmarks/test_iqa.py", "tests/harness/test_metrics.py")
    session.run("pytest", *(session.posargs or ("tests/iqa", *golden)))


@nox.session
def cuda(session: nox.Session) -> None:
    """Test what runs on a CUDA device, by the torch that the package index at hand gives."""
    if shutil.which("nvidia-smi") is None:
        session.skip("nvidia-smi is not on PATH, so there is no CUDA device")
    needed = nox.project.dependency_groups(PYPROJECT, "test")
    session.install(*CONSTRAINTS, "-e", ".", "torchvision", *needed)
    session.run("pytest", *(session.posargs or ("tests/cuda",)))


@nox.session
def browser(session: nox.Session) -> None:
    """Use the HTML report in a real browser; needs chromium or google-chrome."""
    if BROWSER is None:
        session.skip("neither chromium nor google-chrome is on PATH (Debian: chromium)")
    install(session, "test", "browser")
    session.run("pytest", *(session.posargs or ("tests/browser",)))


@nox.session
def latex(session: nox.Session) -> None:
    """Compile all that is written for LaTeX; needs pdflatex with siunitx, booktabs and lmodern."""
    if shutil.which("pdflatex") is None:
        session.skip(
            "pdflatex is not on PATH (Debian: texlive-latex-extra texlive-science lmodern)"
        )
    install(session, "test")
    session.run("pytest", *(session.posargs or ("-k", "latex or compile", "tests")))


@nox.session
def cluster_ray(session: nox.Session) -> None:
    """Lose a node and a worker of a Ray cluster of two nodes, all on this machine."""
    needed = nox.project.dependency_groups(PYPROJECT, "test")
    session.install(*CONSTRAINTS, "-e", ".[ray]", *needed)
    _bounded(session, "tests/cluster/test_ray.py")


@nox.session
def cluster_slurm(session: nox.Session) -> None:
    """Lose jobs of a Slurm cluster of one node, this machine; needs root, slurm-wlm and munge."""
    if os.geteuid() != 0 or not (shutil.which("slurmctld") and shutil.which("munged")):
        session.skip("Slurm's daemons need root, slurmctld and munged (Debian: slurm-wlm munge)")
    needed = nox.project.dependency_groups(PYPROJECT, "test")
    session.install(*CONSTRAINTS, "-e", ".[slurm]", *needed)
    _bounded(session, "tests/cluster/test_slurm.py")


def _bounded(session: nox.Session, *tests: str) -> None:
    """Run tests that start daemons, for ten minutes at most; interrupted, they stop them."""
    words = ["pytest", *tests, *session.posargs]
    environment = {"OMP_NUM_THREADS": "1"}
    session.run("timeout", "-s", "INT", "600", *words, env=environment, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and the direction of imports."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(PYPROJECT, "lint"))
    # Sources are read here, and never imported: neither torch nor the others are needed.
    session.install(*CONSTRAINTS, "--no-deps", "-e", ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    # mypy reads sources, too: byte code would take 275 MB, and time, for nothing.
    install(session, "types", options=["--no-compile"])
    session.run("mypy")


@nox.session
def lock(session: nox.Session) -> None:
    """Write constraints.txt anew from the newest versions that pyproject.toml allows."""
    session.install(
        "torch==2.13.0", "-e", ".[ray,slurm]", *nox.project.dependency_groups(PYPROJECT, "dev")
    )
    frozen = session.run("pip", "freeze", "--exclude-editable", silent=True)
    assert isinstance(frozen, str)
    lines = [line.replace("+cpu", "") for line in frozen.splitlines() if "==" in line]
    head = "# Made by `nox -s lock`: what nox installs, so that numbers can be repeated."
    Path("constraints.txt").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
