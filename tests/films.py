"""Small films for tests, written by PyAV."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from phosphene.core.pictures.eight_bit import to_uint8
from tests.small import levels


def moving(frames=6, height=48, width=64, step=2, seed=0):
    """A window that goes over a smooth picture, (1, 3, h, w) in 8-bit levels each: the flow back is (step, 0)."""
    rough = levels(3, height // 8, (width + step * frames) // 8 + 1, seed=seed)[None]
    smooth = torch.nn.functional.interpolate(rough, (height, width + step * frames), mode="bicubic").clamp(0, 1)
    whole = (smooth * 255).round() / 255
    return [whole[..., step * k : step * k + width] for k in range(frames)]


def film(path, frames, codec="ffv1", times=None, sound=False, rate=25):
    """Write pictures as a film, by default without loss, for .mkv; with a second of silence, if asked for."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[2:]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        heard = made.add_stream("pcm_s16le", rate=8000, layout="mono") if sound else None
        for index, frame in enumerate(frames):
            image = av.VideoFrame.from_ndarray(to_uint8(frame)[0], format="rgb24")
            image.pts = round(1000 * (index / rate if times is None else times[index]))
            image.time_base = Fraction(1, 1000)
            made.mux(stream.encode(image))
        made.mux(stream.encode())
        if heard is not None:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
            quiet.sample_rate = 8000
            made.mux(heard.encode(quiet))
            made.mux(heard.encode())
    return path
