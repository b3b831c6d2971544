"""VQGAN as its paper describes it, slowly, and small checkpoints as its authors publish them.

Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2021), appendix A. Nothing
here is shared with the package. Tests use float64.
"""

import math
import sys
import types

import torch
from torch.nn import functional as F


def vqgan_state(
    channels=(32, 64), attends=(False, True), blocks=1, z=6, code=5, codes=40, gumbel=False, seed=0
):
    """The state of a network under its published names."""
    random = torch.Generator().manual_seed(seed)
    state = {}

    def conv(name, inputs, outputs, size):
        weight = torch.randn(outputs, inputs, size, size, generator=random) / math.sqrt(inputs * size**2)
        state[f"{name}.weight"] = weight
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=random)

    def norm(name, width):
        state[f"{name}.weight"] = 1 + 0.1 * torch.randn(width, generator=random)
        state[f"{name}.bias"] = 0.1 * torch.randn(width, generator=random)

    def residual(name, inputs, outputs):
        norm(f"{name}.norm1", inputs)
        conv(f"{name}.conv1", inputs, outputs, 3)
        norm(f"{name}.norm2", outputs)
        conv(f"{name}.conv2", outputs, outputs, 3)
        if inputs != outputs:
            conv(f"{name}.nin_shortcut", inputs, outputs, 1)

    def attention(name, width):
        norm(f"{name}.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            conv(f"{name}.{part}", width, width, 1)

    def middle(name, width):
        residual(f"{name}.block_1", width, width)
        attention(f"{name}.attn_1", width)
        residual(f"{name}.block_2", width, width)

    conv("encoder.conv_in", 3, 32, 3)
    before = 32
    for level, width in enumerate(channels):
        for index in range(blocks):
            residual(f"encoder.down.{level}.block.{index}", before, width)
            before = width
            if attends[level]:
                attention(f"encoder.down.{level}.attn.{index}", width)
        if level < len(channels) - 1:
            conv(f"encoder.down.{level}.downsample.conv", width, width, 3)
    middle("encoder.mid", before)
    norm("encoder.norm_out", before)
    conv("encoder.conv_out", before, z, 3)
    conv("decoder.conv_in", z, before, 3)
    middle("decoder.mid", before)
    for level in reversed(range(len(channels))):
        for index in range(blocks + 1):
            residual(f"decoder.up.{level}.block.{index}", before, channels[level])
            before = channels[level]
            if attends[level]:
                attention(f"decoder.up.{level}.attn.{index}", before)
        if level:
            conv(f"decoder.up.{level}.upsample.conv", before, before, 3)
    norm("decoder.norm_out", before)
    conv("decoder.conv_out", before, 3, 3)
    conv("quant_conv", z, code, 1)
    conv("post_quant_conv", code, z, 1)
    book = torch.randn(codes, code, generator=random)
    if gumbel:
        state["quantize.embed.weight"] = book
        conv("quantize.proj", code, codes, 1)
    else:
        state["quantize.embedding.weight"] = book
    return state


def write_checkpoint(path, state, zipped=True, callbacks=True):
    """Lightning's ``last.ckpt`` of 2020, where a class is a key."""
    names = [
        "pytorch_lightning",
        "pytorch_lightning.callbacks",
        "pytorch_lightning.callbacks.model_checkpoint",
    ]
    modules = {name: types.ModuleType(name) for name in names}
    kind = type("ModelCheckpoint", (), {"__module__": names[-1]})
    modules[names[-1]].ModelCheckpoint = kind
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(modules)
    loss = {"loss.discriminator.main.0.weight": torch.zeros(2, 3, 4, 4)}
    contents = {
        "epoch": 3,
        "global_step": 7,
        "pytorch-lightning_version": "1.0.8",
        "callbacks": {kind: {"best_model_score": torch.tensor(0.5), "best_model_path": "x"}}
        if callbacks
        else {},
        "optimizer_states": [{"state": {0: {"step": 7, "exp_avg": torch.zeros(3)}}}],
        "lr_schedulers": [],
        "state_dict": {**state, **loss},
    }
    try:
        torch.save(contents, path, _use_new_zipfile_serialization=zipped)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class SlowVqgan:
    """Computes in float64 from a state."""

    def __init__(self, state):
        self.state = {name: tensor.double() for name, tensor in state.items()}
        book = [name for name in state if name.startswith("quantize.emb")]
        self.book = self.state[book[0]]

    def _conv(self, x, name, **how):
        return F.conv2d(x[None], self.state[f"{name}.weight"], self.state[f"{name}.bias"], **how)[0]

    def _norm(self, x, name):
        groups = x.reshape(32, -1)
        centred = groups - groups.mean(dim=1, keepdim=True)
        groups = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return groups.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]

    def _residual(self, x, name):
        y = x
        for index in (1, 2):
            y = self._norm(y, f"{name}.norm{index}")
            y = self._conv(y * torch.sigmoid(y), f"{name}.conv{index}", padding=1)
        shortcut = f"{name}.nin_shortcut"
        return y + (self._conv(x, shortcut) if f"{shortcut}.weight" in self.state else x)

    def _attention(self, x, name):
        y = self._norm(x, f"{name}.norm")
        q, k, v = (self._conv(y, f"{name}.{part}").flatten(1) for part in "qkv")
        mixed = []
        for place in range(q.shape[1]):
            logits = (q[:, place, None] * k).sum(dim=0) / math.sqrt(len(q))
            mixed.append((v * torch.softmax(logits, dim=0)).sum(dim=1))
        return x + self._conv(torch.stack(mixed, dim=1).reshape(x.shape), f"{name}.proj_out")

    def _middle(self, x, name):
        x = self._attention(self._residual(x, f"{name}.block_1"), f"{name}.attn_1")
        return self._residual(x, f"{name}.block_2")

    def _level(self, x, name):
        index = 0
        while f"{name}.block.{index}.conv1.weight" in self.state:
            x = self._residual(x, f"{name}.block.{index}")
            if f"{name}.attn.{index}.q.weight" in self.state:
                x = self._attention(x, f"{name}.attn.{index}")
            index += 1
        return x

    def _levels(self, name):
        return len({key.split(".")[2] for key in self.state if key.startswith(f"{name}.")})

    def decode(self, codes):
        """``[code, h, w]`` to ``[3, R, R]``."""
        x = self._middle(
            self._conv(self._conv(codes, "post_quant_conv"), "decoder.conv_in", padding=1), "decoder.mid"
        )
        for level in reversed(range(self._levels("decoder.up"))):
            x = self._level(x, f"decoder.up.{level}")
            if level:
                x = x.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                x = self._conv(x, f"decoder.up.{level}.upsample.conv", padding=1)
        x = self._norm(x, "decoder.norm_out")
        return self._conv(x * torch.sigmoid(x), "decoder.conv_out", padding=1)

    def encode(self, image):
        """``[3, R, R]`` to the numbers of codes."""
        x = self._conv(image, "encoder.conv_in", padding=1)
        levels = self._levels("encoder.down")
        for level in range(levels):
            x = self._level(x, f"encoder.down.{level}")
            if level < levels - 1:
                x = self._conv(F.pad(x, (0, 1, 0, 1)), f"encoder.down.{level}.downsample.conv", stride=2)
        x = self._norm(self._middle(x, "encoder.mid"), "encoder.norm_out")
        x = self._conv(self._conv(x * torch.sigmoid(x), "encoder.conv_out", padding=1), "quant_conv")
        if "quantize.proj.weight" in self.state:
            return self._conv(x, "quantize.proj").argmax(dim=0)
        return self.nearest(x)

    def nearest(self, z):
        distances = [(z - one[:, None, None]).square().sum(dim=0) for one in self.book]
        return torch.stack(distances).argmin(dim=0)

    def codes(self, numbers):
        return self.book[numbers].permute(2, 0, 1)
