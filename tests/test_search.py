"""Searches of architectures and hyperparameters: on training pairs alone, and never in vain."""

import json
import os
import shutil
import signal
import threading
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from apart import start
from observed import complaints, issues_of, stamps

from bids_eeg2fmri import Study, cli, load_results
from bids_eeg2fmri.app.optimise import TITLES

ONE = ("--participant-label", "01")
CANDIDATES = ("--set", "search.candidates=3", "--set", "search.epochs=2")
PICTURES = ("--set", "report.figures=true")
TINY = (
    "--preset",
    "paper",
    "--set",
    "optimise.epochs=1",
    "--set",
    "spectrogram.fmax=30",
    "--n-cpus",
    "1",
    "--omp-nthreads",
    "1",
)
SPACE = ("--set", "optimise.latent=[2,3]")
BOTH = ("--optimise", "1", "2", "--iterations", "2", *TINY, *SPACE)
SEARCHES = ("bold", "eeg")
NO_PHASES = ("--set", "evaluate.phase_draws=0", "--n-cpus", "1")


@pytest.fixture(scope="module")
def searched(simulated, undisturbed, fast, tmp_path_factory):
    """Encoders chosen by differentiable search; nobody writes here."""
    options = (*fast, "--search", "darts", *CANDIDATES, *PICTURES)
    return begun(simulated, undisturbed, tmp_path_factory, *options)


@pytest.fixture(scope="module")
def optimised(simulated, undisturbed, tmp_path_factory):
    """Both phases of the search of hyperparameters; nobody writes here."""
    return begun(simulated, undisturbed, tmp_path_factory, *BOTH)


def begun(simulated, undisturbed, tmp_path_factory, *options):
    folder = tmp_path_factory.mktemp("begun") / "out"
    out = Path(shutil.copytree(undisturbed, folder, copy_function=os.link))
    assert cli.main([*map(str, (simulated, out, "participant", *ONE, *options))]) == 0
    return out


def again(out, tmp_path):
    """The same output and work folders, to go on with."""
    return Path(shutil.copytree(out, tmp_path / "out", copy_function=os.link))


def choices(out):
    """How each encoder was chosen, bit for bit."""
    return {kind: unit(out, f"search/sub-01_{kind}__*/choice.json") for kind in SEARCHES}


def unit(out, pattern):
    (path,) = out.glob(f"work/{pattern}")
    return path.read_bytes()


def recipe(out, pattern):
    return json.loads(unit(out, f"{pattern}/meta.json"))


def card(out):
    return json.loads((out / "models/sub-01_topo-rff/model.json").read_text())


def trials(out, phase, owner="sub-01"):
    """All of the table of trials that does not depend on the clock on the wall."""
    return pd.read_table(out / f"search/{owner}_phase-{phase}_trials.tsv").drop(columns="seconds")


def best(out, phase):
    return tomllib.loads((out / f"search/sub-01_phase-{phase}_best.toml").read_text())


def kill_when(moment, out, call):
    """Call the app in another process and kill it as soon as a file appears."""
    process = start(out.with_name("said"), *call)
    while process.is_alive() and not [*out.glob(moment)]:
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def kill_workers(out, times, killed):
    """Kill the process that is at work on a trial, and the one that takes its place, and so on."""
    while len(killed) < times:
        for folder in out.glob("work/tmp-*"):
            pid = int(folder.name.split("-")[-2])
            if pid not in (os.getpid(), *killed):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        time.sleep(0.001)


def first_test_pair(out):
    sidecar = out / "sub-01/func/sub-01_task-rest_desc-synth_bold.json"
    return json.loads(sidecar.read_text())["VolumeIndices"][0]


def test_the_encoder_with_most_weight_is_the_one_in_the_model(searched):
    for kind in SEARCHES:
        told = json.loads(choices(searched)[kind])
        assert told["best"]["darts"] == np.argmax(told["history"][-1]["weights"])
        candidates = recipe(searched, f"search/sub-01_{kind}__*")["config"]["candidates"]
        assert len({json.dumps(one) for one in candidates}) == 3
        assert card(searched)["shapes"][f"{kind}_encoder"] == candidates[told["best"]["darts"]]


def test_weights_and_losses_of_candidates_are_written_by_epoch(searched):
    for kind in SEARCHES:
        told = json.loads(choices(searched)[kind])
        table = pd.read_csv(searched / "search" / f"sub-01_{kind}-encoders.tsv", sep="\t")
        weights = table.pivot_table(index="epoch", columns="candidate", values="weight")
        np.testing.assert_allclose(weights, [epoch["weights"] for epoch in told["history"]])
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        assert table[table["chosen"]]["candidate"].unique() == told["best"]["darts"] + 1


def test_the_best_on_validation_is_the_one_in_the_model(simulated, finished, app, fast):
    options = ("--search", "best-validation", *CANDIDATES, *PICTURES)
    assert app(simulated, finished, "participant", *ONE, *fast, *options).code == 0
    for kind in SEARCHES:
        told = json.loads(choices(finished)[kind])
        losses = np.min([epoch["valid_loss"] for epoch in told["history"]], axis=0)
        assert told["best"]["best-validation"] == np.argmin(losses)
        candidates = recipe(finished, f"search/sub-01_{kind}__*")["config"]["candidates"]
        best = candidates[told["best"]["best-validation"]]
        assert card(finished)["shapes"][f"{kind}_encoder"] == best
    assert "chosen for the lowest error" in (finished / "sub-01.html").read_text()


def test_encoders_are_chosen_on_pairs_before_the_test(searched):
    for kind in SEARCHES:
        parts = recipe(searched, f"search/sub-01_{kind}__*")["config"]["split"]
        assert sum(count for ((_, _, count),) in parts) > 0
        assert max(last for ((_, last, _),) in parts) < first_test_pair(searched)


def test_the_choice_is_drawn_in_the_report(searched):
    page = (searched / "sub-01.html").read_text()
    for kind, told in choices(searched).items():
        picture = f"sub-01_desc-{kind.upper()}-encoder_candidates.svg"
        assert (searched / "sub-01/figures" / picture).exists()
        number = json.loads(told)["best"]["darts"] + 1
        assert f"Orange: candidate {number}, which was chosen for its weight. It ends" in page


def test_another_way_to_choose_or_to_train_repeats_no_search(
    simulated, searched, tmp_path, app, fast
):
    out = again(searched, tmp_path)
    done = stamps(*out.glob("work/search/sub-01_bold__*"))
    other = ("--search", "best-validation", "--epochs", "1", "--set", "train.patience=1")
    assert app(simulated, out, "participant", *ONE, *fast, *CANDIDATES, *other).code == 0
    assert stamps(*out.glob("work/search/sub-01_bold__*")) == done


def test_a_single_candidate_is_the_first_that_fits(simulated, finished, undisturbed, app, fast):
    options = ("--search", "darts", "--set", "search.candidates=1")
    told = app(simulated, finished, "participant", *ONE, *fast, *options)
    assert (told.code, complaints(told)) == (0, [])
    assert card(finished)["shapes"] == card(undisturbed)["shapes"]


def test_one_candidate_at_a_time_gives_the_same_numbers(simulated, finished, searched, app, fast):
    options = ("--search", "darts", *CANDIDATES, "--set", "search.one_at_a_time=true")
    assert app(simulated, finished, "participant", *ONE, *fast, *options).code == 0
    assert choices(finished) == choices(searched)


@pytest.mark.usefixtures("many_faults")
def test_candidates_side_by_side_give_the_same_numbers(simulated, finished, searched, app, fast):
    options = (*fast, "--search", "darts", *CANDIDATES, "--n-cpus", "2")
    assert app(simulated, finished, "participant", *ONE, *options).code == 0
    assert choices(finished) == choices(searched)
    assert not [*finished.glob("work/scratch/*/*")]


@pytest.mark.usefixtures("many_faults")
def test_a_killed_choice_goes_on_to_the_same_result(simulated, finished, searched, app, fast):
    options = (*fast, "--search", "darts", *CANDIDATES)
    call = (simulated, finished, "participant", *ONE, *options)
    kill_when("work/scratch/search/*/candidate-1", finished, call)
    assert [*finished.glob("work/search/*")] == []
    assert app(*call).code == 0
    assert choices(finished) == choices(searched)
    assert [*finished.glob("work/scratch/*/*")] == []


def test_a_latent_space_out_of_reach_of_all_candidates_names_the_axis(
    simulated, finished, app, fast
):
    options = (*fast, "--search", "darts", *CANDIDATES, "--set", "model.latent=9")
    told = app(simulated, finished, "participant", *ONE, *options)
    (line,) = complaints(told)
    assert told.code == 65
    assert "EEG channels is 8 long: no encoder leads to 9" in line


def test_every_trial_is_in_the_table_with_its_point(optimised):
    first, second = trials(optimised, 1), trials(optimised, 2)
    for table in (first, second):
        assert table["trial"].tolist() == [1, 2]
        assert np.isfinite(table["score"]).all()
        assert table["failure"].isna().all()
    assert first["model.latent"].isin([2, 3]).all()
    assert "model.latent" not in second


def test_the_best_point_is_that_of_the_lowest_score(optimised):
    for phase in (1, 2):
        table = trials(optimised, phase)
        row, values = table.loc[table["score"].idxmin()], best(optimised, phase)
        for section in values:
            for name, value in values[section].items():
                if (phase, name) != (2, "latent"):
                    assert row[f"{section}.{name}"] == value


def test_python_reads_the_trials_and_hands_the_best_point_on(optimised, simulated):
    results = load_results(optimised, "search")
    assert results.searches == ("sub-01_phase-1", "sub-01_phase-2")
    trials = results.trials(search="sub-01_phase-2")
    text = results.best(search="sub-01_phase-2").read_text()
    assert text.startswith(f"# {TITLES[2]}: trial {trials['score'].idxmin()}, ")
    chosen = Study(simulated, optimised, config=results.best(search="sub-01_phase-2"))
    assert f"--config {optimised}/search/sub-01_phase-2_best.toml" in chosen.command()


def test_the_second_phase_keeps_the_latent_space_of_the_first(optimised):
    found = best(optimised, 1)["model"]["latent"]
    for number in (0, 1):
        meta = recipe(optimised, f"trial/sub-01_phase-2_{number:03d}__*")
        assert meta["config"]["model"]["latent"] == found
    assert best(optimised, 2)["model"]["latent"] == found


def test_hyperparameters_are_searched_on_pairs_before_the_test(optimised):
    for path in optimised.glob("work/trial/*/meta.json"):
        parts = json.loads(path.read_text())["config"]["split"]
        assert min(count for ((_, _, count),) in parts) > 0
        assert max(last for ((_, last, _),) in parts) < first_test_pair(optimised)


def test_no_trial_reads_a_test_volume(simulated, finished, app):
    (file,) = finished.glob("work/pairs/sub-01*/pairs.bold.npy")
    bold = np.load(file)
    bold[first_test_pair(finished) :] = np.nan
    file.unlink()  # it is linked to that of other tests
    np.save(file, bold)
    options = ("--optimise", "1", "--iterations", "1", "--set", "scale.bold=participant")
    told = app(simulated, finished, "participant", *ONE, *options, *TINY, *SPACE)
    assert told.code == 0
    assert trials(finished, 1)["failure"].isna().all()


def test_a_participant_can_be_run_with_the_best_point(simulated, optimised, tmp_path, app):
    out, file = again(optimised, tmp_path), optimised / "search/sub-01_phase-2_best.toml"
    options = (*TINY, "--config", file, "--epochs", "1", *NO_PHASES)
    assert app(simulated, out, "participant", *ONE, *options).code == 0
    used = card(out)["config"]
    for section, values in best(optimised, 2).items():
        assert {name: used[section][name] for name in values} == values


def test_the_validator_finds_nothing_beside_searches(optimised):
    assert issues_of(optimised) == []


def test_a_second_search_evaluates_nothing_again(simulated, optimised, tmp_path, app):
    out = again(optimised, tmp_path)
    before = stamps(out / "work/trial")
    told = app(simulated, out, "participant", *ONE, *BOTH)
    assert told.code == 0
    tried = [line for line in told.err.splitlines() if "  trial  " in line]
    assert len(tried) == 4
    assert all(line.endswith("(kept)") for line in tried)
    assert stamps(out / "work/trial") == before


def test_a_larger_budget_goes_on_from_where_it_was(simulated, optimised, tmp_path, app):
    out = again(optimised, tmp_path)
    call = (simulated, out, "participant", *ONE, "--optimise", "1", *TINY, *SPACE)
    told = app(*call, "--iterations", "3")
    assert told.code == 0
    assert sum("(kept)" in line for line in told.err.splitlines() if "  trial  " in line) == 2
    pd.testing.assert_frame_equal(trials(out, 1)[:2], trials(optimised, 1))


@pytest.mark.usefixtures("many_faults")
def test_a_trial_whose_process_is_killed_is_a_failed_one(simulated, finished, app):
    call = (simulated, finished, "participant", *ONE, "--optimise", "1", *TINY, *SPACE)
    killed = []
    killer = threading.Thread(target=kill_workers, args=(finished, 2, killed))
    killer.start()
    told = app(*call, "--iterations", "2")
    killer.join()
    assert (told.code, complaints(told), len(killed)) == (0, [], 2)
    table = pd.read_table(finished / "search/sub-01_phase-1_trials.tsv")
    assert table["failure"].fillna("").tolist() == ["Killed, mostly for want of memory.", ""]
    assert table[["score", "seconds"]].isna().all(axis=1).tolist() == [True, False]
    told = app(*call, "--iterations", "2")
    tried = [line for line in told.err.splitlines() if "  trial  " in line]
    assert [line.endswith("(kept)") for line in tried] == [True, True]


def test_trials_side_by_side_do_not_depend_on_the_number_of_workers(
    simulated, finished, tmp_path, app
):
    begun, tables = again(finished, tmp_path / "begun"), []
    options = (*ONE, "--optimise", "1", "--iterations", "2", *TINY, *SPACE, "--omp-nthreads", "1")
    for out, n_cpus in ((begun, 1), (finished, 2)):
        call = (simulated, out, "participant", *options, "--set", "optimise.parallel=2")
        assert app(*call, "--n-cpus", n_cpus).code == 0
        tables.append(trials(out, 1))
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.usefixtures("many_faults")
def test_a_killed_search_of_a_group_goes_on_with_the_same_trials(
    simulated, finished, tmp_path, app
):
    begun, group = again(finished, tmp_path / "begun"), "group_task-rest"
    options = ("group", "--test-participants", "01", "--optimise", "1", *TINY, *SPACE)
    call = (*options, "--iterations", "3")
    kill_when(f"work/trial/{group}_phase-1_000__*/meta.json", begun, (simulated, begun, *call))
    assert not [*begun.glob(f"work/trial/{group}_phase-1_002__*")]
    for out in (begun, finished):
        assert app(simulated, out, *call).code == 0
    pd.testing.assert_frame_equal(*(trials(out, 1, group) for out in (begun, finished)))


def test_the_score_to_beat_is_that_of_the_mean_volume(simulated, finished, app):
    options = ("--optimise", "1", "--iterations", "1", "--test-participants", "01", *TINY, *SPACE)
    assert app(simulated, finished, "group", *options).code == 0
    meta = recipe(finished, "trial/group_task-rest_phase-1_000__*")
    (learnt,) = meta["parents"]["parent pairs"]
    (file,) = finished.glob(f"work/pairs/sub-02_task-rest__{learnt[:16]}/pairs.bold.npy")
    bold, (before, after) = np.load(file).astype(np.float64), meta["config"]["split"]
    train, valid = (bold[first : last + 1] for ((first, last, _),) in (before, after))
    expected = np.abs(valid - train.mean(axis=0)).mean() / train.std()
    told = json.loads((finished / "search/group_task-rest_phase-1_trials.json").read_text())
    assert told["MeanVolumeScore"] == pytest.approx(expected, rel=1e-5)


def test_a_best_point_that_beats_no_mean_volume_says_so(simulated, finished, app):
    tiny_steps = ("--set", "optimise.learning_rate=[1e-10,1e-9]")
    options = ("--optimise", "1", "--iterations", "1", *TINY, *SPACE, *tiny_steps)
    told = app(simulated, finished, "participant", *ONE, *options)
    assert (told.code, complaints(told)) == (0, [])
    warned = [line for line in told.err.splitlines() if line.startswith("warning: ")]
    assert "no trial beats the training mean volume" in warned[-1]
    text = (finished / "search/sub-01_phase-1_best.toml").read_text()
    assert "# No trial beats it by 0.1%" in text
    assert "# Found with optimise.batch_size = 64 and optimise.epochs = 1;" in text


def test_a_search_does_not_go_on_in_another_space(simulated, optimised, tmp_path, app):
    out = again(optimised, tmp_path)
    call = (simulated, out, "participant", *ONE, *BOTH, "--set", "optimise.latent=[2,4]")
    before = stamps(out / "search")
    told = app(*call)
    (line,) = complaints(told)
    assert told.code == 64
    assert "model.latent: the hyperparameter search was begun with integer [2, 3]" in line
    assert stamps(out / "search") == before


def test_a_point_out_of_reach_is_a_failed_trial(simulated, finished, app):
    options = ("--optimise", "1", "--iterations", "4", *TINY, "--set", "optimise.latent=[2,40]")
    told = app(simulated, finished, "participant", *ONE, *options)
    assert (told.code, complaints(told)) == (0, [])
    failures = trials(finished, 1).set_index("model.latent")["failure"].sort_index()
    assert failures.loc[9:].str.contains("no encoder leads to").all()  # of 8 channels
    assert failures.loc[:5].isna().all()
    assert len(failures.loc[9:]) >= 1


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("optimise.parallel=3", "optimise.parallel = 3: must be at most optimise.iterations = 2."),
        ("optimise.parallel=0", "optimise.parallel = 0: must be 1 or more."),
        (
            "optimise.latent=[8,4]",
            "optimise.latent = (8, 4): must be a smallest value and a larger",
        ),
        ("optimise.learning_rate=[0,0.1]", "optimise.learning_rate = (0.0, 0.1): must be above 0."),
    ],
)
def test_a_search_without_points_is_refused_before_anything_is_written(
    assignment, says, simulated, tmp_path, app
):
    options = ("--optimise", "1", "--iterations", "2", "--set", assignment)
    told = app(simulated, tmp_path / "out", "participant", *options)
    (line,) = complaints(told)
    assert told.code == 64
    assert says in line
    assert not (tmp_path / "out").exists()


def test_a_search_in_which_all_fails_is_one_line_and_keeps_its_trials(simulated, finished, app):
    options = ("--optimise", "1", "2", "--iterations", "2", *TINY)
    call = (simulated, finished, "participant", *ONE, *options)
    told = app(*call, "--set", "optimise.latent=[10,12]")
    (line,) = complaints(told)
    assert told.code == 65
    assert "None of 2 trials of the hyperparameter search succeeded" in line
    assert trials(finished, 1)["score"].isna().all()
    assert not [*finished.glob("search/*best.toml"), *finished.glob("search/*phase-2*")]


def test_a_broken_participant_does_not_stop_the_search_for_others(bids_dir, finished, app):
    (bids_dir / "sub-01/func/sub-01_task-rest_bold.nii.gz").write_bytes(b"")
    options = ("--optimise", "1", "--iterations", "1", *TINY, *SPACE)
    told = app(bids_dir, finished, "participant", *options)
    first, last = complaints(told)
    assert told.code == 70
    assert "sub-01_task-rest_bold.nii.gz: cannot be read" in first
    assert "Failed: sub-01." in last
    assert len(trials(finished, 1, "sub-02")) == 1


def test_a_group_is_searched_without_its_test_participants(simulated, finished, app):
    options = ("--optimise", "2", "--iterations", "1", "--test-participants", "01", *TINY)
    told = app(simulated, finished, "group", *options, "--set", "model.latent=3")
    assert (told.code, complaints(told)) == (0, [])
    (learnt,) = recipe(finished, "trial/group_task-rest_phase-2_000__*")["parents"]["parent pairs"]
    assert [*finished.glob(f"work/pairs/sub-02_task-rest__{learnt[:16]}")]
    assert len(trials(finished, 2, "group_task-rest")) == 1
