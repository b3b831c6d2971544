"""What is said: phoneme-like sounds as targets of the synthesiser.

Formants are those of a man with a 17 cm vocal tract (vowels after Peterson & Barney 1952); a speaker scales
them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phone:
    """A stretch of sound with steady targets; frequencies in Hz for ``formant_scale`` 1, levels linear.

    Attributes:
        formants: First three formants.
        seconds: Mean length at a normal rate.
        voice: Level of voicing.
        aspiration: Level of noise made at the glottis (filtered by the formants).
        friction: Level of noise made in the mouth (filtered by its own band).
        band: Centre of the friction noise.
        nasal: 1 with the nose open.
    """

    formants: tuple[float, float, float]
    seconds: float
    voice: float = 1.0
    aspiration: float = 0.0
    friction: float = 0.0
    band: float = 4000.0
    nasal: float = 0.0


VOWELS = {
    "i": Phone((280.0, 2250.0, 2990.0), 0.11),
    "ih": Phone((390.0, 1990.0, 2550.0), 0.09),
    "e": Phone((420.0, 2080.0, 2600.0), 0.12),
    "eh": Phone((540.0, 1820.0, 2480.0), 0.11),
    "ae": Phone((670.0, 1700.0, 2410.0), 0.13),
    "a": Phone((740.0, 1250.0, 2500.0), 0.13),
    "ah": Phone((720.0, 1090.0, 2440.0), 0.13),
    "uh": Phone((630.0, 1200.0, 2390.0), 0.10),
    "aw": Phone((570.0, 860.0, 2410.0), 0.13),
    "o": Phone((450.0, 880.0, 2400.0), 0.12),
    "u": Phone((310.0, 880.0, 2240.0), 0.11),
    "y": Phone((290.0, 1750.0, 2200.0), 0.11),
    "er": Phone((490.0, 1350.0, 1720.0), 0.12),
    "schwa": Phone((500.0, 1480.0, 2490.0), 0.06),
}

LABIAL, ALVEOLAR, VELAR = (230.0, 850.0, 2250.0), (260.0, 1750.0, 2650.0), (250.0, 1900.0, 2350.0)


def _plosive(place: tuple[float, float, float], band: float, voiced: bool) -> tuple[Phone, ...]:
    if voiced:
        return (Phone(place, 0.055, voice=0.12), Phone(place, 0.010, voice=0.3, friction=0.35, band=band))
    closure, burst = Phone(place, 0.065, voice=0.0), Phone(place, 0.012, voice=0.0, friction=0.45, band=band)
    return (closure, burst, Phone(place, 0.028, voice=0.0, aspiration=0.5))


CONSONANTS: dict[str, tuple[Phone, ...]] = {
    "p": _plosive(LABIAL, 1200.0, voiced=False),
    "t": _plosive(ALVEOLAR, 4600.0, voiced=False),
    "k": _plosive(VELAR, 2100.0, voiced=False),
    "b": _plosive(LABIAL, 1000.0, voiced=True),
    "d": _plosive(ALVEOLAR, 4200.0, voiced=True),
    "g": _plosive(VELAR, 2000.0, voiced=True),
    "s": (Phone(ALVEOLAR, 0.10, voice=0.0, friction=0.32, band=5900.0),),
    "sh": (Phone((280.0, 1850.0, 2500.0), 0.10, voice=0.0, friction=0.36, band=3100.0),),
    "f": (Phone(LABIAL, 0.09, voice=0.0, friction=0.16, band=6500.0),),
    "x": (Phone(VELAR, 0.08, voice=0.0, friction=0.18, band=1700.0),),
    "z": (Phone(ALVEOLAR, 0.08, voice=0.35, friction=0.18, band=5700.0),),
    "v": (Phone(LABIAL, 0.065, voice=0.45, friction=0.08, band=6000.0),),
    "h": (Phone((500.0, 1480.0, 2490.0), 0.06, voice=0.05, aspiration=0.45),),
    "m": (Phone((250.0, 1000.0, 2200.0), 0.075, voice=0.5, nasal=1.0),),
    "n": (Phone((260.0, 1600.0, 2550.0), 0.07, voice=0.5, nasal=1.0),),
    "ng": (Phone((260.0, 2000.0, 2500.0), 0.075, voice=0.45, nasal=1.0),),
    "l": (Phone((340.0, 1150.0, 2750.0), 0.06, voice=0.65),),
    "r": (Phone((360.0, 1250.0, 1650.0), 0.06, voice=0.65),),
    "rr": tuple(Phone((420.0, 1350.0, 2400.0), 0.022, voice=v) for v in (0.15, 0.7, 0.15)),
    "w": (Phone((300.0, 700.0, 2250.0), 0.06, voice=0.7),),
    "j": (Phone((280.0, 2150.0, 2900.0), 0.055, voice=0.7),),
}

CODAS = ("n", "m", "s", "l", "r", "t", "k", "ng", "x", "sh", "d")
PAUSE = Phone((500.0, 1480.0, 2490.0), 0.3, voice=0.0)
