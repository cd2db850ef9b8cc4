"""Several programs that do the same work in turns, so that all meet the same machine."""

from statistics import median


def contest(contestants, rounds):
    """Runs {name: callable} in turns, `rounds` times; a callable returns figures: {name: number}.

    Returns of each contestant the medians of its figures, and under "runs" what each run brought. The first ones to
    run change places from round to round, so that none is always the one behind another.
    """
    runs = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            runs[name].append(contestants[name]())
    return {name: medians(made) | {"runs": made} for name, made in runs.items()}


def without_runs(made):
    """The medians alone."""
    return {name: {key: value for key, value in figures.items() if key != "runs"} for name, figures in made.items()}


def medians(runs):
    return {figure: round(median(run[figure] for run in runs), 4) for figure in runs[0]}


def ratio(figures, one, other, figure):
    """How many times as much `one` took as `other`: the median of the rounds' own ratios."""
    pairs = zip(figures[one]["runs"], figures[other]["runs"])
    return round(median(first[figure] / second[figure] for first, second in pairs), 3)
