"""A fast tokenizer that tokenizes like XLM-R's SentencePiece model.

The packed file carries the unigram pieces and scores, but a normalisation map without
composition.  The original's normaliser is SentencePiece's ``nmt_nfkc`` rule, which the
``sentencepiece`` package holds as a precompiled character map.
"""

import io

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors


def nmt_nfkc_charsmap() -> bytes:
    """The precompiled map, read out of a throw-away model trained with that rule."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g h"] * 10),
        model_writer=model,
        vocab_size=20,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return bytes(proto.normalizer_spec.precompiled_charsmap)


def build_tokenizer(vocabulary: list[tuple[str, float]], special_ids: dict[str, int]) -> Tokenizer:
    """Unigram over ``(piece, score)`` pairs, text framed as ``<s> text </s>``.

    ``special_ids`` gives the ids of ``bos``, ``eos``, ``pad`` and ``unk`` in the vocabulary.
    """
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=special_ids["unk"], byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            # The rule of 2019, when XLM-R was trained, held the zero-width joiner for a space;
            # later releases keep it for the sake of emoji, which would split Bengali differently.
            normalizers.Replace("\u200d", " "),
            # Precompiled composes only what is shorter than six bytes, which leaves decomposed Hangul
            # and kana apart; the rule composes them all.
            normalizers.NFC(),
            normalizers.Precompiled(nmt_nfkc_charsmap()),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = (vocabulary[special_ids[name]][0] for name in ("bos", "eos"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        special_tokens=[(bos, special_ids["bos"]), (eos, special_ids["eos"])],
    )
    return tokenizer
