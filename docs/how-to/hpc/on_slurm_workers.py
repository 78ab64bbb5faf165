"""Run the app on a dask cluster whose workers are jobs of SLURM.

    python on_slurm_workers.py JOBS BIDS OUT {participant,group} [options of the app]

Needs dask-jobqueue beside the app, on a machine that can submit jobs and that the nodes can reach.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster


def main(jobs: int, call: list[str]) -> int:
    """Start workers, run the app on them, and end them with it."""
    with SLURMCluster(
        processes=1,
        cores=1,  # tasks at a time in each worker
        job_cpu=2,  # processors of each: --omp-nthreads of the app
        memory="4GB",
        walltime="12:00:00",
        worker_extra_args=["--memory-limit", "0"],  # files mapped into memory are no need of it
    ) as cluster:
        cluster.scale(jobs=jobs)
        app = ["bids-eeg2fmri", *call, "--dask-scheduler", cluster.scheduler_address]
        return subprocess.call(app)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
