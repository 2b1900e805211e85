"""`sab exercises`: a student's copies of the ten exercises."""

from pathlib import Path

from sab_numpy.cli import options
from sab_numpy.coursework import catalogue
from sab_numpy.support.files import write_atomic


def add_arguments(parser):
    parser.epilog = (
        "examples: sab exercises --out exercises\n          sab exercises --out exercises --exercise 3 --exercise 4"
    )
    parser.add_argument(
        "--out", type=options.folder, metavar="DIR", help="folder for the copies (without it: list the exercises)"
    )
    parser.add_argument(
        "--exercise", type=options.integer, action="append", metavar="N", help="only this one (can be repeated)"
    )


def copies(numbers):
    """{file name: text}, with the modules of earlier parts that these exercises import."""
    texts = {}
    for number in numbers:
        texts[catalogue.file_name(number)] = catalogue.student_copy(number)
        supplied = catalogue.earlier(number, own=True)
        if supplied:
            texts[f"{supplied[0]}.py"] = supplied[1]
    return texts


def run(args):
    numbers = args.exercise or catalogue.NUMBERS
    for number in numbers:
        module = catalogue.exercise(number)
        if not args.out:
            print(
                f"{number:2}  {catalogue.title(number)}: about {module.MINUTES} minutes, {module.POINTS} points, "
                f"tutorial {module.TUTORIAL.partition('_')[0]}"
            )
    if args.out:
        make_copies(Path(args.out), copies(numbers))
    return 0


def make_copies(folder, texts):
    """Write what is not there yet. A file that differs is a student's work: then nothing is written at all."""
    edited = [
        name
        for name, text in texts.items()
        if (folder / name).exists() and (folder / name).read_text(encoding="utf-8", errors="replace") != text
    ]
    if edited:
        raise ValueError(
            f"{folder / edited[0]} was edited ({len(edited)} such): nothing was written; choose another "
            "folder, or rename the files that you want anew"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomic(folder / name, text)
    print(f"{len(texts)} files in {folder}; start with: sab grade {folder / min(n for n in texts if n[:2] == 'ex')}")
