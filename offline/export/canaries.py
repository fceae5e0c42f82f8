"""Canary texts: what export compares with torch and readiness embeds again.

Written for this project, one question per language and English passages, with what trips
tokenizers: combining marks, joiners, full-width forms, digits, and a text beyond the limit.
"""

from app.bundle import Side

CANARIES: tuple[tuple[str, Side, str], ...] = (
    ("ar", Side.QUERY, "في أي سنة أُطلق أول قمر صناعي إلى مداره حول الأرض؟"),
    ("bn", Side.QUERY, "পৃথিবীর গভীরতম হ্রদ কোনটি এবং তা কোন দেশে?"),
    ("fi", Side.QUERY, "Kuinka monta kuuta kiertää jättiläisplaneetta Jupiteria?"),
    ("ja", Side.QUERY, "ＮＡＳＡが１９６９年に月へ送った宇宙船は何ですか？"),
    ("ko", Side.QUERY, "한글을 만든 왕은 누구이며 언제 반포되었습니까?"),
    ("ru", Side.QUERY, "Кто впервые описал периодический закон химических элементов?"),
    ("te", Side.QUERY, "భారతదేశంలో అతి పొడవైన నది ఏది?"),
    ("en", Side.PASSAGE, "Lake Baikal Lake Baikal is a rift lake in southern Siberia and the deepest lake on Earth."),
    ("en", Side.PASSAGE, "Hangul " + "The Korean alphabet was made known to the people in 1446. " * 40),
)
