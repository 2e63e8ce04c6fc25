"""A host's Docker engine, asked over its socket: https://docs.docker.com/reference/api/engine/ has what it answers."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import json
import os
import socket

from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlencode

# What each module takes besides its own: where the engine may listen. DOCKER_HOST means nothing here.
SOCKETS = {
    "type": "list",
    "elements": "str",
    "default": ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"],
}
PROGRAMS = ("docker", "dockerd")
FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/snap/bin")
TIMEOUT_S = 20.0
ANSWER_BYTES = 64 * 1024 * 1024
ERROR_BYTES = 65536


class DockerFailed(Exception):
    """Docker did not do it. `code` is Playrail's; the text is Docker's own or the system's."""

    def __init__(self, code, message):
        super(DockerFailed, self).__init__(message)
        self.code = code


class UnixConnection(HTTPConnection):
    def __init__(self, path):
        HTTPConnection.__init__(self, "localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine(object):
    """The engine behind the first of the sockets that is there."""

    def __init__(self, sockets):
        self.path = next((path for path in sockets if os.path.exists(path)), sockets[0])

    def ask(self, *path, **query):
        """The engine's answer to a GET, opened. Raises DockerFailed; the caller closes it."""
        connection = UnixConnection(self.path)
        url = "/" + "/".join(quote(part, safe="") for part in path) + ("?" + urlencode(query) if query else "")
        try:
            connection.request("GET", url, headers={"Host": "docker"})
            answer = connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            if isinstance(error, OSError):
                raise unreachable(error)
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
                raise DockerFailed("docker_failed", "its answer is longer than %d bytes" % ANSWER_BYTES)
            return json.loads(body.decode("utf-8", "replace"))
        except (OSError, HTTPException):
            raise DockerFailed("docker_unavailable", "it ended its answer half-way")
        except ValueError:
            raise DockerFailed("docker_failed", "its answer is no JSON")
        finally:
            answer.close()


def unreachable(error):
    """Why no engine could be asked."""
    why = os.strerror(error.errno) if error.errno else "no answer in time"
    if error.errno in (errno.EACCES, errno.EPERM):
        return DockerFailed("permission_denied", why)
    installed = any(os.path.exists(os.path.join(folder, name)) for folder in FOLDERS for name in PROGRAMS)
    return DockerFailed("docker_unavailable" if installed else "no_docker", why)


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
