"""The options that all modules for Docker have. `docker.SOCKETS` says the same of `sockets`."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  engine:
    description: The socket of the engine to ask, one that a module for Docker told of.
    type: str
  sockets:
    description: Where the engine may listen; the first that takes a connection is asked.
    type: list
    elements: str
    default:
      - /run/docker.sock
      - /var/run/docker.sock
      - /run/podman/podman.sock
"""
