"""What the pages say of each number that can stand on an axis: its name, its unit, its steps."""

from dataclasses import dataclass

from spotify_assets.dashboard.filters import FEATURES


@dataclass(frozen=True)
class Scale:
    """A number that tracks have.

    Attributes:
        name: As the marts and addresses have it.
        label: As a page has it.
        unit: In which it is measured, in words.
        digits: After the point, as pages show a value.
        mean_digits: Likewise for a mean.
        step: Width of the steps over which means are taken.
        last_step: Number of the step that also holds the end of the scale; None: the scale is open.
    """

    name: str
    label: str
    unit: str
    digits: int
    mean_digits: int
    step: float
    last_step: int | None = None

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})"

    def written(self, value: float) -> str:
        """A value as a page writes it, without the unit."""
        return f"{value:,.{self.digits}f}"

    def mean_written(self, value: float) -> str:
        """A mean likewise."""
        return f"{value:,.{self.mean_digits}f}"

    def step_written(self, number: int) -> str:
        """From where to where a step goes."""
        least = number * self.step
        digits = 1 if self.step < 1 else 0
        return f"{least:,.{digits}f} to {least + self.step:,.{digits}f}"


def _feature(name: str) -> Scale:
    if name == "loudness":
        return Scale(name, "Loudness", "dB", 1, 1, 2)
    if name == "tempo":
        return Scale(name, "Tempo", "BPM", 0, 1, 10)
    return Scale(name, name.capitalize(), "0 to 1", 2, 2, 0.1, 9)


FEATURE_SCALES = {name: _feature(name) for name in FEATURES}
# By the measure: Spotify's own is what the catalog's column popularity holds.
MEASURE_SCALES = {
    "spotify_popularity": Scale("popularity", "Spotify popularity", "0 to 100", 0, 1, 10, 9),
    "deezer_rank": Scale("deezer_rank", "Deezer rank", "0 to 1,000,000", 0, 0, 100_000, 9),
}
SCALES = {**FEATURE_SCALES, **{scale.name: scale for scale in MEASURE_SCALES.values()}}
