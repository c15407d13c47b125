"""How each family of models is asked to translate: the profiles of `profiles.toml`.

In: the names of a model. Out: the prompts for a language pair, as that model's makers documented them. Knows no
tokenizer and no server.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import Language
from surtitle.pipeline.prompts import Prompt

_TEXT = "{text}"
_FIELDS = dict.fromkeys(("source", "target", "source_code", "target_code"), "")


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """The words for what was not translated before."""

    system: str
    user: str


class Beside(Struct, frozen=True, forbid_unknown_fields=True):
    """Other words where one of the two languages is a certain one."""

    user: str
    names: dict[str, str] = {}
    """Of languages, by code, as `user` wants them; others have their English names."""


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """How one family of models is asked. Texts may have `{source}`, `{target}`, `{source_code}`, `{target_code}`."""

    name: str
    user: str
    """Each user turn, around `{text}`."""
    match: tuple[str, ...] = ()
    """Parts of models' names, whatever their case and marks; none: every model."""
    system: str | None = None
    """The system turn; empty for an empty one, None for none."""
    strict: Strict | None = None
    """None: such a model knows one prompt, and what fails is tried once more without context alone."""
    system_role: bool = True
    """False: the chat template has no system turn, so its text opens the first user turn."""
    structured: bool = False
    """True: the chat template itself writes `user`, from the languages' codes."""
    example: bool = True
    """Whether a worked example is the first turn."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, beside what the model's files name."""
    variables: dict[str, str | bool] = {}
    """What the chat template is told beside the messages."""
    window: int = 0
    """Tokens of context that it has at least, where its prompt leaves too few of the usual ones for a long turn."""
    beside: dict[str, Beside] = {}
    """By language code."""

    def prompts(self, source: Language, target: Language) -> tuple[Prompt, ...]:
        """The prompt for a language pair; behind it a stricter one, if there is one."""
        other = next((self.beside[each.code] for each in (target, source) if each.code in self.beside), None)
        names = other.names if other else {}
        user = other.user if other else self.user
        words = {
            "source": names.get(source.code, source.name),
            "target": names.get(target.code, target.name),
            "source_code": source.code,
            "target_code": target.code,
        }

        def prompt(system: str | None, user: str) -> Prompt:
            before, _, after = user.partition(_TEXT)
            return Prompt(
                source,
                target,
                None if system is None else system.format_map(words),
                before.format_map(words),
                after.format_map(words),
                system_role=self.system_role,
                structured=self.structured,
                example=self.example,
                stop=self.stop,
                variables=self.variables,
            )

        strict = () if self.strict is None else (prompt(self.strict.system, self.strict.user),)
        return prompt(self.system, user), *strict


def parse_profiles(text: str) -> tuple[Profile, ...]:
    """Read and check the text of a `profiles.toml`.

    Raises:
        UserError: it is not TOML, a field is missing, unknown or malformed, or a text has something else in braces.
    """
    try:
        tables = tomllib.loads(text)
        general = tables.pop("general")
        found = [table if "user" in table else {**general, **table} for table in tables.pop("profile")]
        profiles = msgspec.convert(found, tuple[Profile, ...])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UserError(f"profiles.toml cannot be read: {error}") from error
    except (KeyError, TypeError) as error:
        raise UserError("profiles.toml cannot be read: expected a table general and [[profile]] tables") from error
    for profile in profiles:
        _check(profile)
    if not profiles or profiles[-1].match:
        raise UserError("profiles.toml: expected a last profile without match, for all other models")
    return profiles


def _check(profile: Profile) -> None:
    users = [profile.user, *(each.user for each in profile.beside.values())]
    systems = [profile.system or ""]
    if profile.strict is not None:
        users.append(profile.strict.user)
        systems.append(profile.strict.system)
    for user in users:
        if user.count(_TEXT) != 1:
            raise UserError(f"profiles.toml: profile {profile.name}: expected {_TEXT} once in {user!r}")
    for each in (*systems, *(user.replace(_TEXT, "") for user in users)):
        try:
            each.format_map(_FIELDS)
        except (KeyError, ValueError, IndexError) as error:
            raise UserError(
                f"profiles.toml: profile {profile.name}: saw {error} in braces, expected one of {', '.join(_FIELDS)}"
            ) from error


@cache
def load_profiles() -> tuple[Profile, ...]:
    """Those that come with this version."""
    return parse_profiles(Path(__file__).with_name("profiles.toml").read_text("utf-8"))


def find_profile(*names: str) -> Profile:
    """The first profile that knows one of a model's `names` (its folder's, its family's), or the general one."""
    return choose(load_profiles(), names)


def choose(profiles: Sequence[Profile], names: Iterable[str]) -> Profile:
    """The first of `profiles` with a match."""
    bare = [_bare(name) for name in names]
    return next(
        profile
        for profile in profiles
        if not profile.match or any(_bare(part) in name for part in profile.match for name in bare)
    )


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
