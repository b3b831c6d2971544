"""``validate``: decodes every clip and prints networks, plan and skips; makes nothing."""

from stylewav_pl.data.funnel import table
from stylewav_pl.errors import printable
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.verification import check_cohorts
from stylewav_pl.session.finalize import check_skips
from stylewav_pl.session.mend import findings
from stylewav_pl.session.run_session import RunSession
from stylewav_pl.types import Skip


def print_plan(session: RunSession) -> None:
    """Prints what ``fit`` would do.

    Raises:
        ConfigError: It would refuse the configuration.
        StyleWavError: It would end with an error because of skipped clips.
    """
    session.check_parts()
    data, settings = session.data, session.settings
    plan = session.extended_plan(session.listed_ids())
    loaded = [data.load(clip.id) for clip in data.list_clips()]
    skips = [*data.early_skips, *(one for one in loaded if isinstance(one, Skip))]
    for name, facts in session.networks.weights.items():
        print(f"network: {name} {printable(facts['source'])} (SHA-256 {facts['sha256'][:12]}...)")
    if data.funnel:
        print(table(data.funnel))
    cohorts = f"{len(plan.cohorts)} cohorts of {plan.cohort_size}"
    steps = session.model.recipe.num_steps
    print(f"plan: {len(plan.ids)} clips in {cohorts}, {steps} steps, into {settings.path}")
    finished = FinishedRun(settings.path)
    print(f"finished already: {len(finished.journals)} cohorts")
    for line in findings(check_cohorts(finished), finished.journals, plan):
        print(printable(line))
    print(f"cannot be used: {len(skips)} clips")
    for skip in skips:
        print(f"  {skip}")
    for ignored in data.ignored:
        print(ignored)
    check_skips(
        skips,
        sum(not isinstance(one, Skip) for one in loaded),
        settings.strict,
        settings.max_skipped_fraction,
    )
