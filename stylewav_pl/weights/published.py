"""Facts about weights that others publish.

Where they lie, how large they are, which hash and licence they have.

Only what was seen is stated. A hash is binding (``sha256``) where it was seen in several independent places,
or where the publisher's own address contains it; seen once, or in copies alone, it is a report
(``reported_sha256``). Everything else is recorded at the first use.
"""

from stylewav_pl.weights.remote import RemoteWeights

_ADA = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained"
_NGC = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files"
_NGC3 = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan3/versions/1/files"
_TENSORFLOW = "https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks"
_OPENAI = "https://openaipublic.azureedge.net/clip/models"


def _ngc(resolution: int, name: str, size: int | None = None, reported_sha256: str = "") -> RemoteWeights:
    file = f"stylegan2-ffhq-{resolution}x{resolution}.pkl"
    summary = f"StyleGAN2 of faces, FFHQ, {resolution} px, as published with StyleGAN3"
    return RemoteWeights(
        name,
        "generator",
        "nvidia-stylegan3",
        summary,
        file,
        (f"{_NGC}/{file}",),
        size,
        reported_sha256=reported_sha256,
    )


def _animals(kind: str, reported_sha256: str = "") -> RemoteWeights:
    # 364 MB is the size of the dog's file; the others have the same architecture
    file, summary = f"afhq{kind}.pkl", f"StyleGAN2 of animals, AFHQ {kind}, 512 px"
    urls = (f"{_ADA}/{file}",)
    return RemoteWeights(
        f"afhq-{kind}-512",
        "generator",
        "nvidia-stylegan2-ada",
        summary,
        file,
        urls,
        364_000_000,
        reported_sha256=reported_sha256,
    )


def _lsun(scene: str, resolution: int, size: int) -> RemoteWeights:
    # sizes computed from the architecture: generator twice and discriminator, float32
    file, summary = (
        f"stylegan2-{scene}-config-f.pkl",
        f"StyleGAN2, LSUN {scene}, {resolution} px, TensorFlow pickle",
    )
    return RemoteWeights(
        f"lsun-{scene}-{resolution}",
        "generator",
        "nvidia-stylegan2",
        summary,
        file,
        (f"{_TENSORFLOW}/{file}",),
        size,
    )


def _stylegan(pictures: str, drive: str, told: str) -> RemoteWeights:
    file = f"karras2019stylegan-{pictures}-1024x1024.pkl"
    url = f"https://drive.google.com/uc?export=download&id={drive}"
    summary = f"StyleGAN (the first), {told}, 1024 px, TensorFlow pickle"
    return RemoteWeights(f"stylegan-{pictures}-1024", "generator", "cc-by-nc-4.0", summary, file, (url,))


def _stylegan3(configuration: str, pictures: str, resolution: int) -> RemoteWeights:
    # ...u: the same people or paintings, not aligned
    file = f"stylegan3-{configuration}-{pictures}-{resolution}x{resolution}.pkl"
    summary = f"StyleGAN3, configuration {configuration.upper()}, {pictures}, {resolution} px"
    name = f"stylegan3-{configuration}-{pictures}-{resolution}"
    return RemoteWeights(name, "generator", "nvidia-stylegan3", summary, file, (f"{_NGC3}/{file}",))


def _vqgan(name: str, place: str, told: str) -> RemoteWeights:
    url = f"https://heibox.uni-heidelberg.de/{place}"
    summary = f"VQGAN of taming-transformers, {told}; latents of its own (latent_space: Codes)"
    return RemoteWeights(f"vqgan-{name}", "generator", "MIT", summary, "last.ckpt", (url,))


def _audioclip(training: str, told: str) -> RemoteWeights:
    file = f"AudioCLIP-{training.title()}-Training.pt"
    url = f"https://github.com/AndreyGuzhov/AudioCLIP/releases/download/v0.1/{file}"
    summary = f"AudioCLIP, {training} training, 1024 numbers, {told}"
    return RemoteWeights(f"audioclip-{training}", "audio", "MIT", summary, file, (url,))


def _languagebind(
    variant: str, told: str, size: int | None = None, reported_sha256: str = ""
) -> RemoteWeights:
    # MIT is the licence of its code; the page of the weights was not read
    name, file = f"languagebind-audio{variant.replace('_', '-').lower()}", "pytorch_model.bin"
    url = f"https://huggingface.co/LanguageBind/LanguageBind_Audio{variant}/resolve/main/{file}"
    summary = f"LanguageBind's audio encoder, {told}, to the space of DataComp's CLIP ViT-L/14"
    return RemoteWeights(name, "audio", "MIT", summary, file, (url,), size, reported_sha256=reported_sha256)


def _openai(
    model: str, file: str, sha256: str, embed: int, pixels: int, size: int | None = None
) -> RemoteWeights:
    summary = f"OpenAI's CLIP {file.removesuffix('.pt')}, {embed} numbers, {pixels} px"
    url = f"{_OPENAI}/{sha256}/{file}"  # the publisher names the folder after the hash
    return RemoteWeights(
        f"open_clip:{model}/openai", "image_text", "MIT", summary, file, (url,), size, sha256
    )


PUBLISHED: tuple[RemoteWeights, ...] = (
    RemoteWeights(
        name="ffhq-1024",
        kind="generator",
        licence="nvidia-stylegan2-ada",
        summary="StyleGAN2 of faces, FFHQ, 1024 px",
        file="ffhq.pkl",
        urls=(
            f"{_ADA}/ffhq.pkl",
            # a copy: safe, because the hash decides
            "https://huggingface.co/DragGan/DragGan-Models/resolve/refs%2Fpr%2F3/stylegan2-ffhq1024x1024.pkl",
        ),
        size=381_624_121,
        sha256="a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c",
    ),
    _ngc(1024, "ffhq-1024-ngc"),
    _ngc(512, "ffhq-512", 364_000_000, "d2b1c92f41ce8a64c55f7a75ef06c4c0eef9e17b1eb29aae8c10fb37b3e60478"),
    _ngc(256, "ffhq-256"),
    RemoteWeights(
        name="ffhq-1024-rosinality",
        kind="generator",
        licence="nvidia-stylegan2",  # a conversion of NVIDIA's weights
        summary="StyleGAN2 of faces, FFHQ config-f, 1024 px, the file StyleCLIP links",
        file="stylegan2-ffhq-config-f.pt",
        urls=("https://drive.google.com/uc?export=download&id=1EM87UquaoQmk17Q8d5kYIAHqu0dkYqdT",),
        size=381_462_551,
        reported_sha256="bae494ef77e32a9cd1792a81a3c167692a0e64f6bcd8b06592ff42917e2ed46e",
    ),
    RemoteWeights(
        name="e4e-ffhq",
        kind="photo_encoder",
        licence="nvidia-stylegan2",  # the encoder is MIT; a conversion of NVIDIA's weights lies beside it
        summary="e4e's encoder of photos, for StyleGAN2 of FFHQ, 1024 px (18 vectors of 512)",
        file="e4e_ffhq_encode.pt",
        urls=("https://drive.google.com/uc?export=download&id=1cUv_reLE6k3604or78EranS7XzuVMWeO",),
    ),
    _animals("cat"),
    _animals("dog", "f124ff3f23206052473a7212cbc1f4e095a73c231500411e9c3b81a11eac3662"),
    _animals("wild"),
    _lsun("church", 256, 357_000_000),
    _lsun("car", 512, 364_000_000),
    _lsun("cat", 256, 357_000_000),
    _lsun("horse", 256, 357_000_000),
    _stylegan("ffhq", "1MEGjdvVpUsu1jB4zrXZN7Y4kBBOzizDQ", "faces, FFHQ"),
    _stylegan("celebahq", "1MGqJl28pN4t7SAtSrPdSRJSQJqahkzUf", "faces, CelebA-HQ"),
    *(
        _stylegan3(configuration, pictures, resolution)
        for pictures, resolution in (
            ("ffhq", 1024),
            ("ffhqu", 1024),
            ("ffhqu", 256),
            ("metfaces", 1024),
            ("metfacesu", 1024),
            ("afhqv2", 512),
        )
        for configuration in ("t", "r")
    ),
    _vqgan("imagenet-16384", "d/a7530b09fed84f80a887/files/?p=%2Fckpts%2Flast.ckpt&dl=1", "f16, 16384 codes"),
    _vqgan("imagenet-1024", "d/8088892a516d4e3baf92/files/?p=%2Fckpts%2Flast.ckpt&dl=1", "f16, 1024 codes"),
    _vqgan("gumbel-8192", "f/34a747d5765840b5a99d/?dl=1", "f8, 8192 codes, Gumbel"),
    RemoteWeights(
        name="wav2clip",
        kind="audio",
        licence="MIT",
        summary="Wav2CLIP, audio to the space of CLIP ViT-B/32",
        file="Wav2CLIP.pt",
        urls=("https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt",),
    ),
    _audioclip("partial", "fits OpenAI's CLIP RN50"),
    _audioclip("full", "with the CLIP model that it fits"),
    _languagebind(
        "",
        "126 mel bands",
        1_725_012_217,
        "3ac9eaedddafed4708bc734d7969c76ae132d29966392e26c6a29b4e740bd4e7",
    ),
    _languagebind("_FT", "112 mel bands, fully tuned"),
    _openai(
        "ViT-B-32-quickgelu",
        "ViT-B-32.pt",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        512,
        224,
        353_976_522,
    ),
    _openai(
        "ViT-B-16-quickgelu",
        "ViT-B-16.pt",
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        512,
        224,
    ),
    _openai(
        "ViT-L-14-quickgelu",
        "ViT-L-14.pt",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        768,
        224,
        932_768_134,
    ),
    _openai(
        "ViT-L-14-336-quickgelu",
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        768,
        336,
    ),
    _openai(
        "RN50-quickgelu",
        "RN50.pt",
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        1024,
        224,
        255_827_503,
    ),
    _openai(
        "RN101-quickgelu",
        "RN101.pt",
        "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
        512,
        224,
        291_791_292,
    ),
    _openai(
        "RN50x4-quickgelu",
        "RN50x4.pt",
        "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
        640,
        288,
    ),
    _openai(
        "RN50x16-quickgelu",
        "RN50x16.pt",
        "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
        768,
        384,
    ),
    _openai(
        "RN50x64-quickgelu",
        "RN50x64.pt",
        "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
        1024,
        448,
    ),
)
