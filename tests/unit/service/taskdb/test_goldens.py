"""Recorded calls of the original, replayed step by step; and what each deliberate deviation changes, exactly."""

import dataclasses

import pytest
from taskdb_tools import GOLDENS, FakeClock, Replay

from localbento.errors import LocalBentoError
from localbento.service.taskdb import Options, TaskDb

OLDER = Options.golden("m6")
NEWEST = Options.golden("m9")
STALE = {"stale_counters", "delete_job_then_refresh"}
"""Recordings of counters that were out of date; ours are live."""

SCENARIOS = {s["name"]: s for s in GOLDENS["scenarios"]}
KEY_VALUE = {s["name"]: s for s in GOLDENS["key_value_scenarios"]}


def replay(scenario, version, options):
    clock = FakeClock()
    with TaskDb(None, clock=clock, options=options) as db:
        Replay(db, clock, version).run(scenario["steps"])
        if options.delete_adjusts_counters:
            assert db.check() == []


def those_that_differ(scenarios, version, options):
    return {s["name"] for s in scenarios if differs(s, version, options)}


def differs(scenario, version, options):
    try:
        replay(scenario, version, options)
    except (AssertionError, pytest.fail.Exception, LocalBentoError):
        return True
    return False


def recorded(version):
    return [name for name, s in SCENARIOS.items() if version in s["versions"]]


def test_the_file_is_the_one_that_is_described():
    assert len(SCENARIOS) == 115
    assert len(KEY_VALUE) == 120
    assert sum(len(s["steps"]) for s in SCENARIOS.values()) == 1299


@pytest.mark.parametrize("name", recorded("m6"))
def test_m6(name):
    replay(SCENARIOS[name], "m6", OLDER)


@pytest.mark.parametrize("name", sorted(set(recorded("m9")) - STALE))
def test_m9(name):
    replay(SCENARIOS[name], "m9", NEWEST)


def test_only_stale_counters_differ_from_m9():
    assert those_that_differ((SCENARIOS[name] for name in STALE), "m9", NEWEST) == STALE


@pytest.mark.parametrize("name", ["stuck_fix", "stuck_no_deps", "stuck_not", "stuck_in_failed_job", "clear_completed"])
def test_maintenance_as_m4(name):
    replay(SCENARIOS[name], "m4", OLDER)


@pytest.mark.parametrize("version", ["local", "m4", "m5"])
def test_older_versions_differ_only_in_whose_job_goes_first(version):
    """Until m5 the oldest task went first, from m6 on the oldest job."""
    found = those_that_differ((SCENARIOS[name] for name in recorded(version)), version, OLDER)
    assert found == {"fifo_across_jobs_one_stream", "older_job_wakes_up_first"}


DEVIATIONS = {
    "dedupe_prerequisites": {"duplicate_prereq"},
    "release_pending_only": {"child_already_running"},
    "delete_adjusts_counters": {"delete_job_leaves_counters"},
    "minimum_timeout": {"timeout_zero"},
    "positive_weight": {"priority_value_reserved_0_mult_-1.0_running_2"},
    "skip_failed_jobs": {
        "first_error_wins",
        "siblings_keep_running",
        "dependent_of_failed",
        "failed_child_not_revived",
        "retry_then_job_already_failed",
    },
}


def test_every_flag_has_a_recording_that_it_changes():
    flags = {f.name for f in dataclasses.fields(Options)} - {"order", "busy_seconds"}
    assert set(DEVIATIONS) == flags


@pytest.mark.parametrize("flag", DEVIATIONS)
def test_a_deviation_changes_these_recordings_and_no_other(flag):
    options = dataclasses.replace(OLDER, **{flag: True})
    assert those_that_differ((SCENARIOS[name] for name in recorded("m6")), "m6", options) == DEVIATIONS[flag]


def test_what_users_get_differs_from_m6_in_the_deviations_only():
    found = those_that_differ((SCENARIOS[name] for name in recorded("m6")), "m6", Options())
    assert found == set().union(*DEVIATIONS.values())


NOT_TAKEN = {
    "classes instead of streams": {
        "kv_priority_order",
        "kv_fifo_global",
        "kv_child_inherits",
        "stream_reservations",
        "stream_peak_resv",
        "stream_reserved_priority",
        "priority_value_reserved_0_mult_-1.0_running_2",
    },
    "the oldest task before the oldest job": {"fifo_across_jobs_one_stream", "older_job_wakes_up_first"},
    "creating a stream twice gives the first": {"kv_stream_get_or_create", "two_streams_same_user_type"},
    "running out of retries cancels late": {"kv_retry_exhausted_no_cancel"},
    "the last error wins": {"kv_last_error_wins"},
    "a fixed deadline, reached when equal": {
        "kv_timeout_deadline",
        "kv_requeue_counts_only_requeued",
        "kv_negative_timeout",
        "timeout_heartbeat",
        "timeout_zero",
        "timeout_exhausts_retries",
    },
    "a task of a failed job is added as pending": {"dependent_of_failed"},
    "a task that waits for itself is refused": {"self_prereq"},
    "mistakes": {
        "kv_duplicate_prereq",
        "duplicate_prereq",
        "kv_child_running_decrement",
        "child_already_running",
        "kv_phantom_dependency",
    },
}


def not_taken():
    return set().union(*NOT_TAKEN.values())


@pytest.mark.parametrize("name", sorted(set(KEY_VALUE) - not_taken()))
def test_key_value(name):
    """Failure cancels siblings, kept output of init, counts, real prerequisites, clearing of failed jobs, the core."""
    replay(KEY_VALUE[name], "kv", Options())


def test_key_value_behaviour_that_we_did_not_take():
    assert those_that_differ(KEY_VALUE.values(), "kv", Options()) == not_taken()
