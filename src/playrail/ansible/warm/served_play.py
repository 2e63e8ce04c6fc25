"""Runs one play in a fork of the run that stays, as `ansible-playbook` would in a process
of its own.

What that process would read or make at its start is set here, so that neither the run that
stays nor an earlier play is seen: command line, extra variables, facts, temporary
directory, warnings that were given once.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ansible import constants
from ansible.errors import AnsibleError
from ansible.executor.playbook_executor import PlaybookExecutor
from ansible.plugins.loader import add_all_plugin_dirs
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager

from playrail.ansible import internals
from playrail.ansible.outcome.ways import play_way
from playrail.ansible.run.adjacent import look_beside_playbooks
from playrail.ansible.run.ending import adopt_orphans, end_descendants, is_ssh_master, marked
from playrail.ansible.warm.captured_events import INTERPRETER, CapturedEvents, Emit
from playrail.ansible.warm.inline_worker import choose_worker
from playrail.ansible.warm.memory import OURS, Warm
from playrail.ansible.warm.quick_play import play_quickly
from playrail.settings.content import collection, content_root

PR_SET_PDEATHSIG = 1  # linux/prctl.h
OUR_MODULES = [collection() / "plugins" / kind for kind in ("modules", "module_utils")]
WARM_UP = content_root() / "playbooks" / "resident" / "warm_up.yml"
GET_READY = WARM_UP.with_name("get_ready.yml")


def wait_and_serve(way: socket.socket, warm: Warm, *, at_leisure: bool) -> None:
    """Run the play that a connection asks for, which will come over `way`. To be called in
    a fork that ends afterwards.

    What does not depend on the play is done before there is one. At leisure that is a play
    of no effect too: a fork shares its memory until it writes to it, and most of what a
    play writes to is copied then, while nobody waits.
    """
    _leave_parent()
    if at_leisure and warm.plain:
        play_for_nothing(warm, GET_READY)
    variables = warm.variables()
    _, found, _, _ = socket.recv_fds(way, 1, 1)
    if found:
        _serve(socket.socket(fileno=found[0]), warm, variables)


def _serve(connection: socket.socket, warm: Warm, variables: VariableManager) -> None:
    wire = connection.makefile("rw", encoding="utf-8", errors="backslashreplace")
    orders = json.loads(wire.readline())
    own = warm.place / str(os.getpid())
    encoder = internals.json_encoder()

    def emit(record: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the lifeline ends this play
            wire.write(json.dumps(record, cls=encoder) + "\n")
            wire.flush()

    emit({"begun": os.getpid()})
    if wire.readline() != "go\n":
        return  # given up on, and started elsewhere
    threading.Thread(target=_watch_lifeline, args=(wire, own, orders), daemon=True).start()
    try:
        with _temporary_directory(own, Path(orders["playbook"]), warm.place):
            emit({"end": {"rc": _run(orders, warm, variables, emit)}})
    finally:
        _end_children(orders)


def play_for_nothing(warm: Warm, playbook: Path = WARM_UP) -> None:
    """Run a play in this very process, so that later ones, here and in its forks, find
    loaded what they need.
    """
    own = warm.place / str(os.getpid())
    orders = {
        "playbook": str(playbook),
        "hosts": ["localhost"],
        "forks": 1,
        "check": False,
        "diff": False,
        "extravars": '{"playrail_target": ["localhost"]}',
    }
    with internals.as_it_was(), _temporary_directory(own, playbook, warm.place):
        _run(orders, warm, warm.variables(), lambda _: None)


def _leave_parent() -> None:
    """Become what a process of its own is: without a terminal, the parent of its orphans,
    no fork in Python's eyes.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    adopt_orphans()
    internals.leave_parent()
    # A worker is not to outlive this process: nobody would hear what it does.
    os.register_at_fork(
        after_in_child=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
    )


def _watch_lifeline(wire: TextIO, own: Path, orders: dict[str, Any]) -> None:
    """End the play when the other end closes the connection; it sends nothing after the
    orders.
    """
    with contextlib.suppress(OSError):
        wire.read()
    _end_children(orders)
    shutil.rmtree(own, ignore_errors=True)
    os._exit(1)


def _end_children(orders: dict[str, Any]) -> None:
    """End what the play has left running here, but for ssh's masters, and work that is not
    to be interrupted.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return  # nothing: the usual case, and looking through all processes takes milliseconds
    mine = marked(orders["run_id"])
    spare = (
        is_ssh_master if orders["interruptible"] else lambda pid: is_ssh_master(pid) or mine(pid)
    )
    end_descendants(os.getpid(), spare, gently=orders["interruptible"])


@contextlib.contextmanager
def _temporary_directory(own: Path, playbook: Path, place: Path) -> Iterator[None]:
    """Give Ansible a directory for what this play makes. Only archives of modules are
    shared, by plays of one playbook of ours.

    Ansible keeps an archive by the module's name alone, which two playbooks may use for
    different files.
    """
    own.mkdir(mode=0o700)
    if playbook.is_relative_to(OURS):
        name = hashlib.sha256(repr([str(playbook), *_states_of_modules()]).encode()).hexdigest()
        shared = place / "modules" / name
        shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        (own / "ansiballz_cache").symlink_to(shared)
    internals.set_temporary_directory(own)
    try:
        yield
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _states_of_modules() -> Iterator[tuple[str, int, int]]:
    """What changes when a module changes that is not Ansible's."""
    users = [*(constants.DEFAULT_MODULE_PATH or ()), *(constants.DEFAULT_MODULE_UTILS_PATH or ())]
    for directory in (*OUR_MODULES, *users):
        with contextlib.suppress(OSError):
            for entry in os.scandir(directory):
                state = entry.stat()
                yield entry.path, state.st_mtime_ns, state.st_size


def _run(orders: dict[str, Any], warm: Warm, variables: VariableManager, emit: Emit) -> int:
    playbook = Path(orders["playbook"])
    display = Display()
    events = _captured_events(emit, warm)
    try:
        _tell_variables(orders, warm, variables)
        choose_worker(alone=len(orders["hosts"]) == 1)
        directory = os.fsencode(playbook.parent)
        add_all_plugin_dirs(directory)
        AnsibleCollectionConfig.playbook_paths = [directory]
        AnsibleCollectionConfig.default_collection = None
        warm.loader.set_basedir(str(playbook.parent))
        task, why = _quick_task(orders, playbook, warm, variables)
        emit(play_way("quick") if task is not None else play_way("warm", why))
        if task is not None:
            look_beside_playbooks(warm.loader)
            # It would write to memory that is shared, for a process that ends soon
            gc.disable()
            return play_quickly(task, orders["hosts"][0], variables, warm, events)
        plays = PlaybookExecutor(
            playbooks=[str(playbook)],
            inventory=warm.inventory,
            variable_manager=variables,
            loader=warm.loader,
            passwords=warm.passwords,
        )
        return int(plays.run())
    except AnsibleError as error:
        display.error(str(error))
        return 1
    # as Ansible's command line does; it is judged at the other end
    except Exception as error:  # noqa: BLE001
        display.error(f"Unexpected Exception, this is probably a bug: {error!r}")
        return 250


def _quick_task(
    orders: dict[str, Any], playbook: Path, warm: Warm, variables: VariableManager
) -> tuple[Any, str]:
    """The task of a play that can be played quickly; else None, and why."""
    if len(orders["hosts"]) != 1:
        return None, "it is played on several hosts"
    if not warm.plain:
        return None, warm.others
    return (
        warm.quick_task(playbook, variables),
        "its playbook is not one task without more around it",
    )


def _tell_variables(orders: dict[str, Any], warm: Warm, variables: VariableManager) -> None:
    """Give the manager what a new process would have read, and nothing of what the run that
    stays was given.
    """
    options = {
        **internals.command_line(),
        "args": (orders["playbook"],),
        "forks": orders["forks"],
        "extra_vars": (orders["extravars"],),
        "check": orders["check"],
        "diff": orders["diff"],
    }
    internals.set_command_line(options)
    internals.read_variables(variables, warm.loader, warm.version)
    for host, found in warm.known_interpreters().items():
        if warm.inventory.get_host(host) is not None:
            variables.set_host_facts(host, {INTERPRETER: found})


def _captured_events(emit: Emit, warm: Warm) -> CapturedEvents:
    """Take the events from ansible-runner's callback plugin, which would write them to the
    terminal of its run.
    """
    events = CapturedEvents(emit, warm.tell)
    sys.stdout = sys.stderr = events
    internals.forget_what_was_displayed()
    return events
