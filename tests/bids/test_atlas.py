"""Atlases from files, right and wrong ones, and what brings them to the grid of a run."""

import gzip

import hydrated
import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_brain_mask

from bids_eeg2fmri.bids.atlas import atlas_files, read_atlas, write_parcels
from bids_eeg2fmri.bids.parcels import (
    find_parcels,
    read_parcels,
    space_of,
    sphere_parcels,
)
from bids_eeg2fmri.bids.references import reference_list
from bids_eeg2fmri.bids.segmentation import read_transform
from bids_eeg2fmri.errors import DataError, DataWarning, MissingInputError

NAME = "sub-01_task-rest"
AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
GRID = (4, 5, 6)
MASK = np.ones(GRID, bool)
TABLE = "index\tname\n3\tinsula\n12\tcuneus\n40\tvermis\n"


def labels_of(shape=GRID):
    """Three labels in thirds of the first axis but one plane."""
    labels = np.zeros(shape, np.int16)
    labels[1], labels[2], labels[3] = 3, 12, 40
    return labels


def write(path, values, affine=AFFINE, code=1):
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


@pytest.fixture
def image(tmp_path):
    return write(tmp_path / "regions.nii.gz", labels_of())


@pytest.fixture
def run(dataset):
    dataset.bold(NAME)
    return dataset.run(NAME)


@pytest.fixture
def mni(dataset):
    """A run that says that it is in MNI space, at 4 mm, with its mask and affine."""
    mask = load_mni152_brain_mask(resolution=4)
    dataset.bold(NAME)
    run = dataset.run(NAME)
    write(run.bold, np.zeros((*mask.shape, 2), np.float32), mask.affine, code=4)
    return run, mask.get_fdata() > 0, np.asarray(mask.affine, np.float64)


# Label images


def test_labels_are_counted_from_one_and_keep_their_numbers(image):
    atlas = read_atlas(image)
    np.testing.assert_array_equal(np.unique(atlas.labels), [0, 1, 2, 3])
    np.testing.assert_array_equal(atlas.index, [3, 12, 40])
    assert atlas.parcels == ("3", "12", "40")
    np.testing.assert_array_equal(np.r_[0, atlas.index][atlas.labels], labels_of())


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_whole_numbers_are_labels_however_they_are_stored(tmp_path, image, kind):
    other = write(tmp_path / "other.nii", labels_of().astype(kind)[..., None])
    np.testing.assert_array_equal(read_atlas(other).labels, read_atlas(image).labels)


def test_what_is_not_finite_is_outside(tmp_path):
    values = labels_of().astype(np.float32)
    values[0] = np.nan
    assert (read_atlas(write(tmp_path / "nan.nii", values)).labels[0] == 0).all()


def test_a_probabilistic_atlas_is_refused(tmp_path):
    four = write(tmp_path / "maps.nii.gz", np.zeros((*GRID, 3), np.float32))
    with pytest.raises(DataError, match=r"maps.nii.gz: 4×5×6×3 voxels.*most probable"):
        read_atlas(four)
    three = write(tmp_path / "map.nii.gz", np.full(GRID, 0.25, np.float32))
    with pytest.raises(DataError, match=r"120 voxels are no whole number \(e.g. 0.25\)"):
        read_atlas(three)


def test_an_empty_a_broken_and_a_missing_image_are_named(tmp_path):
    with pytest.raises(DataError, match="all voxels are 0"):
        read_atlas(write(tmp_path / "zero.nii", np.zeros(GRID, np.uint8)))
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(gzip.compress(b"no image"))
    with pytest.raises(DataError, match=r"broken.nii.gz: cannot be read"):
        read_atlas(broken)
    cut = write(tmp_path / "cut.nii", labels_of())
    cut.write_bytes(cut.read_bytes()[:400])
    with pytest.raises(DataError, match=r"cut.nii: cannot be read"):
        read_atlas(cut)
    with pytest.raises(MissingInputError, match=r"none\.nii"):
        read_atlas(tmp_path / "none.nii")
    other = tmp_path / "atlas.mgz"
    nib.save(nib.MGHImage(labels_of().astype(np.int32), AFFINE), other)
    with pytest.raises(DataError, match="no NIfTI"):
        read_atlas(other)


# Tables


@pytest.mark.parametrize("column", ["name", "label"])
def test_a_table_names_the_labels(tmp_path, image, column):
    table = tmp_path / "names.tsv"
    table.write_text(TABLE.replace("name", column) + "99\tnot in the image\n")
    assert read_atlas(image, table).parcels == ("insula", "cuneus", "vermis")


@pytest.mark.parametrize(
    ("image", "table"),
    [
        ("regions.nii", "regions.tsv"),
        ("tpl-A_res-01_atlas-B_dseg.nii.gz", "tpl-A_atlas-B_dseg.tsv"),
        ("sub-01_desc-aseg_dseg.nii.gz", "desc-aseg_dseg.tsv"),
    ],
)
def test_the_table_beside_an_image_is_found(tmp_path, image, table):
    (tmp_path / table).write_text(TABLE)
    (tmp_path / "atlas-other_dseg.tsv").write_text("index\tname\n1\tno\n")
    assert read_atlas(write(tmp_path / image, labels_of())).parcels[0] == "insula"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\tinsula\n2\tcuneus\n", "first line lacks 'index' or 'name'"),
        ("index,name\n3,insula\n", "first line lacks 'index' or 'name'"),
        ("", "first line lacks 'index' or 'name'"),
        ("<?xml version='1.0'?>\n<label><index>3</index></label>\n", "no label table"),
        ("index\tname\n1\tinsula\n2\tcuneus\n", r"none of its indices \(1, 2\).*\(3, 12, 40\)"),
        ("index\tname\n3\tinsula\n", "no name for 2 of the 3 labels of regions.nii.gz: 12, 40"),
        (TABLE + "3\tinsula\n", "3 more than once"),
        (TABLE + "n/a\tnothing\n", "column 'index': .*'n/a'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(tmp_path, image, text, said):
    table = tmp_path / "names.tsv"
    table.write_text(text)
    with pytest.raises(DataError, match=rf"names.tsv: .*{said}") as caught:
        read_atlas(image, table)
    assert "\n" not in str(caught.value)


def test_an_image_is_no_table(image):
    with pytest.raises(DataError, match="no label table"):
        read_atlas(image, image)


# Grids and spaces


def test_an_atlas_on_the_grid_is_taken_as_it_is(image, run):
    parcels = read_parcels(image, None, run, MASK, AFFINE)
    np.testing.assert_array_equal(parcels.labels, read_atlas(image).labels)
    assert parcels.origin == "regions.nii.gz; 100 % of it in the brain, 75 % of the brain in it"


@pytest.mark.filterwarnings("ignore:.*names no space")
def test_a_finer_atlas_comes_to_the_grid_by_nearest_neighbour(tmp_path, run):
    fine = np.repeat(np.repeat(np.repeat(labels_of(), 3, 0), 3, 1), 3, 2)
    affine = AFFINE @ np.diag([1 / 3, 1 / 3, 1 / 3, 1])
    affine[:3, 3] -= AFFINE.diagonal()[:3] / 3  # so that outer edges agree
    parcels = read_parcels(write(tmp_path / "fine.nii", fine, affine), None, run, MASK, AFFINE)
    np.testing.assert_array_equal(np.r_[0, parcels.index][parcels.labels], labels_of())
    assert "nearest neighbour" in parcels.origin


@pytest.mark.filterwarnings("ignore:.*names no space")
def test_a_flipped_atlas_comes_out_where_it_lies(tmp_path, run):
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 9
    image = write(tmp_path / "flipped.nii", labels_of()[::-1], flipped)
    parcels = read_parcels(image, None, run, MASK, AFFINE)
    np.testing.assert_array_equal(np.r_[0, parcels.index][parcels.labels], labels_of())


def test_an_atlas_that_names_no_space_is_believed_with_a_warning(tmp_path, run):
    moved = AFFINE.copy()
    moved[0, 3] = 1
    image = write(tmp_path / "moved.nii", labels_of(), moved)
    with pytest.warns(DataWarning, match="moved.nii names no space"):
        read_parcels(image, None, run, MASK, AFFINE)


@pytest.mark.filterwarnings("ignore:.*names no space")
def test_an_atlas_elsewhere_is_refused_with_the_shares(tmp_path, run):
    far = AFFINE.copy()
    far[:3, 3] = 9, 12, 12
    image = write(tmp_path / "far.nii", labels_of(), far)
    with pytest.raises(DataError, match=r"far.nii: in another space .*: 0 % of it in the brain"):
        read_parcels(image, None, run, MASK, AFFINE)


def test_a_few_regions_and_a_few_slices_are_not_elsewhere(tmp_path, run):
    region = np.zeros(GRID, np.int16)
    region[1, 1, 1] = 1
    assert "1 % of the brain" in (
        read_parcels(write(tmp_path / "one.nii", region), None, run, MASK, AFFINE).origin
    )
    slices = np.zeros(GRID, bool)
    slices[1:, :, 2] = True
    whole = read_parcels(write(tmp_path / "all.nii", labels_of()), None, run, slices, AFFINE)
    assert "17 % of it in the brain, 100 % of the brain in it" in whole.origin


def test_a_parcel_outside_the_brain_is_told_and_kept(image, run):
    mask = MASK.copy()
    mask[3] = False
    with pytest.warns(DataWarning, match=r"1 of 3 parcels of regions.nii.gz .*: 40\."):
        assert read_parcels(image, None, run, mask, AFFINE).names == ("3", "12", "40")


@pytest.mark.parametrize(
    ("name", "code", "space"),
    [
        ("tpl-MNI152NLin6Asym_atlas-A_dseg.nii.gz", 1, "MNI152NLin6Asym"),
        ("sub-01_space-T1w_dseg.nii.gz", 4, "T1w"),
        ("plain.nii", 4, "MNI"),
        ("plain.nii", 3, "Talairach"),
        ("plain.nii", 2, None),
        ("plain.nii", 1, None),
    ],
)
def test_a_space_is_known_by_name_then_by_header(tmp_path, name, code, space):
    assert space_of(write(tmp_path / name, labels_of(), code=code)) == space


@pytest.mark.parametrize("name", ["tpl-MNI152Lin_dseg.nii", "sub-01_space-T1w_dseg.nii"])
def test_an_atlas_of_another_space_is_refused_however_well_it_overlaps(tmp_path, run, name):
    moved = AFFINE.copy()
    moved[0, 3] = 1
    with pytest.raises(DataError, match=r"in the space .* is in its own\. Warp the atlas"):
        read_parcels(write(tmp_path / name, labels_of(), moved), None, run, MASK, AFFINE)


def test_two_templates_of_the_mni_are_told_apart_by_a_warning(tmp_path, mni):
    run, mask, affine = mni
    atlas = write(
        tmp_path / "tpl-MNI152NLin6Asym_dseg.nii", mask[:, :, :-1].astype(np.uint8), affine
    )
    with pytest.warns(DataWarning, match="in MNI152NLin6Asym and the BOLD in MNI"):
        read_parcels(atlas, None, run, mask, affine)


@pytest.fixture
def aal2():
    path = hydrated.SHARED / "data" / "semisynthetic" / "atlas" / "AAL2.nii"
    if not path.exists():
        pytest.skip("the AAL2 atlas is not at hand")
    return path


@pytest.mark.filterwarnings("ignore:.*names no space")
def test_aal2_fits_the_template_and_not_a_brain_six_centimetres_away(aal2, mni):
    run, mask, affine = mni
    parcels = read_parcels(aal2, None, run, mask, affine)
    assert len(parcels.names) == 120
    # Precentral_L (2001) is on the left, at the top.
    at = apply_affine(affine, np.argwhere(parcels.labels == 1)).mean(axis=0)
    assert parcels.index[0] == 2001
    assert at[0] < -20
    assert at[2] > 30
    away = affine.copy()
    away[0, 3] += 60
    with pytest.raises(DataError, match="in another space"):
        read_parcels(aal2, None, run, mask, away)


def test_the_xml_of_aal2_is_no_table(aal2):
    with pytest.raises(DataError, match=r"AAL2.xml: no label table"):
        read_atlas(aal2, aal2.with_suffix(".xml"))


def test_written_parcels_are_an_atlas_with_its_table_beside_it(tmp_path, image, run):
    image.with_name("regions.tsv").write_text(TABLE)
    parcels = read_parcels(image, None, run, MASK, AFFINE)
    path = tmp_path / "out" / "sub-01_desc-parcels_dseg.nii.gz"
    write_parcels(path, parcels, AFFINE, metadata={"Description": "A test"})
    again = read_atlas(path)
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj), labels_of())
    np.testing.assert_array_equal(again.labels, parcels.labels)
    assert again.parcels == parcels.names
    assert [file.name for file in atlas_files(path)] == [path.name, "sub-01_desc-parcels_dseg.tsv"]


# Spheres


@pytest.mark.filterwarnings("ignore:.*have no voxel")
def test_spheres_lie_about_their_centres(mni):
    run, mask, affine = mni
    parcels = sphere_parcels(run, mask, affine)
    assert len(parcels.names) == len(set(parcels.names)) == 160
    assert not parcels.labels[~mask].any()
    for label in np.unique(parcels.labels)[1::20]:
        places = apply_affine(affine, np.argwhere(parcels.labels == label))
        assert np.ptp(places, axis=0).max() <= 10


@pytest.mark.filterwarnings("ignore:.*have no voxel")
def test_the_posterior_cingulate_is_behind_and_in_the_middle(mni):
    parcels = sphere_parcels(*mni)
    numbers = [i + 1 for i, name in enumerate(parcels.names) if name.startswith("default: post c")]
    x, y, _ = apply_affine(mni[2], np.argwhere(np.isin(parcels.labels, numbers))).mean(axis=0)
    assert numbers
    assert abs(x) < 15
    assert y < -25


def test_spheres_are_for_mni_space_only(run):
    assert find_parcels(run, MASK, AFFINE) is None


@pytest.mark.filterwarnings("ignore:.*have no voxel")
def test_in_mni_space_the_first_spheres_are_found(mni):
    origin = find_parcels(*mni).origin
    assert "160 spheres of 5 mm" in origin
    assert [line.split(",")[0] for line in reference_list(origin)] == ["Abraham", "Dosenbach"]


def test_between_coarse_voxels_spheres_are_not_looked_for(mni):
    run, mask, affine = mni
    coarse = affine @ np.diag([2.0, 2, 2, 1])
    assert find_parcels(run, mask[::2, ::2, ::2], coarse) is None


# Segmentations


def itk(matrix, shift, centre):
    rows = (*np.ravel(matrix), *shift)
    numbers = (" ".join(map(repr, map(float, part))) for part in (rows, centre))
    head = "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
    return head + "Parameters: {}\nFixedParameters: {}\n".format(*numbers)


def test_a_shift_of_itk_goes_to_the_other_side_in_nifti(tmp_path):
    path = tmp_path / "xfm.txt"
    path.write_text(itk(np.eye(3), (1, 2, 3), (0, 0, 0)))
    np.testing.assert_allclose(read_transform(path)[:, 3], [-1, -2, 3, 1])


def test_a_turn_of_itk_keeps_its_centre(tmp_path):
    turn, centre = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([5.0, 7, 9])
    path = tmp_path / "xfm.txt"
    path.write_text(itk(turn, (0, 0, 0), centre))
    transform = read_transform(path)
    np.testing.assert_allclose(apply_affine(transform, centre * [-1, -1, 1]), centre * [-1, -1, 1])
    # A quarter turn about z is the same one, whichever way x and y both point.
    np.testing.assert_allclose(transform[:3, :3], turn, atol=1e-12)


def fmriprep(dataset, shift=(0.0, 0.0, 0.0), transform=None, session=False):
    """Write what fMRIPrep leaves of a segmentation that is ``shift`` away from the BOLD."""
    top = dataset.root / "derivatives" / "fmriprep"
    t1w = AFFINE.copy()
    t1w[:3, 3] += shift
    write(top / "sub-01" / "anat" / "sub-01_desc-aparcaseg_dseg.nii.gz", labels_of(), t1w)
    write(top / "sub-01" / "anat" / "sub-01_space-MNI_desc-aparcaseg_dseg.nii.gz", labels_of())
    (top / "desc-aparcaseg_dseg.tsv").write_text(TABLE)
    func = top / "sub-01" / "func"
    func.mkdir()
    # Points of the T1-weighted image onto those of the BOLD, left and back counted positive.
    to_bold = np.array([1, 1, -1]) * shift
    text = itk(np.eye(3), to_bold, (0, 0, 0)) if transform is None else transform
    (func / f"{NAME}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt").write_text(text)


def test_a_segmentation_is_carried_to_the_bold_by_its_coregistration(dataset, run):
    fmriprep(dataset, shift=(30, -40, 50))
    parcels = find_parcels(run, MASK, AFFINE)
    assert parcels.names == ("insula", "cuneus", "vermis")
    np.testing.assert_array_equal(np.r_[0, parcels.index][parcels.labels], labels_of())


def test_a_segmentation_that_cannot_be_used_is_left_aside(dataset, run):
    fmriprep(dataset, transform="#Insight Transform File V1.0\n")
    with pytest.warns(DataWarning, match=r"left aside: .*xfm.txt: not one affine transform"):
        assert find_parcels(run, MASK, AFFINE) is None


def test_a_segmentation_without_coregistration_is_not_taken(dataset, run):
    fmriprep(dataset)
    for path in (dataset.root / "derivatives").rglob("*_xfm.txt"):
        path.unlink()
    assert find_parcels(run, MASK, AFFINE) is None
