"""All metrics and networks, collected from the files of `plain/` and `networks/`.

A file's METRICS and NETWORKS are its entries; to add one is to add a file.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from .metric import NO_MODEL, Metric
from .network import Loaded, Network

DEFAULT_VARIANTS = frozenset({"polynomial"})


@cache
def metrics(folder: str = "") -> tuple[Metric, ...]:
    """Of `plain`, of `networks`, or of both, in the order of their columns."""
    folders = (folder,) if folder else ("plain", "networks")
    found = [m for name in folders for module in _modules(name) for m in _entries(module)]
    return tuple(sorted(found, key=lambda metric: (metric.place, metric.key)))


@cache
def networks() -> Mapping[str, Network]:
    """Every network that measures, by name."""
    found = [n for module in _modules("networks") for n in getattr(module, "NETWORKS", ())]
    return {network.name: network for network in found}


def networks_in(models: Path, device: str = "cpu", only: Collection[str] | None = None) -> Loaded:
    """The networks whose weights are in a folder or in their packages, of `only` these names; none
    is loaded yet."""
    known = {n: net for n, net in networks().items() if only is None or n in only}
    return Loaded(models, known, device)


def columns(
    labels: Mapping[str, str], variants: Collection[str] = DEFAULT_VARIANTS
) -> tuple[Metric, ...]:
    """The metrics to show, each with the networks that measure it. labels: {network: what a report
    says of it} of those that are there."""
    families: dict[str, list[Metric]] = {}
    for metric in metrics():
        if not metric.variant or metric.variant in variants:
            families.setdefault(metric.family or metric.key, []).append(metric)
    return tuple(m for name, family in families.items() for m in _shown(name, family, labels))


def _shown(name: str, family: list[Metric], labels: Mapping[str, str]) -> Iterator[Metric]:
    there = [m for m in family if all(network in labels for network in m.networks)]
    for metric in there:
        if metric.networks == there[0].networks:
            model = " with ".join(labels[network] for network in metric.networks)
            yield replace(metric, model=model or None)
    if not there:
        first = family[0]
        absent = [[n for n in m.networks if n not in labels] for m in family]
        ways = dict.fromkeys(" and ".join(networks()[n].advice for n in names) for names in absent)
        yield replace(
            first,
            key=name,
            title=first.title.split(" (")[0],
            model=NO_MODEL,
            meaning=f"{first.meaning} No model: {'; or '.join(ways)}.",
        )


def _modules(folder: str) -> Iterator[ModuleType]:
    package = import_module(f".{folder}", __package__)
    for found in iter_modules(package.__path__):
        yield import_module(f".{folder}.{found.name}", __package__)


def _entries(module: ModuleType) -> tuple[Metric, ...]:
    return getattr(module, "METRICS", ())
