"""Two tiny talks, as a log of SimulEval with segments and references, and what the field's own tool says of them."""

from __future__ import annotations

import json

SAID = {
    "eins": "Guten Morgen , wir reden heute über kleine Modelle. Sie laufen auf einem alten Rechner, z. B. im Saal. "
    "Danke für Ihre Zeit",
    "zwei": "Das Wetter ist schön und die Vögel singen singen im Garten Wir gehen nach Hause. Ende",
}
SEGMENTS = {
    "eins": [(0.5, 2.5), (3.2, 3.0), (6.5, 1.2)],
    "zwei": [(0.0, 2.0), (2.1, 2.2), (4.5, 0.8)],
}
REFERENCES = [
    "Guten Morgen, heute sprechen wir über kleine Modelle.",
    "Sie laufen auf alten Rechnern, z.\u00a0B. hier im Saal.",
    "Vielen Dank!",
    "Das Wetter ist schön.",
    "Die Vögel singen im Garten, und wir gehen nach Hause.",
    "Ende.",
]
OMNISTEVAL = {
    "bleu": 40.0419,
    "chrf": 70.5280,
    "longyaal_cu_ms": 464.6296,
    "longal_cu_ms": 358.6706,
    "longlaal_cu_ms": 492.6984,
    "longap_cu": 0.6644,
    "longdal_cu_ms": 646.3333,
}
"""`omnisteval longform --lang de --word_level`, version 0.1.10."""
AS_IT_IS = {
    "longyaal_ca_ms": 1077.9937,
    "longal_ca_ms": 1098.2738,
    "longlaal_ca_ms": 1176.7460,
    "longap_ca": 1.3842,
    "longdal_ca_ms": 1314.5947,
}
"""With computation, if `elapsed` is taken as it is."""
CUMULATIVE = {
    "longyaal_ca_ms": 584.6296,
    "longal_ca_ms": 478.6706,
    "longlaal_ca_ms": 612.6984,
    "longap_ca": 0.7608,
    "longdal_ca_ms": 766.3333,
}
"""With computation, and `--fix_simuleval_emission_ca`."""


def log() -> str:
    """One object a talk: two words each half second, and 120 ms of computing for each step."""
    lines = []
    for name, text in SAID.items():
        end = 1000 * sum(SEGMENTS[name][-1])
        delays = [min(1500.0 + 500 * (place // 2), end) for place in range(len(text.split()))]
        elapsed = [delay + 120.0 * (1 + place // 2) for place, delay in enumerate(delays)]
        lines.append(
            {
                "source": [f"{name}.wav"],
                "prediction": text,
                "delays": delays,
                "elapsed": elapsed,
                "source_length": end,
            }
        )
    return "".join(json.dumps(line) + "\n" for line in lines)


def yaml() -> str:
    """Segments as OmniSTEval wants them."""
    return "".join(
        f"- {{duration: {duration}, offset: {offset}, wav: {name}.wav}}\n"
        for name, times in SEGMENTS.items()
        for offset, duration in times
    )


def tsv(languages: tuple[str, ...] = ("de",)) -> str:
    """The same as a table, with the references in it for each of `languages`."""
    times = [(name, *both) for name, own in SEGMENTS.items() for both in own]
    rows = [("talk", "offset_s", "duration_s", *languages)]
    rows += [
        (name, str(offset), str(duration), *[text for _ in languages])
        for (name, offset, duration), text in zip(times, REFERENCES, strict=True)
    ]
    return "".join("\t".join(row) + "\n" for row in rows)
