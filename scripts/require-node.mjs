// The first step of every npm script. npm puts node_modules/.bin first on the path, so that `node` is the
// devDependency, also where the system has an older one. Without its binary (`--ignore-scripts`) the scripts would
// quietly run on that one. Kept to old syntax, because it has to run on any Node.
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const needed = manifest.devDependencies.node;
const found = process.versions.node;

if (Number(found.split(".")[0]) < Number(needed.split(".")[0])) {
  process.stderr.write(
    "found:  Node " +
      found +
      " (" +
      process.execPath +
      ")\n" +
      "needed: Node " +
      needed.split(".")[0] +
      " or later to work on tenure; `npm ci` installs " +
      needed +
      " into node_modules\n" +
      "repair: npm ci        (if it is there, but without its binary: npm rebuild node --ignore-scripts=false)\n" +
      "        then run the command again as an npm script, or with node_modules/.bin first on the PATH\n",
  );
  process.exit(1);
}
