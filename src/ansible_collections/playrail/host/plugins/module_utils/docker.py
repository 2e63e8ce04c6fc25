"""A host's Docker engine, asked over its socket:
https://docs.docker.com/reference/api/engine/ has what it answers.
"""

import errno
import glob
import json
import os
import socket
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlencode

from ansible_collections.playrail.host.plugins.module_utils.processes import own_processes
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

# What each module takes besides its own: where the engine may listen. DOCKER_HOST means
# nothing here.
SOCKETS = {
    "type": "list",
    "elements": "str",
    "default": ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"],
}
OF_USERS = ("/run/user/*/docker.sock", "/run/user/*/podman/podman.sock")  # rootless ones
DAEMON = "dockerd"
PROGRAMS = ("docker", DAEMON)
PODMAN = ("podman",)
FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/snap/bin")
TIMEOUT_S = 20.0
ANSWER_BYTES = 64 * 1024 * 1024
ERROR_BYTES = 65536


class DockerFailed(Exception):
    """Docker did not do it. `code` is Playrail's; the text is Docker's own or the system's."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class UnixConnection(HTTPConnection):
    def __init__(self, path, timeout_s):
        HTTPConnection.__init__(self, "localhost", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def engines(sockets):
    """Where engines may listen on this host: the usual places that are there, and rootless
    ones; each once.
    """
    found = {}
    for path in list(sockets) + sorted(one for pattern in OF_USERS for one in glob.glob(pattern)):
        if os.path.exists(path):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


class Engine:
    """The engine that is `wanted`, or the first that takes a connection. `others` are those
    that were not asked. It has `timeout_s` to go on with an answer.
    """

    def __init__(self, sockets, wanted=None, timeout_s=TIMEOUT_S):
        """Raises DockerFailed when there is none."""
        self.timeout_s = timeout_s
        listed, refused = engines(sockets), []
        if wanted is not None and wanted not in listed:
            raise DockerFailed("no_docker", "there is no engine at %s" % wanted)
        self.path = None
        for path in listed if wanted is None else [wanted]:
            connection = UnixConnection(path, timeout_s)
            try:
                connection.connect()
                self.path = path
                break
            except OSError as error:
                refused.append((path, error))
            finally:
                connection.close()
        if self.path is None:
            raise unreachable(refused)
        self.usual = self.path in sockets[:2]
        why = dict(refused)
        self.others = [
            dict(
                {"socket": path},
                **({"why": os.strerror(why[path].errno or 0)} if path in why else {}),
            )
            for path in listed
            if path != self.path
        ]

    def told(self):
        """What a report says of which engine was asked, where that goes without saying
        nothing.
        """
        found = {} if self.usual else {"engine": self.path}
        return dict(found, **({"other_engines": self.others} if self.others else {}))

    def ask(self, *path, **query):
        """The engine's answer to a GET, opened. Raises DockerFailed; the caller closes it."""
        connection = UnixConnection(self.path, self.timeout_s)
        url = (
            "/"
            + "/".join(quote(part, safe="") for part in path)
            + ("?" + urlencode(query) if query else "")
        )
        try:
            connection.request("GET", url, headers={"Host": "docker"})
            answer = connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            if isinstance(error, OSError):
                raise unreachable([(self.path, error)])
            raise DockerFailed("docker_unavailable", "it does not speak HTTP")
        if answer.status == 200:
            return answer
        try:
            message = told(answer.read(ERROR_BYTES))
        except (OSError, HTTPException):
            message = ""
        connection.close()
        code = "container_not_found" if answer.status == 404 else "docker_failed"
        raise DockerFailed(code, message or "HTTP status %d" % answer.status)

    def ask_json(self, *path, **query):
        """The engine's answer as an object. Raises DockerFailed."""
        answer = self.ask(*path, **query)
        try:
            body = answer.read(ANSWER_BYTES + 1)
            if len(body) > ANSWER_BYTES:
                raise DockerFailed(
                    "docker_failed", "its answer is longer than %d bytes" % ANSWER_BYTES
                )
            return json.loads(body.decode("utf-8", "replace"))
        except (OSError, HTTPException):
            raise DockerFailed("docker_unavailable", "it ended its answer half-way")
        except ValueError:
            raise DockerFailed("docker_failed", "its answer is no JSON")
        finally:
            answer.close()


def unreachable(refused):
    """Why no engine could be asked: of those that are there, what the system said to each."""
    for path, error in refused:
        if error.errno in (errno.EACCES, errno.EPERM):
            return DockerFailed("permission_denied", "%s: %s" % (path, os.strerror(error.errno)))
    listening = elsewhere()
    if listening:
        return DockerFailed("docker_unavailable", listening)
    if refused:
        path, error = refused[0]
        if error.errno == errno.ECONNREFUSED:
            return DockerFailed(
                "docker_unavailable", "nothing listens at %s, its daemon does not run" % path
            )
        why = os.strerror(error.errno) if error.errno else "no answer in time"
        return DockerFailed("docker_unavailable", "%s: %s" % (path, why))
    if installed(PROGRAMS):
        return DockerFailed("docker_unavailable", "its daemon does not run: there is no socket")
    if installed(PODMAN):
        return DockerFailed("podman_silent", "its socket is not there")
    return DockerFailed("no_docker", "No such file or directory")


def installed(programs):
    return any(
        os.path.exists(os.path.join(folder, name)) for folder in FOLDERS for name in programs
    )


def daemons(found=None):
    """The processes of the host's own engine, of all or of these."""
    return own_processes(lambda one: one.name == DAEMON, found)


def engine_runs(found=None):
    """Whether the engine itself does: to knock at its socket could start it."""
    return bool(daemons(found))


def elsewhere():
    """What a daemon says that runs but has no socket at the usual places; None when none is
    seen.
    """
    for one in daemons():
        words = one.arguments()
        hosts = [
            word.partition("=")[2] or after
            for word, after in zip(words, words[1:] + [""])
            if word in ("-H", "--host") or word.startswith(("-H=", "--host="))
        ]
        return "%s runs as process %d, and listens elsewhere%s" % (
            DAEMON,
            one.pid,
            ": " + ", ".join(hosts) if hosts else "",
        )
    return None


def fitting_beside(report, items, max_bytes):
    """As many of the items, from the first, as have room beside the rest of the report."""
    # The answer has more than this report
    return fitting(items, beside(report, max_bytes))[0]


def told(body):
    """The engine's sentence in an answer that is an error."""
    try:
        found = json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""


def fail(module, failed):
    """Ends the module. The tool has the words for each code; `docker` is what was said."""
    module.fail_json(msg="Docker: %s" % failed, playrail_code=failed.code, docker=str(failed)[:300])
