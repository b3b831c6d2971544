"""The optimisation of StyleCLIP and StyleWav as their papers and notebooks describe it: one clip, every step
written out.

Source: Patashnik et al., "StyleCLIP" (2021), section 4, arXiv:2103.17249; J. Ngo, "StyleWav". Nothing here is
shared with the package. Works in any precision.
"""

import math

import torch
from slow_stylegan2 import slow_image, slow_image_of_styles, slow_styles
from torch.nn import functional

LEARNING_RATE = 0.1
FASTER, SLOWER, TINY = 0.9, 0.999, 1e-8  # Adam's defaults
TEMPERATURE = 0.07


def slow_loss(similarity):
    """StyleCLIP's 1 - logit / 100, with StyleWav's temperature for sounds."""
    return 1 - similarity / TEMPERATURE / 100


def slow_rate(step, num_steps):
    """The learning rate: up over the first 5 % of the steps, down as a cosine over the last 25 %."""
    progress = step / num_steps
    rise = min(1.0, progress / 0.05)
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / 0.25))
    return LEARNING_RATE * rise * fall


def seen_by_clip(images):
    """Every pixel seven times in both directions, then averaged over squares, so that 224 are left."""
    large = functional.interpolate(images, scale_factor=7, mode="nearest")
    return functional.avg_pool2d(large, images.shape[-1] // 32)


def colours_at(count):
    """Which styles belong to ToRGB layers: the second, and every third from there on."""
    return set(range(1, count, 3))


def slow_path(values, similarity_of, num_steps, noise="const", colours=False):
    """Optimises the styles of the mean w.

    Args:
        values: The generator.
        similarity_of: From one image [1, 3, R, R] to its cosine with the target.
        num_steps: How many steps the schedule has, all of which are made.
        noise: As of slow_image.
        colours: Whether the styles of ToRGB layers are optimised too.

    Returns:
        The styles at the start and after each step, as long vectors, and the similarity before each step.
    """
    layers = len(values.convolutions) + 1
    styles = [style.detach().clone() for style in slow_styles(values, values.mean.expand(layers, -1))]
    fixed = set() if colours else colours_at(len(styles))
    free = [index for index in range(len(styles)) if index not in fixed]
    first = {index: torch.zeros_like(styles[index]) for index in free}
    second = {index: torch.zeros_like(styles[index]) for index in free}
    path, similarities = [torch.cat(styles)], []
    for step in range(num_steps):
        inputs = [style.clone().requires_grad_(index in free) for index, style in enumerate(styles)]
        similarity = similarity_of(slow_image_of_styles(values, inputs, noise)[None])
        gradients = torch.autograd.grad(slow_loss(similarity), [inputs[index] for index in free])
        for index, gradient in zip(free, gradients, strict=True):
            first[index] = FASTER * first[index] + (1 - FASTER) * gradient
            second[index] = SLOWER * second[index] + (1 - SLOWER) * gradient**2
            mean = first[index] / (1 - FASTER ** (step + 1))
            spread = (second[index] / (1 - SLOWER ** (step + 1))).sqrt()
            styles[index] = styles[index] - slow_rate(step, num_steps) * mean / (spread + TINY)
        path.append(torch.cat(styles))
        similarities.append(similarity.item())
    return path, similarities


def slow_edit(values, start, similarity_of, identity_of, num_steps, distance_weight, identity_weight):
    """StyleCLIP's edit of a given W+: the loss of its section 4, step by step.

    Args:
        values: The generator.
        start: W+ of the given image, [layer, w_dim].
        similarity_of: From one image [1, 3, R, R] to its cosine with the target.
        identity_of: From one image to the unit vector of whose face it shows.
        num_steps: How many steps.
        distance_weight: Of the squared distance to the start, summed over all layers and numbers.
        identity_weight: Of 1 - the cosine of the identities.

    Returns:
        The W+ at the start and after each step.
    """
    given = identity_of(slow_image(values, start, "const")[None]).detach()
    latent, first, second, path = start.clone(), torch.zeros_like(start), torch.zeros_like(start), [start]
    for step in range(num_steps):
        moved = latent.clone().requires_grad_()
        image = slow_image(values, moved, "const")[None]
        distance = sum(((row - origin) ** 2).sum() for row, origin in zip(moved, start, strict=True))
        loss = 1 - similarity_of(image) + distance_weight * distance
        loss = loss + identity_weight * (1 - (identity_of(image) * given).sum())
        (gradient,) = torch.autograd.grad(loss, [moved])
        first = FASTER * first + (1 - FASTER) * gradient
        second = SLOWER * second + (1 - SLOWER) * gradient**2
        mean = first / (1 - FASTER ** (step + 1))
        spread = (second / (1 - SLOWER ** (step + 1))).sqrt()
        latent = latent - slow_rate(step, num_steps) * mean / (spread + TINY)
        path.append(latent)
    return path
