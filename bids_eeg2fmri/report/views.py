"""Which slices of a brain are shown, and how they are laid side by side."""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from nibabel import orientations
from scipy.ndimage import center_of_mass, uniform_filter

from bids_eeg2fmri.types import Grid, typed

Volume = Float[np.ndarray, "x y z"]
Finer = Float[np.ndarray, "i j k"]
"""A volume on the same grid, or with each voxel cut into several, as many along each axis."""
Extent = tuple[float, float, float, float]
"""Left, right, lower and upper edge of a picture, in voxels."""
Affine = Float[np.ndarray, "4 4"]
Mask = Bool[np.ndarray, "x y z"]


@typed
class AxialView:
    """Which axial slices are shown, and how they come to lie left to right, back to front."""

    orientation: Float64[np.ndarray, "3 2"]
    """What turns and flips the stored axes to right, anterior, superior; as nibabel has it."""
    box: tuple[slice, slice]
    """Columns and rows around the brain."""
    levels: Int64[np.ndarray, " slices"]
    """Index of each slice, from below."""
    heights: Float64[np.ndarray, " slices"]
    """Height of each slice's centre in millimetres."""
    aspect: float
    """Height of a voxel over its width."""
    columns: int
    """Slices in a row of the picture."""
    grid: Grid
    """Voxels along each axis, as they are stored."""

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of one slice in voxels, with the seam to its neighbour."""
        return self.box[0].stop - self.box[0].start + 1, self.box[1].stop - self.box[1].start + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows of the picture in voxels."""
        rows = -(-len(self.levels) // self.columns)
        return self.columns * self.tile[0] - 1, rows * self.tile[1] - 1

    def corner(self, number: int) -> tuple[int, int]:
        """Column and row of the picture at which a slice begins."""
        row, column = divmod(number, self.columns)
        return column * self.tile[0], self.shape[1] + 1 - (row + 1) * self.tile[1]

    @property
    def extent(self) -> Extent:
        """Its edges."""
        columns, rows = self.shape
        return -0.5, columns - 0.5, -0.5, rows - 0.5

    def lay_out(self, volume: Finer) -> Float[np.ndarray, "rows columns"]:
        """Lay the slices side by side, the lowest first; NaN between them."""
        fine = volume.shape[0] // self.grid[0]
        columns, rows = (slice(fine * side.start, fine * side.stop) for side in self.box)
        ras = orientations.apply_orientation(volume, self.orientation)[columns, rows]
        picture = np.full([fine * side for side in reversed(self.shape)], np.nan)
        for number, level in enumerate(self.levels):
            left, bottom = (fine * side for side in self.corner(number))
            piece = ras[:, :, fine * level + fine // 2].T
            picture[bottom : bottom + piece.shape[0], left : left + piece.shape[1]] = piece
        return picture


def axial_view(mask: Mask, affine: Affine, *, slices: int, columns: int) -> AxialView:
    """Choose evenly spaced axial slices through the mask, or the whole volume if it is empty.

    Parameters
    ----------
    mask
        Brain mask.
    affine
        From voxel indices to millimetres.
    slices
        How many; fewer where the grid has not as many.
    columns
        Most slices in a row of the picture; the rows are made even.
    """
    orientation = orientations.io_orientation(affine)
    canonical = affine @ orientations.inv_ornt_aff(orientation, mask.shape)
    brain = orientations.apply_orientation(mask if mask.any() else ~mask, orientation)
    x, y, z = (np.flatnonzero(brain.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    levels = np.unique(np.linspace(z[0], z[-1], min(slices, len(z)) + 2)[1:-1].round().astype(int))
    rows = -(-len(levels) // columns)
    centre = np.array([[x.mean(), y.mean(), level, 1.0] for level in levels])
    width, height, _ = np.linalg.norm(canonical[:3, :3], axis=0)
    return AxialView(
        orientation,
        (_around(x, brain.shape[0]), _around(y, brain.shape[1])),
        levels,
        (centre @ canonical.T)[:, 2],
        float(height / width),
        -(-len(levels) // rows),
        mask.shape,
    )


@typed
class PlanesView:
    """The three planes that meet in a voxel, left to right, back to front and up."""

    orientation: Float64[np.ndarray, "3 2"]
    """What turns and flips the stored axes to right, anterior, superior; as nibabel has it."""
    grid: Grid
    """Voxels along each of these."""
    voxel: tuple[float, float, float]
    """Size of a voxel along each of these, in millimetres."""
    at: tuple[int, int, int]
    """The voxel, counted along each of these."""
    millimetres: tuple[float, float, float]
    """Its centre."""

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of each plane in millimetres."""
        x, y, z = (n * size for n, size in zip(self.grid, self.voxel, strict=True))
        return [(y, z), (x, z), (x, y)]

    def extent(self, axis: int) -> Extent:
        """Give the edges of the plane across an axis."""
        columns, rows = (n for other, n in enumerate(self.grid) if other != axis)
        return -0.5, columns - 0.5, -0.5, rows - 0.5

    def cut(self, volume: Finer, axis: int) -> Float[np.ndarray, "rows columns"]:
        """Cut a volume, or a finer one, across an axis."""
        ras = orientations.apply_orientation(volume, self.orientation)
        fine = ras.shape[axis] // self.grid[axis]
        return np.asarray(ras.take(fine * self.at[axis] + fine // 2, axis).T)


def peak_view(values: Volume, mask: Mask, affine: Affine) -> PlanesView:
    """Choose the planes through where a map is strongest over 3×3×3 voxels, else mid-brain."""
    strength = uniform_filter(np.abs(np.where(mask, np.nan_to_num(values), 0)), 3) * mask
    peak = np.array(np.unravel_index(strength.argmax(), mask.shape))
    if not strength.any():
        peak = np.rint(center_of_mass(mask)).astype(int)
    marked = np.zeros(mask.shape, bool)
    marked[tuple(peak)] = True
    orientation = orientations.io_orientation(affine)
    canonical = affine @ orientations.inv_ornt_aff(orientation, mask.shape)
    (at,) = np.argwhere(orientations.apply_orientation(marked, orientation))
    centre = affine[:3, :3] @ peak + affine[:3, 3]
    grid = orientations.apply_orientation(mask, orientation).shape
    sizes = np.linalg.norm(canonical[:3, :3], axis=0)
    three = (tuple(numbers.tolist()) for numbers in (sizes, at, centre))
    return PlanesView(orientation, grid, *three)


def _around(found: Int64[np.ndarray, " found"], size: int) -> slice:
    """One voxel of air on each side, where there is any."""
    return slice(max(int(found[0]) - 1, 0), min(int(found[-1]) + 2, size))
