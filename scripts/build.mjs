/** `npm run build`: the native addon and the compiled TypeScript, nothing more. */
import { ensureBuilt } from "./setup.mjs";

ensureBuilt();
