/** `npm run build`: the native addon, the compiled TypeScript and the web page, nothing more. */
import { ensureBuilt } from "./setup.mjs";

ensureBuilt();
