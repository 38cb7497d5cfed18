"""What a pickle would build, told from its opcodes; nothing in it is run or built."""

from __future__ import annotations

import pickletools
from typing import BinaryIO

from restorebench.errors import WeightsError

# Far deeper than any tool nests. Python hashes and prints tuples recursively: thousands end in an
# error where nobody expects one, and hundreds of thousands in the death of the process.
MAX_DEPTH = 100

PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
GETS = ("GET", "BINGET", "LONG_BINGET")


def check_depth(stream: BinaryIO) -> None:
    """Refuse one pickle whose values contain one another too deeply; read to its end.

    Raises:
        WeightsError: if they do.
        ValueError, LookupError, TypeError: if it is no pickle, or a damaged one.
    """
    stack: list[int | None] = []  # the depth of each value; None for a mark
    memo: dict[int, int | None] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in PUTS:
            memo[int(argument or 0)] = stack[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif opcode.name in GETS:
            stack.append(memo[int(argument or 0)])
        elif opcode.name == "MARK":
            stack.append(None)
        else:
            depth = _depth(opcode, stack)
            if depth > MAX_DEPTH:
                raise WeightsError(f"refused: its values are nested deeper than {MAX_DEPTH} levels")
            stack += [depth] * len(opcode.stack_after)


def _depth(opcode: pickletools.OpcodeInfo, stack: list[int | None]) -> int:
    """Take what the opcode takes off the stack; return how deep what it makes of it is."""
    before, after = opcode.stack_before, opcode.stack_after
    taken: list[int] = []
    if pickletools.markobject in before:
        while (value := stack.pop()) is not None:
            taken.append(value)
        before = before[: before.index(pickletools.markobject)]
    for _ in before:
        value = stack.pop()
        assert value is not None, "a value is taken across a mark"
        taken.append(value)
    # A list that something is put into stays the same list.
    grows = bool(before and after) and before[0] is after[0]
    own = taken.pop() if grows else 0
    return max(own, 1 + max(taken)) if taken else own


def names_in(stream: BinaryIO) -> list[str]:
    """Return the classes and functions that a pickle of protocol 4 or 5 names.

    Torch's safe reader gives up at the first opcode of these protocols, before any name.
    """
    found: list[str] = []
    pushed: list[str] = []  # every string, in order: a name follows its module
    memo: list[str] = []
    top = ""  # the top of the stack, if it is a string
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "MEMOIZE":
                memo.append(top)
                continue
            if opcode.name == "STACK_GLOBAL":
                found.append(".".join(pushed[-2:]))
            is_recall = opcode.name in ("BINGET", "LONG_BINGET")
            value = memo[int(argument or 0)] if is_recall else argument
            top = value if isinstance(value, str) else ""
            pushed += [top] if top else []
    except Exception:  # damaged bytes; what was found till here is all there is to say
        pass
    # What every checkpoint names comes last, so that it does not hide anything.
    return sorted(set(found), key=lambda name: name.startswith(("torch.", "collections.")))
