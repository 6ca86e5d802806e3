/** GET /openapi.json: the routes, with bodies from the very schemas that check them. */
import { z } from "zod";
import { chatRequest } from "./chatRequest.js";
import { completionRequest, infillRequest } from "./completionRequest.js";
import { detokenizeRequest, tokenizeRequest } from "./tokenRoutes.js";

interface Described {
  readonly summary: string;
  readonly body?: z.ZodObject;
  readonly streams?: boolean;
}

const posts: Readonly<Record<string, Described>> = {
  "/v1/chat/completions": { summary: "Answer a conversation", body: chatRequest, streams: true },
  "/v1/completions": { summary: "Continue a text, or fill a gap (suffix)", body: completionRequest, streams: true },
  "/beta/completions": { summary: "The same under DeepSeek's name", body: completionRequest, streams: true },
  "/infill": { summary: "Fill a gap, llama.cpp's form", body: infillRequest, streams: true },
  "/tokenize": { summary: "Text or conversation to token ids", body: tokenizeRequest },
  "/detokenize": { summary: "Token ids to text", body: detokenizeRequest },
  "/apply-template": {
    summary: "Conversation to the text that the model reads",
    body: chatRequest.pick({ model: true, messages: true, tools: true, chat_template_kwargs: true }),
  },
};

const gets: Readonly<Record<string, string>> = {
  "/v1/models": "The models",
  "/v1/models/{id}": "One model",
  "/health": "200 when ready, 503 while loading or draining",
  "/livez": "200 while the process answers",
  "/readyz": "As /health",
  "/version": "The version",
  "/props": "What the server resolved",
  "/metrics": "Prometheus text",
};

export function openApi(version: string): object {
  const errors = Object.fromEntries(
    ["400", "401", "404", "408", "413", "429", "500", "503"].map((status) => [
      status,
      { description: "Error", content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } },
    ]),
  );
  const answer = (streams: boolean): object => ({
    description: "Answer",
    content: {
      "application/json": { schema: { type: "object" } },
      ...(streams ? { "text/event-stream": { schema: { type: "string" } } } : {}),
    },
  });
  const post = ({ summary, body, streams = false }: Described): object => ({
    post: {
      summary,
      ...(body ? { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } } } : {}),
      responses: { "200": answer(streams), ...errors },
    },
  });
  const get = (path: string, summary: string): object => ({
    get: {
      summary,
      ...(path.includes("{id}")
        ? { parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }] }
        : {}),
      responses: { "200": answer(false), ...errors },
    },
  });
  const text = { type: ["string", "null"] };
  return {
    openapi: "3.1.0",
    info: { title: "Fathom", version, description: "Completions of DeepSeek-architecture models, OpenAI's API." },
    security: [{ bearer: [] }, {}],
    paths: {
      ...Object.fromEntries(Object.entries(posts).map(([path, described]) => [path, post(described)])),
      ...Object.fromEntries(Object.entries(gets).map(([path, summary]) => [path, get(path, summary)])),
    },
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      schemas: {
        Error: {
          type: "object",
          properties: {
            error: {
              type: "object",
              properties: { message: { type: "string" }, type: { type: "string" }, param: text, code: text },
              required: ["message", "type", "param", "code"],
            },
          },
          required: ["error"],
        },
      },
    },
  };
}

/** A list of ids is checked by a function, which a schema cannot show. */
function schemaOf(body: z.ZodObject): object {
  const { $schema: _, ...schema } = z.toJSONSchema(body, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type !== "custom") return;
      Object.assign(jsonSchema, { type: "array", items: { type: "integer", minimum: 0 } });
    },
  });
  return schema;
}
