"""Calls of public recipes that mypy has to accept, and those that it has to refuse (marked `# wrong`)."""

import phosphene
from phosphene import Network


def right(network: Network) -> None:
    phosphene.visualize(network, ["mixed4a:3"], steps=64, size=96, preset="best").save("units.png")
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
    phosphene.visualize("network", ["mixed4a:3"])  # wrong
    phosphene.predict(network)  # wrong
    phosphene.dream(network, "dog.jpg", octaves=2.5)  # wrong
    phosphene.integrated(network, "dog.jpg", steps="20")  # wrong
    phosphene.integrated(network, "dog.jpg", masks=20)  # wrong
    phosphene.saliency(network, "dog.jpg", show="rainbow")  # wrong
    phosphene.pgd(network, "dog.jpg", epsilon=2 / 255)  # wrong
    phosphene.pgd(network, "dog.jpg").sav("fooled.png")  # wrong
    phosphene.daydream(network)  # wrong
