// Parses each AsyncAPI document named on the command line with the official parser and prints, as one
// JSON object, what it has against each: {path: [{severity, code, path, message}]}; severity 0 is an error.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

// The packages lie in a cache folder, not beside this file.
const require = createRequire(join(process.env.ASYNCAPI_MODULES, "package.json"));
const { Parser } = require("@asyncapi/parser");

const report = {};
for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(await readFile(path, "utf8"), { source: path });
  report[path] = {
    parsed: document !== undefined,
    channels: document?.channels().all().map((channel) => channel.address()) ?? [],
    diagnostics: diagnostics.map(({ severity, code, path, message }) => ({
      severity, code, path: path.join("."), message,
    })),
  };
}
console.log(JSON.stringify(report));
