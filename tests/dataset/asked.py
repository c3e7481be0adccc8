"""A question about small pictures, and how two folders are compared."""

from phosphene.dataset.question import ask
from phosphene.dataset.sources import listed
from tests.small_index import small_network, small_pictures


def asked(folder, many=20, layers=("relu1", "logits"), network=None, **options):
    """The network and the question."""
    if not folder.exists():
        small_pictures(folder, many)
    network = network or small_network()
    return network, ask(network, listed(folder, network), layers, **{"shard": 8, "batch": 3, "count": 4, **options})


def contents(folder):
    """Every file's bytes, by its path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
