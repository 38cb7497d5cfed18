"""A real browser, headless, without network; `nox -s browser` runs what needs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from torch import Tensor, nn

import restorebench
from restorebench.method import Card, Method

BROWSERS = ("chromium", "google-chrome", "chromium-browser")

Page = Any
"""Playwright's page; the package is not there in every environment that checks types."""
Open = Callable[..., Page]


class Darker(Method):
    """Takes a fifth of all light."""

    network_class = nn.Identity
    info = Card(title="Darker", paper="none", status="external", needs_weights=False)

    def restore(self, x: Tensor) -> Tensor:
        return x * 0.8


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by playwright; the test is skipped where either is absent."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on PATH")
    with api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open a file as a page; nothing may be requested, logged or thrown while a test uses it."""
    complaints: list[str] = []
    contexts = []

    def call(path: Path, choices: str = "", **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: complaints.append(f"logged: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked(request.url, path))
        page.goto(path.as_uri() + choices)
        return page

    def asked(url: str, path: Path) -> None:
        if urlsplit(url).scheme != "data" and not url.startswith(path.as_uri()):
            complaints.append(f"requested: {url[:200]}")

    yield call
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def scored(suite: Path, data_root: Path, tmp_path: Path) -> Path:
    """The page of a real run of two methods on two tasks, with pictures."""
    restorebench.run(str(suite), ["identity", Darker()], data_root, out=tmp_path / "run")
    return tmp_path / "run" / "leaderboard.html"
