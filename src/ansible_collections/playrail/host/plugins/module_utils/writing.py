"""Puts a new file in the place of an old one, or writes into it; what fails leaves no trace."""

import errno
import os
import tempfile
import time

from ansible_collections.playrail.host.plugins.module_utils.attributes import Attributes
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused


def backup_name(place):
    """The name of the old file's copy, as Ansible would call it. Raises Refused when it is
    too long.
    """
    moment = time.strftime("%Y-%m-%d@%H:%M:%S~")
    name = "%s.%d.%s" % (os.path.basename(place.resolved), os.getpid(), moment)
    place.check_names(name)
    return name


def keep(module, place):
    """Copies the old file beside itself and returns the copy's name."""
    name = backup_name(place)
    path = place.beside(name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as copy:
            for chunk in place.chunks():
                copy.write(chunk)
            copy.flush()
            Attributes(None, None, None, place.status).set(descriptor, place.old)
            os.utime(descriptor, ns=(place.status.st_atime_ns, place.status.st_mtime_ns))
    except BaseException:
        module.cleanup(path)
        raise
    return name


def write(module, place, content, attributes):
    """Puts the new file in the old one's place; what fails leaves no trace. Returns its
    status and the backup's name.
    """
    backup = None
    try:
        place.make_folders()
        descriptor, temporary = tempfile.mkstemp(prefix=".ansible_tmp", dir=place.at)
    except BaseException:
        place.remove_folders()
        raise
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(content)
            new.flush()
            if place.old is None and module.selinux_enabled():
                module.set_context_if_different(
                    temporary, module.selinux_default_context(place.resolved), False
                )
            attributes.set(descriptor, place.old)
            os.fsync(descriptor)
            if place.old is not None and module.params["backup"]:
                backup = keep(module, place)
            os.rename(temporary, place.name)
            return os.fstat(descriptor), backup
    except BaseException:
        module.cleanup(temporary)
        if backup:
            module.cleanup(place.beside(backup))
        place.remove_folders()
        raise


def write_in_place(module, place, content, attributes):
    """Writes the file that all its names share. The room for it is there before the first
    byte is written.
    """
    descriptor = os.open(place.name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (place.status.st_dev, place.status.st_ino):
            raise Refused("changed_meanwhile", "%s was replaced; nothing was written" % place.path)
        backup = keep(module, place) if module.params["backup"] else None
        try:
            make_room(descriptor, len(content), status.st_size)
        except BaseException:
            if backup:
                module.cleanup(place.beside(backup))
            raise
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written : written + 1024 * 1024], written)
        os.ftruncate(descriptor, len(content))
        attributes.set(descriptor)
        os.fsync(descriptor)
        return os.fstat(descriptor), backup
    finally:
        os.close(descriptor)


def make_room(descriptor, size, old):
    if size <= old:
        return
    try:
        os.posix_fallocate(descriptor, old, size - old)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
            return  # this file system cannot tell beforehand
        os.ftruncate(descriptor, old)
        raise
