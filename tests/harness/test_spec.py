"""Spec files: an error names file, line, column and the nearest valid word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from restorebench.catalog import Catalog
from restorebench.errors import BenchError, SpecError, UnknownNameError
from restorebench.spec import digest, read_yaml
from restorebench.suite import SuiteSpec

GOOD = """\
name: mine
version: 1
title: Mine
average: mean of the two columns
tasks:
  - bsd68_s25
  - name: strong
    title: Strong noise
    kind: denoise
    dataset: bsd68
    mix:
      - gaussian_noise: {sigma: 75}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


def test_a_suite_by_path_works_like_a_shipped_one(tmp_path: Path) -> None:
    suite = Catalog.installed().suite(str(write(tmp_path, GOOD)))
    assert [task.name for task in suite.tasks] == ["bsd68_s25", "strong"]
    assert repr(suite.tasks[1].real.mix[0]) == "GaussianNoise(sigma=75.0)"
    assert suite.average == "mean of the two columns"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("average:", "avrage:", "4:1", "unknown key 'avrage'. Did you mean 'average'?"),
        ("    kind: denoise", "    kind: denoize", "9:5", "Did you mean 'denoise'?"),
        ("    kind: denoise\n", "", "7:5", "key 'tasks.1.task.kind' is missing"),
        ("    title: Strong", "    tittle: Strong", "8:5", "unknown key 'tittle'"),
        ("version: 1", "version: one", "2:1", "valid integer"),
        ("  - bsd68_s25", "  - bsd68_s26", "6:5", "no task is called 'bsd68_s26'. Did you mean"),
        ("dataset: bsd68", "dataset: bsd86", "10:5", "no dataset is called 'bsd86'. Did you mean"),
        ("gaussian_noise", "gausian_noise", "12:9", "Did you mean 'gaussian_noise'?"),
        ("sigma: 75", "sgma: 75", "12:9", "gaussian_noise takes no 'sgma'. Did you mean 'sigma'?"),
        ("sigma: 75", "sigma: -3", "12:9", "sigma must be at least 0"),
        ("sigma: 75", "sigma: [a, b]", "12:26", "sigma"),
        ("sigma: 75", "sigma: .inf", "12:9", "sigma must be at least 0 and finite"),
        ("sigma: 75", "sigma: '75'", "12:9", "sigma: Input should be a valid number"),
        ("sigma: 75", "sigma: true", "12:9", "sigma: Input should be a valid number"),
        ("name: mine", "name: ../mine", "1:1", "a name is needed that a folder could have"),
        ("title: Mine", "<<: {titel: Mine}", "1:1", "unknown key 'titel'. Did you mean 'title'?"),
        ("  - name: strong", "  - name: bsd68_s25", "5:1", "a task is named twice"),
        ("name: mine", "name: [", "", "not valid YAML"),
        ("version: 1", "name: again", "2:1", "not valid YAML"),
        (GOOD, "- a list\n", "1:1", "expected a mapping"),
        (GOOD, "", "1:1", "expected a mapping"),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        Catalog.installed().suite(str(path))
    text = str(caught.value)
    assert text.startswith(f"{path}:{place}"), text
    assert message in text
    assert "\n" not in text
    assert caught.value.exit_code == 2


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(SpecError, match=r"cannot be read .* Did you mean 'suite.yaml'"):
        read_yaml(tmp_path / "suit.yaml")


def test_yaml_is_version_1_2(tmp_path: Path) -> None:
    """`no` is a word and 10:30 no sexagesimal number, which YAML 1.1 gets wrong."""
    document = read_yaml(write(tmp_path, "a: no\nb: 10:30\nc: 010\n"))
    assert (document["a"], document["b"], document["c"]) == ("no", "10:30", 10)


def test_aliases_cannot_make_a_small_file_huge(tmp_path: Path) -> None:
    bombs = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    path = write(tmp_path, f"name: bomb\na0: &a0 [x]\n{bombs}")
    with pytest.raises(SpecError, match="its aliases make it too large"):
        SuiteSpec.read(path)


DATASET = """\
name: clean
title: Clean
count: 3
source: nowhere
layouts:
  - input: clean/*.png
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("count: 3", "count: 0", "3:1", "greater than or equal to 1"),
        ("clean/*.png", "'**.png'", "6:5", "'**' stands for folders"),
        ("clean/*.png", "'.'", "6:5", "a path below the data root is needed"),
        ("  - input", "  - target: 'a{stem:d}'\n    input", "6:5", "target may name groups only"),
        ("  - input", "  - target: 'a{stem!z}'\n    input", "6:5", "target may name groups only"),
    ],
)
def test_a_fault_of_a_data_set_is_named_before_any_file_is_looked_for(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    path = write(tmp_path, DATASET.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        Catalog.installed().dataset(str(path))
    assert str(caught.value).startswith(f"{path}:{place}"), caught.value
    assert message in str(caught.value)


PROTOCOL = """\
name: mine
version: 1
title: Mine
source: nowhere
colour: rgb
value_range: float [0, 1], clamped
rounding: none
centre_crop: 16
metrics: {psnr: psnr}
noise: keyed
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("noise: keyed", "noise: kyed", "10:1", "no noise is called 'kyed'. Did you mean 'keyed'?"),
        ("centre_crop: 16", "centre_crop: 0", "8:1", "greater than or equal to 1"),
        ("{psnr: psnr}", "{}", "9:1", "at least 1 item"),
        ("{psnr: psnr}", "{psnr: psrn}", "9:11", "Did you mean 'psnr'?"),
        ("{psnr: psnr}", "{psnr: psnr, method: psnr}", "9:23", "none that the records use"),
        ("{psnr: psnr}", "{image: psnr}", "9:11", "none that the records use"),
        ("{psnr: psnr}", "{'=1+1': psnr}", "9:11", "one plain word"),
    ],
)
def test_a_fault_of_a_protocol_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    path = write(tmp_path, PROTOCOL.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        Catalog.installed().protocol(str(path))
    assert str(caught.value).startswith(f"{path}:{place}"), caught.value
    assert message in str(caught.value)


def test_tags_do_not_run_code(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path, f"name: !!python/object/apply:os.mkdir ['{marker}']\n")
    with pytest.raises(SpecError):
        SuiteSpec.read(path)
    assert not marker.exists()


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_anything_else_is_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "suite.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError):
        SuiteSpec.read(path)


@given(st.integers(0, len(GOOD) - 1), st.characters())
@example(GOOD.index("  - name: strong"), "?")  # a key that is a mapping
@example(GOOD.index("    dataset"), "?")
def test_one_changed_letter_is_accepted_or_reported(
    tmp_path_factory: pytest.TempPathFactory, at: int, letter: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "suite.yaml"
    path.write_text(GOOD[:at] + letter + GOOD[at + 1 :], errors="replace")
    try:
        suite = Catalog.installed().suite(str(path))
    except BenchError as error:
        assert error.exit_code in (2, 4)  # noqa: PT017 - either outcome is right
    else:
        assert len(suite.tasks) == 2


def test_a_digest_depends_on_content_not_on_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


@pytest.mark.parametrize("group", ["suites", "tasks", "datasets", "protocols", "noise"])
def test_every_shipped_spec_is_valid(group: str) -> None:
    catalog = Catalog.installed()
    names = catalog.names(group)
    assert names
    for name in names:
        if group == "noise":
            assert catalog.protocol("airnet", name).noise.name == name
        else:
            assert getattr(catalog, group.removesuffix("s"))(name).name == name


@pytest.mark.parametrize("kind", ["suite", "method", "protocol", "dataset", "task"])
def test_an_unknown_name_offers_the_nearest(kind: str) -> None:
    catalog = Catalog.installed()
    near = catalog.names(f"{kind}s")[0]
    with pytest.raises(UnknownNameError, match=f"no {kind} is called .* Did you mean '{near}'"):
        getattr(catalog, kind)(near + "x")
