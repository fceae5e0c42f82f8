"""A number that remembers how it came about, so that what is printed is what was calculated."""

from dataclasses import dataclass

_SUM, _PRODUCT, _PLAIN = range(3)


@dataclass(frozen=True, slots=True)
class Number:
    """A value and its arithmetic as text: ``n(2) * (n(3) + 4)`` reads ``2 × (3 + 4)``."""

    value: float
    text: str
    binding: int = _PLAIN
    """How firmly the text's weakest sign binds: what is looser gets parentheses."""

    def __add__(self, other: "Number | float") -> "Number":
        other = _number(other)
        return Number(self.value + other.value, f"{self.text} + {other.text}", _SUM)

    def __sub__(self, other: "Number | float") -> "Number":
        other = _number(other)
        return Number(self.value - other.value, f"{self.text} - {other._within(_PRODUCT)}", _SUM)

    def __mul__(self, other: "Number | float") -> "Number":
        other = _number(other)
        return Number(self.value * other.value, f"{self._within(_PRODUCT)} × {other._within(_PRODUCT)}", _PRODUCT)

    def __truediv__(self, other: "Number | float") -> "Number":
        other = _number(other)
        return Number(self.value / other.value, f"{self._within(_PRODUCT)} / {other._within(_PLAIN)}", _PRODUCT)

    def _within(self, binding: int) -> str:
        return f"({self.text})" if self.binding < binding else self.text

    @property
    def result(self) -> "Number":
        """The value alone, to go on from: whole, or to four digits where it is small."""
        return n(round(self.value) if self.value >= 1000 else float(f"{self.value:.4g}"))


def n(value: float) -> Number:
    """A plain number."""
    return Number(value, f"{value:,.0f}" if value == round(value) else f"{value:,.10g}")


def _number(value: Number | float) -> Number:
    return value if isinstance(value, Number) else n(value)
