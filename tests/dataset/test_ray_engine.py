"""The pass on a cluster: the same bytes, whoever dies. Only the slow tests need Ray; the others have a small one."""

import os
import signal
import socket
import sys
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest

import phosphene
from phosphene.core.errors import Mistake
from phosphene.dataset.building import Folder, in_process, run
from phosphene.dataset.decoding import Decoder
from phosphene.dataset.merging import merge
from phosphene.dataset.question import Loading, ask
from phosphene.dataset.ray_engine import AHEAD, _question, on_ray
from phosphene.dataset.sources import listed
from tests.dataset.asked import contents
from tests.small_index import small_pictures


class RayTaskError(Exception):
    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


class Cluster:
    """Just as much of Ray as is used, in this process: tasks are done when they are waited for, the last one first."""

    exceptions = SimpleNamespace(RayTaskError=RayTaskError, RayError=(RayTaskError, RuntimeError))

    def __init__(self, died=()):
        self.died, self.most, self.asked, self.ended, self.cancelled = set(died), 0, {}, False, []

    def init(self, **options):
        self.asked = options

    def remote(self, **options):
        self.asked |= options
        return lambda function: SimpleNamespace(remote=lambda *args: Task(self, function, args))

    def put(self, value):
        return Put(value)

    def get(self, one):
        return one.value if isinstance(one, Put) else one.done()

    def wait(self, waiting, num_returns):
        self.most = max(self.most, len(waiting))
        return [waiting[-1]], waiting[:-1]

    def cancel(self, one, force):
        self.cancelled.append(one)

    def cluster_resources(self):
        return {"CPU": 2.0}

    def shutdown(self):
        self.ended = True


class Put:
    def __init__(self, value):
        self.value = value


class Task:
    def __init__(self, cluster, function, args):
        self.cluster, self.function, self.args = cluster, function, args

    def done(self):
        if self.args[1] in self.cluster.died:
            raise RuntimeError("The worker died unexpectedly")
        try:
            return self.function(*self.args)
        except Mistake as mistake:
            raise RayTaskError(mistake) from mistake


@pytest.fixture
def cluster(monkeypatch):
    made = Cluster()
    monkeypatch.setitem(sys.modules, "ray", made)
    _question.cache_clear()
    yield made
    _question.cache_clear()


@pytest.fixture
def question(tmp_path):
    small_pictures(tmp_path / "photos", 20)
    network = phosphene.load("embedded:digits", device="cpu")
    listing = listed(tmp_path / "photos", network)
    loading = Loading("embedded:digits", device="cpu")
    return network, ask(network, listing, ["conv1", "conv3"], batch=4, shard=4, loading=loading)


def whole(path, network, question):
    folder = Folder.begun(path, question)
    list(run(folder, in_process(question, network, Decoder(question.door))))
    merge(question, path, network)
    return contents(path)


@pytest.mark.slow
def test_shards_come_in_any_order_and_the_index_is_the_same(cluster, question, tmp_path):
    network, asked = question
    seen = []
    folder = Folder.begun(tmp_path / "other", asked)
    with on_ray(asked, 1, seen=seen.append) as engine:
        assert list(run(folder, engine)) == [1, 2, 3, 4, 0]
    merge(asked, folder.path, network)
    assert contents(folder.path) == whole(tmp_path / "whole", network, asked)
    assert cluster.most == AHEAD and seen == [4] * 5 and cluster.ended


def test_a_cluster_of_one_s_own_listens_to_nobody_and_sends_nothing_home(cluster, question):
    with on_ray(question[1], 3):
        pass
    assert cluster.asked["_node_ip_address"] == "127.0.0.1" and cluster.asked["include_dashboard"] is False
    assert cluster.asked["num_cpus"] == question[1].threads and cluster.asked["num_gpus"] == 0
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_what_fails_there_is_told_here(cluster, question):
    _, asked = question
    cluster.died = {3}
    folder_numbers = range(5)
    with on_ray(asked, 2) as engine, pytest.raises(Mistake, match=r"shard 3 could not be had from the cluster .*died"):
        list(engine(folder_numbers))
    assert cluster.cancelled  # what was waiting
    cluster.died = set()
    broken = replace(asked, network={**asked.network, "sha256": "0"})
    with on_ray(broken, 2) as engine, pytest.raises(Mistake, match="has other weights here than where"):
        list(engine(folder_numbers))


def test_a_gpu_that_the_cluster_has_not_is_told_first(cluster, question):
    with (
        pytest.raises(Mistake, match="the network is on a GPU here, and the cluster has none; give --device cpu"),
        on_ray(replace(question[1], plan={"device": "cuda"}), 2),
    ):
        pass
    assert cluster.ended


def test_what_no_other_process_could_load_is_refused(cluster, question):
    with (
        pytest.raises(Mistake, match="was given in Python, so no other process can load it"),
        on_ray(replace(question[1], loading=None), 2),
    ):
        pass


def test_where_nobody_listens_there_is_no_cluster(cluster, question):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = f"there is no Ray cluster at 127.0.0.1:{port}; begin one by ray start --head"
    with pytest.raises(Mistake, match=nobody), on_ray(question[1], 2, f"127.0.0.1:{port}"):
        pass
    with (
        pytest.raises(Mistake, match="everywhere is no address of a cluster; HOST:PORT"),
        on_ray(question[1], 2, "everywhere"),
    ):
        pass
    assert cluster.asked == {}


def test_without_ray_it_says_what_to_install(question, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(Mistake, match=r"--engine ray needs ray: pip install 'phosphene\[ray\]'"),
        on_ray(question[1], 2),
    ):
        pass


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_a_shard_and_changes_no_byte(question, tmp_path):
    pytest.importorskip("ray")
    network, asked = question
    folder = Folder.begun(tmp_path / "killed", asked)
    with on_ray(asked, 2) as engine:
        done = run(folder, engine)
        first, killed = next(done), 0
        for child in psutil.Process().children(recursive=True):
            title = next(iter(child.cmdline()), "")
            if not killed and title in ("ray::_of_one", "ray::IDLE"):  # the workers; others serve the cluster itself
                os.kill(child.pid, signal.SIGKILL)
                killed = child.pid
        assert killed and sorted([first, *done]) == list(range(5))
    merge(asked, folder.path, network)
    assert contents(folder.path) == whole(tmp_path / "whole", network, asked)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_writes_the_bytes_of_one_process(run, tmp_path, monkeypatch, workers):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    small_pictures(tmp_path / "photos", 20)
    words = ["photos", "--net", "embedded:digits", "--layer", "conv3", "--shard", 8, "--quiet"]
    assert run("index", *words, "--workers", 0, "--out", "one")[0] == 0
    code, out, err = run("index", *words, "--engine", "ray", "--workers", workers, "--out", "many")
    assert (code, out.strip()) == (0, "many"), err
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert os.environ.get("RAY_USAGE_STATS_ENABLED") == "0"


@pytest.mark.slow
def test_no_cluster_at_the_address_is_one_sentence_and_leaves_nothing(run, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    small_pictures(tmp_path / "photos", 20)
    words = ["index", "photos", "--net", "embedded:digits", "--layer", "conv3", "--quiet", "--out", "x"]
    code, _, err = run(*words, "--engine", "ray", "--address", "127.0.0.1:1")
    assert code == 2 and err.count("\n") == 1 and "there is no Ray cluster at 127.0.0.1:1" in err
    code, _, err = run(*words, "--engine", "ray", "--address", "auto")
    assert code == 2 and "there is no Ray cluster at auto" in err
    code, _, err = run(*words, "--address", "auto")
    assert code == 2 and "--address is of a cluster; give --engine ray as well" in err
    assert not (tmp_path / "x").exists()
    assert run(*words)[0] == 0
