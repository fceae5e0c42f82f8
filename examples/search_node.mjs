// node examples/search_node.mjs http://localhost:8000
import { explain, search, ServiceProblem } from "./xqg.mjs";

const url = process.argv[2] ?? "http://localhost:8000";
const how = { apiKey: process.env.XQG_CLIENT_KEY };
const questions = {
  fi: "Kuka oli ensimmäinen nainen avaruudessa?",
  ja: "パナマ運河はどの二つの海を結んでいますか？",
  ko: "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?",
  te: "ఈఫిల్ టవర్ ఎక్కడ ఉంది?",
};

try {
  for (const [lang, question] of Object.entries(questions)) {
    const { hits } = await search(url, question, { top_k: 1, lang }, how);
    console.log(`${lang}: ${question} -> ${hits[0].title} (${hits[0].score.toFixed(3)})`);
    const { matched_queries: matched } = await explain(url, question, hits[0].docid, { lang }, how);
    console.log(`    closest generated query: ${matched[0].query} (${matched[0].lang}, ${matched[0].score.toFixed(3)})`);
  }
  try {
    await search(url, " ", {}, how);
  } catch (error) {
    if (!(error instanceof ServiceProblem)) throw error;
    console.log(`refused: ${error.detail}`); // it asks nothing
  }
} catch (error) {
  console.error(`error: ${error.cause?.message || error.message}`);
  process.exitCode = 1;
}
