"""The latest logins of a host, those that failed and the sessions, each of the first source that
tells any.
"""

import os
import time

from ansible_collections.playrail.host.plugins.module_utils.login_records import (
    DAY_S,
    FAILED_DAYS,
    failures_of_btmp,
    logins_of_wtmp,
    logins_of_wtmpdb,
    sessions,
    summed,
    unread_databases,
)
from ansible_collections.playrail.host.plugins.module_utils.moments import utc
from ansible_collections.playrail.host.plugins.module_utils.sshd_log import SshdLog

NO_LOG = "there is no journal, and no file of sshd's log in /var/log"


def latest_logins(log, user):
    """The logins, the latest first, and why those may not be all."""
    try:
        written = logins_of_wtmp()
    except OSError:
        written = []
    written = written or logins_of_wtmpdb()
    found = [one for one in written or log.logins() if user in (None, one["user"])]
    if written or found:
        return found, None
    if not log.known:
        return found, NO_LOG
    since = log.logins_since or time.time() - FAILED_DAYS * DAY_S
    return found, "sshd's log was read since %s only" % utc(since)


def failed_logins(log, user):
    """What those of the last days come to, None where nothing tells of them."""
    try:
        found, since = failures_of_btmp()
    except OSError:
        found, since = [], None
    if not found:
        found, since = log.failures(), log.since
    if not found and (os.geteuid() != 0 or not log.known):
        return None
    return summed([one for one in found if user in (None, one[1])], since)


def history(module, user, not_known):
    """Logins and sessions as lists, failed logins as what they come to; of one user, or of all."""
    log = SshdLog(module)
    logins, why = latest_logins(log, user)
    failed = failed_logins(log, user)
    if os.geteuid() != 0:
        not_known.add("failed logins: permission denied")
        why = "permission denied" if why else None
    elif failed is None:
        not_known.add("failed logins: " + NO_LOG)
    not_known.update(["latest logins: " + why] if why else [])
    not_known.update("%s: this Python has no sqlite3" % path for path in unread_databases())
    try:
        now = [one for one in sessions() if user in (None, one["user"])]
    except OSError as error:
        now = []
        not_known.add("sessions: " + os.strerror(error.errno or 0))
    return dict({"failed_logins": failed} if failed else {}, sessions=now, logins=logins)
