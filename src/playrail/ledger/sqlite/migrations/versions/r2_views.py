"""Plans, runs and checkpoints: indexes to find them, views to read them as tables, and
deleting what was pruned.

Also: an INSERT that would take the place of a record (INSERT OR REPLACE) is refused, as
UPDATE and DELETE are.
"""

from __future__ import annotations

from alembic import op

revision = "2"
down_revision = "1"

# A body that is no JSON any more must not keep the ledger from being opened, and its
# alteration from being found.
INDEXES = """
CREATE INDEX records_by_kind ON records (kind, at);

CREATE INDEX records_by_plan
ON records (CASE WHEN json_valid(body) THEN json_extract(body, '$.plan') END)
WHERE CASE WHEN json_valid(body) THEN json_extract(body, '$.plan') END IS NOT NULL;

CREATE INDEX records_by_run
ON records (CASE WHEN json_valid(body) THEN json_extract(body, '$.run') END)
WHERE CASE WHEN json_valid(body) THEN json_extract(body, '$.run') END IS NOT NULL;

CREATE INDEX records_by_undone_run
ON records (CASE WHEN json_valid(body) THEN json_extract(body, '$.undoes') END)
WHERE CASE WHEN json_valid(body) THEN json_extract(body, '$.undoes') END IS NOT NULL;

CREATE UNIQUE INDEX records_close_a_plan_once
ON records (CASE WHEN json_valid(body) THEN json_extract(body, '$.plan') END) WHERE kind = 'closed'
"""

DELETING = """
CREATE TRIGGER records_refuse_delete BEFORE DELETE ON records
WHEN NOT EXISTS (
    SELECT 1 FROM records AS checkpoint
    WHERE checkpoint.kind = 'checkpoint' AND json_extract(checkpoint.body, '$.upto') >= OLD.seq
)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""

# REPLACE deletes what is in its way, and no trigger for DELETE is asked.
INSERTING = """
CREATE TRIGGER records_refuse_replace BEFORE INSERT ON records
WHEN NEW.seq <= (SELECT max(seq) FROM records)
    OR EXISTS (SELECT 1 FROM records WHERE hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""

CLOSING = """
CREATE TRIGGER records_refuse_second_close BEFORE INSERT ON records
WHEN NEW.kind = 'closed' AND EXISTS (
    SELECT 1 FROM records WHERE kind = 'closed'
    AND CASE WHEN json_valid(body) THEN json_extract(body, '$.plan') END
        = CASE WHEN json_valid(NEW.body) THEN json_extract(NEW.body, '$.plan') END
)
BEGIN SELECT RAISE(ABORT, 'records_close_a_plan_once: the ledger is append-only'); END
"""

CALLS = """
CREATE VIEW calls AS
SELECT
    begun.call, begun.server, begun.caller, begun.tool,
    json_extract(begun.body, '$.risk') AS risk,
    json_extract(begun.body, '$.preview') AS preview,
    json_extract(begun.body, '$.hosts') AS hosts,
    json_extract(begun.body, '$.arguments') AS arguments,
    json_extract(begun.body, '$.run') AS run,
    json_extract(begun.body, '$.plan') AS plan,
    json_extract(begun.body, '$.parent') AS parent,
    begun.at AS started_at,
    CASE begun.kind WHEN 'refused' THEN begun.at ELSE done.at END AS ended_at,
    CASE begun.kind
        WHEN 'refused' THEN json_extract(begun.body, '$.outcome')
        ELSE json_extract(done.body, '$.outcome')
    END AS outcome,
    CASE begun.kind
        WHEN 'refused' THEN json_extract(begun.body, '$.reason')
        ELSE json_extract(done.body, '$.error')
    END AS error,
    json_extract(done.body, '$.changed') AS changed,
    json_extract(done.body, '$.failed') AS failed,
    json_extract(done.body, '$.duration_ms') AS duration_ms
FROM records AS begun
LEFT JOIN records AS done ON done.call = begun.call AND done.kind IN ('ended', 'interrupted')
WHERE begun.kind IN ('started', 'refused')
"""

RUNS = """
CREATE VIEW runs AS
SELECT
    CASE WHEN json_valid(started.body) THEN json_extract(started.body, '$.run') END AS run,
    calls.call, calls.caller, calls.tool, calls.hosts, calls.preview, calls.plan,
    calls.started_at, calls.ended_at, calls.outcome, calls.changed, calls.failed, calls.duration_ms,
    json_extract(started.body, '$.playbook') AS playbook,
    json_extract(started.body, '$.command') AS command,
    json_array_length(events.body, '$.tasks') AS tasks,
    json_extract(events.body, '$.text') AS text,
    json_extract(events.body, '$.cut') AS cut
FROM records AS started
JOIN calls ON calls.call = started.call
LEFT JOIN records AS events ON events.call = started.call AND events.kind = 'events'
WHERE started.kind = 'started'
    AND CASE WHEN json_valid(started.body) THEN json_extract(started.body, '$.run') END IS NOT NULL
"""

TASKS = """
CREATE VIEW tasks AS
SELECT
    json_extract(records.body, '$.run') AS run,
    records.call, task.key + 1 AS number,
    json_extract(task.value, '$.host') AS host,
    json_extract(task.value, '$.task') AS task,
    json_extract(task.value, '$.action') AS action,
    json_extract(task.value, '$.status') AS status,
    json_extract(task.value, '$.duration_s') AS duration_s,
    json_extract(task.value, '$.result') AS result,
    json_extract(task.value, '$.diff') AS diff,
    json_extract(task.value, '$.cut') AS cut
FROM records, json_each(records.body, '$.tasks') AS task
WHERE records.kind = 'events'
"""

PLANS = """
CREATE VIEW plans AS
SELECT
    CASE WHEN json_valid(made.body) THEN json_extract(made.body, '$.plan') END AS plan,
    made.call, made.caller, made.at AS made_at,
    json_extract(made.body, '$.hash') AS hash,
    json_extract(made.body, '$.steps') AS steps,
    json_extract(made.body, '$.changes') AS changes,
    json_extract(made.body, '$.not_previewed') AS not_previewed,
    json_extract(made.body, '$.approval') AS approval,
    json_extract(made.body, '$.undoes') AS undoes,
    json_extract(made.body, '$.expires_at') AS expires_at,
    json_extract(closed.body, '$.outcome') AS outcome,
    json_extract(closed.body, '$.by') AS closed_by,
    closed.at AS closed_at
FROM records AS made
LEFT JOIN records AS closed ON closed.kind = 'closed'
    AND CASE WHEN json_valid(closed.body) THEN json_extract(closed.body, '$.plan') END
        = json_extract(made.body, '$.plan')
WHERE made.kind = 'plan'
"""

APPROVALS = """
CREATE VIEW approvals AS
SELECT
    json_extract(body, '$.plan') AS plan,
    json_extract(body, '$.hash') AS hash,
    call, caller, at,
    json_extract(body, '$.how') AS how,
    json_extract(body, '$.answer') AS answer,
    json_extract(body, '$.by') AS "by",
    json_extract(body, '$.proves') AS proves,
    json_extract(body, '$.expires_at') AS expires_at
FROM records
WHERE kind = 'approval'
"""

CAPTURES = """
CREATE VIEW captures AS
SELECT
    json_extract(records.body, '$.run') AS run,
    records.call, records.at,
    host.key AS host,
    json_extract(effect.value, '$.kind') AS kind,
    json_extract(effect.value, '$.name') AS name,
    json_extract(effect.value, '$.before') AS before,
    json_extract(effect.value, '$.after') AS after
FROM records, json_each(records.body, '$.effects') AS host, json_each(host.value) AS effect
WHERE records.kind = 'capture'
"""


def upgrade() -> None:
    op.execute("DROP TRIGGER records_refuse_delete")
    triggers, views = (
        (DELETING, INSERTING, CLOSING),
        (CALLS, RUNS, TASKS, PLANS, APPROVALS, CAPTURES),
    )
    for statement in (*INDEXES.split(";"), *triggers, *views):
        op.execute(statement.strip())
