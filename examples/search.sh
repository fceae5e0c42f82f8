#!/usr/bin/env bash
# Ask the service with curl.  XQG_CLIENT_URL names it, XQG_CLIENT_KEY holds the key where it asks for one.
set -euo pipefail

url=${XQG_CLIENT_URL:-http://localhost:8000}
# 429 and 503 are asked again, after what Retry-After says
curl=(curl --silent --show-error --fail-with-body --max-time 15 --retry 3 --header 'Content-Type: application/json')
if [[ -n ${XQG_CLIENT_KEY:-} ]]; then
  curl+=(--header "Authorization: Bearer $XQG_CLIENT_KEY")
fi

echo '# a question in Telugu, and one in Arabic'
"${curl[@]}" "$url/v1/search" --data '{"query": "ఈఫిల్ టవర్ ఎక్కడ ఉంది?", "top_k": 1, "lang": "te"}'
echo
"${curl[@]}" "$url/v1/search" --data '{"query": "من رسم لوحة الموناليزا؟", "top_k": 1, "filter": {"topic": "Arts"}}'
echo

echo '# by GET: curl encodes the question'
"${curl[@]}" --get "$url/v1/search" --data-urlencode 'q=Kuka oli ensimmäinen nainen avaruudessa?' --data top_k=1
echo

echo '# several at once, in Japanese and Korean'
"${curl[@]}" "$url/v1/search/batch" --data '{"searches": [
  {"query": "パナマ運河はどの二つの海を結んでいますか？", "top_k": 1},
  {"query": "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?", "top_k": 1}
]}'
echo

echo '# a passage with its generated queries'
"${curl[@]}" "$url/v1/passages/Eiffel%20Tower"
echo
