"""Small files of AudioCLIP and LanguageBind as their authors publish them, and both networks, slowly."""

import json
import math

import numpy as np
import torch
from torch.nn import functional as F


def languagebind_tensors(rank=3, width=32, layers=2, patch=14, bands=28, embed=12, seed=0):
    """The state of a whole model, its text tower included; ``rank`` 0: no adapters beside the weights."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape, scale=0.3):
        return scale * torch.randn(shape, generator=random)

    tokens = (bands // patch) * (1036 // patch) + 1
    state = {
        "logit_scale": torch.zeros(()),
        "text_model.embeddings.token_embedding.weight": draw(6, 4),
        "text_projection.weight": draw(embed, 4),
        "vision_model.embeddings.class_embedding": draw(width),
        "vision_model.embeddings.position_ids": torch.arange(tokens)[None],
        "vision_model.embeddings.patch_embedding.weight": draw(width, 3, patch, patch, scale=0.05),
        "vision_model.embeddings.position_embedding.weight": draw(tokens, width),
        "visual_projection.weight": draw(embed, width),
    }
    for name in ("pre_layrnorm", "post_layernorm"):
        state |= {f"vision_model.{name}.weight": 1 + draw(width), f"vision_model.{name}.bias": draw(width)}
    middle = "base_model.model." if rank else ""
    for index in range(layers):
        prefix = f"vision_model.encoder.{middle}layers.{index}."
        for part in "qkv":
            state[f"{prefix}self_attn.{part}_proj.weight"] = draw(width, width)
            state[f"{prefix}self_attn.{part}_proj.bias"] = draw(width)
        state |= {f"{prefix}self_attn.out_proj.weight": draw(width, width)}
        state |= {f"{prefix}self_attn.out_proj.bias": draw(width)}
        for part in ("q", "k", "v", "out") if rank else ():
            state[f"{prefix}self_attn.{part}_proj.lora_A.default.weight"] = draw(rank, width)
            state[f"{prefix}self_attn.{part}_proj.lora_B.default.weight"] = draw(width, rank)
        for norm in ("layer_norm1", "layer_norm2"):
            state |= {f"{prefix}{norm}.weight": 1 + draw(width), f"{prefix}{norm}.bias": draw(width)}
        state |= {f"{prefix}mlp.fc1.weight": draw(2 * width, width), f"{prefix}mlp.fc1.bias": draw(2 * width)}
        state |= {f"{prefix}mlp.fc2.weight": draw(width, 2 * width), f"{prefix}mlp.fc2.bias": draw(width)}
    return state


def write_languagebind(folder, tensors, heads=4, rank=3, alpha=6):
    """``pytorch_model.bin`` and ``config.json`` in a folder."""
    folder.mkdir(exist_ok=True)
    torch.save(tensors, folder / "pytorch_model.bin")
    vision = {"num_attention_heads": heads, "lora_r": rank, "lora_alpha": alpha, "hidden_act": "gelu"}
    (folder / "config.json").write_text(json.dumps({"vision_config": vision}), "utf-8")
    return folder / "pytorch_model.bin"


def slow_languagebind(tensors, image, heads=4, scale=2.0):
    """Unit vector of a network input ``[3, bands, frames]``, one head and one patch at a time, in float64."""
    state = {name.replace("base_model.model.", ""): tensor.double() for name, tensor in tensors.items()}
    kernel = state["vision_model.embeddings.patch_embedding.weight"]
    patch = kernel.shape[-1]
    tokens = [state["vision_model.embeddings.class_embedding"]]
    for row in range(image.shape[1] // patch):
        for column in range(image.shape[2] // patch):
            piece = image[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch].double()
            tokens.append((kernel * piece).sum(dim=(1, 2, 3)))
    x = torch.stack(tokens) + state["vision_model.embeddings.position_embedding.weight"]

    def norm(x, name):
        centred = x - x.mean(dim=-1, keepdim=True)
        spread = (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]

    def dense(x, name):
        weight = state[f"{name}.weight"]
        if f"{name}.lora_A.default.weight" in state:
            adapter = state[f"{name}.lora_B.default.weight"] @ state[f"{name}.lora_A.default.weight"]
            weight = weight + scale * adapter
        return x @ weight.T + state[f"{name}.bias"]

    x = norm(x, "vision_model.pre_layrnorm")
    for index in range(sum(name.endswith("mlp.fc1.bias") for name in state)):
        name = f"vision_model.encoder.layers.{index}"
        y = norm(x, f"{name}.layer_norm1")
        q, k, v = (dense(y, f"{name}.self_attn.{part}_proj") for part in "qkv")
        mixed = []
        for part in torch.arange(x.shape[1]).chunk(heads):
            logits = q[:, part] @ k[:, part].T / math.sqrt(len(part))
            mixed.append(torch.softmax(logits, dim=-1) @ v[:, part])
        x = x + dense(torch.cat(mixed, dim=1), f"{name}.self_attn.out_proj")
        y = dense(norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
        y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
        x = x + dense(y, f"{name}.mlp.fc2")
    out = norm(x[0], "vision_model.post_layernorm") @ state["visual_projection.weight"].T
    return out / out.norm()


STAGES = (64, 256, 512, 1024, 2048)
KERNELS = ((3, 1), (1, 5), (3, 1), (1, 5), (3, 5))


def audioclip_tensors(groups=2, per_group=2, embed=10, bins=150, seed=0):
    """The state of an ear with one block a stage; half of the orders ``m`` are zero."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=random) * (1.4 / math.sqrt(math.prod(shape[1:])))

    def batch_norm(name, width):
        return {
            f"{name}.weight": 1 + 0.1 * torch.randn(width, generator=random),
            f"{name}.bias": 0.1 * torch.randn(width, generator=random),
            f"{name}.running_mean": 0.1 * torch.randn(width, generator=random),
            f"{name}.running_var": 1 + torch.rand(width, generator=random),
            f"{name}.num_batches_tracked": torch.tensor(1),
        }

    state = {"conv1.weight": draw(64, 3, 7, 7), **batch_norm("bn1", 64)}
    for stage in range(1, 5):
        inputs, outputs = STAGES[stage - 1], STAGES[stage]
        width, name = groups * per_group * 2 ** (stage - 1), f"layer{stage}.0"
        state |= {
            f"{name}.conv1.weight": draw(width, inputs, 1, 1),
            f"{name}.conv2.weight": draw(width, width // groups, 3, 3),
            f"{name}.conv3.weight": draw(outputs, width, 1, 1),
            f"{name}.downsample.0.weight": draw(outputs, inputs, 1, 1),
        }
        widths = {"bn1": width, "bn2": width, "bn3": outputs, "downsample.1": outputs}
        for part, size in widths.items():
            state |= batch_norm(f"{name}.{part}", size)
    for index, kernel in enumerate(KERNELS):
        inputs, outputs = STAGES[index], STAGES[min(index + 1, 4)]
        name = f"att{index + 1}"
        state |= {
            f"{name}.conv_depth.weight": draw(inputs, 1, *kernel),
            f"{name}.conv_depth.bias": draw(inputs),
            f"{name}.conv_point.weight": draw(outputs, inputs, 1, 1),
            f"{name}.conv_point.bias": torch.zeros(outputs),
            **batch_norm(f"{name}.bn", outputs),
        }
    window = 0.5 - 0.5 * torch.cos(torch.arange(1654) * 2 * math.pi / 1654)
    m = torch.rand(bins, generator=random) * 2 * (torch.arange(bins) % 2)
    state |= {"fc.weight": draw(embed, 2048), "fc.bias": draw(embed), "window": window}
    state |= {"fbsp.m": m, "fbsp.fb": 0.8 + 0.4 * torch.rand(bins, generator=random)}
    state |= {"fbsp.fc": torch.arange(bins) * 1.0, "fbsp.bias": torch.zeros(0)}
    scales = {
        "logit_scale": torch.ones(()),
        "logit_scale_ai": torch.ones(()),
        "logit_scale_at": torch.ones(()),
    }
    return {f"audio.{name}": tensor for name, tensor in state.items()} | scales


def slow_decibels(waveform, tensors):
    """``[bin, frame]``, by complex numbers in NumPy."""
    signal = waveform.double().numpy() * 32768
    signal = (signal + 32768) * 2 / 65535 - 1
    count = 1 + math.ceil((len(signal) - 1654) / 561)
    missing = (count - 1) * 561 + 1654 - len(signal)
    signal = np.concatenate([np.zeros(missing // 2), signal, np.zeros(missing - missing // 2)])
    window = tensors["audio.window"].double().numpy()
    time = np.pi * np.linspace(-1, 1, 2048) + 1e-8
    columns = []
    for index in range(count):
        frame = np.zeros(2048)
        frame[197 : 197 + 1654] = signal[index * 561 : index * 561 + 1654] * window
        powers = []
        for m, fb, fc in zip(
            *(tensors[f"audio.fbsp.{part}"].double().numpy() for part in ("m", "fb", "fc")), strict=True
        ):
            argument = fb * time / (m + 1e-8)
            envelope = (np.sin(argument) / argument).astype(complex) ** m
            wavelet = np.sqrt(fb) * envelope * np.exp(-1j * fc * time)
            powers.append(abs((frame * wavelet).sum()) ** 2 / 2048)
        columns.append(10 * np.log10(np.maximum(powers, 1e-18)))
    return torch.from_numpy(np.stack(columns, axis=1))


def slow_audioclip(tensors, spectrogram):
    """Unit vector of ``[bin, frame]``, in float64."""
    state = {name.removeprefix("audio."): tensor for name, tensor in tensors.items()}
    state = {name: tensor.double() for name, tensor in state.items() if tensor.is_floating_point()}
    third = len(spectrogram) // 3
    x = torch.stack([spectrogram[i * third : (i + 1) * third] for i in range(3)])[None].double()

    def norm(x, name):
        mean, variance, weight, bias = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    x = norm(F.conv2d(x, state["conv1.weight"], stride=2, padding=3), "bn1").relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in range(1, 6):
        before, name = x, f"layer{stage}.0"
        if stage < 5:
            stride = 1 if stage == 1 else 2
            kernel = state[f"{name}.conv2.weight"]
            y = norm(F.conv2d(x, state[f"{name}.conv1.weight"]), f"{name}.bn1").relu()
            groups = y.shape[1] // kernel.shape[1]
            y = norm(F.conv2d(y, kernel, stride=stride, padding=1, groups=groups), f"{name}.bn2").relu()
            y = norm(F.conv2d(y, state[f"{name}.conv3.weight"]), f"{name}.bn3")
            shortcut = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
            x = (y + norm(shortcut, f"{name}.downsample.1")).relu()
        else:
            x = x.mean(dim=(2, 3), keepdim=True)
        kernel = state[f"att{stage}.conv_depth.weight"]
        weights = F.adaptive_max_pool2d(before, x.shape[2:])
        padding = tuple(size // 2 for size in kernel.shape[2:])
        weights = F.conv2d(
            weights, kernel, state[f"att{stage}.conv_depth.bias"], padding=padding, groups=len(kernel)
        )
        weights = F.conv2d(
            weights, state[f"att{stage}.conv_point.weight"], state[f"att{stage}.conv_point.bias"]
        )
        x = x * norm(weights, f"att{stage}.bn").sigmoid()
    out = x.flatten() @ state["fc.weight"].T + state["fc.bias"]
    return out / out.norm()
