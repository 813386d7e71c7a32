-- A database of version 1: the plain core of the original on SQLite, before leases, keys and objects.
-- Some jobs at work: one half done with a duplicate prerequisite, one failed, one done.
PRAGMA application_id = 1112429636;
PRAGMA user_version = 1;

CREATE TABLE streams (
    id TEXT PRIMARY KEY,
    worker_type TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    be_mult REAL NOT NULL,
    user_id TEXT NOT NULL,
    running INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    priority REAL GENERATED ALWAYS AS (
        CASE WHEN ready <= 0 THEN 9e999 WHEN running >= reserved THEN (running - reserved) / be_mult
        ELSE (running - reserved) * 1.0 / reserved END
    ) STORED
);
CREATE INDEX streams_priority ON streams (worker_type, priority);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    error TEXT,
    user_id TEXT NOT NULL,
    reported INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE tasks (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    task_id TEXT NOT NULL,
    stream_id TEXT NOT NULL REFERENCES streams (id),
    task_def TEXT NOT NULL CHECK (json_valid(task_def)),
    prerequisites TEXT NOT NULL CHECK (json_valid(prerequisites)),
    state TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'running', 'done', 'failed')),
    created_at REAL NOT NULL,
    started_at REAL,
    updated_at REAL,
    waiting_on INTEGER NOT NULL,
    progress REAL NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    max_retries INTEGER NOT NULL DEFAULT 0,
    timeout_secs INTEGER NOT NULL,
    output TEXT,
    error TEXT,
    PRIMARY KEY (job_id, task_id)
);
CREATE INDEX tasks_by_state ON tasks (stream_id, state, created_at);
CREATE INDEX tasks_by_job ON tasks (job_id, state);
CREATE TABLE task_deps (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    pre_task_id TEXT NOT NULL,
    post_task_id TEXT NOT NULL,
    FOREIGN KEY (job_id, pre_task_id) REFERENCES tasks (job_id, task_id),
    FOREIGN KEY (job_id, post_task_id) REFERENCES tasks (job_id, task_id)
);
CREATE INDEX task_deps_all ON task_deps (job_id, pre_task_id, post_task_id);
CREATE TRIGGER tasks_counted_on_insert AFTER INSERT ON tasks BEGIN
    UPDATE streams SET ready = ready + (NEW.state = 'ready'), running = running + (NEW.state = 'running')
    WHERE id = NEW.stream_id;
END;
CREATE TRIGGER tasks_counted_on_update AFTER UPDATE OF state ON tasks WHEN OLD.state <> NEW.state BEGIN
    UPDATE streams SET ready = max(0, ready + (NEW.state = 'ready') - (OLD.state = 'ready')),
        running = max(0, running + (NEW.state = 'running') - (OLD.state = 'running'))
    WHERE id = NEW.stream_id;
END;

INSERT INTO streams (id, worker_type, reserved, be_mult, user_id) VALUES
    ('stream-b', 'prove', 1, 2.0, 'user1'), ('stream-a', 'aux', 0, 1.0, 'user1');
INSERT INTO jobs (id, state, error, user_id) VALUES
    ('half', 'running', NULL, 'user1'), ('broken', 'failed', 'boom', 'user2'), ('over', 'done', NULL, 'user1');
INSERT INTO tasks (job_id, task_id, stream_id, task_def, prerequisites, state, created_at, started_at, updated_at,
    waiting_on, progress, retries, max_retries, timeout_secs, output, error) VALUES
    ('half', 'init', 'stream-a', '{"n":1}', '[]', 'done', 100.0, 101.0, 102.0, 0, 1, 0, 0, 100, '{"cycles":5}', NULL),
    ('half', '0', 'stream-b', '{"n":2}', '["init"]', 'running', 103.0, 104.0, 105.0, 0, 0.5, 1, 3, 30, NULL, ''),
    ('half', '1', 'stream-b', '{"n":3}', '["init"]', 'ready', 103.5, NULL, NULL, 0, 0, 0, 3, 30, NULL, NULL),
    ('half', '2', 'stream-b', 'null', '[0,1]', 'pending', 104.0, NULL, NULL, 2, 0, 0, 3, 10, NULL, NULL),
    ('half', 'stuck', 'stream-a', 'null', '["init","init"]', 'pending', 104.5, NULL, NULL, 1, 0, 0, 3, 10, NULL, NULL),
    ('broken', 'init', 'stream-a', 'null', '[]', 'failed', 110.0, 111.0, 112.0, 0, 1, 1, 0, 100, NULL, 'boom'),
    ('broken', 'x', 'stream-b', 'null', '[]', 'ready', 110.5, NULL, NULL, 0, 0, 0, 0, 10, NULL, NULL),
    ('broken', 'y', 'stream-b', 'null', '["x"]', 'pending', 110.6, NULL, NULL, 1, 0, 0, 0, 10, NULL, NULL),
    ('over', 'init', 'stream-a', 'null', '[]', 'done', 120.0, 121.0, 122.0, 0, 1, 0, 0, 100, 'null', NULL);
INSERT INTO task_deps (job_id, pre_task_id, post_task_id) VALUES
    ('half', 'init', '0'), ('half', 'init', '1'), ('half', '0', '2'), ('half', '1', '2'),
    ('half', 'init', 'stuck'), ('half', 'init', 'stuck'), ('broken', 'x', 'y');
