// node examples/openai.mjs [url] [question]: a streamed chat through OpenAI's client. Before: npx fathom serve runs/quickstart
import OpenAI from "openai";

const [url = "http://127.0.0.1:8000/v1", question = "What is an expert?"] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: process.env.FATHOM_API_KEY ?? "none" });
const [model] = (await client.models.list()).data;
const stream = await client.chat.completions.create({
  model: model.id,
  messages: [{ role: "user", content: question }],
  max_tokens: 128,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const { choices, usage } of stream) {
  process.stdout.write(choices[0]?.delta.content ?? "");
  if (usage) process.stdout.write(`\n${usage.completion_tokens} tokens from ${model.id}\n`);
}
