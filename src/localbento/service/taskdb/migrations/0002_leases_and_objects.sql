-- From version 1, the plain core of the original with text keys, to version 2: numbers for order, leases, keys of jobs,
-- resources, references to objects, images, predictions and events.

DROP TRIGGER tasks_counted_on_insert;
DROP TRIGGER tasks_counted_on_update;
DROP INDEX streams_priority;
DROP INDEX tasks_by_state;
DROP INDEX tasks_by_job;
DROP INDEX task_deps_all;
ALTER TABLE streams RENAME TO old_streams;
ALTER TABLE jobs RENAME TO old_jobs;
ALTER TABLE tasks RENAME TO old_tasks;
ALTER TABLE task_deps RENAME TO old_task_deps;

-- Queues with priority settings, each owned by a user and served by one worker type.
CREATE TABLE streams (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation; breaks ties
    id TEXT NOT NULL UNIQUE,
    worker_type TEXT NOT NULL,
    reserved INTEGER NOT NULL,  -- running tasks up to this number enjoy reserved priority
    be_mult REAL NOT NULL,  -- weight beyond the reservation; larger is better
    user_id TEXT NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,  -- ready tasks, kept by triggers
    running INTEGER NOT NULL DEFAULT 0,  -- running tasks, kept by triggers
    priority REAL GENERATED ALWAYS AS (  -- smaller is served first
        CASE
            WHEN ready <= 0 THEN 9e999
            WHEN running >= reserved THEN (running - reserved) / be_mult
            ELSE (running - reserved) * 1.0 / reserved
        END
    ) VIRTUAL
);

-- One user workflow each.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation: the oldest job is served first
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    error TEXT,  -- text of the first failure
    user_id TEXT NOT NULL,
    reported INTEGER NOT NULL DEFAULT 0,  -- free for reporting outside
    created_at REAL NOT NULL,
    finished_at REAL,
    job_key TEXT,  -- what makes the same request the same job
    superseded INTEGER NOT NULL DEFAULT 0,  -- 1: gave its key up
    guest_name TEXT,
    image_id TEXT,
    receipt_kind TEXT,
    options TEXT NOT NULL DEFAULT 'null' CHECK (json_valid(options)),
    executed_cycles INTEGER,
    result TEXT CHECK (result IS NULL OR json_valid(result))  -- set when done
);
CREATE UNIQUE INDEX jobs_key ON jobs (job_key) WHERE job_key IS NOT NULL AND superseded = 0;

-- One unit of work of a job each, placed on a stream.
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation
    job_seq INTEGER NOT NULL REFERENCES jobs (seq),
    task_id TEXT NOT NULL,  -- name inside the job
    stream_seq INTEGER NOT NULL REFERENCES streams (seq),
    task_def TEXT NOT NULL CHECK (json_valid(task_def)),
    prerequisites TEXT NOT NULL CHECK (json_type(prerequisites) = 'array'),  -- as given
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'running', 'done', 'failed', 'cancelled')),
    waiting_on INTEGER NOT NULL,  -- prerequisites still unfinished
    created_at REAL NOT NULL,
    started_at REAL,  -- last time it was handed out
    updated_at REAL,  -- last report
    active_tick REAL,  -- last time it was handed out or reported progress
    progress REAL NOT NULL DEFAULT 0,
    step TEXT,  -- what it is doing, for people
    retries INTEGER NOT NULL DEFAULT 0,
    max_retries INTEGER NOT NULL,
    timeout_secs REAL NOT NULL,
    cores INTEGER NOT NULL DEFAULT 1 CHECK (cores >= 0),
    extra_cores INTEGER NOT NULL DEFAULT 0 CHECK (extra_cores >= 0),  -- lent to this run beyond what it needs
    memory_bytes INTEGER NOT NULL DEFAULT 0 CHECK (memory_bytes >= 0),
    attempt INTEGER NOT NULL DEFAULT 0,  -- counts hand-outs; a report must carry the current one
    pool_id INTEGER,  -- who runs it
    crashes INTEGER NOT NULL DEFAULT 0,  -- workers that died on it
    output TEXT CHECK (output IS NULL OR json_valid(output)),
    error TEXT,
    error_class TEXT,
    reason TEXT,
    log_tail TEXT,
    UNIQUE (job_seq, task_id)
);
CREATE INDEX tasks_ready ON tasks (stream_seq, job_seq, seq) WHERE state = 'ready';
CREATE INDEX tasks_running ON tasks (state, pool_id, cores, extra_cores, memory_bytes) WHERE state = 'running';
CREATE INDEX tasks_unfinished ON tasks (job_seq) WHERE state <> 'done';

-- Task `post_seq` waits for task `pre_seq`; `times` is how often it was listed.
CREATE TABLE task_deps (
    pre_seq INTEGER NOT NULL REFERENCES tasks (seq),
    post_seq INTEGER NOT NULL REFERENCES tasks (seq),
    times INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (pre_seq, post_seq)
) WITHOUT ROWID;
CREATE INDEX task_deps_post ON task_deps (post_seq);

-- Parents that run tasks; each holds one lease over all tasks that it runs.
CREATE TABLE pools (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    process_start REAL NOT NULL,  -- tells a process from a later one with the same number
    boot_id TEXT NOT NULL,  -- ticks of another boot are void
    host TEXT NOT NULL,
    registered_at REAL NOT NULL,
    lease_tick REAL NOT NULL  -- when the lease expires
);

-- Leases taken away from a pool that has not been told yet.
CREATE TABLE lost_leases (
    pool_id INTEGER NOT NULL REFERENCES pools (id),
    job_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    PRIMARY KEY (pool_id, job_id, task_id, attempt)
) WITHOUT ROWID;

-- Who needs which object of the store; an object's reference count is its number of rows here and in images.
CREATE TABLE object_refs (
    seq INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    job_seq INTEGER NOT NULL REFERENCES jobs (seq),
    task_seq INTEGER REFERENCES tasks (seq),  -- null: the job as a whole
    is_output INTEGER NOT NULL DEFAULT 0,
    role TEXT NOT NULL,
    private INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX object_refs_role ON object_refs (job_seq, ifnull(task_seq, 0), is_output, role);
CREATE INDEX object_refs_task ON object_refs (task_seq);
CREATE INDEX object_refs_digest ON object_refs (digest);

-- Guest images that were added by name.
CREATE TABLE images (
    image_id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    name TEXT NOT NULL,
    added_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_digest ON images (digest);

-- What was predicted about a job and what was measured; outlives the job.
CREATE TABLE predictions (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    what TEXT NOT NULL,
    predicted REAL,
    measured REAL,
    at REAL NOT NULL,
    UNIQUE (job_id, what)
);

-- What happened to a job, for people.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job_seq INTEGER NOT NULL REFERENCES jobs (seq),
    at REAL NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    text TEXT NOT NULL
);
CREATE INDEX events_job ON events (job_seq, seq);

-- Outputs of the first task of deleted jobs, kept for a while: they carry the statistics of the execution.
CREATE TABLE kept_outputs (
    job_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    output TEXT NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;

-- The counters of a stream follow its tasks; the row is touched only when a counter changes.
CREATE TRIGGER tasks_counted_on_insert AFTER INSERT ON tasks WHEN NEW.state IN ('ready', 'running') BEGIN
    UPDATE streams SET ready = ready + (NEW.state = 'ready'), running = running + (NEW.state = 'running')
    WHERE seq = NEW.stream_seq;
END;
CREATE TRIGGER tasks_counted_on_update AFTER UPDATE OF state ON tasks
WHEN OLD.state <> NEW.state AND (OLD.state IN ('ready', 'running') OR NEW.state IN ('ready', 'running')) BEGIN
    UPDATE streams SET
        ready = max(0, ready + (NEW.state = 'ready') - (OLD.state = 'ready')),
        running = max(0, running + (NEW.state = 'running') - (OLD.state = 'running'))
    WHERE seq = NEW.stream_seq;
END;
CREATE TRIGGER tasks_counted_on_delete AFTER DELETE ON tasks WHEN OLD.state IN ('ready', 'running') BEGIN
    UPDATE streams SET
        ready = max(0, ready - (OLD.state = 'ready')), running = max(0, running - (OLD.state = 'running'))
    WHERE seq = OLD.stream_seq;
END;

-- Columns in the order of rows.JobRow.
CREATE VIEW job_rows AS
SELECT id, state, error, user_id, reported, created_at, finished_at, job_key, superseded, guest_name, image_id,
    receipt_kind, options, executed_cycles, result, seq
FROM jobs;

-- Columns in the order of rows.TaskRow.
CREATE VIEW task_rows AS
SELECT jobs.id AS job_id, t.task_id, streams.id AS stream_id, streams.worker_type, t.task_def, t.prerequisites,
    t.state, t.waiting_on, t.created_at, t.started_at, t.updated_at, t.progress, t.step, t.retries, t.max_retries,
    t.timeout_secs, t.cores, t.memory_bytes, t.attempt, t.pool_id, pools.lease_tick, t.crashes, t.output, t.error,
    t.error_class, t.reason, t.log_tail, t.seq, t.job_seq
FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq JOIN streams ON streams.seq = t.stream_seq
LEFT JOIN pools ON pools.id = t.pool_id;

-- The order of creation was the order of rows.
INSERT INTO streams (seq, id, worker_type, reserved, be_mult, user_id)
SELECT rowid, id, worker_type, reserved, be_mult, user_id FROM old_streams ORDER BY rowid;

-- Jobs had no times: those of their tasks are the nearest.
INSERT INTO jobs (seq, id, state, error, user_id, reported, created_at, finished_at)
SELECT j.rowid, j.id, j.state, j.error, j.user_id, j.reported,
    coalesce((SELECT min(created_at) FROM old_tasks WHERE job_id = j.id), 0),
    CASE WHEN j.state <> 'running' THEN (SELECT max(updated_at) FROM old_tasks WHERE job_id = j.id) END
FROM old_jobs AS j ORDER BY j.rowid;

-- No worker of version 1 can report any more, so what ran is ready again; what a failed job left over is cancelled.
-- The triggers count.
INSERT INTO tasks (seq, job_seq, task_id, stream_seq, task_def, prerequisites, state, waiting_on, created_at, started_at,
    updated_at, progress, retries, max_retries, timeout_secs, output, error)
SELECT t.rowid, j.seq, t.task_id, s.seq, t.task_def, t.prerequisites,
    CASE WHEN j.state = 'failed' AND t.state IN ('pending', 'ready', 'running') THEN 'cancelled'
        WHEN t.state = 'running' THEN 'ready' ELSE t.state END,
    t.waiting_on, t.created_at, t.started_at, t.updated_at, CASE WHEN t.state = 'running' THEN 0 ELSE t.progress END,
    t.retries, t.max_retries, t.timeout_secs, t.output, t.error
FROM old_tasks AS t JOIN jobs AS j ON j.id = t.job_id JOIN streams AS s ON s.id = t.stream_id ORDER BY t.rowid;

-- A prerequisite that was listed twice counts once, which frees tasks that would wait for ever.
INSERT INTO task_deps (pre_seq, post_seq)
SELECT DISTINCT pre.seq, post.seq FROM old_task_deps AS d JOIN jobs AS j ON j.id = d.job_id
JOIN tasks AS pre ON pre.job_seq = j.seq AND pre.task_id = d.pre_task_id
JOIN tasks AS post ON post.job_seq = j.seq AND post.task_id = d.post_task_id;
UPDATE tasks SET waiting_on = (
    SELECT count(*) FROM task_deps AS d JOIN tasks AS p ON p.seq = d.pre_seq
    WHERE d.post_seq = tasks.seq AND p.state <> 'done'
) WHERE state IN ('pending', 'cancelled');
UPDATE tasks SET state = 'ready' WHERE state = 'pending' AND waiting_on = 0;

DROP TABLE old_task_deps;
DROP TABLE old_tasks;
DROP TABLE old_jobs;
DROP TABLE old_streams;
PRAGMA user_version = 2;
