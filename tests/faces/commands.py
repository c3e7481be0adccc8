"""What tests of the command line share: commands and their files, and what a mistake looks like."""

from pathlib import Path

ENDS = [".png", ".figure.png", ".json", ".input.png"]

COMMANDS_AND_FILES = [
    (["predict", "cat.png"], "predict-cat", ENDS),
    (["architecture"], "architecture", ENDS[:3]),
    (["weights"], "weights-conv1", [*ENDS[:3], ".npy"]),
    (["weights", "fc", "--common"], "weights-fc", [*ENDS[:3], ".npy"]),
    (["visualize", "conv2:3", "--steps", 2], "visualize-conv2-3", ENDS[:3]),
    (["visualize", "logits:zebra", "--steps", 2], "visualize-logits-1", ENDS[:3]),
    (["attribute", "cat.png"], "attribute-cat-saliency", [*ENDS, ".npy"]),
    (
        ["attribute", "cat.png", "--method", "occlusion", "--target", "zebra"],
        "attribute-cat-occlusion-logits-1",
        [*ENDS, ".npy", ".activation.npy", ".class.npy", ".score.npy"],
    ),
    (["dream", "cat.png", "--layer", "conv2", "--octaves", 1, "--steps", 1], "dream-cat-conv2", ENDS),
    (["invert", "cat.png", "--layer", "conv2", "--steps", 2], "invert-cat-conv2", ENDS),
    (["attack", "cat.png"], "attack-cat-pgd", [*ENDS, ".npy"]),
    (["attack", "cat.png", "--method", "fgsm", "--eps", "4/255"], "attack-cat-fgsm", [*ENDS, ".npy"]),
]


def files(folder="."):
    return sorted(p.name for p in Path(folder).iterdir() if p.name not in ("own.py", "cat.png"))


def last(out):
    return Path(out.splitlines()[-1])


def is_one_sentence(code, out, err):
    """Exit code 2, one line on stderr, nothing on stdout, no traceback."""
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.removeprefix("error: ").strip()
