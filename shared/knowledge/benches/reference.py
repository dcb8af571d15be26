#!/usr/bin/env python3
"""Reads the golden lines with the crate's own data files, the plain way: fold, split, look phrases up."""
import csv
import pathlib
import re
import time
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent


def rows(name):
    text = [line for line in (ROOT / "data" / name).read_text().splitlines() if line and not line.startswith("#")]
    return list(csv.reader(text[1:]))


def words(text):
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return re.findall(r"[A-Z0-9]+", plain.upper())


def index():
    phrases = {}
    def add(phrase, meaning):
        first, *rest = words(phrase) or [""]
        phrases.setdefault(first, []).append((rest, meaning))
    for number, row in enumerate(rows("operations.csv")):
        add(row[0], ("operation", number, row[1], row[2], row[3]))
    for name in ["insurers.csv", "merchants.csv", "providers.csv", "shops.csv", "brands.csv"]:
        for row in rows(name):
            given = row[3] if len(row) > 3 else ""
            for phrase in ([] if given.startswith("=") else [row[0]]) + [p for p in given.lstrip("=").split("|") if p]:
                add(phrase, ("merchant", row[1]))
    for row in rows("keywords.csv"):
        add(row[0], ("keyword", row[1], row[3], int(row[4])))
    for row in rows("sensitive.csv"):
        add(row[0], ("sensitive",))
    return phrases


def enrich(phrases, label, amount):
    found = words(label)
    sign = "-" if amount.startswith("-") else "+"
    operation, merchant, keyword = None, None, None
    for at, word in enumerate(found):
        for rest, meaning in phrases.get(word, ()):
            if found[at + 1:at + 1 + len(rest)] != rest:
                continue
            if meaning[0] == "sensitive":
                return "sensitive"
            if meaning[0] == "operation" and meaning[3] in ("", sign):
                if operation is None or meaning[1] < operation[1]:
                    operation = meaning
            elif meaning[0] == "merchant" and merchant is None:
                merchant = meaning
            elif meaning[0] == "keyword" and meaning[1] in ("", sign):
                if keyword is None or meaning[3] > keyword[3]:
                    keyword = meaning
    if keyword and (merchant is None or keyword[3] > 92):
        return keyword[2]
    return merchant[1] if merchant else "unknown"


def main():
    phrases = index()
    text = [line for line in (ROOT / "tests/golden/lines.csv").read_text().splitlines() if not line.startswith("#")]
    lines = [(row[3], row[4]) for row in csv.reader(text[1:])]
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 1.0:
        for label, amount in lines:
            enrich(phrases, label, amount)
        count += len(lines)
    print(f"python reference: {count / (time.perf_counter() - started):,.0f} labels per second on one core")


main()
