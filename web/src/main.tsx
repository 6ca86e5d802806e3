import { render } from "preact";
import { App } from "./app.js";
import { Session } from "./playground/session.js";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/playground.css";
import "./style/token.css";
import "./style/runs.css";
import "./style/model.css";
import { applyTheme, storedTheme } from "./theme.js";

applyTheme(storedTheme());
const place = document.getElementById("app");
if (place) render(<App session={new Session()} />, place);
