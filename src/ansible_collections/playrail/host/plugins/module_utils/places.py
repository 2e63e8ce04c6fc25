"""What the modules for files share: which places are protected.

A rule is a glob pattern over an absolute path without symbolic links. It protects what it
names and all below it. `*`, `?` and `[..]` stay within one name, `**` crosses slashes. A
rule that starts with `!` is an exception; the last rule that matches counts. The word
`default` in a list stands for the list that is built in here.
"""

import glob
import os
import pwd
import re
import stat

from ansible_collections.playrail.host.plugins.module_utils.keys import LONGEST_BYTES, key_in
from ansible_collections.playrail.host.plugins.module_utils.names import spelled
from ansible_collections.playrail.host.plugins.module_utils.refusals import Refused

DEFAULT = "default"

READ = (
    # password hashes and who may become root
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/security/opasswd*",
    "/var/backups/shadow*",
    "/var/backups/gshadow*",
    # keys of this server and its services
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssl/private",
    "/etc/pki/**/private",
    "/etc/letsencrypt/**/privkey*.pem",
    "/etc/wireguard",
    "/etc/openvpn/**/*.key",
    "/etc/ipsec.secrets",
    "/etc/ipsec.d/private",
    "/etc/swanctl/private",
    "/etc/krb5.keytab",
    "/etc/bind/*.key",
    "/etc/docker/key.json",
    "/etc/kubernetes/pki/**/*.key",
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/run/credentials",
    "/run/secrets",
    "/var/lib/samba/private",
    "/var/lib/systemd/credential.secret",
    # passwords with which services log in elsewhere
    "/etc/mysql/debian.cnf",
    "/etc/NetworkManager/system-connections",
    "/etc/exim4/passwd.client",
    "/etc/postfix/sasl_passwd",
    "/etc/ppp/*-secrets",
    # keys and passwords of people
    "/**/.ssh/id_*",
    "!/**/.ssh/id_*.pub",
    "/**/.ssh/*key",
    "/**/.ssh/*.pem",
    "/**/.gnupg/private-keys-v1.d",
    "/**/.gnupg/secring.gpg",
    "/**/.aws/credentials",
    "/**/.config/gcloud/*credentials*",
    "/**/.docker/config.json",
    "/**/.git-credentials",
    "/**/.kube/config",
    "/**/.my.cnf",
    "/**/.mylogin.cnf",
    "/**/.netrc",
    "/**/.pgpass",
    "/**/.vault-token",
    # what processes were given
    "/proc/*/environ",
    "/proc/*/task/*/environ",
    "/proc/kcore",
)
WRITE = READ + (
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/group",
    "/etc/group-",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/**/.ssh/authorized_keys",
    "/**/.ssh/authorized_keys2",
    "/boot",
    "/sys",
    "/proc",
    "/dev",
)
UNREAL = ("/proc", "/sys", "/dev")  # nothing there is kept, and looking may act
MAX_PROTECTED_FILES = 50000  # that are looked at for hard links
# A larger file is looked at for keys where it is shown, not as a whole
WHOLE_BYTES = 2 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
LONGEST_KEY_BYTES = 256 * 1024
KEY_BEGINS = re.compile(rb"-{4,5} ?BEGIN [A-Za-z0-9 -]{0,99}-{4,5}")

WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])")
# Beside a file lie its copies: those of package managers, editors, people, and of the
# module write_file. A public key is no copy of the private one.
BEFORE_COPY = r"(?:[.#]{1,2}|(?i:copy of |(?:old|bak|backup|orig|save)[._-]))?"
AFTER_COPY = r"(?:(?:[^/\w]|_)[^/]*(?<!\.pub))?"
MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def name_of(number, find):
    """The name of a user or group, found with pwd.getpwuid or grp.getgrgid; its number when
    it has none.
    """
    try:
        return find(number)[0]
    except KeyError:
        return str(number)


def is_unreal(path):
    return any(path == place or path.startswith(place + "/") for place in UNREAL)


def one_of(characters):
    """A regular expression for what stands in brackets; `!` at its beginning means: none of
    these.
    """
    told = re.escape(characters.lstrip("!") or "!").replace("\\-", "-")
    return "[^/%s]" % told if characters.startswith("!") else "[%s]" % told


def pattern_of(rule):
    parts = WILDCARD.split(rule)
    parts[::2] = [re.escape(part) for part in parts[::2]]
    parts[1::2] = [MEANING.get(part) or one_of(part[1:-1]) for part in parts[1::2]]
    return "".join(parts)


def expression(rule, copies=False):
    """A regular expression for what the rule names and all below it; with `copies` for the
    copies beside it as well.
    """
    if not rule.startswith("/"):
        raise Refused("invalid_argument", "the rule %r is not an absolute path" % rule)
    folder, slash, name = rule.rstrip("/").rpartition("/")
    named = pattern_of(name)
    if copies and name.strip("*"):
        named = BEFORE_COPY + named + AFTER_COPY
    try:
        return re.compile(pattern_of(folder + slash) + named + r"(?:/.*)?\Z", re.DOTALL)
    except re.error:
        raise Refused("invalid_argument", "the rule %r is not a pattern" % rule)


def word_of(rule):
    """The longest text that is in every path that the rule names; to look for it costs
    little.
    """
    return max(
        (part for name in rule.lstrip("!").split("/") for part in WILDCARD.split(name)[::2]),
        key=len,
    )


class Rules:
    """Says what is protected. `listed` is the operator's list, `default` what the word
    default stands for in it.

    What must not be read must not be read in a copy beside it either: `copies` sees to
    that.
    """

    def __init__(self, listed, default, copies=False):
        told = [rule for item in listed for rule in (default if item == DEFAULT else [item])]
        self.patterns = [rule for rule in told if not rule.startswith("!")]
        self.copies = copies
        self.ordered = [
            (
                word_of(rule),
                expression(rule.lstrip("!"), copies and not rule.startswith("!")),
                not rule.startswith("!"),
            )
            for rule in told
        ]
        self.exceptions = [expression(rule.lstrip("!")) for rule in listed if rule.startswith("!")]
        self.keys = DEFAULT in listed
        self.files = None
        self.complete = True

    def protect(self, path):
        """Whether this path, which has no links, is protected."""
        found = [yes for word, each, yes in self.ordered if word in path and each.match(path)]
        return bool(found and found[-1])

    def protect_file(self, status):
        """Whether this is a protected file by another name: a hard link, a bind mount, or
        what a link there leads to.
        """
        if self.files is None:
            self.files = set()
            for pattern in self.patterns:
                for path in existing(pattern) + (copies_of(pattern) if self.copies else []):
                    self._add(path)
        if not self.complete and status.st_nlink > 1:
            return True  # there were too many to look at, so it cannot be told
        return (status.st_dev, status.st_ino) in self.files

    def _add(self, path):
        pending = [path]
        while pending:
            path = pending.pop()
            if is_unreal(path):
                continue
            if len(self.files) + len(pending) > MAX_PROTECTED_FILES:
                self.complete = False
                return
            try:
                own, status = os.lstat(path), os.stat(path)
                if stat.S_ISDIR(own.st_mode):
                    pending += [os.path.join(path, name) for name in os.listdir(path)]
            except OSError:
                continue
            # A user must not be able to have any file protected by a link to it.
            if stat.S_ISREG(status.st_mode) and own.st_uid == status.st_uid and self.protect(path):
                self.files.add((status.st_dev, status.st_ino))

    def check(self, path, resolved):
        """Raises Refused for a protected place. `path` as it was given, `resolved` without
        links.
        """
        if self.protect(resolved) or self.protect("/" + os.path.normpath(path).lstrip("/")):
            raise Refused("protected_path", "%s is a protected place" % spelled(path))

    def check_file(self, path, status):
        """Raises Refused for a file that is protected under another name."""
        if self.protect_file(status):
            raise Refused(
                "protected_path", "%s is a protected file by another name" % spelled(path)
            )

    def looks_into(self, real):
        """Whether keys are looked for in this file. The operator's own list may have an
        exception for it.
        """
        return (
            self.keys
            and not real.startswith(("/proc/", "/sys/"))
            and not any(each.match(real) for each in self.exceptions)
        )

    def check_content(self, path, real, descriptor, most=None):
        """Raises Refused for a file with a private key in it, wherever it lies. One of more
        than `most` bytes is passed.
        """
        size = os.fstat(descriptor).st_size
        if not self.looks_into(real) or (most is not None and size > most):
            return
        for start in range(0, max(size, 1), CHUNK_BYTES):
            check_bytes(path, os.pread(descriptor, CHUNK_BYTES + LONGEST_BYTES, start))

    def check_part(self, path, real, descriptor, taken, end):
        """Raises Refused when `taken`, the bytes before `end` of a file, are of a private
        key.

        The line that begins it may lie before them, and what tells it from plain words
        behind them.
        """
        if not self.looks_into(real):
            return
        start = max(0, end - len(taken))
        before = os.pread(
            descriptor, min(start, LONGEST_KEY_BYTES), max(0, start - LONGEST_KEY_BYTES)
        )
        begins = [found.start() for found in KEY_BEGINS.finditer(before)]
        open_key = begins and b"END " not in before[begins[-1] :]
        before = before[begins[-1] if open_key else max(0, len(before) - 1024) :]
        check_bytes(path, before + taken + os.pread(descriptor, 1024, end))


def unreadable(listed):
    """The rules of what must not be read, from the operator's list."""
    return Rules(listed, READ, copies=True)


def rules_for_changes(given):
    """What must not be written, and what must not be read, from the arguments of a module
    that changes files.
    """
    return Rules(given["protected"], WRITE), unreadable(given["unreadable"])


def check_bytes(path, content):
    """Raises Refused when a private key or a credential is in the content of the file."""
    what = key_in(content)
    if what:
        raise Refused("protected_path", "%s holds %s" % (spelled(path), what))


def existing(pattern):
    """Paths that match. For a leading `/**/` the homes of users stand in: a whole file
    system is too much to look at.

    Any other `**` stands for one name here, so a hard link to what lies deeper is not
    recognised.
    """
    if is_unreal(pattern):
        return []
    if not pattern.startswith("/**/"):
        return glob.glob(pattern)
    homes = {user.pw_dir for user in pwd.getpwall()} | set(glob.glob("/home/*")) | {"/root"}
    return [
        path
        for home in homes
        for path in glob.glob(os.path.join(glob.escape(home), pattern[len("/**/") :]))
    ]


def copies_of(pattern):
    """Copies of the system's own files. In homes it would take too long; there what the
    file holds tells.
    """
    return [] if pattern.startswith("/**/") else existing(pattern + "[-.~_+]*")


def open_regular(path, rules):
    """A descriptor of the file and its path without links. Opens nothing else, as opening a
    device may already act.

    A large file may have keys in it: see Rules.check_part.
    """
    resolved = os.path.realpath(path)
    rules.check(path, resolved)
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is_a_directory", "%s is a directory" % spelled(path))
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not_a_file", "%s is not a regular file" % spelled(path))
    return open_resolved(path, resolved, rules, most=WHOLE_BYTES), resolved


def open_resolved(path, resolved, rules, most=None):
    """A descriptor of the regular file that `path` leads to; `resolved` is the path without
    links, which was judged.

    It is judged once more when it is open: a link, or a directory above it, may have been
    put in its place.
    """
    # A FIFO does not block
    descriptor = os.open(resolved, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not_a_file", "%s is not a regular file" % spelled(path))
        check_same(path, status)
        real = real_path(descriptor)
        rules.check(path, real)
        rules.check_file(path, status)
        rules.check_content(path, real, descriptor, most)
    except (Refused, OSError):
        os.close(descriptor)
        raise
    return descriptor


def real_path(descriptor):
    """Where that which is open lies, without links."""
    return os.readlink("/proc/self/fd/%d" % descriptor)


def check_same(path, status):
    """Raises Refused unless the path leads to what has this status.

    It may have been replaced meanwhile. And the links /proc/PID/root and cwd lead to where
    their text does not.
    """
    now = os.stat(path)
    if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
        code = "unsupported_path" if is_unreal(path) else "changed_meanwhile"
        raise Refused(
            code, "%s does not lead, or no longer, to the file that its links name" % spelled(path)
        )
