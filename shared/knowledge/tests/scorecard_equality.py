#!/usr/bin/env python3
"""Fits the same card on the same bins with scorecardpy and with this crate, and compares every number.

usage: scorecard_equality.py GermanCredit.csv FIT
  FIT is the built example `fit` (cargo build -p passerelle-knowledge --example fit).
needs: pip install scorecardpy
"""
import json
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
import pandas as pd
import scorecardpy as sc
from sklearn.linear_model import LogisticRegression

BREAKS = {
    "duration": [8, 16, 34, 44],
    "amount": [1400, 1800, 4000, 9200],
    "age": [26, 35, 40],
    "installment_rate": [2, 3, 4],
}
WORDS = ["status", "credit_history", "savings", "employment_duration"]


def main(csv_file, fit):
    raw = pd.read_csv(csv_file)
    cases = raw[list(BREAKS) + WORDS].copy()
    cases["bad"] = 1 - raw["credit_risk"]
    breaks = {name: list(map(str, values)) for name, values in BREAKS.items()}
    # scorecardpy joins the values of one bin with %,%: here each value is a bin of its own.
    breaks.update({name: sorted(cases[name].unique()) for name in WORDS})
    bins = sc.woebin(cases, y="bad", breaks_list=breaks, print_info=False)
    woe = sc.woebin_ply(cases, bins, print_info=False)
    columns = [name + "_woe" for name in bins]
    model = LogisticRegression(penalty=None, tol=1e-12, max_iter=10_000)
    model.fit(woe[columns], woe["bad"])
    card = sc.scorecard(bins, model, columns, points0=600, odds0=1 / 19, pdo=50)

    numbers = pd.DataFrame(index=cases.index)
    for name in bins:
        table = bins[name].reset_index(drop=True)
        by_woe = {round(value, 9): number for number, value in enumerate(table["woe"])}
        assert len(by_woe) == len(table), f"{name}: two bins share a weight"
        numbers[name] = woe[name + "_woe"].round(9).map(by_woe)
    numbers["bad"] = cases["bad"]
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as handed:
        numbers.astype(int).to_csv(handed.name, index=False)
        ours = json.loads(subprocess.check_output([fit, handed.name]))

    compared, worst = 0, 0.0
    def same(label, one, other, within):
        nonlocal compared, worst
        compared += 1
        worst = max(worst, abs(one - other))
        assert abs(one - other) <= within, f"{label}: {one} here, {other} in scorecardpy"

    same("intercept", ours["intercept"], model.intercept_[0], 1e-4)
    same("base points", ours["start"], int(card["basepoints"]["points"].iloc[0]), 0)
    for attribute, coefficient in zip(ours["attributes"], model.coef_[0]):
        name = attribute["name"]
        table = bins[name].reset_index(drop=True)
        same(f"{name} coefficient", attribute["coefficient"], coefficient, 1e-4)
        same(f"{name} information value", attribute["information_value"], table["total_iv"].iloc[0], 1e-9)
        for number, weight in enumerate(attribute["woe"]):
            same(f"{name} bin {number} weight", weight, table["woe"][number], 1e-9)
        theirs = card[name].reset_index(drop=True)
        for number, points in enumerate(attribute["points"]):
            same(f"{name} bin {number} points", points, int(theirs["points"][number]), 0)
    print(f"scorecardpy: {compared} numbers equal, largest difference {worst:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
