"""The pass by many processes or machines: Ray tasks over shards, each of which is computed as in one process.

A task is handed the question and the number of a shard, loads the network once a process, reads the pictures from
where they are (so the data has to lie at the same path everywhere), and sends the bytes of the shard's file back. They
are written here, under another name and renamed, so that no file system has to be shared for what is written; a task
whose process dies is begun anew elsewhere, which costs that shard. Plain tasks are all that is used: no actors with a
state that might be lost, and at most two for each process are waiting, so that memory stays flat.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from phosphene.core.errors import Mistake, first_line
from phosphene.core.extras import needed
from phosphene.dataset.building import Engine
from phosphene.dataset.passing import shard
from phosphene.dataset.question import Question

RETRIES = 3
"""How often a shard is begun anew whose process died."""

AHEAD = 2
"""Tasks for each process that are handed out."""

STORE = 512 * 2**20
"""Bytes of shared memory of a cluster of one's own, for shards on their way; more go to the disk."""

PATIENCE = 5.0
"""Seconds that a cluster has to answer."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would send statistics of its use home
    "RAY_DEDUP_LOGS": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a task without a GPU sees none
}
"""Of the environment, unless somebody has set it."""


@contextmanager
def on_ray(
    question: Question, workers: int, address: str | None = None, seen: Callable[[int], None] = lambda many: None
) -> Iterator[Engine]:
    """The engine of a Ray cluster: of one's own on this machine, or of one that runs at an address.

    Args:
        question: its network has to be one that other processes can load.
        workers: processes at a time.
        address: HOST:PORT, ray://HOST:PORT, or auto for the cluster that this machine belongs to.
        seen: is told how many pictures have been read since it was told last.
    Raises:
        Mistake: Ray is not installed; there is no cluster at the address, or none with a GPU where the network is on
            one; the network was given in Python.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    ray = needed("ray", "--engine ray", "ray", "ray")
    if question.loading is None:
        raise Mistake(f"{question.network['spec']} was given in Python, so no other process can load it; save its file")
    if question.listing.kind == "python":
        raise Mistake("pictures that were given in Python are in no file that other processes could read")
    device = question.plan["device"]
    sent = replace(question, loading=replace(question.loading, device=device))  # the same everywhere, or refused
    _connect(ray, workers * question.threads, address)
    try:
        gpus = 1 if device == "cuda" else 0
        if gpus and not ray.cluster_resources().get("GPU"):
            raise Mistake("the network is on a GPU here, and the cluster has none; give --device cpu")
        task = ray.remote(num_cpus=question.threads, num_gpus=gpus, max_retries=RETRIES)(_of_one)
        yield lambda numbers: _handed_out(ray, task, ray.put(sent), sent, numbers, AHEAD * workers, seen)
    finally:
        ray.shutdown()


def _connect(ray: Any, cores: int, address: str | None) -> None:
    """Begin a cluster of one's own, or connect to the one that is there."""
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address is None:
        own = {"num_cpus": cores, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        ray.init(address="local", object_store_memory=STORE, **own, **common)
        return
    nobody = f"there is no Ray cluster at {address}; begin one by ray start --head, or leave --address out"
    if address != "auto" and not _answers(address):
        raise Mistake(nobody)
    try:
        ray.init(address=address, **common)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise Mistake(
            f"{nobody} ({first_line(error)})" if not isinstance(error, ConnectionError) else nobody
        ) from error


def _answers(address: str) -> bool:
    """Whether anybody listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Mistake(f"{address} is no address of a cluster; HOST:PORT, ray://HOST:PORT or auto is")
    with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE):
        return True
    return False


def _of_one(asked: Sequence[Any], number: int) -> bytes:
    """A shard, in a process of the cluster."""
    return shard(_question(asked[0]), number)


@lru_cache(maxsize=1)
def _question(reference: Any) -> Question:
    """The question, fetched once a process: its list of pictures may have millions."""
    import ray

    return ray.get(reference)


def _handed_out(
    ray: Any, task: Any, asked: Any, question: Question, numbers: Sequence[int], most: int, seen: Callable[[int], None]
) -> Iterator[tuple[int, bytes]]:
    """Each shard's number and bytes, as they come."""
    waiting: dict[Any, int] = {}
    left = list(reversed(numbers))
    try:
        while waiting or left:
            while left and len(waiting) < most:
                number = left.pop()
                waiting[task.remote([asked], number)] = number  # in a list: a task does not fetch it by itself
            (done, *_), _ = ray.wait(list(waiting), num_returns=1)
            number = waiting.pop(done)
            data = _fetched(ray, done, number)
            seen(len(question.rows(number)))
            yield number, data
    finally:
        for one in waiting:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(one, force=True)


def _fetched(ray: Any, done: Any, number: int) -> bytes:
    """What a task sent back.

    Raises:
        Mistake: the same that was raised there; or its processes died again and again.
    """
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, Mistake):
            raise Mistake(str(error.cause)) from error
        if "failed to import" in str(error):
            raise Mistake(
                "the cluster's machines don't have this phosphene; install the same version on each"
            ) from error
        raise Mistake(f"shard {number} fails on the cluster: {first_line(error.cause or error)}") from error
    except ray.exceptions.RayError as error:
        why = f"{type(error).__name__}: {first_line(error)}"
        raise Mistake(f"shard {number} could not be had from the cluster ({why})") from error
