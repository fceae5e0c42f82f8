"""A dataset of random vectors, small enough to check by hand."""

import numpy as np

from app.passages import Passage
from offline.evaluate.dataset import Augmentation, Dataset, Question
from offline.evaluate.embedded import EmbeddedDataset, EmbeddedTexts
from offline.evaluate.leaks import LeftOut
from tests.contracts import IDENTITY

PASSAGES, LANGUAGES, PER_LANGUAGE = 20, ("ar", "fi", "te"), 3


def dataset() -> Dataset:
    """Each passage has three questions in each of three languages, which are also the texts to fuse."""
    passages = [Passage(f"p{number}", "", f"passage {number}") for number in range(PASSAGES)]
    asked = [(p, lang, n) for lang in LANGUAGES for p in range(PASSAGES) for n in range(PER_LANGUAGE)]
    return Dataset(
        name="hand-made",
        files={},
        passages=passages,
        questions=[
            Question(f"{lang}:{p}-{n}", lang, f"{lang} {p} {n}", {f"p{p}": 1}, source=f"{p}-{n}")
            for p, lang, n in asked
        ],
        augmentations={
            "queries": [
                Augmentation(f"p{p}", lang, f"{lang} {p} {n}", source=f"{p}-{n}")
                for p in range(PASSAGES)
                for lang in LANGUAGES
                for n in range(PER_LANGUAGE)
            ],
            "translations": [
                Augmentation(f"p{p}", lang, f"{lang} {p} whole") for p in range(PASSAGES) for lang in LANGUAGES
            ],
        },
    )


def embedded(similarity: str = "cosine", leave_out: bool = True) -> EmbeddedDataset:
    """The dataset with random vectors of four dimensions."""
    given, random = dataset(), np.random.default_rng(7)
    texts = given.augmentations["queries"]
    row_of = {passage.docid: row for row, passage in enumerate(given.passages)}
    pairs = [
        (asked, text)
        for asked, question in enumerate(given.questions)
        for text, each in enumerate(texts)
        if leave_out and each.source == question.source
    ]
    asked, out = np.array(pairs, np.int32).reshape(-1, 2).T
    nothing = np.empty(0, np.int32)
    translations = given.augmentations["translations"]
    return EmbeddedDataset(
        name="random",
        dataset=given,
        encoder=IDENTITY.model_copy(update={"similarity": similarity}),
        passages=random.normal(size=(PASSAGES, 4)).astype(np.float32),
        questions=random.normal(size=(len(given.questions), 4)).astype(np.float32),
        texts={
            "queries": EmbeddedTexts(
                texts,
                random.normal(size=(len(texts), 4)).astype(np.float32),
                np.array([row_of[each.docid] for each in texts], np.int64),
                np.array([each.lang for each in texts], np.str_),
                np.array([int(each.text.split()[-1]) for each in texts], np.int64),
                LeftOut(asked, out),
            ),
            "translations": EmbeddedTexts(
                translations,
                random.normal(size=(len(translations), 4)).astype(np.float32),
                np.array([row_of[each.docid] for each in translations], np.int64),
                np.array([each.lang for each in translations], np.str_),
                np.zeros(len(translations), np.int64),
                LeftOut(nothing, nothing),
            ),
        },
    )
