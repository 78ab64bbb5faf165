"""Lay simulated BOLD out as fMRIPrep leaves it in MNI space: ``in_mni_space.py BIDS OUT``."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

SPACE = "space-MNI152NLin2009cAsym_res-2"


def main(bids: Path, out: Path) -> None:
    """Write BOLD, brain mask and sidecar of every run, in voxels of 5 mm about the origin."""
    for path in sorted(bids.glob("sub-*/func/*_bold.nii.gz")):
        raw = nib.load(path)
        volumes = raw.get_fdata(dtype=np.float32)
        affine = np.diag([5.0, 5.0, 5.0, 1.0])
        affine[:3, 3] = -2.5 * (np.array(volumes.shape[:3]) - 1)
        stem = out / path.relative_to(bids).parent / path.name.replace("_bold.nii.gz", f"_{SPACE}")
        stem.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(volumes, affine)
        image.header.set_zooms((5, 5, 5, raw.header.get_zooms()[3]))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, f"{stem}_desc-preproc_bold.nii.gz")
        mean = volumes.mean(axis=3)
        brain = (mean > mean.max() / 4).astype(np.uint8)
        nib.save(nib.Nifti1Image(brain, affine), f"{stem}_desc-brain_mask.nii.gz")
        about = {"RepetitionTime": float(raw.header.get_zooms()[3]), "SkullStripped": False}
        Path(f"{stem}_desc-preproc_bold.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
