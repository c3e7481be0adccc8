"""What the network says."""

from typing import Annotated

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.options import Bounds, Flag, Words
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import beside, figure
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.features.charts import bars, numbers


@recipe("reading")
def predict(
    network: Network,
    photo: Photo,
    *,
    top_k: Annotated[int, Bounds(1, 1000), Words("how many classes"), Flag("--top")] = 5,
    fit: Annotated[Fit, Words("how the photograph becomes the network's input")] = "crop",
) -> Result:
    """Say what NETWORK sees in PHOTO: its most probable classes; of plain numbers, the largest.

    Probabilities are those of the network's head: of logits that exclude each other their softmax, of independent ones
    (whose probabilities need not sum to one) and of a single one, which is a question, the sigmoid.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
    """
    fed = feed(network, photo, fit)
    answers = top(network, logits(network, fed)[0], top_k)
    if network.head.has_probabilities:
        chart = bars([(answer["label"], min(max(answer["p"], 0), 1)) for answer in answers])
    else:
        chart = numbers([(answer["label"], answer["logit"]) for answer in answers])
    photograph, words = shown(network, fed.float().cpu()), said_in_words(answers)
    return Result(
        image=photograph,
        names=["predict"],
        numbers=[{"top": answers}],
        title=words,
        drawing=beside(figure([("the network's input", photograph)], words), chart),
        input=photograph,
    )
