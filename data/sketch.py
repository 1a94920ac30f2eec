"""A short likeness of an embedding, small enough to be kept with every inspection and compared by the thousand.

Embeddings are scaled to unit length and multiplied by a fixed matrix of random signs (Achlioptas, Database-friendly random
projections, JCSS 2003): the distance between two of them changes by a factor of about 1 +- 1 / sqrt(2 x 128), 6 %, so that
what was near stays near. The signs come from SHAKE-256, which is the same for ever and on every machine.
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

LENGTH = 128

Sketches = NDArray[np.float16]


def sketch(embedding: NDArray[np.float32]) -> Sketches:
    """Embeddings float32 [n, d] as float16 [n, min(d, 128)]; shorter ones are only scaled.

    What is not finite stays so: `read` then takes it for no likeness at all.
    """
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        unit = embedding / np.maximum(length, np.finfo(np.float32).tiny)
        short = unit if unit.shape[1] <= LENGTH else unit @ _signs(unit.shape[1])
        return np.asarray(short, np.float16)


def write(one: Sketches) -> bytes | None:
    """One sketch, float16 [l], as kept in a database; None for one that is not finite, or empty."""
    return one.astype("<f2").tobytes() if one.size and np.isfinite(one).all() else None


def similarity(one: bytes, others: list[bytes]) -> NDArray[np.float32]:
    """The cosine between one kept sketch and others of the same model: float32 [n], 1 for the same image, -1 to 1.

    From the distance between them, which the projection keeps better than the angle. Others of another length (another
    model's) give -1.
    """
    mine = _read(one)
    found = np.full(len(others), -1, np.float32)
    same = [index for index, other in enumerate(others) if len(other) == len(one)]
    if same:
        theirs = _read(b"".join(others[index] for index in same)).reshape(len(same), -1)
        found[same] = np.clip(1 - np.square(theirs - mine).sum(axis=1) / 2, -1, 1)
    return found


def _read(kept: bytes) -> NDArray[np.float32]:
    return np.frombuffer(kept, "<f2").astype(np.float32)


@cache
def _signs(d: int) -> NDArray[np.float32]:
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"sketch").digest(d * LENGTH // 8), np.uint8))
    signs = bits.astype(np.float32).reshape(d, LENGTH) * 2 - 1
    return np.asarray(signs / np.sqrt(LENGTH), np.float32)
