"""Mixes: the language that specs and the command line share, and those that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from restorebench.catalog import Catalog
from restorebench.degradation import Degradation, Scene
from restorebench.errors import SpecError, UnknownNameError, UsageError
from restorebench.image import Pixels
from restorebench.noise import GaussianNoise, degrade
from restorebench_benchmarks import MIXES
from restorebench_benchmarks.degradations import Haze, LowLight, LowResolution, RainStreaks
from restorebench_benchmarks.mixing import drawn, mixed

ROOT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.installed()
COFFEE: Pixels = skimage.data.coffee()[100:196, 200:328]
HAZE, RAIN = (
    Haze(beta=1.5, airlight=0.9),
    RainStreaks(length=30, width=2, angle=10, strength=0.6, density=40),
)
TASK = """\
name: mine
title: Mine
kind: mixed
dataset: sample
mix: {mix}
"""


def degradations(text: str) -> list[Degradation]:
    return [CATALOG.degradation(step) for step in CATALOG.mix(text)]


def psnr(image: Pixels, clean: Pixels) -> float:
    return float(-10 * np.log10(np.mean((image / 255 - clean / 255) ** 2)))


@pytest.mark.parametrize("name", CATALOG.names("mixes"))
def test_every_shipped_mix_degrades_and_says_what_it_imitates(name: str) -> None:
    spec, mix = CATALOG.mix_spec(name), degradations(name)
    assert spec.name == name
    assert len(spec.source) > 10
    result = mixed(COFFEE, mix, 0)
    assert result.shape == COFFEE.shape
    assert psnr(result, COFFEE) < 40
    assert np.array_equal(result, mixed(COFFEE, mix, 0))


@pytest.mark.parametrize("name", ["low_haze_snow", "haze_rain", "rain_x2"])
def test_every_step_of_a_mix_changes_the_image(name: str) -> None:
    mix = degradations(name)
    images = {mixed(COFFEE, mix[:count], 0).tobytes() for count in range(len(mix) + 1)}
    assert len(images) == len(mix) + 1


def test_cdd11_mixes_follow_onerestore_low_light_first_and_haze_last() -> None:
    kinds = [type(degradation) for degradation in degradations("low_haze_rain")]
    assert kinds == [LowLight, RainStreaks, Haze]


def test_two_times_super_resolution_comes_after_the_degradation() -> None:
    first, second = degradations("noise_x2")
    assert isinstance(first, GaussianNoise)
    assert isinstance(second, LowResolution)


def test_order_is_kept_and_matters() -> None:
    assert [type(d) for d in degradations("haze+rain")] == [Haze, RainStreaks]
    assert [type(d) for d in degradations("rain + haze")] == [RainStreaks, Haze]
    one, other = mixed(COFFEE, [HAZE, RAIN], 0), mixed(COFFEE, [RAIN, HAZE], 0)
    # Haze over rain veils the streaks, so the brightest pixels differ.
    assert np.abs(one.astype(int) - other).max() > 30


@given(seed=st.integers(0, 2**32))
def test_the_parameters_that_are_shown_give_the_same_image(seed: int) -> None:
    mix = degradations("low_haze_rain")
    kinds = [type(degradation) for degradation in mix]
    fixed = [
        kind(**parameters) for kind, parameters in zip(kinds, drawn(COFFEE, mix, seed), strict=True)
    ]
    assert np.array_equal(mixed(COFFEE, mix, seed), mixed(COFFEE, fixed, seed))


def test_a_stronger_rain_is_the_same_rain() -> None:
    weak, strong = (
        mixed(COFFEE, [RainStreaks(length=30, width=2, angle=10, strength=s, density=40)], 0)
        for s in (0.3, 0.6)
    )
    assert (strong >= weak).all()


def test_photographs_and_seeds_have_a_rain_of_their_own() -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    almost = black.copy()
    almost[0, 0] = 1
    rains = [mixed(black, [RAIN], 0), mixed(black, [RAIN], 1), mixed(almost, [RAIN], 0)]
    assert len({rain[8:].tobytes() for rain in rains}) == 3


@pytest.mark.parametrize("after", ["x2", "jpeg", "low_light", "motion_blur", "snow"])
def test_noise_that_a_protocol_leaves_unclipped_is_clipped_before_another_step(after: str) -> None:
    scheme = CATALOG.noise("restormer-per-image")
    assert not scheme.clip
    mix = [GaussianNoise(sigma=100), *degradations(after)]
    rngs = [np.random.default_rng(seed) for seed in (0, 1)]
    result = degrade(Scene(COFFEE / 255.0), mix, rngs, scheme)
    assert 0 <= result.min() <= result.max() <= 1  # false for NaN, too
    alone = degrade(Scene(COFFEE / 255.0), mix[:1], rngs[:1], scheme)
    assert alone.min() < 0 < 1 < alone.max()


@pytest.mark.parametrize("text", ["haze+", "+haze", "haze++rain", "", " "])
def test_a_text_that_joins_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"joined as in haze\+rain"):
        CATALOG.mix(text)


def test_an_unknown_mix_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no mix is called 'hase'\. Did you mean 'haze'\?"):
        CATALOG.mix("rain+hase")


@pytest.mark.parametrize(
    ("mix", "kinds"),
    [
        ("low_haze_rain", [LowLight, RainStreaks, Haze]),
        ("haze+rain", [Haze, RainStreaks]),
        ("[haze, gaussian_noise: {sigma: 5}, rain]", [Haze, GaussianNoise, RainStreaks]),
        ("[haze+rain, x2]", [Haze, RainStreaks, LowResolution]),
        ("storm.yaml+x2", [Haze, RainStreaks, LowResolution]),
    ],
)
def test_a_task_names_mixes_beside_degradations(
    tmp_path: Path, mix: str, kinds: list[type]
) -> None:
    storm = "name: storm\ntitle: Storm\nsource: here\nsteps: haze+rain\n"
    (tmp_path / "storm.yaml").write_text(storm)
    (tmp_path / "mine.yaml").write_text(TASK.format(mix=mix))
    task = CATALOG.task(str(tmp_path / "mine.yaml"))
    assert [type(degradation) for degradation in task.real.mix] == kinds


@pytest.mark.parametrize(
    ("mix", "place", "message"),
    [
        ("haze+hase", "5:1", "no mix is called 'hase'. Did you mean 'haze'?"),
        ("[rain, hase]", "5:13", "no mix is called 'hase'"),
        ("haze+", "5:1", "joined as in haze+rain"),
        ("[rain, haze: {beta: 1}]", "5:13", "airlight"),
        ("[rain, {haze: {}, rain: {}}]", "5:13", "one degradation with its parameters"),
        ("[rain, 5]", "5:13", "should be a mapping"),
        ("storm.yaml", "5:1", "storm.yaml:5:5: no mix is called 'snoww'. Did you mean 'snow'?"),
        ("loop.yaml", "5:1", "contains itself"),
        ("many.yaml", "5:1", "more than 100 steps"),
        ("none.yaml", "5:1", "cannot be read"),
        ("empty.yaml", "5:1", "empty.yaml:4:1"),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, mix: str, place: str, message: str
) -> None:
    head = "name: other\ntitle: Other\nsource: here\nsteps:"
    (tmp_path / "storm.yaml").write_text(f"{head}\n  - snoww\n")
    (tmp_path / "loop.yaml").write_text(f"{head} loop.yaml\n")
    (tmp_path / "many.yaml").write_text(f"{head} {'+'.join(['haze'] * 101)}\n")
    (tmp_path / "empty.yaml").write_text(f"{head} []\n")
    path = tmp_path / "mine.yaml"
    path.write_text(TASK.format(mix=mix))
    with pytest.raises(SpecError) as caught:
        CATALOG.task(str(path))
    text = str(caught.value)
    assert text.startswith(f"{path}:{place}"), text
    assert message in text
    assert "\n" not in text


def test_a_wrong_parameter_is_named_where_it_stands(tmp_path: Path) -> None:
    """In the mix's own file, not where the mix is used."""
    storm = "name: storm\ntitle: Storm\nsource: here\nsteps:\n  - haze: {beta: 1, airlight: 2}\n"
    (tmp_path / "storm.yaml").write_text(storm)
    (tmp_path / "mine.yaml").write_text(TASK.format(mix="storm.yaml"))
    with pytest.raises(SpecError, match=r"storm.yaml:5:5: haze: airlight must be .* from 0 to 1"):
        CATALOG.task(str(tmp_path / "mine.yaml"))


def test_a_plugin_provides_mixes_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mixes").mkdir()
    storm = "name: storm\ntitle: Storm\nsource: here\nsteps: snow+haze\n"
    (tmp_path / "mixes" / "storm.yaml").write_text(storm)
    plugin = tmp_path / "plugin.py"
    plugin.write_text("from pathlib import Path\nMIXES = {'m': Path(__file__).parent / 'mixes'}\n")
    catalog = Catalog.installed([plugin])
    assert "storm" in catalog.names("mixes")
    assert [step.name for step in catalog.mix("storm+rain")] == ["snow", "haze", "rain_streaks"]


def test_the_document_states_every_degradation_and_every_mix_as_it_is() -> None:
    text = (ROOT / "docs" / "degradations.md").read_text(encoding="utf-8")
    before, mixes = text.split("## The mixes")
    for name in CATALOG.names("degradations"):
        assert f"| `{name}` |" in before
    for name in CATALOG.names("mixes"):
        row = next(line for line in mixes.splitlines() if line.startswith(f"| `{name}` |"))
        stated = (MIXES / f"{name}.yaml").read_text(encoding="utf-8").split("steps:")[1]
        for line in stated.strip().splitlines():
            assert f"`{line.strip().removeprefix('- ')}`" in row
        assert CATALOG.mix_spec(name).source in row
