/** Light, dark, or as the reader's system is. The style sheet does the rest, through color-scheme and light-dark(). */

export type Theme = "system" | "light" | "dark";

const themes: readonly Theme[] = ["system", "light", "dark"];
const themeName = "fathom-theme";

export function storedTheme(): Theme {
  const stored = localStorage.getItem(themeName);
  return themes.find((theme) => theme === stored) ?? "system";
}

/** Tells what draws on a canvas, by the event "fathom-theme", that colours have changed. */
export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  localStorage.setItem(themeName, theme);
  window.dispatchEvent(new Event("fathom-theme"));
}

export function nextTheme(theme: Theme): Theme {
  return themes[(themes.indexOf(theme) + 1) % themes.length] ?? "system";
}

export function isDark(): boolean {
  const { theme } = document.documentElement.dataset;
  return theme === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
}

/** @returns ends it */
export function onThemeChange(listener: () => void): () => void {
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", listener);
  window.addEventListener("fathom-theme", listener);
  return () => {
    media.removeEventListener("change", listener);
    window.removeEventListener("fathom-theme", listener);
  };
}

/** A colour of the style sheet as a canvas takes it. @param name a custom property, with its dashes */
export function colorOf(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
