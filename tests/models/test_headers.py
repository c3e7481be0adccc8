"""Records in the headers of safetensors files."""

import json
import os

import torch
from safetensors.torch import save

from phosphene.models.headers import header, header_in


def test_a_header_says_what_was_written_into_it(tmp_path):
    record, file = {"shape": [1, 2], "about": "é"}, tmp_path / "a.safetensors"
    data = save({"w": torch.zeros(2)}, {"style": json.dumps(record)})
    file.write_bytes(data)
    assert header(file, "style") == header_in(data, "style") == record
    assert header(file, "decoder") is None


def test_what_is_no_such_file_has_no_header(tmp_path):
    file = tmp_path / "a.safetensors"
    assert header(file, "style") is None
    some = {"w": torch.zeros(1)}
    for data in (b"", b"no tensors", save(some), *(save(some, {"style": words}) for words in ("[1]", "{", "[" * 9999))):
        file.write_bytes(data)
        assert header(file, "style") is None
    assert header(tmp_path, "style") is None
    os.mkfifo(tmp_path / "pipe")
    assert header(tmp_path / "pipe", "style") is None
