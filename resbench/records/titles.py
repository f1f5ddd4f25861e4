"""What algorithms are called in tables: the names that their papers give them."""

#: Titles of the algorithms of resbench by class; those of others come with their records.
TITLES = {
    "AGAD": "AGAD",
    "AnalogSGD": "Analog SGD",
    "ChoppedTikiTaka": "c-TTv2",
    "DigitalSGD": "Digital SGD",
    "MixedPrecision": "Mixed precision",
    "ResidualLearning": "Residual",
    "TikiTaka": "Tiki-Taka (TT-v1)",
    "TikiTakaV2": "TT-v2",
}


def title(name: str, class_path: str) -> str:
    """The title of an algorithm: its own ``name``, or where that is only its class, that of :data:`TITLES`."""
    package, _, class_name = class_path.rpartition(".")
    ours = package.partition(".")[0] == "resbench" and name == class_name
    return TITLES.get(name, name) if ours else name
