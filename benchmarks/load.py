"""Cameras that post frames, in a process of their own and with as little work as possible: what they cost is not the server's."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import uvloop

MakeRequest = Callable[[str, int, bytes], bytes]
"""From a camera's name, the number of its frame and the frame: the whole HTTP request. A function of a module."""
Task = Callable[..., Coroutine[Any, Any, "Load"]]


@dataclass
class Load:
    """Answers by HTTP status, and the seconds that each 200 or 201 took (open loop: from when it was due)."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed


def inspection(camera: str, number: int, frame: bytes) -> bytes:
    """What a camera posts to this project's server."""
    where = {
        "product": "cell",
        "line": "line-1",
        "station": "final",
        "camera": camera,
        "part_id": f"{camera}-{number}",
        "lot": "bench",
        "captured_at": "2026-11-24T00:00:00Z",
    }
    head = f"Content-Type: image/png\r\nIdempotency-Key: {uuid4().hex}\r\n"
    return request(f"/v1/inspections?{urlencode(where)}", head, frame)


def request(path: str, head: str, body: bytes) -> bytes:
    """A POST; `head` holds the lines that say what the body is."""
    start = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
    return start.encode() + body


def closed_loop(
    port: int, frames: Sequence[bytes], cameras: int, duration: float, make: MakeRequest = inspection
) -> Load:
    """Each camera posts its next frame when the one before is answered; a 503 is followed by a wait of 50 ms."""
    return _in_a_process(_closed, port, frames, cameras, duration, make)


def closed_loop_of(port: int, frames: Sequence[bytes], cameras: int, each: int, first: int) -> Load:
    """As `closed_loop`, but until each camera has had `each` frames answered 201; they are numbered from `first` on."""
    return _in_a_process(_closed_of, port, frames, cameras, each, first)


def open_loop(port: int, frames: Sequence[bytes], rate: float, duration: float, cameras: int = 32) -> Load:
    """`rate` frames a second at even distances, whether or not those before are answered."""
    return _in_a_process(_open, port, frames, cameras, duration, rate)


def _in_a_process(task: Task, *arguments: object) -> Load:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, task, *arguments).result()


def _run(task: Task, *arguments: object) -> Load:
    return uvloop.run(task(*arguments))


async def _closed(port: int, frames: Sequence[bytes], cameras: int, duration: float, make: MakeRequest) -> Load:
    end = time.perf_counter() + duration
    return await _cameras(port, frames, cameras, lambda _answered: time.perf_counter() < end, 0, make)


async def _closed_of(port: int, frames: Sequence[bytes], cameras: int, each: int, first: int) -> Load:
    return await _cameras(port, frames, cameras, lambda answered: answered < each, first, inspection)


async def _cameras(
    port: int, frames: Sequence[bytes], cameras: int, going: Callable[[int], bool], first: int, make: MakeRequest
) -> Load:
    load = Load()

    async def camera(name: str, offset: int) -> None:
        stream = await asyncio.open_connection("127.0.0.1", port)
        number, answered = first, 0
        while going(answered):
            started = time.perf_counter()
            status = await post(stream, make(name, number, unlike(frames[(offset + number) % len(frames)])))
            load.statuses[status] += 1
            if status in (200, 201):
                load.seconds.append(time.perf_counter() - started)
                answered += 1
            else:
                await asyncio.sleep(0.05)
            number += 1
        stream[1].close()

    started = time.perf_counter()
    await asyncio.gather(*(camera(f"camera-{one}", one * 101) for one in range(cameras)))
    load.elapsed = time.perf_counter() - started
    return load


async def _open(port: int, frames: Sequence[bytes], cameras: int, duration: float, rate: float) -> Load:
    load = Load()
    free: asyncio.Queue[tuple[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = asyncio.Queue()
    for one in range(cameras):
        free.put_nowait((f"camera-{one}", await asyncio.open_connection("127.0.0.1", port)))
    begin = time.perf_counter()

    async def one_frame(number: int, due: float) -> None:
        name, stream = await free.get()
        status = await post(stream, inspection(name, number, unlike(frames[number % len(frames)])))
        load.statuses[status] += 1
        if status == 201:
            load.seconds.append(time.perf_counter() - due)
        free.put_nowait((name, stream))

    tasks = []
    for number in range(int(rate * duration)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one_frame(number, due)))
    await asyncio.gather(*tasks)
    load.elapsed = time.perf_counter() - begin
    return load


def unlike(frame: bytes) -> bytes:
    """The frame, made unlike every other by a few bytes behind its end."""
    return frame + os.urandom(16)


async def post(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], message: bytes) -> int:
    """Send a request; the status of its answer, which is read to the end."""
    reader, writer = stream
    writer.write(message)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    if length:
        await reader.readexactly(int(length))
    else:
        await reader.readuntil(b"0\r\n\r\n")
    return int(answer[9:12])
