"""What the network says."""

from phosphene.core.errors import check_range
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import beside, figure
from phosphene.core.results.provenance import recipe
from phosphene.core.results.results import Result
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.features.charts import bars


@recipe("reading")
def predict(network: Network, photo: Photo, *, top_k: int = 5, fit: Fit = "crop") -> Result:
    """Say what NETWORK sees in PHOTO: its most probable classes.

    Args:
        network: who is asked.
        photo: a path, `skimage:NAME`, or pixels.
        top_k: how many classes.
        fit: how the photograph becomes the network's input.
    """
    check_range("top", top_k, 1)
    fed = feed(network, photo, fit)
    answers = top(network, logits(network, fed)[0], top_k)
    chart = bars([(answer["label"], answer["p"]) for answer in answers])
    return Result(
        image=fed.float().cpu(),
        names=["predict"],
        numbers=[{"top": answers}],
        title=said_in_words(answers),
        drawing=beside(figure([("what was fed", fed.float().cpu())], said_in_words(answers)), chart),
        input=fed.float().cpu(),
    )
