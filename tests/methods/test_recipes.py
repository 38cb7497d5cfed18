"""The recipes that ship: complete, true to their sources, and small where they say so."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from torch import nn

from restorebench.catalog import Catalog
from restorebench.errors import SpecError, UnknownNameError
from restorebench_methods.training.data import find_dataset
from restorebench_methods.training.objective import L1
from restorebench_methods.training.recipe import Course, Mixture, Recipe, find_course, recipe_names
from restorebench_methods.training.schedule import Cosine, Piecewise

FOLDER = Path(str(files("restorebench_methods"))) / "recipes"
EXTENDING = ("three_deg_small_2", "three_deg_small_3", "five_deg_small")
RECIPES = {
    name: Recipe.read(FOLDER / f"{name}.yaml") for name in recipe_names() if name not in EXTENDING
}
SMALL = [
    (method, name)
    for name in ("three_deg_small", *EXTENDING)
    for method in RECIPES["three_deg_small"].methods
]
FULL = [
    (method, name)
    for name, recipe in RECIPES.items()
    if not recipe.variant
    for method in recipe.methods
]


LATE = """\
name: late
title: rain begins later
sources:
  - {name: noise, kind: denoise, datasets: [bsd400], mix: [gaussian_noise: {sigma: 15}]}
  - {name: rain, kind: derain, datasets: [bsd400], begin: 5, mix: [gaussian_noise: {sigma: 50}]}
"""


def course(pair: tuple[str, str]) -> Course:
    return find_course(*pair)


def without_values(pair: tuple[str, str]) -> nn.Module:
    """Return a recipe's network with shapes alone, which takes no time."""
    with torch.device("meta"):
        return Catalog.installed().method(pair[0]).network_class(**course(pair).own.config)


def test_every_network_has_a_recipe_of_its_own_and_a_small_variant() -> None:
    catalog = Catalog.installed()
    networks = {n for n in catalog.names("methods") if catalog.method(n).info.needs_weights}
    assert {method for method, _ in FULL} == networks
    assert {method for method, _ in SMALL} == networks - {"moce_ir_s"}


@pytest.mark.parametrize("pair", SMALL + FULL)
def test_a_recipe_builds_its_network_and_finds_what_it_names(pair: tuple[str, str]) -> None:
    catalog, found = Catalog.installed(), course(pair)
    kinds = len(found.mixture.kinds)
    assert kinds == (5 if pair[1].startswith("five") else 3)
    for source in found.mixture.sources:
        for step in source.steps():
            catalog.degradation(step)
        for name in (*source.datasets, *source.optional):
            assert find_dataset(name, catalog).count > found.recipe.validation.images
    network = without_values(pair)
    found.own.objective.check(network, kinds)


@pytest.mark.parametrize("pair", SMALL)
def test_a_small_variant_is_small(pair: tuple[str, str]) -> None:
    network = without_values(pair)
    assert 300_000 <= sum(p.numel() for p in network.parameters()) <= 1_000_000
    values = sum(t.numel() for t in network.state_dict().values())
    assert 2 * values < 1_950_000  # bytes in float16; names and shapes take up to 50,000 more


@pytest.mark.parametrize("name", ["three_deg_small", *EXTENDING])
def test_the_small_variants_have_one_budget(name: str) -> None:
    recipes = [course(pair).recipe for pair in SMALL if pair[1] == name]
    budgets = {(r.length, r.batch, r.crop, r.schedule, r.optimiser) for r in recipes}
    assert len(budgets) == 1
    assert {recipe.variant for recipe in recipes} == {"small"}


def test_a_published_size_has_no_configuration_of_its_own() -> None:
    assert not any(course(pair).own.config for pair in FULL)


def test_airnets_rates_are_those_of_its_script() -> None:
    schedule = RECIPES["airnet"].schedule
    for epoch in range(1000):
        decayed = (
            1e-3 * 0.1 ** (epoch // 60) if epoch < 100 else 1e-4 * 0.5 ** ((epoch - 100) // 125)
        )
        assert schedule.at(400 * epoch) == pytest.approx(decayed, rel=1e-12)


def test_the_warm_up_of_promptir_ends_where_its_cosine_begins() -> None:
    schedule = RECIPES["promptir"].schedule
    assert schedule.at(7.5) == pytest.approx(1e-4)
    assert schedule.at(15) == pytest.approx(2e-4)
    expected = 2e-4 * (1 + math.cos(math.pi * (120 - 15) / (150 - 15))) / 2
    assert schedule.at(120) == pytest.approx(expected, rel=1e-12)


def test_an_epoch_is_as_long_as_in_the_authors_lists() -> None:
    catalog = Catalog.installed()
    expected = {"three_deg": 142_431, "three_deg_once": 111_567}
    for name, samples in expected.items():
        mixture = Mixture.read(FOLDER / "mixtures" / f"{name}.yaml")
        counts = [
            sum(find_dataset(n, catalog).count for n in source.datasets) * source.repeat
            for source in mixture.sources
        ]
        assert sum(counts) == samples


def test_a_recipe_in_a_file_may_extend_one_that_ships(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: three_deg_small\nname: mine\nbatch: 5\n")
    mine, shipped = find_course("hair", str(file)), find_course("hair", "three_deg_small")
    assert mine.recipe.batch == 5
    assert mine.own == shipped.own
    assert mine.digest != shipped.digest
    (tmp_path / "mix.yaml").write_text((FOLDER / "mixtures/five_deg.yaml").read_text())
    file.write_text("extends: hair\nmixture: mix.yaml\n")
    assert len(find_course("hair", str(file)).mixture.kinds) == 5


def test_a_mixture_begins_with_something(tmp_path: Path) -> None:
    file = tmp_path / "late.yaml"
    file.write_text(LATE.replace("datasets: [bsd400], mix", "datasets: [bsd400], begin: 1, mix"))
    with pytest.raises(SpecError, match="no source begins at sample 0"):
        Mixture.read(file)


def test_methods_of_an_extended_recipe_keep_what_the_file_does_not_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "extends: three_deg_small\nname: mine\nmethods: {anyir_sf: {objective: {kind: l1}}}\n"
    )
    mine, shipped = (find_course("anyir_sf", name) for name in (str(file), "three_deg_small"))
    assert mine.own.objective == L1(kind="l1") != shipped.own.objective
    assert mine.own.config == shipped.own.config
    assert find_course("hair", str(file)).own == find_course("hair", "three_deg_small").own


def test_a_choice_that_came_later_changes_no_earlier_course() -> None:
    courses = [find_course("airnet", name) for name in ("three_deg_small", "three_deg_small_2")]
    assert [course.recipe.statistics for course in courses] == ["batch", "running"]
    assert ["statistics" in course.described()["recipe"] for course in courses] == [False, True]


def test_a_recipe_may_extend_one_that_extends_another(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: three_deg_small_2\nname: mine\nlength: 5000\n")
    first, second, mine = (
        find_course("airnet", name) for name in ("three_deg_small", "three_deg_small_2", str(file))
    )
    assert mine.recipe.length == 5000
    assert mine.mixture == second.mixture != first.mixture
    assert mine.own == second.own
    assert mine.own.objective != first.own.objective
    assert mine.recipe.optimiser == first.recipe.optimiser
    assert mine.own.config == first.own.config


def test_sources_of_an_extended_mixture_are_completed_and_joined(tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text(
        "extends: three_deg_synthetic\n"
        "name: more\n"
        "title: more rain, and blur\n"
        "sources:\n"
        "  - {name: rain, repeat: 5}\n"
        "  - {name: blur, kind: deblur, datasets: [bsd400], mix: [motion_blur: {length: 9}]}\n"
    )
    file = tmp_path / "mine.yaml"
    file.write_text("extends: three_deg_small\nname: mine\nmixture: mix.yaml\n")
    mixture = find_course("hair", str(file)).mixture
    synthetic = Mixture.read(FOLDER / "mixtures/three_deg_synthetic.yaml")
    base = {s.name: s for s in synthetic.sources}
    names = [source.name for source in mixture.sources]
    assert names == ["rain", "blur", "noise15", "noise25", "noise50", "haze"]
    assert mixture.sources[0] == base["rain"].model_copy(update={"repeat": 5})
    assert mixture.sources[2] == base["noise15"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: [hair]\n", "no recipe is called"),
        ("extends: three_deg_smal\n", "no recipe is called 'three_deg_smal'"),
        ("extends: hair\nbatsh: 2\n", r"mine.yaml:2:1: unknown key 'batsh'. Did you mean 'batch'"),
        ("extends: hair\nbatch: 0\n", r"mine.yaml:2:1: batch: "),
        ("extends: hair\ncrop: 100\n", r"mine.yaml:2:1: crop: "),
        ("extends: hair\nmethods: {hair: {config: {dim: 16}}}\n", "needs a variant's name"),
        ("extends: hair\nmethods: {hair: {objective: {kind: l2}}}\n", r"mine.yaml:2:\d+: "),
        ("extends: hair\nschedule: {kind: piecewise, points: [[5, 1.0]]}\n", "begin at 0"),
        ("extends: hair\nmethods: []\n", r"mine.yaml:2:\d+: methods"),
        ("extends: hair\nmethods: {hair: 3}\n", r"mine.yaml:2:\d+: methods"),
        ("extends: hair\nmixture: late.yaml\n", "begins at sample 5, which needs order: cycle"),
        ("extends: hair\nmixture: four_deg\n", "no mixture is called 'four_deg'"),
        ("extends: hair\nmixture: bad.yaml\n", r"bad.yaml:2:\d+: "),
        ("name: bare\n", "key 'title' is missing"),
    ],
)
def test_a_wrong_recipe_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    (tmp_path / "late.yaml").write_text(LATE)
    (tmp_path / "bad.yaml").write_text("extends: three_deg\nsources: [3, {name: [rain]}]\n")
    with pytest.raises((SpecError, UnknownNameError), match=message) as caught:
        find_course("hair", str(file))
    assert "\n" not in str(caught.value)


def test_schedules_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="must end before the period"):
        Cosine(kind="cosine", lr=1.0, warm_up=5, period=5, final=0)
    with pytest.raises(ValueError, match="be in order"):
        Piecewise(kind="piecewise", points=((0, 1.0), (3, 0.5), (2, 0.1)))
