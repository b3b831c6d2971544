"""CLIP models of the ``open_clip`` library, and the pocket model built from the same class."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.base import ImageTextEmbedder, Space, check_texts
from stylewav_pl.embedders.preprocess import TrainingData, clip_preprocess, reference_preprocess
from stylewav_pl.embedders.vocabulary import Vocabulary
from stylewav_pl.errors import ConfigError, WeightsError, one_line
from stylewav_pl.weights.state_dict import BUILD_ERRORS, build_checked

Tokenizer = Callable[[list[str]], Tensor]
PREPROCESSES = ("clip", "reference")
logger = logging.getLogger(__name__)


class OpenClipEmbedder(ImageTextEmbedder):
    """A frozen CLIP model.

    Args:
        network: Any ``open_clip`` model with the interface of its ``CLIP`` class.
        tokenizer: Texts to ids ``[text, token]``.
        preprocess: How images in [-1, 1] become the network's input, see
            :mod:`stylewav_pl.embedders.preprocess`.
        training: What the network was trained on, for ``clip``; by default as OpenAI's.
        space: Which model and weights these are.

    Raises:
        ConfigError: There is no such preprocessing.
    """

    def __init__(
        self,
        network: CLIP | CustomTextCLIP,
        tokenizer: Tokenizer,
        preprocess: str = "clip",
        training: TrainingData | None = None,
        space: Space | None = None,
    ) -> None:
        super().__init__()
        if preprocess not in PREPROCESSES:
            raise ConfigError(
                f"Unknown preprocess {preprocess!r}: expected one of {', '.join(PREPROCESSES)}."
            )
        self.network = network
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.training_data = training or TrainingData()
        self.space = space or Space()
        size = network.visual.image_size
        self.image_size = int(size if isinstance(size, int) else size[0])
        self._texts: dict[str, Tensor] = {}
        self.freeze()
        self.embed_dim = self._embed_dim()

    def _embed_dim(self) -> int:
        """Width of the embedding, read from the network's text tower."""
        if not isinstance(self.network, CLIP):
            return int(self.network.text.output_dim)
        projection = self.network.text_projection
        return int(projection.shape[1] if isinstance(projection, Tensor) else projection.out_features)

    def embed_image(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """See :meth:`ImageTextEmbedder.embed_image`."""
        images = images.to(self.network.logit_scale)
        if self.preprocess == "reference":
            prepared = reference_preprocess(images, self.image_size)
        else:
            prepared = clip_preprocess(images, self.image_size, self.training_data)
        return F.normalize(self.network.encode_image(prepared).float(), dim=-1)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "clip embed"]:
        """See :meth:`ImageTextEmbedder.embed_text`; every text is embedded once and remembered."""
        check_texts(texts)
        device = self.network.logit_scale.device
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        for text in new:
            warn_if_cut(text, self.tokenizer)
        for text, ids in zip(new, self.tokenizer(new) if new else (), strict=True):
            # One text at a time, so that the embedding of a prompt does not depend on its company.
            self._texts[text] = F.normalize(self.network.encode_text(ids[None].to(device)), dim=-1)[0].cpu()
        if not texts:
            return torch.empty(0, self.embed_dim, device=device)
        return torch.stack([self._texts[text] for text in texts]).to(device)


def warn_if_cut(text: str, tokenizer: Tokenizer) -> None:
    """Says that a text is longer than the context of its CLIP model.

    open_clip's tokenizers cut it off in silence.
    """
    count = number_of_tokens(text, tokenizer)
    context: int = getattr(tokenizer, "context_length", count)
    if count > context:
        logger.warning(
            "The prompt %r has %s tokens, start and end included; this CLIP model reads %s, and nothing "
            "behind them. Shorten the prompt.",
            f"{text[:100]}..." if len(text) > 100 else text,
            count,
            context,
        )


def number_of_tokens(text: str, tokenizer: Tokenizer) -> int:
    """Returns how many ids a text needs, its start and end included; 0 where the tokenizer does not cut."""
    if isinstance(tokenizer, SimpleTokenizer):
        return len(tokenizer.encode(text)) + 2
    if isinstance(tokenizer, HFTokenizer):
        inner = tokenizer.tokenizer
        marks = 3 if tokenizer.tokenizer_mode == "clips" else inner.num_special_tokens_to_add()
        return len(inner(tokenizer.clean_fn(text), add_special_tokens=False)["input_ids"]) + marks
    return 0


def pocket_vocabulary(config: Mapping[str, Any]) -> Vocabulary:
    """The tokenizer of a configuration as :func:`build_pocket_clip` takes it."""
    return Vocabulary(config["words"], config["model"]["text_cfg"]["context_length"])


def build_pocket_clip(config: Mapping[str, Any]) -> CLIP:
    """An untrained, trainable CLIP network for a closed word list.

    Args:
        config: ``{"model": {"embed_dim", "vision_cfg", "text_cfg"}, "words": [...]}`` in ``open_clip``'s
            terms;
            ``text_cfg.vocab_size`` follows from the words and need not be given.

    Raises:
        ConfigError: ``text_cfg.vocab_size`` contradicts the words.
    """
    model = config["model"]
    rows = pocket_vocabulary(config).size
    text = {"vocab_size": rows, **model["text_cfg"]}
    if text["vocab_size"] != rows:
        raise ConfigError(
            f"text_cfg.vocab_size is {text['vocab_size']}, but the {len(config['words'])} words need {rows} "
            "rows."
        )
    return CLIP(**{**model, "text_cfg": text})


def read_pocket_clip(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> CLIP:
    """The network of a weight file.

    Raises:
        WeightsError: The tensors do not fit the configuration.
    """
    try:
        depths = [config["model"][tower].get("layers", 0) for tower in ("vision_cfg", "text_cfg")]
        layers = sum(
            sum(depth) if isinstance(depth, list) else depth for depth in depths
        )  # a ResNet has a list
        return build_checked(lambda: build_pocket_clip(config), tensors, layers)
    except (*BUILD_ERRORS, ConfigError) as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise WeightsError(
            f"These CLIP weights do not fit their configuration ({reason}). Fetch them again."
        ) from error
