"""Calls of public recipes that mypy has to accept, and those that it has to refuse (marked `# wrong`)."""

from functools import partial

import phosphene
from phosphene import Network
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Fourier
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.transforms import roll


def right(network: Network) -> None:
    phosphene.visualize(network, ["mixed4a:3"], steps=64, size=96, preset="best").save("units.png")
    phosphene.visualize(network, "mixed4a:3", prior=0.1 * total_variation(), transform=roll(8), optimizer=sign(0.01))
    phosphene.visualize(network, "mixed4a:3", parameterization=partial(Fourier, decay=0.5), preset=Settings(tv=0.1))
    phosphene.dream(network, "dog.jpg", optimizer="adam", prior=total_variation(), parameterization=Fourier)
    phosphene.predict(network, "dog.jpg", top_k=3).save("answer.png")
    phosphene.dream(network, "dog.jpg", layer="mixed4a", octaves=2).film("dream.gif")
    phosphene.invert(network, "dog.jpg", steps=10, fit="whole").result.save("code.png")
    phosphene.integrated(network, ["a.jpg", "b.jpg"], steps=20, baseline="blur", target="tabby", show="heat").save(
        "i.png"
    )
    phosphene.saliency(network, "dog.jpg", against=3, batch=4).figure()
    phosphene.pgd(network, "dog.jpg", eps=2 / 255, steps=10).save("fooled.png")


def wrong(network: Network) -> None:
    phosphene.visualize(network, ["mixed4a:3"], stepz=64)  # wrong
    phosphene.visualize(network, ["mixed4a:3"], steps="64")  # wrong
    phosphene.visualize(network, ["mixed4a:3"], preset="bset")  # wrong
    phosphene.visualize(network, ["mixed4a:3"], optimizer="adma")  # wrong
    phosphene.visualize(network, ["mixed4a:3"], prior=roll(8))  # wrong
    phosphene.invert(network, "dog.jpg", transform=total_variation())  # wrong
    phosphene.visualize("network", ["mixed4a:3"])  # wrong
    phosphene.predict(network)  # wrong
    phosphene.dream(network, "dog.jpg", octaves=2.5)  # wrong
    phosphene.integrated(network, "dog.jpg", steps="20")  # wrong
    phosphene.integrated(network, "dog.jpg", masks=20)  # wrong
    phosphene.saliency(network, "dog.jpg", show="rainbow")  # wrong
    phosphene.pgd(network, "dog.jpg", epsilon=2 / 255)  # wrong
    phosphene.pgd(network, "dog.jpg").sav("fooled.png")  # wrong
    phosphene.daydream(network)  # wrong
