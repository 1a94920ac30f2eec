"""Synthetic defects for plants that have few real ones: drawn into prepared good images, with a mask of where.

The ideas are CutPaste's (Li et al., arXiv 2104.04015), NSA's Poisson blending (Schlueter et al., arXiv 2109.15222) and DRAEM's
textures in Perlin noise (Zavrtanik et al., arXiv 2108.07610). Nothing is learnt from a defect that nobody can see, so each
is measured after it is drawn, and drawn again when it changes too little.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import albumentations
import cv2
import numpy as np
from albumentations.core.transforms_interface import BaseTransformInitSchema
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from data.errors import InputError
from data.image import Pixels
from training.config import DefectKind, SyntheticConfig
from training.dataset import Examples, spread

log = logging.getLogger(__name__)

SEEN = 16
"""grey levels of 255: a pixel that changes less is not counted to the defect"""

LEAST_CHANGE = 24
"""grey levels of 255 by which the pixels of a defect change on average, at least"""

_LEAST_AGAINST_TEXTURE = (
    0.5  # of the standard deviation round the defect: what is less drowns in the part's own texture
)
_LEAST_PIXELS = 4
_TRIES = 12
_MOST_PATCHES = 256
_MARGIN = 3  # pixels round a window, for soft edges
_FAINT = 0.02  # cover of a pixel that is as good as none
_SNAP = 4.0  # in an image of two levels, how much steeper the soft edges of a defect get

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Patch:
    """A real defect cut out of its image: uint8 [h, w, 3], and float32 [h, w], 1 where it is and soft towards 0 at its edge."""

    pixels: Pixels
    alpha: Grey


@dataclass(frozen=True)
class _Scene:
    """The window of a good image in which a defect is drawn, and what it may be drawn from."""

    image: Pixels
    donor: Pixels
    patch: Patch | None
    two_levels: bool
    """whether the camera binarises, so that a grey defect cannot be"""
    choice: random.Random
    noise: np.random.Generator
    top: int
    left: int
    extent: int
    """longest extent of the defect, in pixels; the window is a square of that and a margin on each side"""

    @property
    def window(self) -> Pixels:
        side = self.extent + 2 * _MARGIN
        return self.image[self.top : self.top + side, self.left : self.left + side]


class SyntheticDefect(albumentations.DualTransform):  # type: ignore[misc] # albumentations has no types
    """Draws one defect into a good image uint8 [H, W, 3] and 255 into its `mask` uint8 [H, W], where it can be seen.

    Also takes `donor`, a good image uint8 [H', W', 3] that cut_paste and texture are cut from, and `patches`, real defects.
    Kinds: `cut_paste` turned, scaled pieces of a good image, feathered or Poisson-blended; `real` defects of the
    training images elsewhere (no such defects, no such kind); `scratch` curves; `spot` blobs; `texture` noise or foreign
    texture in Perlin noise. `size` is the longest extent as a share of the shorter side of the image.
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    class InitSchema(BaseTransformInitSchema):  # type: ignore[misc] # albumentations has no types
        kinds: tuple[DefectKind, ...]
        size: tuple[float, float]

    def __init__(
        self,
        kinds: tuple[DefectKind, ...] = get_args(DefectKind),
        size: tuple[float, float] = (0.05, 0.4),
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.kinds = kinds
        self.size = size

    @property
    def targets_as_params(self) -> list[str]:
        return ["image", "donor", "patches"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - albumentations' signature
        image, donor, patches = data["image"], data["donor"], data["patches"]
        kinds = [kind for kind in self.kinds if patches or kind != "real"]
        two_levels = _has_two_levels(image)
        for attempt in range(_TRIES + 1):
            kind = self.py_random.choice(kinds)
            patch = self.py_random.choice(patches) if kind == "real" else None
            paint = _PAINTERS[kind] if attempt < _TRIES else _hole
            scene = self._scene(image, donor, patch, two_levels)
            if (done := _measured(scene, paint(scene))) is not None:
                return done
        raise AssertionError("a hole can be seen on any ground")

    def _scene(self, image: Pixels, donor: Pixels, patch: Patch | None, two_levels: bool) -> _Scene:
        height, width = image.shape[:2]
        if patch is None:
            # Uniform over ratios: small defects are as frequent as large ones.
            low, high = np.log(self.size)
            extent = round(float(np.exp(self.py_random.uniform(low, high))) * min(height, width))
        else:
            extent = round(self.py_random.uniform(0.75, 1.33) * float(np.hypot(*patch.alpha.shape)))
        extent = max(3, min(extent, min(height, width) - 2 * _MARGIN))
        side = extent + 2 * _MARGIN
        top, left = self.py_random.randint(0, height - side), self.py_random.randint(0, width - side)
        return _Scene(image, donor, patch, two_levels, self.py_random, self.random_generator, top, left, extent)

    def apply(self, _: Pixels, drawn: Pixels, **_params: Any) -> Pixels:
        return drawn

    def apply_to_mask(self, mask: Pixels, where: Mask, **_params: Any) -> Pixels:
        return np.where(where, np.uint8(255), mask)


class Synthesis:
    """Gives good images a synthetic defect each, as the configuration says; repeatable from a seed."""

    def __init__(self, config: SyntheticConfig) -> None:
        self.share = config.share
        self._kinds = config.kinds
        self._compose = albumentations.Compose([SyntheticDefect(config.kinds, config.size)])
        self._patches: list[Patch] = []
        self._random = random.Random()  # noqa: S311 - chooses images, guards nothing

    def collect(self, train: Examples) -> None:
        """Cut the marked defects out of `train`, for the kind `real`; InputError when that is the only kind and none is."""
        if self.share == 0 or "real" not in self._kinds:
            return
        marked = np.flatnonzero([bool(row.marks) for row in train.rows])
        self._patches = []
        for index in marked[spread(len(marked), _MOST_PATCHES)].tolist():
            self._patches.extend(cut_out(train.images[index], train.masks([index])[0]))
        if not self._patches and set(self._kinds) == {"real"}:
            raise InputError(
                "synthetic.kinds has only `real`, but no defect is marked in the training images; add boxes or masks, or "
                f"other kinds ({', '.join(kind for kind in get_args(DefectKind) if kind != 'real')})"
            )
        log.info("synthetic defects: %d real ones to paste", len(self._patches))

    def seed(self, seed: int) -> None:
        """Start the random sequence anew; defects drawn after it are the same each time."""
        self._compose.set_random_seed(seed)
        self._random.seed(seed)

    def __call__(self, images: Pixels) -> tuple[Pixels, Mask]:
        """Good images uint8 [n, H, W, 3] to the same with a defect in each, and bool [n, H, W] of where it can be seen."""
        drawn, masks = np.empty_like(images), np.zeros(images.shape[:3], dtype=bool)
        for index, image in enumerate(images):
            donor = images[self._random.randrange(len(images))]
            mask = np.zeros(image.shape[:2], np.uint8)
            done = self._compose(image=image, mask=mask, donor=donor, patches=self._patches)
            drawn[index], masks[index] = done["image"], done["mask"] > 0
        return drawn, masks


def cut_out(image: Pixels, mask: Pixels) -> list[Patch]:
    """Each connected part of the mask uint8 [H, W] that is not 0, cut out of the image uint8 [H, W, 3] with a soft edge."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    patches = []
    for part in range(1, number):
        x, y, width, height, area = stats[part]
        if area < _LEAST_PIXELS:
            continue
        rows = slice(max(0, y - _MARGIN), y + height + _MARGIN)
        columns = slice(max(0, x - _MARGIN), x + width + _MARGIN)
        patches.append(Patch(image[rows, columns].copy(), _soft(labels[rows, columns] == part, 1.0)))
    return patches


def _measured(scene: _Scene, painted: tuple[Pixels, Grey]) -> dict[str, Any] | None:
    """The whole image and where it changed, if that can be seen: pixels uint8 [s, s, 3] laid over the window by alpha [s, s]."""
    pixels, alpha = painted
    before = scene.window
    mixed = before + (pixels.astype(np.float32) - before) * alpha[:, :, None]
    if scene.two_levels:
        mixed = _SNAP * (mixed - 127.5) + 127.5
    after = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    # Snapping must not touch the ground beside the defect.
    after = np.where(alpha[:, :, None] > _FAINT, after, before)
    change = cv2.absdiff(after, before).max(axis=2)
    seen = (change >= SEEN).astype(np.uint8)
    # A piece of another place agrees here and there with what it covers: one defect all the same.
    where = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    if seen.sum() < max(_LEAST_PIXELS, scene.extent):
        return None
    least = max(LEAST_CHANGE, _LEAST_AGAINST_TEXTURE * float(cv2.meanStdDev(before)[1].max()))
    if change[where].mean() < least:
        return None
    drawn, whole = scene.image.copy(), np.zeros(scene.image.shape[:2], dtype=bool)
    side = len(before)
    drawn[scene.top : scene.top + side, scene.left : scene.left + side] = after
    whole[scene.top : scene.top + side, scene.left : scene.left + side] = where
    return {"drawn": drawn, "where": whole}


def _cut_paste(scene: _Scene) -> tuple[Pixels, Grey]:
    pixels = _piece(scene)
    if scene.choice.random() < 0.4:
        # Li et al. jitter the colours, so that a piece of the same texture is seen too.
        gain, lift = scene.choice.uniform(0.7, 1.3), scene.choice.uniform(-40, 40)
        pixels = cv2.convertScaleAbs(np.clip(pixels * gain + lift, 0, 255))
    shape = scene.choice.choice((_bar, _blob))(scene)
    return _blended(scene, pixels, shape)


def _real(scene: _Scene) -> tuple[Pixels, Grey]:
    if scene.patch is None:
        raise AssertionError("the kind real is chosen with a patch")
    side, shape = len(scene.window), scene.patch.alpha.shape
    angle = scene.choice.randrange(4) * 90 + scene.choice.choice((0.0, scene.choice.uniform(-30, 30)))
    turn = cv2.getRotationMatrix2D((0, 0), angle, scene.extent / float(np.hypot(*shape)))
    if scene.choice.random() < 0.5:
        turn[:, 0] *= -1
    turn[:, 2] = side / 2 - turn[:, :2] @ [shape[1] / 2, shape[0] / 2]
    pixels = cv2.warpAffine(scene.patch.pixels, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(scene.patch.alpha, turn, (side, side))
    return _blended(scene, np.asarray(pixels, np.uint8), alpha.astype(np.float32))


def _scratch(scene: _Scene) -> tuple[Pixels, Grey]:
    side, fine = len(scene.window), 4
    lines = np.zeros((side * fine, side * fine), np.uint8)
    angle = scene.choice.uniform(0, np.pi)
    bend, width = scene.choice.uniform(0, 0.35) * scene.extent, scene.choice.uniform(1.0, max(1.5, 0.04 * scene.extent))
    tremor = scene.choice.choice((0.0, 0.008, 0.02)) * scene.extent
    for _ in range(scene.choice.choice((1, 1, 1, 1, 2))):
        half = scene.choice.uniform(0.6, 1.0) * (scene.extent - width) / 2
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        middle = side / 2 + across * scene.choice.uniform(-0.1, 0.1) * scene.extent
        ends = middle - half * along, middle + half * along
        pull = middle + across * scene.choice.uniform(-bend, bend) + along * scene.choice.uniform(-0.5, 0.5) * half
        t = np.linspace(0, 1, 25)[:, None]
        # A quadratic Bezier curve, and cracks wander besides.
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * pull + t**2 * ends[1]
        walk = np.cumsum(scene.noise.normal(0, tremor, curve.shape), axis=0)
        curve = np.clip(curve + walk - t * walk[-1], 1, side - 2)
        taper = 0.35 + 0.65 * np.sin(np.pi * t[:, 0]) ** scene.choice.uniform(0.2, 1.5)
        points = np.rint(curve * fine).astype(int)
        for start, end, share in zip(points, points[1:], taper, strict=False):
            cv2.line(lines, start.tolist(), end.tolist(), 255, max(1, round(width * fine * share)), cv2.LINE_AA)
        angle += scene.choice.uniform(-0.15, 0.15)
    alpha = cv2.resize(lines, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return _toned(scene, np.minimum(1, 1.3 * alpha))


def _spot(scene: _Scene) -> tuple[Pixels, Grey]:
    return _toned(scene, _blob(scene))


def _texture(scene: _Scene) -> tuple[Pixels, Grey]:
    side = len(scene.window)
    field = _perlin(side, scene.choice.choice((2, 3, 4, 6)), scene.noise)
    shape = _blob(scene)
    alpha = _soft(
        (field > np.quantile(field, scene.choice.uniform(0.3, 0.6))) & (shape > 0.5), scene.choice.uniform(0.4, 1.0)
    )
    if scene.choice.random() < 0.5:
        pixels = _piece(scene)
        pixels = scene.image.min() + (scene.image.max() - pixels.clip(scene.image.min(), scene.image.max()))
    else:
        # Noise in the colours that the image has: ranks of the noise pick among its pixels in order of brightness.
        cells = max(2, side // scene.choice.choice((2, 3, 4)))
        grain = cv2.resize(scene.noise.random((cells, cells), np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        colours = scene.image.reshape(-1, 3)[scene.noise.integers(0, scene.image.size // 3, 256)]
        colours = colours[np.argsort(colours.sum(axis=1, dtype=np.int32))]
        pixels = colours[(255 * grain.clip(0, 1)).astype(np.uint8)]
    return np.asarray(pixels, np.uint8), np.float32(scene.choice.choice((1.0, scene.choice.uniform(0.5, 1.0)))) * alpha


def _hole(scene: _Scene) -> tuple[Pixels, Grey]:
    """Black or white, whichever is farther: can be seen on any ground."""
    side = len(scene.window)
    alpha = np.zeros((side, side), np.float32)
    cv2.circle(alpha, (side // 2, side // 2), max(2, scene.extent // 2), 1.0, cv2.FILLED)
    value = 0 if scene.window[alpha > 0].mean() > 127 else 255
    return np.full((side, side, 3), value, np.uint8), alpha


_PAINTERS: dict[DefectKind, Callable[[_Scene], tuple[Pixels, Grey]]] = {
    "cut_paste": _cut_paste,
    "real": _real,
    "scratch": _scratch,
    "spot": _spot,
    "texture": _texture,
}


def _piece(scene: _Scene) -> Pixels:
    """A turned and scaled piece of the donor, as large as the window."""
    side, (height, width) = len(scene.window), scene.donor.shape[:2]
    angle = scene.choice.choice((90 * scene.choice.randrange(4), scene.choice.uniform(0, 360)))
    turn = np.array(cv2.getRotationMatrix2D((side / 2, side / 2), angle, scene.choice.uniform(0.7, 1.5)), np.float64)
    turn[:, 2] += turn[:, :2] @ [-scene.choice.uniform(0, width - side), -scene.choice.uniform(0, height - side)]
    piece = cv2.warpAffine(scene.donor, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    # Good images differ in exposure, which is no defect.
    gain = _bright(scene.image) / _bright(scene.donor)
    return cv2.convertScaleAbs(piece, alpha=float(np.clip(gain, 0.25, 4))).astype(np.uint8, copy=False)


def _bright(image: Pixels) -> float:
    return max(1.0, float(np.percentile(image[::8, ::8], 95)))


def _blended(scene: _Scene, pixels: Pixels, alpha: Grey) -> tuple[Pixels, Grey]:
    """Feathered as it is, or its gradients continued from the ground round it (Poisson; Perez et al., 2003)."""
    if scene.two_levels or scene.choice.random() < 0.5:
        return pixels, alpha
    solid = np.where(alpha > 0.5, np.uint8(255), np.uint8(0))
    solid[[0, -1]] = 0
    solid[:, [0, -1]] = 0
    x, y, width, height = cv2.boundingRect(solid)
    if min(width, height) < 3:
        return pixels, alpha
    mode = scene.choice.choice((cv2.NORMAL_CLONE, cv2.MIXED_CLONE))
    ground = np.ascontiguousarray(scene.window)
    cloned = cv2.seamlessClone(pixels, ground, solid, (x + width // 2, y + height // 2), mode)
    return np.asarray(cloned, np.uint8), np.ones_like(alpha)


def _toned(scene: _Scene, alpha: Grey) -> tuple[Pixels, Grey]:
    """One colour that covers the ground, or darkens or lightens it so that its texture shows through."""
    tone = np.array(_tone(scene, alpha), np.float32)
    if scene.choice.random() < 0.5:
        return np.full(scene.window.shape, np.rint(tone), np.uint8), alpha
    ground = scene.window[alpha > 0.5].mean(axis=0) if (alpha > 0.5).any() else scene.window.mean(axis=(0, 1))
    return np.clip(scene.window + (tone - ground), 0, 255).astype(np.uint8), alpha


def _tone(scene: _Scene, alpha: Grey) -> list[float]:
    """A colour that differs from the ground: mostly one that the image has elsewhere, else the ground's, darker or lighter."""
    covered = scene.window[alpha > 0.5] if (alpha > 0.5).any() else scene.window.reshape(-1, 3)
    ground = covered.mean(axis=0)
    if scene.choice.random() < 0.75:
        for _ in range(8):
            y, x = scene.choice.randrange(scene.image.shape[0]), scene.choice.randrange(scene.image.shape[1])
            if np.abs(scene.image[y, x] - ground).max() >= 1.5 * LEAST_CHANGE:
                return [float(value) for value in scene.image[y, x]]
    # Not far beyond what the camera makes of this part: a white blot on a dark cell teaches nothing.
    low, high = float(scene.image.min()) - 2 * LEAST_CHANGE, float(scene.image.max()) + 2 * LEAST_CHANGE
    step = scene.choice.uniform(1.5 * LEAST_CHANGE, 80) * scene.choice.choice((-1, 1))
    return [float(value) for value in np.clip(ground + step, max(0, low), min(255, high))]


def _has_two_levels(image: Pixels) -> bool:
    """Whether nearly all pixels are almost black or almost white, and there are both."""
    some = image[::2, ::2, 1]
    dark, light = float((some < 24).mean()), float((some > 231).mean())
    return dark + light > 0.93 and min(dark, light) > 0.005


def _bar(scene: _Scene) -> Grey:
    """A turned rectangle, square to thin (CutPaste's scar)."""
    side = len(scene.window)
    ratio = scene.choice.choice((scene.choice.uniform(0.5, 1), scene.choice.uniform(0.1, 0.4)))
    angle = scene.choice.uniform(0, 180)
    diagonal = np.hypot(1, ratio)
    box = cv2.boxPoints(((side / 2, side / 2), (scene.extent / diagonal, ratio * scene.extent / diagonal), angle))
    solid = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(solid, np.rint(box * 16).astype(np.int32), 1, cv2.LINE_8, shift=4)
    return _soft(solid > 0, scene.choice.uniform(0.3, 1.2))


def _blob(scene: _Scene) -> Grey:
    """An uneven ellipse: its radius is a few random waves round a circle."""
    side, angles = len(scene.window), np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = np.arange(2, 6)
    size, phase = scene.noise.normal(0, scene.choice.uniform(0, 0.5), 4) / waves, scene.noise.uniform(0, 2 * np.pi, 4)
    radius = np.maximum(0.25, 1 + (size[:, None] * np.cos(waves[:, None] * angles + phase[:, None])).sum(axis=0))
    turn, ratio = scene.choice.uniform(0, np.pi), scene.choice.uniform(0.4, 1.0)
    x, y = radius * np.cos(angles), ratio * radius * np.sin(angles)
    points = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)
    points = points * (scene.extent - 1) / 2 / np.abs(points).max()
    solid = np.zeros((side, side), np.uint8)
    cv2.fillPoly(solid, [np.rint((points + (side - 1) / 2) * 16).astype(np.int32)], 1, cv2.LINE_8, shift=4)
    return _soft(solid > 0, scene.choice.uniform(0.3, 1.5))


def _soft(solid: Mask, sigma: float) -> Grey:
    """bool [h, w] to float32 in 0..1 with blurred edges."""
    return cv2.GaussianBlur(solid.astype(np.float32), (0, 0), sigma).astype(np.float32)


def _perlin(side: int, cells: int, noise: np.random.Generator) -> Grey:
    """Perlin's gradient noise, float32 [side, side], about -0.7..0.7, with `cells` lattice cells a side."""
    angle = noise.uniform(0, 2 * np.pi, (cells + 1, cells + 1))
    gradient = np.stack([np.sin(angle), np.cos(angle)]).astype(np.float32)
    place = np.arange(side, dtype=np.float32) * (cells / side)
    cell = place.astype(int)
    offset = place - cell
    weight = offset**3 * (offset * (offset * 6 - 15) + 10)
    total = np.zeros((side, side), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            corner = gradient[:, cell + down][:, :, cell + right]
            dot = corner[0] * (offset - down)[:, None] + corner[1] * (offset - right)
            rows, columns = (weight if down else 1 - weight), (weight if right else 1 - weight)
            total += dot * rows[:, None] * columns
    return total
