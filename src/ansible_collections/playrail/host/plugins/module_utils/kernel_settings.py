"""The kernel's settings below /proc/sys, and what the files of sysctl.d(5) say of them."""

import glob
import os

SYS = "/proc/sys"
FOLDERS = (  # of files of the same name that in the first folder counts
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
# systemd reads it only by a link from one of the folders; all others read it last
OLD_FILE = "/etc/sysctl.conf"
SYSTEMD = "/run/systemd/system"
LARGEST = 4096  # bytes of a value


def name_of(path):
    return path[len(SYS) + 1 :].replace(".", "\0").replace("/", ".").replace("\0", "/")


def path_of(name):
    """The file of a setting. As sysctl.d(5) has it: whichever of . and / comes first parts the
    words, the other one stands for itself.
    """
    first = next((letter for letter in name if letter in "./"), "/")
    if first == ".":
        name = name.replace("/", "\0").replace(".", "/").replace("\0", ".")
    return os.path.join(SYS, name)


def value_of(path):
    """The value, its blanks as one each. Raises OSError."""
    with open(path, "rb") as file:
        return plain(file.read(LARGEST).decode("utf-8", "backslashreplace"))


def plain(text):
    return " ".join(text.split())


def device_of(path):
    """None where it is gone, as the settings of an interface with it."""
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def below(path):
    """The files of all settings at or below a path, by name. What is mounted there is left
    out: binfmt_misc often is mounted only when somebody looks.
    """
    own = device_of(SYS)
    if device_of(path) != own:
        return []
    if os.path.isfile(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [one for one in folders if device_of(os.path.join(folder, one)) == own]
        found += [os.path.join(folder, name) for name in names]
    return sorted(found)


def files():
    """The files that set values at the start, in the order in which they are read."""
    found = {}
    for folder in reversed(FOLDERS):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        found.update((name, os.path.join(folder, name)) for name in names if name.endswith(".conf"))
    ordered = [found[name] for name in sorted(found)]
    if not os.path.isdir(SYSTEMD) and os.path.exists(OLD_FILE):
        read = {os.path.realpath(path) for path in ordered}
        ordered += [] if os.path.realpath(OLD_FILE) in read else [OLD_FILE]
    return ordered


def lines_of(path):
    """Name, value (None: a pattern is not to set it) and file of each line. Raises OSError."""
    with open(path, "rb") as file:
        text = file.read().decode("utf-8", "backslashreplace")
    for line in text.splitlines():
        name, sets, value = line.strip().partition("=")
        if not name or name[0] in "#;" or (not sets and not name.startswith("-")):
            continue
        yield name.lstrip("-").strip(), plain(value) if sets else None, path


class Configured:
    """What the files say: by path of the setting its value and the file that has it. `unread`
    are files that could not be read.
    """

    def __init__(self):
        exact, patterns, self.unread = {}, [], []
        for path in files():
            try:
                lines = list(lines_of(path))
            except OSError as error:
                if os.path.basename(os.path.realpath(path)) != "null":
                    self.unread.append("%s: %s" % (path, error.strerror))
                continue
            for name, value, where in lines:
                place = path_of(name)
                if any(letter in name for letter in "*?[") and value is not None:
                    patterns.append((place, value, where))
                else:
                    exact[place] = (value, where)
        self.settings = {}
        for pattern, value, where in patterns:
            for place in glob.glob(pattern):
                self.settings[place] = (value, where)
        self.settings.update(exact)
        self.settings = {
            place: found for place, found in self.settings.items() if found[0] is not None
        }
