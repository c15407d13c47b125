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

WALKED = 3
"""Forced tokens behind the one that should not be there: with fewer it is minded more."""
_START, _UNTIMED = "<|startoftranscript|>", "<|notimestamps|>"


def load_continuing(folder: Path, *, threads: int) -> Model:
    """The model in `folder` in int8 for the cores, for prompts of `continued` alone: it knows no other beginning.

    Raises RuntimeError, ValueError and OSError as CTranslate2 does for a folder that holds no model.
    """
    with TemporaryDirectory(prefix="surtitle-") as name:
        beside = Path(name)
        for each in folder.iterdir():
            if each.stem == "vocabulary":  # .json, or .txt with a token a line
                text = each.read_text(encoding="utf-8")
                for token in (_START, _UNTIMED):
                    text = text.replace(token, f"{token} is not here")
                (beside / each.name).write_text(text, encoding="utf-8")
            else:
                (beside / each.name).symlink_to(each.resolve())
        return Model(name, device="cpu", compute_type="int8", intra_threads=threads, inter_threads=1)


def continued(prompt: list[int], forced: list[int], *, end: int) -> tuple[list[int], list[int]]:
    """What this copy reads in one pass of `prompt` and the `forced` tokens, of more than WALKED; and what it walks
    through. `end` is the token for the end of the text."""
    return [*prompt, *forced[:-WALKED], end], forced[-WALKED:]
