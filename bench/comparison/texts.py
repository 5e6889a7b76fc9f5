"""Figures as people read them."""


def rounded(value):
    """Three digits that say something; whole numbers as they are."""
    if abs(value) >= 100 or abs(value - round(value)) < 1e-9:
        return f'{value:,.0f}'
    return f'{value:.1f}' if abs(value) >= 10 else f'{value:.2f}'


def rate(value):
    if value >= 1e6:
        return f'{rounded(value / 1e6)} M'
    return f'{rounded(value / 1e3)} k' if value >= 1e3 else rounded(value)


def seconds(value):
    if value >= 1:
        return f'{rounded(value)} s'
    return f'{rounded(value * 1e3)} ms' if value >= 1e-3 else f'{rounded(value * 1e6)} µs'


def size(value):
    if value >= 1e6:
        return f'{rounded(value / 1e6)} MB'
    return f'{rounded(value / 1e3)} KB' if value >= 1e4 else f'{rounded(value)} B'


def mebibytes(value):
    return f'{rounded(value / 1048576)} MiB'


def times(value):
    return f'{rounded(value)} x'


def megabytes_per_second(value):
    return f'{rounded(value)} MB/s'


def with_spread(text, spread):
    """'1.02 M (0.98 M to 1.05 M)'; one run has no spread."""
    if spread is None:
        return '–'
    middle, low, high = text(spread.median), text(spread.low), text(spread.high)
    return middle if low == high else f'{middle} ({low} to {high})'
