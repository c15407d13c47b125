"""A Whisper model on CTranslate2 that reads the words it is forced to write in one pass.

In: a model's folder. Out: a second copy of the model, for prompts that end in forced words. CTranslate2 reads what
stands before its token for the start in one pass, and walks through all that follows it a token at a time with every
beam, the forced words included: that was half of what decoding took. This copy's vocabulary lacks that token, and the
one for no timestamps, so that CTranslate2 takes for both its token for whatever is unknown, the end of the text; a
prompt holds it once, `WALKED` tokens before its own end. Whisper never learnt to read that token, and hardly minds it
(`scripts/LOG.md`). Knows no audio and no words.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ctranslate2.models import Whisper as Model

from surtitle.pipeline.errors import UserError

WALKED = 3
"""Forced tokens behind the one that should not be there: with fewer it is minded more."""
_POSITIONS, _TO_WRITE = 448, 48
"""Tokens that Whisper can tell the places of, and those that are to be left behind what is forced."""
_LACKED = (b"<|startoftranscript|>", b"<|notimestamps|>")


def load_continuing(folder: Path, *, threads: int) -> Model:
    """The model in `folder` in int8 for the cores, for prompts of `continued` alone: it knows no other beginning.

    Raises RuntimeError and ValueError as CTranslate2 does for a folder that holds no model, ValueError also for a
    vocabulary without those tokens, and UserError where no temporary file can be made.
    """
    try:
        with TemporaryDirectory(prefix="surtitle-") as name:
            _put_beside(folder, Path(name))
            return Model(name, device="cpu", compute_type="int8", intra_threads=threads, inter_threads=1)
    except OSError as error:
        raise UserError(
            f"the recogniser needs a megabyte for temporary files ({error}): set TMPDIR to a folder that has it"
        ) from error


def _put_beside(folder: Path, beside: Path) -> None:
    for each in folder.iterdir():
        if each.stem == "vocabulary":  # .json, or .txt with a token a line
            text = each.read_bytes()
            for token in _LACKED:
                if token not in text:
                    raise ValueError(f"{each.name} has no {token.decode()}, expected that of a Whisper model")
                text = text.replace(token, token + b" is not here")
            (beside / each.name).write_bytes(text)
        else:
            (beside / each.name).symlink_to(each.resolve())


def is_worth_it(prompt: list[int], forced: list[int]) -> bool:
    """Whether there is something to read in one pass, and room to write behind it."""
    return len(forced) > WALKED and len(prompt) + len(forced) <= _POSITIONS - _TO_WRITE


def continued(prompt: list[int], forced: list[int], *, end: int) -> tuple[list[int], list[int]]:
    """What the copy reads in one pass of `prompt` and the `forced` tokens, if that `is_worth_it`; and what it walks
    through. `end` is the token for the end of the text."""
    return [*prompt, *forced[:-WALKED], end], forced[-WALKED:]
