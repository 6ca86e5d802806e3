/** Whether the server lives and is ready, which models it has and how it is set: GET routes that ask nothing of an engine but numbers. */
import type { Context } from "hono";
import { ApiError, damagedModel } from "./apiError.js";
import { shuttingDown } from "./requestSignal.js";
import { jsonAnswer } from "./respond.js";
import type { ServedModel } from "./servedModels.js";
import type { ServerContext } from "./serverContext.js";

/** The process answers. */
export function live(): Response {
  return jsonAnswer({ status: "ok" });
}

/** New requests are welcome. @throws ApiError 503 while loading or draining, and with a model that is damaged */
export function ready({ models, shutdown }: ServerContext): Response {
  if (shutdown.isDraining) throw shuttingDown();
  if (!models.isReady) {
    throw new ApiError(503, "service_unavailable", "the model is being loaded", {
      code: "loading",
      retryAfterSeconds: 2,
    });
  }
  for (const { id, damage } of models.all) if (damage !== null) throw damagedModel(id, damage);
  const failures = Object.fromEntries(models.all.flatMap(({ id, failure }) => (failure ? [[id, failure]] : [])));
  return jsonAnswer({ status: "ok", ...(Object.keys(failures).length > 0 ? { not_reloaded: failures } : {}) });
}

export function listModels({ models }: ServerContext): Response {
  return jsonAnswer({ object: "list", data: models.all.map(modelJson) });
}

/** A name may hold slashes. @throws ApiError 404 */
export function oneModel({ models }: ServerContext, c: Context): Response {
  const id = decodeURIComponent(c.req.path.replace(/^(\/v1)?\/models\//, ""));
  return jsonAnswer(modelJson(models.find(id)));
}

function modelJson({ id, current }: ServedModel): object {
  return {
    id,
    object: "model",
    created: Math.floor((current?.openedAt ?? Date.now()) / 1000),
    owned_by: "fathom",
    max_model_len: current?.model.info.maxPositions ?? null,
  };
}

/** What the server resolved, for people and for llama.cpp's clients. */
export async function properties({ models, settings, version }: ServerContext): Promise<Response> {
  const [first] = models.all;
  const described = models.all.map(({ id, current, failure, damage }) => {
    if (!current) return { id, is_ready: false };
    const { directory, adapter, weights, cache, maxPositions, config } = current.model.info;
    return {
      id,
      is_ready: damage === null,
      directory,
      adapter,
      weights,
      cache,
      max_model_len: maxPositions,
      vocab_size: config.vocabSize,
      system_fingerprint: current.fingerprint,
      not_reloaded: failure,
      damage,
    };
  });
  const stats = await Promise.all(models.all.map(({ current }) => current?.model.stats().catch(() => null) ?? null));
  return jsonAnswer({
    build_info: `fathom ${version}`,
    model_path: first?.path ?? null,
    chat_template: first?.current?.model.tokenizer?.chatTemplate ?? null,
    default_generation_settings: { n_ctx: first?.current?.model.info.maxPositions ?? null },
    models: described.map((each, i) => ({ ...each, engine: stats[i] })),
    max_in_flight: settings.maxInFlight,
    max_body_bytes: settings.maxBodyBytes,
    request_timeout_ms: settings.requestTimeoutMs,
  });
}
