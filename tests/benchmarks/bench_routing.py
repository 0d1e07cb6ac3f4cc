"""Is the bound kept? Seeded runs of choosing thresholds, against the true error.

python -m tests.benchmarks.bench_routing [RUNS]
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from samnb.engine.drift import watch
from samnb.engine.routing import ROUTED, Check, Checked, Group, Outcome
from samnb.engine.routing_choice import choose_policy
from tests.engine.routing_world import draw_decisions, held_error, split_pool

PEOPLE_ERROR = 0.182
AS_PEOPLE = 2 * PEOPLE_ERROR * (1 - PEOPLE_ERROR)
"""How often two people who are wrong so often differ in EV (SAM 3 paper, table 23)."""


def _answered(decision: Checked, rng: np.random.Generator) -> Checked:
    """The decision with the answer of a person who may be wrong."""
    if rng.random() >= PEOPLE_ERROR:
        return decision
    is_accept = decision.truth is Outcome.ACCEPT
    return replace(decision, truth=Outcome.REJECT if is_accept else Outcome.ACCEPT)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(runs: int) -> None:
    _say(f"{'confidence':>13} {'checked':>7} {'target':>6} {'bound kept':>11} {'stands':>7}")
    for is_calibrated in (True, False):
        for n_checked, target in ((500, 0.05), (500, 0.1), (1500, 0.05)):
            kept, share = 0, []
            for seed in range(runs):
                rng = np.random.default_rng([seed, n_checked])
                decisions = draw_decisions(rng, 8000, is_calibrated=is_calibrated)
                pool, checked = split_pool(decisions, n_checked, rng)
                policy = choose_policy(
                    checked, pool, check=Check.MV, verifier="v", target=target, delta=0.05
                )
                kept += held_error(policy, decisions) <= target
                stands = [d.confidence >= policy.threshold(d.outcome) for d in decisions]
                share.append(np.mean(stands))
            kind = "calibrated" if is_calibrated else "far too sure"
            _say(f"{kind:>13} {n_checked:7d} {target:6.2f} {kept:5d}/{runs:<5d} "
                  f"{np.mean(share):7.1%}")  # fmt: skip
    kept, share = 0, []
    for seed in range(runs):
        rng = np.random.default_rng([seed, 78])
        good = [d for d in draw_decisions(rng, 8000) if d.confidence > 0.8]
        decisions = [_answered(d, rng) for d in good]
        pool, checked = split_pool(decisions, 400, rng)
        policy = choose_policy(
            checked, pool, check=Check.EV, verifier="v", target=AS_PEOPLE, delta=0.05,
            people_error=PEOPLE_ERROR,
        )  # fmt: skip
        kept += held_error(policy, decisions) <= AS_PEOPLE
        stands = [d.confidence >= policy.threshold(d.outcome) for d in decisions]
        share.append(np.mean(stands))
    _say(f"{'people err':>13} {400:7d} {AS_PEOPLE:6.2f} {kept:5d}/{runs:<5d} {np.mean(share):7.1%}")
    kept, share = 0, []
    for seed in range(runs):
        rng = np.random.default_rng([seed, 79])
        decisions = [replace(d, group=Group.ABSENT) for d in draw_decisions(rng, 6000)]
        hard = draw_decisions(rng, 2000, worse=0.25, is_calibrated=False)
        decisions += [replace(d, group=Group.COVERED) for d in hard]
        pool, checked = split_pool(decisions, 1500, rng)
        targets = {(Group.COVERED, outcome): 0.25 for outcome in ROUTED}
        policy = choose_policy(
            checked, pool, check=Check.EV, verifier="v", target=0.1, delta=0.05,
            groups=(Group.ABSENT, Group.COVERED), targets=targets,
        )  # fmt: skip
        kept += all(
            held_error(policy, [d for d in decisions if d.group is group])
            <= policy.target_of(group, Outcome.ACCEPT)
            for group in (Group.ABSENT, Group.COVERED)
        )
        stands = [d.confidence >= policy.threshold(d.outcome, d.group) for d in decisions]
        share.append(np.mean(stands))
    _say(f"{'two groups':>13} {1500:7d} {'both':>6} {kept:5d}/{runs:<5d} {np.mean(share):7.1%}")
    alarms, delays = 0, []
    for seed in range(runs):
        rng = np.random.default_rng([seed, 77])
        good = [d for d in draw_decisions(rng, 4000) if d.outcome is Outcome.ACCEPT
                and d.confidence > 0.95][:400]  # fmt: skip
        alarms += watch(good, 0.05, false_alarm=0.01).has_drifted
        bad = [d for d in draw_decisions(rng, 4000, worse=0.15) if d.outcome is Outcome.ACCEPT
               and d.confidence > 0.95][:400]  # fmt: skip
        report = watch([*good[:200], *bad], 0.05, false_alarm=0.01)
        delays.append(report.at - 200 if report.has_drifted else np.inf)
    _say(f"drift: {alarms}/{runs} false alarms in 400 checks; a fall to about 17 % errors after "
          f"200 checks is seen after {np.median(delays):.0f} more (median)")  # fmt: skip


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
