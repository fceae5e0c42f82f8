#!/usr/bin/env bash
# Ask the service with curl.  XQG_CLIENT_URL names it, XQG_CLIENT_KEY holds the key where it asks for one.
set -euo pipefail

url=${XQG_CLIENT_URL:-http://localhost:8000}
url=${url%/}
# what fails for a while (429, 503, to curl 408, 500, 502 and 504 too) is asked again, after what Retry-After says
curl=(curl --silent --show-error --fail-with-body --max-time 15 --retry 3 --retry-max-time 30
  --header 'Content-Type: application/json')
# read from a file, since every user of the machine sees the arguments of a command
key() {
  if [[ -n ${XQG_CLIENT_KEY:-} ]]; then
    printf 'Authorization: Bearer %s\n' "$XQG_CLIENT_KEY"
  fi
}

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
# into a file, which curl empties before it asks again: of several answers only the last is shown
ask() {
  local status=0
  "${curl[@]}" --header @<(key) --output "$answer" "$@" || status=$?
  cat "$answer"
  echo
  return "$status"
}

echo '# a question in Telugu, and one in Arabic'
ask "$url/v1/search" --data '{"query": "ఈఫిల్ టవర్ ఎక్కడ ఉంది?", "top_k": 1, "lang": "te"}'
ask "$url/v1/search" --data '{"query": "من رسم لوحة الموناليزا؟", "top_k": 1, "filter": {"topic": "Arts"}}'

echo '# by GET: curl encodes the question'
ask --get "$url/v1/search" --data-urlencode 'q=Kuka oli ensimmäinen nainen avaruudessa?' --data top_k=1

echo '# several at once, in Japanese and Korean'
ask "$url/v1/search/batch" --data '{"searches": [
  {"query": "パナマ運河はどの二つの海を結んでいますか？", "top_k": 1},
  {"query": "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?", "top_k": 1}
]}'

echo '# a passage with its generated queries'
ask "$url/v1/passages/Eiffel%20Tower"

echo '# which of its generated queries lie closest to a question'
ask "$url/v1/explain" --data '{"query": "ఈఫిల్ టవర్ ఎక్కడ ఉంది?", "docid": "Eiffel Tower"}'

echo '# what runs there'
ask "$url/v1/info"
