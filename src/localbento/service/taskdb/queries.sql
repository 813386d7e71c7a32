-- Every statement of the task database.  "-- name: x", then one sentence, then one statement.
-- A job is named by its text id outside and by its number inside: :job is the id, :job_seq the number.

-- The connection.

-- name: begin_write
-- Take the write lock now, so that nothing read afterwards can be out of date.
BEGIN IMMEDIATE;

-- name: begin_read
-- Start a transaction that sees one state of the database to its end.
BEGIN DEFERRED;

-- name: commit
-- End a transaction and keep what it did.
COMMIT;

-- name: use_wal
-- Let readers go on beside the one writer.
PRAGMA journal_mode = WAL;

-- name: use_full_sync
-- Sync with every commit: this one and all before it are on the disk when it returns.
PRAGMA synchronous = FULL;

-- name: use_normal_sync
-- Sync at checkpoints: a power cut may lose the last commits, which are then done again, and never corrupts.
PRAGMA synchronous = NORMAL;

-- name: no_automatic_checkpoint
-- SQLite's own never resets a log that others are always looking at, and then syncs at every commit.
PRAGMA wal_autocheckpoint = 0;

-- name: wait_a_little
-- A checkpoint may wait for readers to finish.
PRAGMA busy_timeout = 200;

-- name: wait_not
-- Back to waiting in our own way.
PRAGMA busy_timeout = 0;

-- name: empty_log
-- Move everything from the log into the database and cut the log off.
PRAGMA wal_checkpoint(TRUNCATE);

-- name: use_foreign_keys
-- Refuse rows that refer to nothing.
PRAGMA foreign_keys = ON;

-- name: ignore_foreign_keys
-- Let a migration replace tables that others refer to.
PRAGMA foreign_keys = OFF;

-- name: broken_references
-- Rows that refer to nothing, which a migration must not leave.
PRAGMA foreign_key_check;

-- name: keep_renames_plain
-- Let a migration rename a table without rewriting the others that refer to it.
PRAGMA legacy_alter_table = ON;

-- name: let_renames_follow
-- Back to the usual behaviour.
PRAGMA legacy_alter_table = OFF;

-- name: read_user_version
-- The version of the schema.
PRAGMA user_version;

-- name: read_application_id
-- Whose file this is.
PRAGMA application_id;

-- name: read_data_version
-- A number that changes when another connection has written.
PRAGMA data_version;

-- name: count_schema_entries
-- Whether there is anything in the file.
SELECT count(*) FROM sqlite_schema;

-- name: quick_check
-- Whether the file is sound.
PRAGMA quick_check(1);

-- Streams.

-- name: insert_stream
-- Add a stream.
INSERT INTO streams (id, worker_type, reserved, be_mult, user_id)
VALUES (:id, :worker_type, :reserved, :be_mult, :user_id);

-- name: find_stream
-- The oldest stream of a user for a worker type.
SELECT id FROM streams WHERE user_id = :user_id AND worker_type = :worker_type ORDER BY seq LIMIT 1;

-- name: get_stream_row
-- A stream with its counters and its priority.
SELECT id, worker_type, reserved, be_mult, user_id, ready, running, priority FROM streams WHERE id = :id;

-- name: list_streams
-- All streams in the order of creation.
SELECT id, worker_type, reserved, be_mult, user_id, ready, running, priority FROM streams ORDER BY seq;

-- name: save_stream_counters
-- The counters as they are, to be put back afterwards.
SELECT seq, ready, running FROM streams;

-- name: put_stream_counters
-- Set the counters of a stream.
UPDATE streams SET ready = :ready, running = :running WHERE seq = :seq;

-- name: wrong_stream_counters
-- Streams whose counters are not the truth (always none; `bento doctor` looks).
SELECT id FROM streams WHERE ready <> (SELECT count(*) FROM tasks WHERE state = 'ready' AND stream_seq = streams.seq)
OR running <> (SELECT count(*) FROM tasks WHERE state = 'running' AND stream_seq = streams.seq) ORDER BY seq;

-- name: delete_unused_streams
-- Remove streams that no task refers to.
DELETE FROM streams WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE stream_seq = streams.seq);

-- Jobs.

-- name: insert_job
-- Add a running job.
INSERT INTO jobs (id, state, user_id, created_at, job_key, guest_name, image_id, receipt_kind, options)
VALUES (:id, 'running', :user_id, :now, :job_key, :guest_name, :image_id, :receipt_kind, :options) RETURNING seq;

-- name: get_job_row
-- A job by its id.
SELECT * FROM job_rows WHERE id = :job;

-- name: get_job_seq
-- The number and state of a job.
SELECT seq, state FROM jobs WHERE id = :job;

-- name: find_job_by_key
-- The one job that holds a key.
SELECT * FROM job_rows WHERE job_key = :job_key AND superseded = 0;

-- name: list_jobs
-- Jobs in some states, newest first.
SELECT * FROM job_rows WHERE state IN (SELECT value FROM json_each(:states)) ORDER BY seq DESC LIMIT :limit;

-- name: jobs_by_prefix
-- Ids that start with a prefix.
SELECT id FROM jobs WHERE substr(id, 1, length(:prefix)) = :prefix ORDER BY seq LIMIT :limit;

-- name: get_job_state
-- State of a user's job.
SELECT state FROM jobs WHERE id = :job AND user_id = :user_id;

-- name: count_running_jobs
-- How many jobs of a user run.
SELECT count(*) FROM jobs WHERE user_id = :user_id AND state = 'running';

-- name: get_job_time
-- Seconds between the first start and the last report of a job's tasks.
SELECT max(updated_at) - min(started_at) FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job);

-- name: get_job_failure
-- Text of the first failed task that has one.
SELECT error FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND state = 'failed' AND error <> ''
ORDER BY updated_at, seq LIMIT 1;

-- name: finish_job
-- The job is done once no task of it is in another state than done.
UPDATE jobs SET state = 'done', finished_at = :now
WHERE seq = :job_seq AND NOT EXISTS (SELECT 1 FROM tasks WHERE job_seq = :job_seq AND state <> 'done');

-- name: fail_job
-- The job fails with the first error.
UPDATE jobs SET state = 'failed', error = :error, finished_at = :now
WHERE seq = :job_seq AND state NOT IN ('failed', 'cancelled');

-- name: cancel_job
-- A running job is cancelled.
UPDATE jobs SET state = 'cancelled', finished_at = :now WHERE seq = :job_seq AND state = 'running';

-- name: resume_job
-- A failed or cancelled job runs again.
UPDATE jobs SET state = 'running', error = NULL, finished_at = NULL
WHERE seq = :job_seq AND state IN ('failed', 'cancelled');

-- name: supersede_job
-- The job gives its key up.
UPDATE jobs SET superseded = 1 WHERE id = :job RETURNING seq;

-- name: set_job_result
-- Keep what a job came to.
UPDATE jobs SET result = :result WHERE id = :job RETURNING seq;

-- name: set_job_result_by_seq
-- Keep what a job came to, in the transaction that finishes it.
UPDATE jobs SET result = :result WHERE seq = :job_seq;

-- name: set_executed_cycles
-- Keep how many cycles a job's guest took.
UPDATE jobs SET executed_cycles = :cycles WHERE id = :job RETURNING seq;

-- name: set_image_id
-- Keep which program a job runs.
UPDATE jobs SET image_id = :image_id WHERE id = :job RETURNING seq;

-- name: set_reported
-- Mark a job as reported outside.
UPDATE jobs SET reported = :reported WHERE id = :job RETURNING seq;

-- name: jobs_to_clear
-- Jobs in some states that ended before a moment.
SELECT seq, id FROM jobs WHERE state IN (SELECT value FROM json_each(:states))
AND coalesce(finished_at, created_at) <= :before ORDER BY seq;

-- Deleting a job, in this order.

-- name: keep_init_output
-- Keep the output of a job's first task until a moment.
INSERT OR REPLACE INTO kept_outputs (job_id, user_id, output, expires_at)
SELECT jobs.id, jobs.user_id, t.output, :expires_at FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq
WHERE t.job_seq = :job_seq AND t.task_id = 'init' AND t.state = 'done';

-- name: drop_expired_outputs
-- Forget kept outputs whose time is over.
DELETE FROM kept_outputs WHERE expires_at <= :now;

-- name: delete_job_deps
-- Remove the dependencies of a job.
DELETE FROM task_deps WHERE post_seq IN (SELECT seq FROM tasks WHERE job_seq = :job_seq);

-- name: delete_job_refs
-- Remove the references of a job to objects.
DELETE FROM object_refs WHERE job_seq = :job_seq;

-- name: delete_job_events
-- Remove the events of a job.
DELETE FROM events WHERE job_seq = :job_seq;

-- name: delete_job_tasks
-- Remove the tasks of a job.
DELETE FROM tasks WHERE job_seq = :job_seq;

-- name: delete_job_row
-- Remove a job.
DELETE FROM jobs WHERE seq = :job_seq;

-- Tasks: creation.

-- name: insert_task
-- Add a pending task that waits for nothing yet; it counts on from runs of a forgotten one of its name, not yet told.
INSERT INTO tasks (job_seq, task_id, stream_seq, task_def, prerequisites, state, waiting_on, created_at, max_retries,
    timeout_secs, cores, memory_bytes, attempt)
VALUES ((SELECT seq FROM jobs WHERE id = :job), :task, (SELECT seq FROM streams WHERE id = :stream), :task_def,
    :prerequisites, :state, 0, :now, :max_retries, :timeout, :cores, :memory_bytes,
    (SELECT coalesce(max(attempt), 0) FROM lost_leases WHERE job_id = :job AND task_id = :task))
RETURNING seq, job_seq;

-- name: insert_dep
-- Let a task wait for another one of its job.
INSERT INTO task_deps (pre_seq, post_seq)
VALUES ((SELECT seq FROM tasks WHERE job_seq = :job_seq AND task_id = :prerequisite), :seq)
ON CONFLICT (pre_seq, post_seq) DO UPDATE SET times = times + 1;

-- name: start_waiting
-- A new task waits for its unfinished prerequisites, or is ready when there are none; a stopped job starts nothing.
UPDATE tasks SET
    waiting_on = w.n,
    state = CASE
        WHEN :skip AND (SELECT state FROM jobs WHERE seq = tasks.job_seq) IN ('failed', 'cancelled') THEN 'cancelled'
        WHEN w.n = 0 THEN 'ready' ELSE 'pending'
    END
FROM (SELECT coalesce(sum(d.times), 0) AS n FROM task_deps AS d JOIN tasks AS p ON p.seq = d.pre_seq
    WHERE d.post_seq = :seq AND p.state <> 'done') AS w
WHERE tasks.seq = :seq
RETURNING tasks.state;

-- name: find_task
-- What ensure_task compares.
SELECT state, task_def, prerequisites FROM tasks
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task;

-- Tasks: handing out.

-- name: claim_task
-- Hand out the oldest fitting task of the oldest job on the best stream, if the machine has cores and memory left.
UPDATE tasks SET state = 'running', attempt = attempt + 1, pool_id = :pool, extra_cores = 0, started_at = :now,
    active_tick = :tick
WHERE seq = (
    SELECT t.seq FROM tasks AS t
    WHERE t.state = 'ready' AND t.stream_seq = (
        SELECT s.seq FROM streams AS s
        WHERE s.ready > 0 AND EXISTS (SELECT 1 FROM json_each(:worker_types) WHERE value = s.worker_type)
        AND (:any OR EXISTS (
            SELECT 1 FROM tasks AS r
            WHERE r.state = 'ready' AND r.stream_seq = s.seq
            AND (:job IS NULL OR r.job_seq = (SELECT seq FROM jobs WHERE id = :job))
            AND (:task IS NULL OR r.task_id = :task)
            AND (:cores_limit IS NULL
                OR r.cores <= :cores_limit - (SELECT coalesce(sum(cores + extra_cores), 0) FROM tasks WHERE state = 'running'))
            AND (:memory_limit IS NULL
                OR r.memory_bytes
                    <= :memory_limit - (SELECT coalesce(sum(memory_bytes), 0) FROM tasks WHERE state = 'running'))
        ))
        ORDER BY CASE WHEN :reserved_only THEN 0 ELSE s.priority END, s.reserved DESC, s.seq LIMIT 1
    )
    AND (:job IS NULL OR t.job_seq = (SELECT seq FROM jobs WHERE id = :job))
    AND (:task IS NULL OR t.task_id = :task)
    AND (:cores_limit IS NULL
        OR t.cores <= :cores_limit - (SELECT coalesce(sum(cores + extra_cores), 0) FROM tasks WHERE state = 'running'))
    AND (:memory_limit IS NULL
        OR t.memory_bytes <= :memory_limit - (SELECT coalesce(sum(memory_bytes), 0) FROM tasks WHERE state = 'running'))
    ORDER BY t.job_seq, t.seq LIMIT 1
)
RETURNING (SELECT id FROM jobs WHERE seq = job_seq), task_id, task_def, prerequisites, attempt, retries, max_retries,
    crashes, timeout_secs, cores, memory_bytes;

-- name: lend_cores
-- Let a run have more cores than its task needs, as far as the machine has some left.
UPDATE tasks SET extra_cores = max(0, min(:cores - cores,
    :cores_limit - (SELECT sum(cores + extra_cores) FROM tasks WHERE state = 'running') + extra_cores))
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state = 'running' AND attempt = :attempt
RETURNING cores + extra_cores;

-- name: used_resources
-- Cores and memory of all running tasks.
SELECT count(*), coalesce(sum(cores + extra_cores), 0), coalesce(sum(memory_bytes), 0) FROM tasks WHERE state = 'running';

-- Tasks: reports.  :attempt is null when the report does not say which run it is about.

-- name: finish_task
-- A task that is ready or running becomes done.
UPDATE tasks SET state = 'done', output = :output, progress = 1, step = NULL, updated_at = :now, pool_id = NULL
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state IN ('ready', 'running')
AND (:attempt IS NULL OR (attempt = :attempt AND state = 'running'))
RETURNING seq, job_seq;

-- name: release_dependants
-- Tasks that waited for a finished one wait for one less, and are ready when nothing is left.
UPDATE tasks SET waiting_on = waiting_on - 1, state = CASE WHEN waiting_on <= 1 THEN 'ready' ELSE 'pending' END
WHERE seq IN (SELECT post_seq FROM task_deps WHERE pre_seq = :seq)
AND (state = 'pending' OR (:any_state AND state NOT IN ('failed', 'cancelled')));

-- name: fail_task
-- A task that is not over fails and keeps why.
UPDATE tasks SET state = 'failed', error = :error, error_class = coalesce(:error_class, error_class),
    reason = coalesce(:reason, reason), log_tail = coalesce(:log_tail, log_tail),
    progress = 1, step = NULL, updated_at = :now, pool_id = NULL
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state IN ('pending', 'ready', 'running')
AND (:attempt IS NULL OR (attempt = :attempt AND state = 'running'))
RETURNING seq, job_seq;

-- name: cancel_waiting_siblings
-- Tasks of a failed job that have not started never start.
UPDATE tasks SET state = 'cancelled', updated_at = :now WHERE job_seq = :job_seq AND state IN ('pending', 'ready');

-- name: retry_task
-- A running task is put back and its retries counted; in a stopped job it is not handed out again.
UPDATE tasks SET retries = retries + 1, progress = 0, step = NULL, pool_id = NULL, updated_at = :now, error = :error,
    error_class = coalesce(:error_class, error_class), reason = coalesce(:reason, reason),
    log_tail = coalesce(:log_tail, log_tail),
    state = CASE WHEN :skip AND (SELECT state FROM jobs WHERE seq = job_seq) IN ('failed', 'cancelled')
        THEN 'cancelled' ELSE 'ready' END
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state = 'running'
AND (:attempt IS NULL OR attempt = :attempt)
RETURNING state, retries, max_retries;

-- name: crash_task
-- A running task whose worker died is put back and the crash counted.
UPDATE tasks SET crashes = crashes + 1, progress = 0, step = NULL, pool_id = NULL, updated_at = :now, error = :error,
    error_class = :error_class,
    state = CASE WHEN :skip AND (SELECT state FROM jobs WHERE seq = job_seq) IN ('failed', 'cancelled')
        THEN 'cancelled' ELSE 'ready' END
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state = 'running' AND attempt = :attempt
RETURNING state, crashes;

-- name: report_progress
-- A task that is ready or running is alive and this far.
UPDATE tasks SET progress = max(progress, :progress), step = coalesce(:step, step), updated_at = :now,
    active_tick = :tick
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state IN ('ready', 'running')
AND (:attempt IS NULL OR (attempt = :attempt AND state = 'running'))
RETURNING seq;

-- name: timed_out_tasks
-- Running tasks that were silent for longer than allowed; a tick of the future is one of another boot.
SELECT (SELECT id FROM jobs WHERE seq = job_seq), task_id, attempt, pool_id FROM tasks
WHERE state = 'running' AND (timeout_secs < :tick - active_tick OR active_tick > :tick) LIMIT :limit;

-- name: cancel_tasks
-- Nothing of a job goes on.
UPDATE tasks SET state = 'cancelled', step = NULL, pool_id = NULL, updated_at = :now
WHERE job_seq = :job_seq AND state IN ('pending', 'ready', 'running');

-- name: resume_tasks
-- Failed and cancelled tasks of a job start anew, after the prerequisites that are not done.
UPDATE tasks SET retries = 0, crashes = 0, progress = 0, step = NULL, error = NULL, error_class = NULL, reason = NULL,
    log_tail = NULL, updated_at = :now,
    waiting_on = w.n, state = CASE WHEN w.n = 0 THEN 'ready' ELSE 'pending' END
FROM (SELECT s.seq AS seq, coalesce(sum(d.times) FILTER (WHERE p.state <> 'done'), 0) AS n
    FROM tasks AS s LEFT JOIN task_deps AS d ON d.post_seq = s.seq LEFT JOIN tasks AS p ON p.seq = d.pre_seq
    WHERE s.job_seq = :job_seq AND s.state IN ('failed', 'cancelled') GROUP BY s.seq) AS w
WHERE tasks.seq = w.seq;

-- Tasks: looking.

-- name: get_task_row
-- A task by its name.
SELECT * FROM task_rows WHERE job_id = :job AND task_id = :task;

-- name: list_tasks
-- The tasks of a job in some states, in the order of creation.
SELECT * FROM task_rows WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job)
AND state IN (SELECT value FROM json_each(:states)) ORDER BY seq;

-- name: get_task_output
-- Output of a done task.
SELECT output FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state = 'done';

-- name: get_kept_output
-- Output of the first task of a deleted job.
SELECT output FROM kept_outputs WHERE job_id = :job AND expires_at > :now;

-- name: get_retries_running
-- Retries of a task while it runs.
SELECT retries FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task
AND state = 'running';

-- name: count_unresolved
-- How many tasks of a job are not done.
SELECT count(*) FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND state <> 'done';

-- name: count_job_tasks
-- How many tasks a job has in each state.
SELECT state, count(*) FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) GROUP BY state;

-- name: count_job_tasks_of_kind
-- How many tasks whose definition has this kind a job has in each state.
SELECT state, count(*) FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job)
AND json_extract(task_def, '$.kind') = :kind GROUP BY state;

-- name: cycles_done
-- Sum of the cycles that definitions of done tasks name.
SELECT coalesce(sum(json_extract(task_def, '$.cycles')), 0) FROM tasks
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND state = 'done' AND json_type(task_def) = 'object';

-- name: get_task_state
-- State of a task.
SELECT state FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task;

-- name: count_live_tasks
-- How many tasks wait or run, for each worker type and state.
SELECT s.worker_type, t.state, count(*) FROM tasks AS t JOIN streams AS s ON s.seq = t.stream_seq
WHERE t.state <> 'done' AND t.state IN ('pending', 'ready', 'running') GROUP BY s.worker_type, t.state;

-- name: list_deps
-- Which task of a job waits for which.
SELECT pre.task_id, post.task_id, d.times FROM tasks AS post JOIN task_deps AS d ON d.post_seq = post.seq
JOIN tasks AS pre ON pre.seq = d.pre_seq
WHERE post.job_seq = (SELECT seq FROM jobs WHERE id = :job) ORDER BY post.seq, pre.seq;

-- name: stuck_tasks
-- Pending tasks that wait for nothing.
SELECT jobs.id, t.task_id, t.waiting_on, coalesce(sum(d.times), 0) AS listed,
    coalesce(sum(d.times) FILTER (WHERE p.state = 'done'), 0) AS finished
FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq
LEFT JOIN task_deps AS d ON d.post_seq = t.seq LEFT JOIN tasks AS p ON p.seq = d.pre_seq
WHERE t.state <> 'done' AND t.state = 'pending' AND NOT (:skip AND jobs.state IN ('failed', 'cancelled'))
GROUP BY t.seq HAVING listed = finished ORDER BY t.seq;

-- name: release_stuck_task
-- A task that waits for nothing is ready.
UPDATE tasks SET state = 'ready', waiting_on = 0, updated_at = :now
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state = 'pending';

-- Pools and leases.

-- name: insert_pool
-- Add a parent that runs tasks.
INSERT INTO pools (pid, process_start, boot_id, host, registered_at, lease_tick)
VALUES (:pid, :process_start, :boot_id, :host, :now, :lease_tick) RETURNING id;

-- name: get_pool
-- Whether a pool is known.
SELECT id FROM pools WHERE id = :pool;

-- name: list_pools
-- All pools.
SELECT id, pid, process_start, boot_id, host, registered_at, lease_tick,
    (SELECT count(*) FROM tasks WHERE state = 'running' AND pool_id = pools.id)
FROM pools ORDER BY id;

-- name: renew_lease
-- Renew the lease over all tasks of a pool.
UPDATE pools SET lease_tick = :lease_tick WHERE id = :pool RETURNING id;

-- name: get_lost_leases
-- Which tasks a pool must let go.
SELECT job_id, task_id, attempt FROM lost_leases WHERE pool_id = :pool ORDER BY job_id, task_id;

-- name: delete_lost_leases
-- The pool has been told.
DELETE FROM lost_leases WHERE pool_id = :pool;

-- name: note_lost_lease
-- A pool loses one task.
INSERT OR IGNORE INTO lost_leases (pool_id, job_id, task_id, attempt)
SELECT t.pool_id, jobs.id, t.task_id, t.attempt FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq
WHERE t.job_seq = (SELECT seq FROM jobs WHERE id = :job) AND t.task_id = :task AND t.state = 'running'
AND t.pool_id IN (SELECT id FROM pools);

-- name: note_lost_leases_of_job
-- Every pool that runs a task of a job loses it.
INSERT OR IGNORE INTO lost_leases (pool_id, job_id, task_id, attempt)
SELECT t.pool_id, jobs.id, t.task_id, t.attempt FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq
WHERE t.job_seq = :job_seq AND t.state = 'running' AND t.pool_id IN (SELECT id FROM pools);

-- name: note_lost_leases_of_pool
-- A pool loses all its tasks.
INSERT OR IGNORE INTO lost_leases (pool_id, job_id, task_id, attempt)
SELECT t.pool_id, jobs.id, t.task_id, t.attempt FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq
WHERE t.state = 'running' AND t.pool_id = :pool;

-- name: give_back_tasks
-- The running tasks of a pool are ready again, with no retry counted; in a stopped job they are not handed out again.
UPDATE tasks SET progress = 0, step = NULL, pool_id = NULL, updated_at = :now,
    state = CASE WHEN :skip AND (SELECT state FROM jobs WHERE seq = job_seq) IN ('failed', 'cancelled')
        THEN 'cancelled' ELSE 'ready' END
WHERE state = 'running' AND pool_id = :pool
RETURNING (SELECT id FROM jobs WHERE seq = job_seq), task_id, attempt;

-- name: give_back_task
-- One running task is ready again, with no retry counted; in a stopped job it is not handed out again.
UPDATE tasks SET progress = 0, step = NULL, pool_id = NULL, updated_at = :now,
    state = CASE WHEN :skip AND (SELECT state FROM jobs WHERE seq = job_seq) IN ('failed', 'cancelled')
        THEN 'cancelled' ELSE 'ready' END
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task AND state = 'running' AND attempt = :attempt
RETURNING seq;

-- name: delete_pool
-- Forget a pool.
DELETE FROM pools WHERE id = :pool RETURNING id;

-- Objects.

-- name: put_ref
-- Let a job or a task refer to an object under a role; a repeated role refers to the new one.
INSERT OR REPLACE INTO object_refs (digest, size, job_seq, task_seq, is_output, role, private)
VALUES (:digest, :size, :job_seq, :task_seq, :is_output, :role, :private);

-- name: get_task_seq
-- The numbers of a task.
SELECT seq, job_seq FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task;

-- name: task_refs
-- What a task refers to as its inputs or as its outputs.
SELECT role, digest, size, private FROM object_refs
WHERE task_seq = (SELECT seq FROM tasks WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_id = :task)
AND is_output = :is_output ORDER BY seq;

-- name: outputs_of_job
-- What the tasks of a job made under one name.
SELECT t.task_id, r.digest FROM object_refs AS r JOIN tasks AS t ON t.seq = r.task_seq
WHERE r.job_seq = (SELECT seq FROM jobs WHERE id = :job) AND r.is_output = 1 AND r.role = :role ORDER BY t.seq;

-- name: job_refs
-- What a job refers to as a whole.
SELECT role, digest, size, private FROM object_refs
WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND task_seq IS NULL ORDER BY seq;

-- name: release_task_refs
-- A task lets objects go: its inputs, and its outputs if asked; all roles or the named ones.
DELETE FROM object_refs WHERE task_seq = :seq AND (:outputs OR is_output = 0)
AND (:roles IS NULL OR role IN (SELECT value FROM json_each(:roles))) RETURNING digest;

-- name: release_job_refs
-- A job and all its tasks let objects go: all roles or the named ones.
DELETE FROM object_refs WHERE job_seq = :job_seq
AND (:roles IS NULL OR role IN (SELECT value FROM json_each(:roles))) RETURNING digest;

-- name: digests_of_job
-- The objects that a job or its tasks refer to.
SELECT DISTINCT digest FROM object_refs WHERE job_seq = :job_seq;

-- name: referenced
-- Those of some objects that somebody needs.
SELECT value FROM json_each(:digests) AS asked
WHERE EXISTS (SELECT 1 FROM object_refs WHERE digest = asked.value)
OR EXISTS (SELECT 1 FROM images WHERE digest = asked.value);

-- name: object_usage
-- How many objects are referred to, how large they are, and by how many references.
SELECT count(*), coalesce(sum(size), 0), coalesce(sum(refs), 0), coalesce(sum(private), 0) FROM (
    SELECT max(size) AS size, count(*) AS refs, max(private) AS private FROM (
        SELECT digest, size, private FROM object_refs UNION ALL SELECT digest, size, 0 FROM images
    ) GROUP BY digest
);

-- name: all_refs
-- Every reference to an object: digest, size, role, job, task; an image's has no job, and its name for a task.
SELECT r.digest, r.size, r.role, jobs.id, t.task_id
FROM object_refs AS r JOIN jobs ON jobs.seq = r.job_seq LEFT JOIN tasks AS t ON t.seq = r.task_seq
UNION ALL SELECT digest, size, 'image', NULL, name FROM images;

-- name: job_usage
-- How many objects a job refers to and how large they are.
SELECT count(*), coalesce(sum(size), 0) FROM (
    SELECT max(size) AS size FROM object_refs WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) GROUP BY digest
);

-- Images.

-- name: put_image
-- Add an image, or give it another name.
INSERT INTO images (image_id, digest, size, name, added_at) VALUES (:image_id, :digest, :size, :image_name, :now)
ON CONFLICT (image_id) DO UPDATE SET digest = excluded.digest, size = excluded.size, name = excluded.name;

-- name: list_images
-- All images, oldest first.
SELECT image_id, digest, size, name, added_at FROM images ORDER BY added_at, image_id;

-- name: find_images
-- Images of that name or whose id starts so; names go first.
SELECT image_id, digest, size, name, added_at FROM images
WHERE name = :text OR (:prefix <> '' AND substr(image_id, 1, length(:prefix)) = :prefix)
ORDER BY name <> :text, image_id LIMIT 10;

-- name: delete_image
-- Forget an image.
DELETE FROM images WHERE image_id = :image_id RETURNING digest;

-- Predictions.

-- name: put_prediction
-- Keep what was predicted or measured about a job; what is not given stays.
INSERT INTO predictions (job_id, what, predicted, measured, at) VALUES (:job, :what, :predicted, :measured, :now)
ON CONFLICT (job_id, what) DO UPDATE SET predicted = coalesce(excluded.predicted, predicted),
    measured = coalesce(excluded.measured, measured), at = excluded.at;

-- name: prediction_history
-- Predictions of which both sides are known, newest first.
SELECT job_id, what, predicted, measured, at FROM predictions
WHERE predicted IS NOT NULL AND measured IS NOT NULL ORDER BY at DESC, seq DESC LIMIT :limit;

-- name: predictions_of_job
-- Everything that was predicted or measured about a job.
SELECT job_id, what, predicted, measured, at FROM predictions WHERE job_id = :job ORDER BY seq;

-- Events.

-- name: insert_event
-- Note what happened to a job.
INSERT INTO events (job_seq, at, level, text) SELECT seq, :now, :level, :text FROM jobs WHERE id = :job RETURNING seq;

-- name: list_events
-- What happened to a job after an event.
SELECT seq, at, level, text FROM events WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job) AND seq > :after
ORDER BY seq LIMIT :limit;

-- Going back.

-- name: note_lost_leases_of_tasks
-- Pools that run some tasks of a job, or its first one, lose them.
INSERT OR IGNORE INTO lost_leases (pool_id, job_id, task_id, attempt)
SELECT t.pool_id, jobs.id, t.task_id, t.attempt FROM tasks AS t JOIN jobs ON jobs.seq = t.job_seq
WHERE t.job_seq = :job_seq AND t.state = 'running' AND t.pool_id IN (SELECT id FROM pools)
AND (t.task_id = 'init' OR t.task_id IN (SELECT value FROM json_each(:tasks)));

-- name: delete_deps_of_tasks
-- Remove what some tasks of a job wait for and who waits for them.
DELETE FROM task_deps WHERE post_seq IN (SELECT seq FROM tasks WHERE job_seq = :job_seq
    AND task_id IN (SELECT value FROM json_each(:tasks)))
OR pre_seq IN (SELECT seq FROM tasks WHERE job_seq = :job_seq AND task_id IN (SELECT value FROM json_each(:tasks)));

-- name: delete_refs_of_tasks
-- Remove the references of some tasks of a job to objects.
DELETE FROM object_refs WHERE task_seq IN (SELECT seq FROM tasks WHERE job_seq = :job_seq
    AND task_id IN (SELECT value FROM json_each(:tasks))) RETURNING digest;

-- name: delete_tasks
-- Remove some tasks of a job.
DELETE FROM tasks WHERE job_seq = :job_seq AND task_id <> 'init' AND task_id IN (SELECT value FROM json_each(:tasks));

-- name: rerun_init
-- The first task of a job runs once more.
UPDATE tasks SET state = 'ready', waiting_on = 0, retries = 0, crashes = 0, progress = 0, step = NULL, pool_id = NULL,
    error = NULL, error_class = NULL, reason = NULL, log_tail = NULL, updated_at = :now
WHERE job_seq = :job_seq AND task_id = 'init';

-- name: find_run
-- A task of a job that runs, as this attempt.
SELECT seq FROM tasks WHERE job_seq = :job_seq AND task_id = :task AND state = 'running' AND attempt = :attempt;

-- name: settle_refs
-- A done job lets go of all inputs, and of the outputs of all tasks but some.
DELETE FROM object_refs WHERE job_seq = (SELECT seq FROM jobs WHERE id = :job AND state = 'done')
AND task_seq IS NOT NULL AND (is_output = 0 OR task_seq NOT IN (
    SELECT seq FROM tasks WHERE job_seq = object_refs.job_seq AND task_id IN (SELECT value FROM json_each(:keep))
)) RETURNING digest;

-- name: unsettled_jobs
-- Done jobs that settle_refs would take something from.
SELECT id FROM jobs WHERE state = 'done' AND EXISTS (
    SELECT 1 FROM object_refs AS r JOIN tasks AS t ON t.seq = r.task_seq
    WHERE r.job_seq = jobs.seq AND (r.is_output = 0 OR t.task_id NOT IN (SELECT value FROM json_each(:keep)))
) ORDER BY seq;
