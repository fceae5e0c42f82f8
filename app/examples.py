"""What the documentation shows: questions in the seven languages and what comes back, as of the demo's index."""

from pydantic.config import JsonDict
from pydantic.types import JsonValue

from app.languages import LANGUAGES

QUESTIONS = [language.example for language in LANGUAGES]
QUESTION = QUESTIONS[-1]
DOCID = "Eiffel Tower"
HIT: JsonDict = {
    "rank": 1,
    "docid": DOCID,
    "title": "Eiffel Tower",
    "text": "A lattice tower in Paris, France …",
    "score": 0.896,
    "metadata": {"topic": "Arts"},
}
MATCHED_QUERIES: JsonValue = [{"lang": "te", "query": "ఈఫిల్ టవర్ ఏ నగరంలో ఉంది?", "score": 0.967}]
SEARCHES = {
    language.code: {
        "summary": f"A question in {language.name}",
        "value": {"query": language.example, "top_k": 3, "lang": language.code},
    }
    for language in LANGUAGES
} | {
    "filter": {
        "summary": "With a filter over metadata",
        "value": {"query": QUESTION, "filter": {"topic": ["Technology", "Arts"]}, "min_score": 0.8},
    },
    "explain": {
        "summary": "With the generated queries that match",
        "value": {"query": QUESTION, "top_k": 3, "explain": True},
    },
}
"""Bodies of ``POST /v1/search`` to choose from."""
GET_QUESTIONS = {
    language.code: {"summary": f"A question in {language.name}", "value": language.example} for language in LANGUAGES
}
"""The same for the parameter of ``GET /v1/search``."""
