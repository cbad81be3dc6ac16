"""Which model is meant by a name, a path or nothing; names; the default; what ``rm`` removes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.errors import ExitCode, ModelError
from clipcli.models import resolve as userconfig
from clipcli.models import store as modelstore
from clipcli.models.catalog.catalog import find_entry
from clipcli.models.folder import builtin_model_folder
from clipcli.models.resolve import chosen_model, find_model, open_named, resolve_model
from clipcli.models.store import (
    Installed,
    check_name,
    install_pointer,
    installed_models,
    new_folder,
    remove,
)
from clipcli.models.store_pointer import Pointer, PulledFile, read_pointer, write_pointer

Install = Callable[[str], Installed]


@pytest.fixture(autouse=True)
def nothing_chosen(model_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCLI_MODEL")


@pytest.fixture
def install(tiny_model_folder: Path) -> Install:
    """Return a function that puts a copy of the tiny model into the store."""

    def install(name: str) -> Installed:
        with new_folder(name) as folder:
            shutil.copytree(tiny_model_folder, folder, dirs_exist_ok=True)
        return installed_models()[name]

    return install


@pytest.fixture
def pointer(tiny_model_folder: Path) -> Pointer:
    """Return a pointer to the tiny model, as if it had been pulled to where it lies."""
    files = tuple(
        PulledFile(path.name, path.stat().st_size, "0" * 64)
        for path in sorted(tiny_model_folder.iterdir())
    )
    return Pointer("pulled", "someone/pulled", "0" * 40, tiny_model_folder, files, "f" * 64)


def test_without_a_name_the_bundled_model_serves() -> None:
    assert resolve_model(None) == builtin_model_folder()
    assert resolve_model("mini") == builtin_model_folder()
    assert builtin_model_folder().parts[-3:] == ("clipcli", "assets", "mini")
    assert chosen_model(None).reason == ""


def test_the_argument_overrides_the_environment_and_that_the_default(
    install: Install, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        install(name)

    userconfig.write_default_model("one")
    by_default = open_named(None).config.name
    monkeypatch.setenv("CLIPCLI_MODEL", "two")
    by_environment = open_named(None).config.name
    by_argument = resolve_model(str(tiny_model_folder))

    assert (by_default, by_environment) == ("one", "two")
    assert by_argument == tiny_model_folder


@pytest.mark.parametrize("spec", ["ViT-B-32", "ViT-B/32", "vit-b/32", "VIT_B_32"])
def test_an_installed_model_is_found_in_any_spelling(install: Install, spec: str) -> None:
    model = install("ViT-B-32")

    assert find_model(spec) == model


def test_a_catalogue_name_finds_the_model_installed_under_its_row(install: Install) -> None:
    entry = find_entry("openai/clip-vit-base-patch32")
    assert entry is not None
    model = install(entry.name)

    assert find_model("openai/clip-vit-base-patch32") == model
    assert find_model("ViT-B/32") == model


def test_a_path_comes_before_other_spellings(
    install: Install, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("ViT-B-32")
    shutil.copytree(tiny_model_folder, tmp_path / "ViT-B" / "32")
    monkeypatch.chdir(tmp_path)

    assert find_model("ViT-B/32") == Path("ViT-B/32")


def test_what_is_known_but_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(ModelError) as caught:
        resolve_model("ViT-B/32")

    assert "known but not installed" in caught.value.message
    assert caught.value.hint == "clipcli models pull ViT-B-32.openai"
    assert caught.value.exit_code == ExitCode.MODEL


def test_a_near_miss_gets_a_suggestion(install: Install, tiny_model_folder: Path) -> None:
    install("holiday-model")

    def hint(spec: str) -> str:
        with pytest.raises(ModelError) as caught:
            resolve_model(spec)
        return caught.value.hint or ""

    assert hint("holiday-modle") == "did you mean 'holiday-model'?"
    assert hint("minni") == "did you mean 'mini'?"
    assert "'ViT-B-32.openai'" in hint("ViT-B-23.openai")
    assert hint(str(tiny_model_folder)[:-1]) == f"did you mean {str(tiny_model_folder)!r}?"
    assert "models list" in hint("qqqqqqqq")


def test_a_default_that_is_gone_says_that_it_was_the_default() -> None:
    userconfig.write_default_model("gone-away")

    with pytest.raises(ModelError, match="'gone-away' \\(your default\\)"):
        resolve_model(None)


@pytest.mark.parametrize("name", ["a", "ViT-B-32", "my.model_2", "-x", "a" * 100])
def test_names_that_can_be(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a/b", "a\\b", "a b", "ä", "a\n", "a.", "C:", "a" * 101, "mini"]
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ModelError):
        check_name(name)


def test_a_name_that_is_taken_is_refused(install: Install) -> None:
    install("taken")

    with pytest.raises(ModelError, match="there is a model 'taken' already"):
        install("taken")


def test_what_goes_wrong_leaves_nothing_behind(model_store: Path) -> None:
    def half() -> None:
        with new_folder("half") as folder:
            (folder / "config.json").write_text("{}", encoding="utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()

    assert list(model_store.iterdir()) == []


def test_rm_removes_the_folder_and_nothing_else(install: Install, model_store: Path) -> None:
    one, two = install("one"), install("two")

    remove(one)

    assert [path.name for path in model_store.iterdir()] == ["two"]
    assert two.open().config.name == "two"


def test_rm_of_a_pulled_model_keeps_the_download(pointer: Pointer, model_store: Path) -> None:
    model = install_pointer(pointer)
    before = sorted(pointer.path.iterdir())

    remove(model)

    assert list(model_store.iterdir()) == []
    assert sorted(pointer.path.iterdir()) == before


def test_rm_of_a_link_removes_the_link(tiny_model_folder: Path, model_store: Path) -> None:
    model_store.mkdir()
    (model_store / "linked").symlink_to(tiny_model_folder, target_is_directory=True)

    remove(installed_models()["linked"])

    assert list(model_store.iterdir()) == []
    assert (tiny_model_folder / "config.json").is_file()


def test_the_bundled_model_is_not_removed() -> None:
    with pytest.raises(ModelError, match="comes with clipcli"):
        remove(installed_models()["mini"])


def test_a_pointer_is_read_as_it_was_written(pointer: Pointer, tmp_path: Path) -> None:
    write_pointer(pointer, tmp_path / "pulled.json")

    assert read_pointer(tmp_path / "pulled.json") == pointer


def test_a_pulled_model_opens_under_its_name(pointer: Pointer) -> None:
    install_pointer(pointer)

    assert open_named("pulled").config.name == "pulled"
    assert resolve_model("pulled") == pointer.path


def test_a_pulled_model_whose_files_are_gone_says_so(pointer: Pointer, tmp_path: Path) -> None:
    file = PulledFile("model.safetensors", 1, "0" * 64)
    gone = Pointer("gone", "a/b", "0" * 40, tmp_path / "nowhere", (file,), "")
    install_pointer(gone)

    with pytest.raises(ModelError) as caught:
        open_named("gone")

    assert "no longer in the hub's cache" in caught.value.message
    assert caught.value.hint == "`clipcli models pull gone` fetches them again"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1, "files": 3}', "\0"])
def test_a_damaged_pointer_hurts_nobody_else(
    pointer: Pointer, install: Install, content: str
) -> None:
    broken = install_pointer(pointer)
    (broken.folder / "pulled.json").write_text(content, encoding="utf-8")
    install("well")

    with pytest.raises(ModelError, match="damaged"):
        open_named("pulled")

    assert open_named("well").config.name == "well"
    assert set(installed_models()) == {"mini", "pulled", "well"}


def test_hidden_folders_and_stray_files_are_no_models(model_store: Path, install: Install) -> None:
    install("one")
    (model_store / ".new-abc").mkdir()
    (model_store / "notes.txt").write_text("mine", encoding="utf-8")
    (model_store / "empty").mkdir()

    assert set(installed_models()) == {"mini", "one"}


def test_a_user_without_a_home_has_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCLI_MODELS")
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: Path("~/.local"))

    with pytest.raises(ModelError, match="no home folder"):
        modelstore.prepare_store()

    assert set(installed_models()) == {"mini"}


def test_a_store_on_a_read_only_file_system_is_read_but_not_written(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", refuse)

    assert open_named("one").config.name == "one"
    with pytest.raises(ModelError, match="Read-only file system"):
        install("two")


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 3}', '{"model": ""}', "\xff"])
def test_a_damaged_configuration_says_how_to_mend_it(content: str) -> None:
    path = userconfig.config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(ModelError) as caught:
        chosen_model(None)
    userconfig.write_default_model("mini")

    assert str(path) in caught.value.message
    assert "models default" in (caught.value.hint or "")
    assert chosen_model(None).spec == "mini"


def test_the_default_keeps_what_else_the_configuration_says() -> None:
    path = userconfig.config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"other": 1, "model": "a"}', encoding="utf-8")

    userconfig.write_default_model("b")
    after = userconfig.read_default_model()
    userconfig.write_default_model(None)

    assert after == "b"
    assert path.read_text(encoding="utf-8").split() == ["{", '"other":', "1", "}"]
