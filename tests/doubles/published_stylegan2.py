"""Writers of small StyleGAN2 files as their publishers write them, with stand-ins for the publishers'
classes.

The stand-ins are importable under the published names only while a file is written, so that reading cannot
depend on them.
"""

import pickle
import sys
import types
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import torch

SOURCE = "raise SystemExit('the source inside a pickle was run')"


class Persistent:
    """An object of torch_utils.persistence: its class as source code, its state as a dictionary."""

    def __init__(self, class_name, parameters=None, buffers=None, modules=None, source=SOURCE, **attributes):
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name}
        self.meta["state"] = {
            "training": False,
            "_parameters": OrderedDict(
                (name, None if value is None else torch.nn.Parameter(value))
                for name, value in (parameters or {}).items()
            ),
            "_buffers": OrderedDict(buffers or {}),
            "_non_persistent_buffers_set": set(),
            "_backward_hooks": OrderedDict(),
            "_modules": OrderedDict(modules or {}),
            **attributes,
        }

    def __reduce__(self):
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,), None


@contextmanager
def published_classes():
    """Makes the stand-ins importable; yields a namespace with EasyDict and Network."""
    names = [
        "torch_utils",
        "torch_utils.persistence",
        "dnnlib",
        "dnnlib.util",
        "dnnlib.tflib",
        "dnnlib.tflib.network",
    ]
    modules = {name: types.ModuleType(name) for name in names}

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("the published code was called")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    modules["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj
    easy = modules["dnnlib.util"].EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    network = modules["dnnlib.tflib.network"].Network = type(
        "Network", (), {"__module__": "dnnlib.tflib.network"}
    )
    sys.modules.update(modules)
    try:
        yield types.SimpleNamespace(EasyDict=easy, Network=network)
    finally:
        for name in names:
            del sys.modules[name]


def dump(path, contents, protocol=3):
    """Pickles contents that hold :class:`Persistent`."""
    with published_classes(), path.open("wb") as file:
        pickle.dump(contents, file, protocol)


def kernel_of(taps):
    taps = torch.tensor(taps)
    return torch.outer(taps, taps) / taps.sum() ** 2


def _dense(class_name, weight, bias, multiplier, activation, freeze):
    values = {"weight": weight, "bias": bias}
    return Persistent(
        class_name,
        **{"buffers" if freeze else "parameters": values},
        activation=activation,
        weight_gain=np.float64(multiplier / weight.shape[1] ** 0.5),
        bias_gain=multiplier,
    )


def _synthesis_layer(values, layer, resolution, **attributes):
    noise = layer.noise is not None
    return Persistent(
        "SynthesisLayer",
        {"weight": layer.weight, "bias": layer.bias}
        | ({"noise_strength": layer.noise_strength} if noise else {}),
        {"resample_filter": kernel_of(values.taps)} | ({"noise_const": layer.noise} if noise else {}),
        {"affine": _dense("FullyConnectedLayer", layer.style_weight, layer.style_bias, 1, "linear", False)},
        resolution=resolution,
        use_noise=noise,
        activation="lrelu",
        conv_clamp=values.clamp,
        padding=1,
        act_gain=np.sqrt(2),
        **attributes,
    )


def _to_rgb(values, layer):
    affine = _dense("FullyConnectedLayer", layer.style_weight, layer.style_bias, 1, "linear", False)
    parameters = {"weight": layer.weight, "bias": layer.bias}
    return Persistent(
        "ToRGBLayer",
        parameters,
        {},
        {"affine": affine},
        conv_clamp=values.clamp,
        weight_gain=layer.weight.shape[1] ** -0.5,
    )


def _shortcut(values, weight):
    parameters = {"weight": weight, "bias": None}
    facts = {
        "activation": "linear",
        "up": 2,
        "conv_clamp": None,
        "weight_gain": weight.shape[1] ** -0.5,
        "act_gain": 1,
    }
    return Persistent("Conv2dLayer", parameters, {"resample_filter": kernel_of(values.taps)}, **facts)


def nvidia_generator(values, newer=False, source=SOURCE, **attributes):
    """The generator of stylegan2-ada-pytorch; ``newer``: as the StyleGAN3 code base writes it, with a frozen
    mapping layer."""
    blocks = {}
    last = len(values.convolutions) // 2
    for level in range(last + 1):
        resolution = 4 << level
        layers = (
            {"conv0": _synthesis_layer(values, values.convolutions[2 * level - 1], resolution, up=2)}
            if level
            else {}
        )
        layers["conv1"] = _synthesis_layer(values, values.convolutions[2 * level], resolution, up=1)
        if values.design == "skip" or level == last:
            layers["torgb"] = _to_rgb(values, values.to_rgbs[level if values.design == "skip" else 0])
        if values.design == "resnet" and level:
            layers["skip"] = _shortcut(values, values.shortcuts[level - 1])
        facts = {
            "in_channels": 0 if level == 0 else 1,
            "resolution": resolution,
            "architecture": values.design,
            "use_fp16": newer and level > 0,
        }
        parameters = {} if level else {"const": values.constant}
        blocks[f"b{resolution}"] = Persistent(
            "SynthesisBlock", parameters, {"resample_filter": kernel_of(values.taps)}, layers, **facts
        )
    dense = {
        f"fc{index}": _dense(
            "FullyConnectedLayer", weight, bias, values.multiplier, "lrelu", newer and index == 0
        )
        for index, (weight, bias) in enumerate(values.mapping)
    }
    mean = {} if values.mean is None else {"w_avg": values.mean}
    mapping = Persistent("MappingNetwork", {}, mean, dense, c_dim=0, w_avg_beta=0.998 if mean else None)
    synthesis = Persistent("SynthesisNetwork", modules=blocks, num_fp16_res=4 if newer else 0, img_channels=3)
    kwargs = {
        "c_dim": 0,
        "img_channels": 3,
        "_init_args": (),
        "_init_kwargs": {"synthesis_kwargs": {"conv_clamp": 1.0}},
        **attributes,
    }
    return Persistent("Generator", {}, {}, {"synthesis": synthesis, "mapping": mapping}, source, **kwargs)


def write_ada(path, values, protocol=3, **attributes):
    """stylegan2-ada-pytorch."""
    generator = nvidia_generator(values, **attributes)
    dump(
        path,
        {
            "G": None,
            "D": None,
            "G_ema": generator,
            "training_set_kwargs": {"class_name": "x"},
            "augment_pipe": None,
        },
        protocol,
    )


def write_stylegan3(path, values):
    """StyleGAN2 by the code base of StyleGAN3."""
    dump(
        path,
        {"G_ema": nvidia_generator(values, newer=True), "training_set_kwargs": {"size": np.int64(3)}},
        pickle.HIGHEST_PROTOCOL,
    )


def tensorflow_variables(values):
    """The variables of the synthesis and of the mapping network."""
    synthesis = [("lod", np.float32(0)), ("4x4/Const/const", values.constant[None].numpy())]

    def layer(scope, one, turned):
        weight = one.weight.flip(2, 3) if turned else one.weight
        synthesis.append((f"{scope}/weight", weight.permute(2, 3, 1, 0).contiguous().numpy()))
        synthesis.append((f"{scope}/mod_weight", np.asfortranarray(one.style_weight.T.numpy())))
        synthesis.append((f"{scope}/mod_bias", (one.style_bias - 1).numpy()))
        synthesis.append((f"{scope}/bias", one.bias.numpy()))
        if one.noise is not None:
            synthesis.append((f"{scope}/noise_strength", np.float32(one.noise_strength)))

    for index, one in enumerate(values.convolutions):
        resolution = 4 << (index + 1) // 2
        scope = "Conv" if index == 0 else "Conv0_up" if index % 2 else "Conv1"
        layer(f"{resolution}x{resolution}/{scope}", one, index % 2 == 1)
        if one.noise is not None:
            synthesis.append((f"noise{index}", one.noise[None, None].numpy()))
    last = len(values.convolutions) // 2
    for level, one in enumerate(values.to_rgbs, 0 if values.design == "skip" else last):
        layer(f"{4 << level}x{4 << level}/ToRGB", one, False)
    for level, weight in enumerate(values.shortcuts, 1):
        synthesis.append(
            (f"{4 << level}x{4 << level}/Skip/weight", weight.permute(2, 3, 1, 0).contiguous().numpy())
        )
    mapping = []
    for index, (weight, bias) in enumerate(values.mapping):
        mapping += [
            (f"Dense{index}/weight", weight.T.contiguous().numpy()),
            (f"Dense{index}/bias", bias.numpy()),
        ]
    return synthesis, mapping


def write_tensorflow(path, values, protocol=4, settings=None, function="G_main", extra=()):
    """NVIDIA's original StyleGAN2."""
    synthesis, mapping = tensorflow_variables(values)
    kwargs = {
        "resolution": 4 << len(values.convolutions) // 2,
        "mapping_lrmul": values.multiplier,
        "resample_kernel": list(values.taps),
        "conv_clamp": values.clamp,
        **({} if values.design == "skip" else {"architecture": values.design}),
    }
    with published_classes() as classes, path.open("wb") as file:

        def network(name, function, variables, components):
            one = classes.Network()
            one.version, one.name, one.static_kwargs = 4, name, {**kwargs, **(settings or {})}
            one.components, one.variables = components, variables
            one.build_module_src, one.build_func_name = SOURCE, function
            return one

        parts = {
            "synthesis": network("G_synthesis", "G_synthesis_stylegan2", synthesis, {}),
            "mapping": network("G_mapping", "G_mapping", mapping, {}),
        }
        mean = [] if values.mean is None else [("dlatent_avg", values.mean.numpy())]
        generator = network("Gs", function, [("lod", np.float32(0)), *mean, *extra], parts)
        pickle.dump((generator, network("D", "D_stylegan2", [], {}), generator), file, protocol)


def rosinality_state(values):
    """The state of a generator, without the buffers of its kernels if the filter is unknown."""
    state = {}
    for index, (weight, bias) in enumerate(values.mapping):
        state |= {f"style.{index + 1}.weight": weight, f"style.{index + 1}.bias": bias}
    state["input.input"] = values.constant[None]

    def modulated(name, one):
        state[f"{name}.conv.weight"] = one.weight[None]
        state[f"{name}.conv.modulation.weight"] = one.style_weight
        state[f"{name}.conv.modulation.bias"] = one.style_bias

    for index, one in enumerate(values.convolutions):
        name = f"convs.{index - 1}" if index else "conv1"
        modulated(name, one)
        state |= {f"{name}.noise.weight": one.noise_strength.reshape(1), f"{name}.activate.bias": one.bias}
        state[f"noises.noise_{index}"] = one.noise[None, None]
        if index % 2:
            state[f"{name}.conv.blur.kernel"] = 4 * kernel_of(values.taps)
    for level, one in enumerate(values.to_rgbs):
        name = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        modulated(name, one)
        state[f"{name}.bias"] = one.bias.reshape(1, 3, 1, 1)
        if level:
            state[f"{name}.upsample.kernel"] = 4 * kernel_of(values.taps)
    return OrderedDict(state)


def write_rosinality(path, values, zipped=True, **further):
    """Rosinality's checkpoints, by torch's format of today or the older one."""
    contents = {
        "g_ema": rosinality_state(values),
        **({} if values.mean is None else {"latent_avg": values.mean}),
        **further,
    }
    torch.save(contents, path, _use_new_zipfile_serialization=zipped)
