// node examples/fim.mjs [url]: what belongs between two pieces of code. Before: npx fathom serve runs/quickstart
import OpenAI from "openai";

const [url = "http://127.0.0.1:8000/v1"] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: process.env.FATHOM_API_KEY ?? "none" });
const [model] = (await client.models.list()).data;
const prompt = "export function add(a: number, b: number): number {\n";
const suffix = "\n}\n";
const { choices } = await client.completions.create({
  model: model.id,
  prompt,
  suffix,
  max_tokens: 64,
  temperature: 0,
});
process.stdout.write(`${prompt}${choices[0].text}${suffix}`);
