"""What this process asks the kernel for about itself: prctl(2)."""

try:
    import ctypes
except ImportError:  # Python's minimal packages have none
    ctypes = None

DROP_CAPABILITY, SET_CHILD_SUBREAPER = 24, 36  # linux/prctl.h
# capabilities(7): what no program that looks needs, and what cannot be taken back. With
# CAP_SYS_MODULE gone the kernel loads no module of a name that a caller chose.
MORE_THAN_TO_LOOK = {
    "CAP_CHOWN": 0,
    "CAP_FOWNER": 3,
    "CAP_FSETID": 4,
    "CAP_KILL": 5,
    "CAP_LINUX_IMMUTABLE": 9,
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_BOOT": 22,
    "CAP_SYS_TIME": 25,
    "CAP_SYS_TTY_CONFIG": 26,
    "CAP_MKNOD": 27,
    "CAP_SETFCAP": 31,
}


def control(option, value):
    """Whether the kernel did it."""
    if ctypes is None:
        return False
    try:
        return ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


def adopt_orphans():
    """Makes this process the parent of those below it whose own parent ends. Returns
    whether that worked.
    """
    return control(SET_CHILD_SUBREAPER, 1)


def only_look():
    """What this process starts from now on cannot have more than it takes to look, even as
    root. A plain user's programs have none of it anyway.
    """
    for number in MORE_THAN_TO_LOOK.values():
        control(DROP_CAPABILITY, number)
