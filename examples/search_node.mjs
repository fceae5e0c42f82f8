// node examples/search_node.mjs http://localhost:8000
import { search, ServiceProblem } from "./xqg.mjs";

const url = process.argv[2] ?? "http://localhost:8000";
const apiKey = process.env.XQG_CLIENT_KEY;
const questions = {
  fi: "Kuka oli ensimmäinen nainen avaruudessa?",
  ja: "パナマ運河はどの二つの海を結んでいますか？",
  ko: "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?",
  te: "ఈఫిల్ టవర్ ఎక్కడ ఉంది?",
};

try {
  for (const [lang, question] of Object.entries(questions)) {
    const { hits } = await search(url, question, { top_k: 1, lang }, { apiKey });
    console.log(`${lang}: ${question} -> ${hits[0].title} (${hits[0].score.toFixed(3)})`);
  }
  await search(url, " ", {}, { apiKey });
} catch (error) {
  if (!(error instanceof ServiceProblem)) throw error;
  console.log(`refused: ${error.detail}`); // the last, which asks nothing
}
