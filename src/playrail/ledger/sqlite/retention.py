"""Which records may be deleted, because they are old or too many: always the oldest ones,
up to one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

# Of a record: its other columns, and its places in the indexes; in proportion to the body's
BYTES_BESIDE_BODY = 500
BYTES_PER_MB = 1_000_000
# What has no end then never gets one: its process ended without being able to record it
LONGEST_CALL_DAYS = 7

# A clock may have been wrong. What says that it is of the future tells nothing of its age,
# and what is not old keeps all that was written after it, whatever that says: so a wrong
# clock neither keeps all for ever, nor deletes too much.
YOUNG = "SELECT seq, at FROM records WHERE at >= :cutoff AND at <= :now ORDER BY seq LIMIT 1"
OLD_BEFORE = "SELECT max(seq) FROM records WHERE at < :cutoff AND (:young IS NULL OR seq < :young)"
OLD_AFTER = "SELECT count(*) FROM records WHERE at < :cutoff AND seq > :young"
FIRST = "SELECT seq, at FROM records ORDER BY seq LIMIT 1"

# Counted from the newest record: where what would be kept takes a larger share of the file
# than it may.
LARGER = """
WITH sized AS (SELECT seq, length(CAST(body AS BLOB)) + :beside AS size FROM records)
SELECT max(seq) FROM (SELECT seq, sum(size) OVER (ORDER BY seq DESC) AS kept FROM sized)
WHERE kept > :share * (SELECT sum(size) FROM sized)
"""

USED_PAGES = "SELECT page_count - freelist_count FROM pragma_page_count(), pragma_freelist_count()"
PAGE_BYTES = "SELECT page_size FROM pragma_page_size()"

# What says that it is of the future is as old as what came after it.
IS_RECENT = """
(needed.at >= :alive AND (needed.at <= :now OR NOT EXISTS (
    SELECT 1 FROM records AS later WHERE later.seq > needed.seq AND later.at < :alive
)))
"""

GOING_ON = f"""
SELECT needed.seq, needed.call AS what FROM records AS needed
WHERE needed.kind = 'started' AND {IS_RECENT} AND NOT EXISTS (
    SELECT 1 FROM records AS done
    WHERE done.call = needed.call AND done.kind IN ('ended', 'interrupted')
) ORDER BY needed.seq LIMIT 1
"""  # noqa: S608  both are ours

USABLE_PLAN = f"""
SELECT needed.seq, json_extract(needed.body, '$.plan') AS what FROM records AS needed
WHERE needed.kind = 'plan' AND (needed.at <= :now OR {IS_RECENT})
AND coalesce(julianday(json_extract(needed.body, '$.expires_at')) > julianday(:now), true)
AND NOT EXISTS (
    SELECT 1 FROM records AS closed
    WHERE closed.kind = 'closed'
        AND json_extract(closed.body, '$.plan') = json_extract(needed.body, '$.plan')
) ORDER BY needed.seq LIMIT 1
"""  # noqa: S608  both are ours

# The largest one that was checkpointed and not deleted: a pruning was ended before it had
# done all.
UNFINISHED = """
SELECT max(upto.seq) FROM records AS checkpoint
JOIN records AS upto ON upto.seq = json_extract(checkpoint.body, '$.upto')
    AND upto.hash = json_extract(checkpoint.body, '$.hash')
WHERE checkpoint.kind = 'checkpoint'
"""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The last record that may be deleted, 0 for none, and why not more of those that were
    meant, in sentences.
    """

    upto: int
    why: tuple[str, ...]


def last_to_prune(
    connection: Connection, *, older_than_days: float | None, larger_than_mb: float | None
) -> Bound:
    """The last record that may be deleted, with all before it.

    A call that has not ended keeps its records and all later ones, and so does a plan that
    can still be applied.
    """
    now = datetime.now(UTC)
    asked = [Bound(upto=0, why=())]
    if older_than_days is not None:
        asked.append(_older(connection, now, older_than_days))
    if larger_than_mb is not None:
        asked.append(_larger(connection, larger_than_mb))
    widest = max(asked, key=lambda bound: bound.upto)
    if not widest.upto:
        return Bound(upto=0, why=tuple(sentence for bound in asked for sentence in bound.why))
    times = {"now": _ago(now, 0), "alive": _ago(now, LONGEST_CALL_DAYS)}
    for query, why in (
        (GOING_ON, "the call {} has not ended"),
        (USABLE_PLAN, "{} can still be applied"),
    ):
        needed = _row(connection, query, **times)
        if needed is not None and needed["seq"] <= widest.upto:
            sentence = (
                f"Records from {needed['seq']} on are kept, for {why.format(needed['what'])}."
            )
            widest = Bound(upto=needed["seq"] - 1, why=(sentence,))
    return widest


def unfinished(connection: Connection) -> int:
    """Up to which record an earlier pruning still has to delete; 0 when it came to its end."""
    found = connection.execute(text(UNFINISHED)).scalar()
    return int(found or 0)


def _older(connection: Connection, now: datetime, days: float) -> Bound:
    cutoff = _ago(now, days)
    young = _row(connection, YOUNG, cutoff=cutoff, now=_ago(now, 0))
    seq = young["seq"] if young else None
    upto = _number(connection, OLD_BEFORE, cutoff=cutoff, young=seq)
    behind = _number(connection, OLD_AFTER, cutoff=cutoff, young=seq) if young else 0
    why = []
    if young and behind:
        why.append(
            f"Record {seq} is of {young['at']}, and {behind} that come after it say that they "
            "are older: "
            "a clock was wrong, and they are kept as long as that one."
        )
    elif not upto and (first := _row(connection, FIRST)) is not None:
        why.append(
            f"The first, record {first['seq']}, is of {first['at']}, and none is older than "
            f"{days:g} days."
        )
    return Bound(upto=upto, why=tuple(why))


def _larger(connection: Connection, megabytes: float) -> Bound:
    size = _number(connection, USED_PAGES) * _number(connection, PAGE_BYTES)
    share = megabytes * BYTES_PER_MB / size
    upto = _number(connection, LARGER, beside=BYTES_BESIDE_BODY, share=share)
    return Bound(
        upto=upto, why=() if upto else (f"The records take {size / BYTES_PER_MB:.1f} MB.",)
    )


def _ago(now: datetime, days: float) -> str:
    return (now - timedelta(days=days)).isoformat(timespec="milliseconds")


def _row(connection: Connection, query: str, **given: Any) -> dict[str, Any] | None:
    row = connection.execute(text(query), given).mappings().first()
    return None if row is None else dict(row)


def _number(connection: Connection, query: str, **given: float | str | None) -> int:
    return int(connection.execute(text(query), given).scalar() or 0)
