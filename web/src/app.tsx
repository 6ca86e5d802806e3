/** The frame of the page: its three tabs, the choice of the model, light and dark, and the question for a key. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { getJson, onKeyNeeded } from "./api.js";
import { ModelView } from "./model/modelView.js";
import { Playground } from "./playground/playground.js";
import type { Session } from "./playground/session.js";
import { RunsView } from "./runs/runsView.js";
import { applyTheme, nextTheme, storedTheme, type Theme } from "./theme.js";

const tabs = [
  ["playground", "Playground"],
  ["runs", "Runs"],
  ["model", "Model"],
] as const;

export type Tab = (typeof tabs)[number][0];

/** A place of the page: `#runs/a,b` is the tab and what it shows. */
export interface Route {
  readonly tab: Tab;
  readonly rest: string;
}

export function App({ session }: { readonly session: Session }): JSX.Element {
  const route = useRoute();
  const [models, problem] = useModels(session);
  const [model, setModel] = useState<string | null>(null);
  useEffect(() => {
    if (model === null && models[0] !== undefined) setModel(models[0]);
  }, [models, model]);
  useEffect(() => session.change({ model }), [model, session]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("content")?.focus()}>
        Skip to the content
      </button>
      <header class="bar">
        <a class="brand" href="#playground" aria-label="Fathom">
          <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
            <path d="M2 3h12M4 8h8M6.5 13h3" />
          </svg>
          Fathom
        </a>
        <nav aria-label="Parts of the page">
          {tabs.map(([tab, name]) => (
            <a key={tab} href={`#${tab}`} aria-current={route.tab === tab ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <div class="bar-end">
          <ModelChoice models={models} model={model} onChoose={setModel} />
          <ThemeSwitch />
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {problem !== null && (
          <p class="problem wide-problem" role="alert">
            {problem}
          </p>
        )}
        {route.tab === "playground" && <Playground session={session} />}
        {route.tab === "runs" && <RunsView picked={route.rest} />}
        {route.tab === "model" && <ModelView model={model} />}
      </main>
      <KeyDialog />
    </>
  );
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const listen = (): void => setHash(location.hash);
    addEventListener("hashchange", listen);
    return () => removeEventListener("hashchange", listen);
  }, []);
  const [name, ...rest] = hash.replace(/^#/, "").split("/");
  const tab = tabs.find(([id]) => id === name)?.[0] ?? "playground";
  useEffect(() => {
    document.title = `${tabs.find(([id]) => id === tab)?.[1]} · Fathom`;
  }, [tab]);
  return { tab, rest: rest.join("/") };
}

function useModels(session: Session): [models: readonly string[], problem: string | null] {
  const [models, setModels] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    getJson<{ data: { id: string }[] }>("/v1/models")
      .then(({ data }) => setModels(data.map(({ id }) => id)))
      .catch((error: unknown) => setProblem(`No models: ${error instanceof Error ? error.message : String(error)}`));
  }, [session]);
  return [models, problem];
}

function ModelChoice(props: {
  readonly models: readonly string[];
  readonly model: string | null;
  readonly onChoose: (model: string) => void;
}): JSX.Element | null {
  const { models, model, onChoose } = props;
  if (models.length === 0) return null;
  if (models.length === 1) {
    return (
      <span class="model-name" title={models[0]}>
        {models[0]}
      </span>
    );
  }
  return (
    <select
      class="model-name"
      aria-label="Model"
      value={model ?? ""}
      onChange={(event) => onChoose(event.currentTarget.value)}
    >
      {models.map((id) => (
        <option key={id}>{id}</option>
      ))}
    </select>
  );
}

const themeIcons: Readonly<Record<Theme, string>> = {
  system: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  light: "M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  dark: "M13.5 9.5A6 6 0 1 1 6.5 2.5a4.8 4.8 0 0 0 7 7z",
};

function ThemeSwitch(): JSX.Element {
  const [theme, setTheme] = useState(storedTheme());
  const turn = (): void => {
    const next = nextTheme(theme);
    applyTheme(next);
    setTheme(next);
  };
  return (
    <button type="button" class="icon" onClick={turn} aria-label={`Colours: ${theme}`} title={`Colours: ${theme}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class={`theme-${theme}`}>
        <path d={themeIcons[theme]} />
      </svg>
    </button>
  );
}

function KeyDialog(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const answer = useRef<(key: string | null) => void>(() => undefined);
  const [key, setKey] = useState("");
  useEffect(
    () =>
      onKeyNeeded(
        () =>
          new Promise((resolve) => {
            answer.current = resolve;
            setKey("");
            dialog.current?.showModal();
          }),
      ),
    [],
  );
  const close = (given: string | null): void => {
    dialog.current?.close();
    answer.current(given === "" ? null : given);
    answer.current = () => undefined;
  };
  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={() => close(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          close(key.trim());
        }}
      >
        <h2 id="key-title">API key</h2>
        <p>This server asks for one. It is kept until this browser tab is closed.</p>
        <input
          type="password"
          autocomplete="off"
          aria-label="API key"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <div class="row end">
          <button type="button" onClick={() => close(null)}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={key.trim() === ""}>
            Use it
          </button>
        </div>
      </form>
    </dialog>
  );
}
