// node examples/library.mjs [model]: a model in your own program. Before: npm run quickstart
import { loadModel } from "fathom";

const model = await loadModel(process.argv[2] ?? "runs/quickstart");
for await (const piece of model.generate("export function ", { maxTokens: 64 })) process.stdout.write(piece);
process.stdout.write("\n");
await model.close();
