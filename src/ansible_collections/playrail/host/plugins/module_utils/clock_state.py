"""Whether the kernel's clock is kept right by another one."""

try:
    import ctypes
except ImportError:  # Python's minimal packages have none
    ctypes = None

from ansible_collections.playrail.host.plugins.module_utils.processes import own_processes

TIME_ERROR = 5  # adjtimex(2), of linux/timex.h
UNSYNCHRONISED = 0x40
# What may keep it, by the names of their processes
KEEPERS = ("chronyd", "ntpd", "systemd-timesyn", "ptp4l", "phc2sys")
SIZE = 256  # of struct timex, and some more


def synchronised():
    """True or False as the kernel says it; None when it may not be asked."""
    if ctypes is None:
        return None

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("numbers", ctypes.c_long * 4),  # offset, frequency, largest and estimated error
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * SIZE),
        )

    told = Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(told))  # modes 0: only reads
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR and not told.status & UNSYNCHRONISED


def keeper(processes):
    """The program that keeps it, of the processes that run; None when there is none known."""
    names = {one.name for one in own_processes(lambda one: one.name in KEEPERS, processes)}
    return next((name for name in KEEPERS if name in names), None)
