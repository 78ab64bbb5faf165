"""Work that is done is not done again, whatever happened in between."""

import json
import shutil

from observed import complaints, results, stamps


def stages(told):
    """Stage and text of each line that reports a stage."""
    lines = [line.split("  ", 1)[1].split(maxsplit=1) for line in told.err.splitlines()]
    return [line for line in lines if line[0] not in ("result", "report")]


def units(out):
    """Name what the store holds."""
    return {path.parent for path in out.glob("work/*/*/meta.json")}


def test_a_second_run_does_nothing_again(simulated, undisturbed, app, fast):
    about = ("logs/*", "README.md", "dataset_description.json", "descriptions.*", "participants.*")
    described = {path for pattern in (*about, ".bidsignore") for path in undisturbed.glob(pattern)}
    before = stamps(undisturbed)
    told = app(simulated, undisturbed, "participant", *fast)
    assert told.code == 0
    assert len(stages(told)) == 18
    assert all(text.endswith("(kept)") for _, text in stages(told))
    changed = dict(stamps(undisturbed).items() - before.items())
    assert {path for path in changed if path in before} <= described
    assert {path.parent.name for path in changed if path not in before} == {"logs"}


def test_a_changed_lag_does_not_read_the_recordings_again(simulated, finished, app, fast):
    options = (*fast, "--participant-label", "01", "--set", "window.stop=4")
    before = stamps(finished / "work" / "read")
    told = app(simulated, finished, "participant", *options, "-v")
    assert told.code == 0
    kept = {stage for stage, text in stages(told) if text.endswith("(kept)")}
    assert kept == {"read", "clock", "clean", "parcels"}
    assert "made anew: config.window.stop 6.0 → 4.0" in told.err
    assert stamps(finished / "work" / "read") == before


def test_changed_training_does_not_pair_again(simulated, finished, app, fast):
    options = (*fast, "--participant-label", "01", "--epochs", "1")
    told = app(simulated, finished, "participant", *options)
    kept = {stage for stage, text in stages(told) if text.endswith("(kept)")}
    assert kept == {"read", "clock", "clean", "pairs", "parcels", "baselines"}


def test_a_recording_that_changed_is_read_again(bids_dir, finished, app, fast):
    (bids_dir / "sub-01/eeg/sub-01_task-rest_eeg.eeg").touch()
    told = app(bids_dir, finished, "participant", "--participant-label", "01", "-v", *fast)
    assert ["read", "made anew: input files changed"] in stages(told)


def test_a_result_that_was_deleted_is_written_again(simulated, finished, undisturbed, app, fast):
    call = (simulated, finished, "participant", "--participant-label", "01", *fast)
    app(*call)
    (finished / "sub-01.html").unlink()
    shutil.rmtree(finished / "sub-01" / "func")
    assert app(*call).code == 0
    assert (finished / "sub-01.html").exists()
    assert results(finished) == results(undisturbed)


def test_results_follow_the_settings_there_and_back(simulated, finished, undisturbed, app, fast):
    call = (simulated, finished, "participant", "--participant-label", "01", *fast)
    assert app(*call, "--seed", "1").code == 0
    assert results(finished, "sub-01") != results(undisturbed, "sub-01")
    assert app(*call).code == 0
    assert results(finished) == results(undisturbed)


def test_a_result_that_was_cut_short_is_written_again(simulated, finished, undisturbed, app, fast):
    (cut,) = finished.glob("sub-01/func/*_desc-synth_bold.nii.gz")
    content = cut.read_bytes()
    cut.unlink()
    cut.write_bytes(content[:-100])
    call = (simulated, finished, "participant", "--participant-label", "01", *fast)
    assert app(*call).code == 0
    assert results(finished) == results(undisturbed)


def test_results_of_a_run_that_is_no_longer_tested_go(simulated, finished, app, fast):
    call = (simulated, finished, "participant", "--participant-label", "01", *fast)
    assert app(*call).code == 0
    record = finished / "work" / "delivered" / "sub-01.json"
    stale = finished / "sub-01" / "func" / "sub-01_task-gone_desc-synth_bold.nii.gz"
    stale.touch()
    told = json.loads(record.read_text())
    stamp = [stale.stat().st_size, stale.stat().st_mtime_ns]
    told["files"] |= {stale.relative_to(finished).as_posix(): stamp}
    record.unlink()
    record.write_text(json.dumps(told))
    assert app(*call).code == 0
    assert stale.exists()  # nothing changed
    assert app(*call, "--epochs", "1").code == 0
    assert not stale.exists()


def test_chosen_tasks_leave_the_report_and_model_of_all_tasks_alone(simulated, finished, app, fast):
    whole = ("sub-01.html", "models/sub-01_topo-rff/model.safetensors")
    before = [(finished / name).read_bytes() for name in whole]
    options = ("--participant-label", "01", "--task-id", "rest", *fast, "--epochs", "1")
    assert app(simulated, finished, "participant", *options).code == 0
    assert [(finished / name).read_bytes() for name in whole] == before
    assert (finished / "sub-01_task-rest.html").exists()
    assert (finished / "models/sub-01_task-rest_topo-rff/model.safetensors").exists()


def test_a_report_that_is_announced_is_there(simulated, finished, app, fast):
    for options, page in (((), "group.html"), (("--task-id", "rest"), "group_task-rest.html")) * 2:
        (finished / page).unlink(missing_ok=True)
        told = app(simulated, finished, "group", *options, *fast)
        assert told.verdict.endswith(str(finished / page))
        assert (finished / page).exists()


def test_each_call_keeps_its_settings_and_versions(simulated, finished, app, fast):
    app(simulated, finished, "participant", "--participant-label", "01", *fast)
    logs = {path.stem for path in finished.glob("logs/*.log")}
    assert len(logs) > 1
    for kind in ("config.toml", "environment.json"):
        assert {path.name for path in finished.glob(f"logs/*_{kind}")} == {
            f"{log}_{kind}" for log in logs
        }


def test_reports_alone_are_made_again_from_what_is_stored(
    simulated, finished, undisturbed, app, fast
):
    stored = units(finished)
    (finished / "sub-01.html").unlink()
    call = (simulated, finished, "participant", "--participant-label", "01", *fast)
    told = app(*call, "--reports-only")
    assert (told.code, complaints(told)) == (0, [])
    page = (finished / "sub-01.html").read_text()
    assert "--reports-only" not in page[page.index("<pre") :]
    assert units(finished) == stored
    assert results(finished) == results(undisturbed)


def test_reports_alone_of_what_was_never_made_cost_one_line(simulated, finished, app, fast):
    (lost,) = finished.glob("work/train/sub-02*")
    shutil.rmtree(lost)
    (finished / "sub-01.html").unlink()
    told = app(simulated, finished, "participant", *fast, "--reports-only")
    assert told.code == 70
    (line,) = [line for line in complaints(told) if "Failed:" not in line]
    assert "no stored result of the stage train (first time)" in line
    assert "without --reports-only" in line
    assert (finished / "sub-01.html").exists()
    alone = (simulated, finished, "participant", "--participant-label", "02", *fast)
    assert app(*alone, "--reports-only").code == 66
