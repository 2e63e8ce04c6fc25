"""What a plan is bound to of files and directories: all that can be read there, through
links too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

from playrail.ansible.reads import files as bound_files
from playrail.ansible.reads import places as bound_places
from playrail.ansible.reads.code import collections, dotted
from playrail.ansible.reads.files import MISSING, Files
from playrail.ansible.reads.places import Places, beside_playbooks
from playrail.errors import PlanUnusable


def written(path: Path, text: str = "1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def linked(path: Path, target: Path | str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory of playbooks, with a module library that is a link to another place."""
    written(tmp_path / "elsewhere/module.py")
    written(tmp_path / "elsewhere/below/deep.py")
    written(tmp_path / "books/play.yml")
    written(tmp_path / "books/single.py")
    linked(tmp_path / "books/library", tmp_path / "elsewhere")
    return tmp_path / "books"


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file": lambda tree: written(tree / "play.yml", "2"),
    "a new file": lambda tree: written(tree / "filter_plugins/x.py"),
    "a file that goes": lambda tree: (tree / "single.py").unlink(),
    "a file behind a linked directory": lambda tree: written(
        tree.parent / "elsewhere/module.py", "2"
    ),
    "one further below there": lambda tree: written(tree.parent / "elsewhere/below/deep.py", "2"),
    "a new file there": lambda tree: written(tree.parent / "elsewhere/other.py"),
    "a link to the same from elsewhere": lambda tree: linked(
        tree / "library", (tree.parent / "elsewhere").rename(tree.parent / "there")
    ),
    "a file that becomes a link to the same": lambda tree: linked(
        tree / "single.py", (tree / "single.py").rename(tree.parent / "single.py")
    ),
    "a file that may be run": lambda tree: (tree / "single.py").chmod(0o755),
    "a link to nothing": lambda tree: linked(tree / "broken", "nowhere"),
    "an empty directory": lambda tree: (tree / "vars").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_makes_another_digest(change: str, tree: Path) -> None:
    looked = Files()
    before = looked.digest(tree)
    assert looked.digest(tree) == before
    CHANGES[change](tree)

    assert looked.digest(tree) != before
    assert looked.digest(tree) == Files().digest(tree)


@pytest.mark.parametrize("name", [".git/worktrees/x", "a/__pycache__/b", ".git"])
def test_where_the_checkout_lies_does_not_matter(name: str, tmp_path: Path) -> None:
    book = written(tmp_path / name / "books/play.yml")
    before = Files().digest(book.parent)
    written(book, "2")

    assert Files().digest(book.parent) != before


def test_what_no_play_reads_does_not_count(tree: Path) -> None:
    before = Files().digest(tree)
    written(tree / "__pycache__/single.pyc")
    written(tree / ".git/HEAD")

    assert Files().digest(tree) == before


def test_a_change_that_leaves_size_and_time_is_seen(tree: Path) -> None:
    looked = Files()
    file = tree / "single.py"
    os.utime(file, ns=(0, 0))
    before = looked.digest(tree)
    file.write_text("2")
    os.utime(file, ns=(0, 0))

    assert looked.digest(tree) != before


def test_directories_that_hold_themselves_end(tree: Path) -> None:
    linked(tree / "up", tree.parent)
    linked(tree / "self", tree)
    before = Files().digest(tree)
    written(tree.parent / "beside")

    assert Files().digest(tree) != before


def test_too_many_files_are_refused_and_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound_files, "MOST_FILES", 5)
    with pytest.raises(PlanUnusable, match="holds more than 5 files"):
        Files().digest(tree)


def test_the_file_that_differs_is_named(tree: Path) -> None:
    looked = Files()
    before = looked.digest(tree)
    written(tree.parent / "elsewhere/below/deep.py", "2")

    assert looked.differing(before, looked.digest(tree)) == ["library/below/deep.py"]
    assert looked.differing("unknown", before) == []


def test_special_and_missing_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert Files().digest(tmp_path) != MISSING
    assert Files().digest(tmp_path / "nothing") == MISSING


def places(home: Path, text: str = "", **child: str) -> Places:
    config = ConfigParser(interpolation=None)
    config.read_string(text)
    (home / "project").mkdir(exist_ok=True)
    child = {"HOME": str(home), **child}
    return Places(child, config, file=home / "project/ansible.cfg", directory=home / "project")


KEYS = sorted(
    ini["key"]
    for name, setting in bound_places._settings().items()
    if name not in (bound_places.INVENTORY, bound_places.COLLECTIONS)
    for ini in setting["ini"]
)


def test_ansibles_own_list_names_what_is_known_of_it() -> None:
    assert {
        "action_plugins",
        "library",
        "module_utils",
        "callback_plugins",
        "roles_path",
        "vars_plugins",
    } <= {*KEYS}


@pytest.mark.parametrize("key", KEYS)
def test_each_directory_that_ansible_cfg_names_counts(key: str, tmp_path: Path) -> None:
    written(tmp_path / "project/mine/x.py")
    written(tmp_path / "other/x.py")

    found = places(tmp_path, f"[defaults]\n{key} = ./mine:~/other\n").code()
    assert {str(tmp_path / "project/mine"), str(tmp_path / "other")} <= {*found}


@pytest.mark.parametrize(
    "name", ["ANSIBLE_ACTION_PLUGINS", "ANSIBLE_LIBRARY", "ANSIBLE_ROLES_PATH"]
)
def test_each_directory_that_a_variable_names_counts(name: str, tmp_path: Path) -> None:
    written(tmp_path / "there/x.py")

    assert (
        str(tmp_path / "there") in places(tmp_path, **{name: f"/nowhere:{tmp_path}/there"}).code()
    )
    assert (
        str(tmp_path / "there")
        in places(tmp_path, **{name: "$BASE/there", "BASE": str(tmp_path)}).code()
    )


def test_what_ansible_takes_by_itself_counts(tmp_path: Path) -> None:
    for place in (
        ".ansible/plugins/action",
        ".ansible/roles",
        "project/filter_plugins",
        "project/group_vars",
    ):
        (tmp_path / place).mkdir(parents=True)

    assert {str(tmp_path / name) for name in (".ansible/plugins/action", ".ansible/roles")} <= {
        *places(tmp_path).code()
    }
    home = places(tmp_path, f"[defaults]\nhome = {tmp_path}/.ansible\n", HOME="/nowhere")
    assert str(tmp_path / ".ansible/roles") in home.code()
    assert set(beside_playbooks(tmp_path / "project")) == {
        str(tmp_path / "project" / name) for name in ("filter_plugins", "group_vars")
    }


def test_collections_count_by_what_is_in_them(tmp_path: Path) -> None:
    module = written(
        tmp_path / ".ansible/collections/ansible_collections/some/thing/plugins/modules/m.py"
    )
    written(module.parents[2] / "MANIFEST.json", '{"collection_info": {"version": "1.0.0"}}')
    before = collections(places(tmp_path), None, ())
    assert "the collection some.thing" in before
    written(module, "2")

    after = collections(places(tmp_path), None, ())
    assert [name for name in after if after[name] != before[name]] == ["the collection some.thing"]


def test_a_packaged_collection_that_is_named_counts_by_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "site-packages/ansible_collections"
    needed = written(root / "some/needed/plugins/x.py")
    other = written(root / "some/other/plugins/x.py")
    written(
        root / "some/thing/MANIFEST.json",
        '{"collection_info": {"dependencies": {"some.needed": "*"}}}',
    )
    monkeypatch.setattr("sys.path", [str(tmp_path / "site-packages")])

    def found() -> dict[str, str]:
        return collections(places(tmp_path), None, dotted(["connection: some.thing.way"]))

    before = found()
    written(needed, "2")
    written(other, "2")
    after = found()
    assert [name for name in after if after[name] != before[name]] == [
        "the collection some.needed of Python's packages"
    ]


def test_the_code_of_ansible_and_of_playrail_counts(tmp_path: Path) -> None:
    assert {"ansible", "jinja2", "playrail"} <= {*places(tmp_path).libraries()}
