"""What the archives of payloads bring, compiled and loaded: the half of the kept
interpreter that is about imports.

It runs on hosts, see interpreter.py.
"""

from __future__ import annotations

import _imp
import base64
import contextlib
import gc
import hashlib
import importlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import pkgutil  # noqa: F401  nothing here needs it, but every archive does
import sys
import types
import zipfile
from typing import Any, cast

NOWHERE = "/playrail-kept.zip"  # where preloaded files say that they lie, until a module gets them
ENDING = "_payload.zip"  # of the name that a payload gives its archive
# Packages that each archive brings with code of its own
STUBS = ("ansible", "ansible.module_utils")
HARMLESS = ("distro", "systemd", "typing_extensions")  # packages of the host that may stay loaded
# Of which no file of module_utils takes notice when it is loaded
HARMLESS_VARIABLES = {"PLAYRAIL_RUN", "TZ"}


class Refused(BaseException):
    """A file must not stay loaded. No ImportError, since that may be caught by what is
    being loaded.
    """


class Archive:
    """One archive of a payload. `own` names its files that are those of ansible-core."""

    def __init__(self, data: bytes, own: list[str]) -> None:
        self.text = base64.b64encode(data).decode()
        # By a module's name: its file in the archive, the file's digest
        self.files: dict[str, tuple[str, bytes]] = {}
        self.sources: dict[str, bytes] = {}
        self.own = set()
        archive = zipfile.ZipFile(io.BytesIO(data))
        for file in archive.infolist():
            if file.filename.endswith(".py"):
                package = file.filename.endswith("/__init__.py")
                name = file.filename[: -len("/__init__.py" if package else ".py")].replace("/", ".")
                self.sources[name] = archive.read(file)
                self.files[name] = (file.filename, hashlib.sha256(self.sources[name]).digest())
                if file.filename in own:
                    self.own.add(name)


class Loaded:
    """Compiled files, by name and digest, and loaded ones, by their module's name."""

    def __init__(self) -> None:
        self.codes: dict[tuple[str, bytes], types.CodeType] = {}
        self.modules: dict[str, tuple[types.ModuleType, bytes]] = {}
        # By a loaded module's name: what it has that tells where it lies
        self.paths: dict[str, list[str]] = {}

    def take(self, archive: Archive) -> None:
        """Compiles what the archive has, and loads what may stay loaded."""
        for name, (file, digest) in archive.files.items():
            if (file, digest) not in self.codes:
                # Then the module itself has to say so
                with contextlib.suppress(SyntaxError, ValueError):
                    code = compile(
                        archive.sources[name], NOWHERE + "/" + file, "exec", dont_inherit=True
                    )
                    self.codes[file, digest] = code
        if self.agrees_with(archive):
            self._load(archive)
        archive.sources.clear()
        gc.collect()
        gc.freeze()  # so that collections in forks leave its memory shared

    def agrees_with(self, archive: Archive) -> bool:
        """Whether no loaded file is another in the archive."""
        files = archive.files
        return all(
            name not in files or files[name][1] == digest
            for name, (_, digest) in self.modules.items()
        )

    def forget(self, archives: dict[str, Archive]) -> None:
        """Drops the code that no archive has any more."""
        wanted = {entry for archive in archives.values() for entry in archive.files.values()}
        self.codes = {entry: code for entry, code in self.codes.items() if entry in wanted}

    def _load(self, archive: Archive) -> None:
        finder = Preloader(self, archive)
        for name in STUBS:
            stub = sys.modules[name] = types.ModuleType(name)
            stub.__path__ = [NOWHERE + "/" + name.replace(".", "/")]
            stub.__file__ = stub.__path__[0] + "/__init__.py"
        known = archive.files
        sys.modules.update(
            {name: module for name, (module, _) in self.modules.items() if name in known}
        )
        sys.meta_path.insert(0, finder)
        for name in sorted(archive.own):
            before = set(sys.modules)
            try:
                importlib.import_module(name)
            # then it is loaded by the module that needs it, and fails there
            except BaseException:
                for partial in [
                    new for new in sys.modules if new not in before and _is_ansible(new)
                ]:
                    del sys.modules[partial]
        sys.meta_path.remove(finder)
        for name in sorted(filter(_is_ansible, sys.modules)):
            module = sys.modules.pop(name)
            if name in archive.own:
                self.modules[name] = (module, archive.files[name][1])
                self.paths[name] = [
                    key for key, value in module.__dict__.items() if _is_nowhere(value)
                ]


class Finder:
    """Finds the files of an archive; the base of the two that follow, which say where it
    lies and how to load.
    """

    def __init__(self, loaded: Loaded, archive: Archive) -> None:
        self.loaded = loaded
        self.archive = archive
        self.root = NOWHERE

    def spec(self, name: str) -> Any:
        file, _ = self.archive.files[name]
        path = self.root + "/" + file
        package = [path.rpartition("/")[0]] if file.endswith("/__init__.py") else None
        return importlib.util.spec_from_file_location(
            name,
            path,
            loader=cast("Any", Loader(self, name, path)),
            submodule_search_locations=package,
        )

    def after(self, name: str) -> None:
        """Is told of each file that was loaded."""


class Preloader(Finder):
    """Finds what may stay loaded, while it is being loaded; refuses anything else."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        top = name.partition(".")[0]
        if name in self.archive.files:
            if name not in self.archive.own:
                raise Refused(name)
            return self.spec(name)
        if path is not None or top in HARMLESS or top in sys.builtin_module_names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name)
        if spec is not None and not _is_standard(spec.origin or ""):
            raise Refused(name)
        return None


def _is_ansible(name: str) -> bool:
    return name.partition(".")[0] == "ansible"


def _is_nowhere(value: object) -> bool:
    return isinstance(value, (str, pathlib.PurePath)) and str(value).startswith(NOWHERE)


def _is_standard(path: str) -> bool:
    standard = os.__file__.rpartition("/")[0]
    return path in ("built-in", "frozen") or (
        path.startswith(standard + "/") and "-packages/" not in path
    )


class Payload(Finder):
    """Stands, in a module's process, where the importer of its payload's archive would. A
    hook of sys.path_hooks.
    """

    def __init__(self, loaded: Loaded, archive: Archive, variables: dict[str, str]) -> None:
        super().__init__(loaded, archive)
        self.may_use_loaded = HARMLESS_VARIABLES.issuperset(variables) and loaded.agrees_with(
            archive
        )
        if not self.may_use_loaded:
            for name in [name for name in sys.modules if name.partition(".")[0] in HARMLESS]:
                del sys.modules[name]

    def __call__(self, path: str) -> Payload:
        if self.root == NOWHERE and path.endswith(ENDING):
            self.root = path
        if path != self.root and not path.startswith(self.root + "/"):
            raise ImportError(path)
        return self

    def find_spec(self, name: str, target: object = None) -> Any:
        return self.spec(name) if name in self.archive.files else None

    def after(self, name: str) -> None:
        """When the package is there, puts in all that is loaded already, as if it had been
        loaded from this archive.
        """
        if name != STUBS[-1] or not self.may_use_loaded:
            return
        for loaded, (module, _) in self.loaded.modules.items():
            package, _, child = loaded.rpartition(".")
            spec = self.spec(loaded) if loaded in self.archive.files else None
            if spec is None:
                if package in sys.modules:
                    sys.modules[package].__dict__.pop(child, None)
                continue
            spec.loader.get_code(loaded)
            if module.__name__ == loaded:  # some put another in their own place
                self._place(module, spec)
            sys.modules[loaded] = module
            if package in STUBS:
                setattr(sys.modules[package], child, module)

    def _place(self, module: types.ModuleType, spec: Any) -> None:
        module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations
        for key in self.loaded.paths[spec.name]:
            value = module.__dict__[key]
            if _is_nowhere(value):
                module.__dict__[key] = type(value)(self.root + str(value)[len(NOWHERE) :])


class Loader:
    """Loads one file of an archive; what can be asked of it is what can be asked of
    zipimport.
    """

    def __init__(self, finder: Finder, name: str, path: str) -> None:
        self.finder = finder
        self.name = name
        self.path = path

    def create_module(self, spec: object) -> None:
        """Nothing special."""

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.get_code(self.name), module.__dict__)  # that is what importing is
        self.finder.after(self.name)

    def get_code(self, name: str) -> types.CodeType:
        code = self.finder.loaded.codes.get(self.finder.archive.files[self.name])
        if code is None:  # it cannot be compiled, and has to fail in its own way
            return compile(self.get_data(self.path), self.path, "exec", dont_inherit=True)
        # what importlib does with byte code that was moved
        fix = getattr(_imp, "_fix_co_filename")
        fix(code, self.path)
        return code

    def get_source(self, name: str) -> str:
        return self.get_data(self.path).decode()

    def get_data(self, path: str) -> bytes:
        with zipfile.ZipFile(self.finder.root) as archive:
            return archive.read(path[len(self.finder.root) + 1 :])

    def get_filename(self, name: str) -> str:
        return self.path

    def is_package(self, name: str) -> bool:
        return self.path.endswith("/__init__.py")
